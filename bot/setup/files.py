"""Files of a configuration: each whole, private, and with a backup of what was there."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import StartError

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
GROUP_READS = 0o640  # where root owns the settings, and the service reads them
ENVIRONMENT = ".env"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_.:,@%-")


@dataclass(frozen=True, slots=True)
class Planned:
    """A file that is to be written. ``mode`` is what one that is there may keep of its own."""

    path: Path
    content: str
    mode: int = PRIVATE_FILE

    @property
    def changes(self) -> bool:
        """Whether something else is there; of variables neither order nor comments count."""
        if not self.path.exists():
            return True
        present = content_of(self.path)
        if self.path.suffix == ENVIRONMENT:
            return _assignments(present) != _assignments(self.content)
        return present != self.content


def check_writable(path: Path) -> None:
    """Raise ``StartError`` when a file cannot be put there, before anybody answers for it."""
    folder = next(one for one in path.absolute().parents if one.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise StartError(f"{path} cannot be written: run it with sudo, or name another --config.")


def write_all(files: list[Planned], at: datetime) -> list[Path]:
    """Put files in place, readable by us alone, each whole; what is there is kept beside it.

    An interrupt waits until all of them are: nobody is left with half of a configuration.
    Raises ``StartError``.
    """
    try:
        return _write_all(files, at)
    except OSError as exc:
        raise StartError(f"nothing is changed: {exc}. Mend that and run it again.") from exc


def _write_all(files: list[Planned], at: datetime) -> list[Path]:
    fresh = [(one, one.path.with_name(f".{one.path.name}.new")) for one in files]
    with contextlib.ExitStack() as stack:
        for one, new in fresh:
            one.path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            write_private(new, one.content, like=one)
            stack.callback(new.unlink, missing_ok=True)
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, held)
        backups = [copy for one in files if (copy := _back_up(one.path, at)) is not None]
        for one, new in fresh:
            new.replace(one.path)
    return backups


def _back_up(path: Path, at: datetime) -> Path | None:
    if not path.exists():
        return None
    copy = _free(path.with_name(f"{path.name}.bak-{at:%Y%m%d-%H%M%S}"))
    write_private(copy, path.read_bytes())
    return copy


def _free(path: Path) -> Path:
    """Return a name that nothing has yet: two runs may fall into one second."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def write_private(path: Path, content: str | bytes, *, like: Planned | None = None) -> None:
    """Write a file for its owner alone; one that takes another's place has that one's owner."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as sink:
        os.fchmod(descriptor, PRIVATE_FILE)
        if like is not None:
            _resemble(descriptor, like)
        sink.write(content.encode() if isinstance(content, str) else content)
        sink.flush()
        os.fsync(descriptor)


def _resemble(descriptor: int, planned: Planned) -> None:
    """Give a file owner and mode of the one that is there; a new one belongs to who has the folder."""
    present = planned.path if planned.path.exists() else planned.path.parent
    facts = present.stat()
    if os.geteuid() == 0:
        os.fchown(descriptor, facts.st_uid, facts.st_gid)
    if present == planned.path:
        os.fchmod(descriptor, PRIVATE_FILE | facts.st_mode & planned.mode)


def environment_file(path: Path, header: str, held: Mapping[str, str], ours: set[str]) -> Planned:
    """Return a file of variables; lines of the present one that are not ``ours`` stay."""
    lines = [f"{name}={quoted(value)}\n" for name, value in sorted(held.items())]
    return Planned(path, header + "".join([*lines, *_others(path, header, ours)]))


def quoted(value: str) -> str:
    """Return a value as systemd, a shell and the service read it."""
    if value and set(value) <= PLAIN:
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def content_of(path: Path) -> str:
    """Return what a file says; nothing when it is not there."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _assignments(text: str) -> list[str]:
    return sorted(line for line in text.splitlines() if line and not line.startswith("#"))


def _others(path: Path, header: str, ours: set[str]) -> Iterator[str]:
    for line in content_of(path).splitlines():
        name = line.partition("=")[0].strip()
        if name and line not in header.splitlines() and name not in ours:
            yield f"{line}\n"
