"""OpenCode's own log as evidence: what it read, which plugins failed, and its errors without their words."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TAIL_BYTES = 4_000_000
# 1.18 writes `timestamp=… level=…`, older ones `ERROR 2026-… +3ms service=…`.
HEAD = re.compile(
    r"(?:timestamp=(?P<at>\S+) level=(?P<level>[A-Z]+)|(?P<older>[A-Z]+)\s+(?P<then>\d{4}-\S+))"
)
LOADING = re.compile(r"(?:message=loading path=(\S+)|path=(\S+) loading$)")
BAD_PLUGIN = re.compile(r'failed to load plugin"? path=(\S+)|path=(\S+) .*failed to load plugin')
SERVICE = re.compile(r"\bservice=([\w.-]+)")
ERROR_NAME = re.compile(r"\b([A-Z][A-Za-z]{2,40}(?:Error|Exception))\b")
# Sentences of the program itself: everything else in a line may be somebody's words.
KNOWN = (
    "failed to load plugin",
    "failed to load internal plugin",
    "plugin config hook failed",
    "failed to load global config, using defaults",
    "OPENCODE_PERMISSION contains invalid JSON",
    "background dependency install failed",
    "failed to add snapshot files",
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One error in the log: when, and what kind it was. Its words stay there."""

    at: int
    service: str
    name: str

    def __str__(self) -> str:
        return " ".join(word for word in (self.service, self.name) if word) or "unnamed"


@dataclass(frozen=True, slots=True)
class Log:
    """What the end of the log tells; ``read_at`` says when a file was last read, in milliseconds."""

    file: Path
    bytes: int
    read_at: Mapping[str, int]
    failed_plugins: frozenset[str]
    errors: tuple[Trouble, ...]

    def since(self, at: int) -> list[Trouble]:
        """Return the errors from a time on."""
        return [error for error in self.errors if error.at >= at]


def read(folder: Path) -> Log | None:
    """Read the newest log of a folder; None where there is none, or none that we may read."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)
        if files:
            return _read(files[-1])
    return None


def _read(file: Path) -> Log:
    size = file.stat().st_size
    with file.open("rb") as source:
        source.seek(max(0, size - TAIL_BYTES))
        lines = source.read().decode(errors="replace").splitlines()
    read_at: dict[str, int] = {}
    failed: set[str] = set()
    errors: list[Trouble] = []
    for at, level, line in _dated(lines):
        if loading := LOADING.search(line):
            read_at[(loading[1] or loading[2]).strip('"')] = at
        if level == "ERROR":
            errors.append(Trouble(at, _first(SERVICE, line), _kind(line)))
            if bad := BAD_PLUGIN.search(line):
                failed.add((bad[1] or bad[2]).strip('"'))
    return Log(file, size, read_at, frozenset(failed), tuple(errors))


def _dated(lines: Iterable[str]) -> Iterable[tuple[int, str, str]]:
    for line in lines:
        head = HEAD.match(line)
        if head is not None:
            at = _milliseconds(head["at"] or head["then"])
            if at is not None:
                yield at, head["level"] or head["older"], line


def _milliseconds(stamp: str) -> int | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _kind(line: str) -> str:
    known = next((words for words in KNOWN if words in line), "")
    return known or _first(ERROR_NAME, line)


def _first(pattern: re.Pattern[str], line: str) -> str:
    found = pattern.search(line)
    return found[1] if found else ""
