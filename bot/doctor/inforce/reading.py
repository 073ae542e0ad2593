"""What stands in one source: the keys that it sets, or the mistake that makes OpenCode refuse it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.doctor.inforce.jsonc import Mistake, parse, references
from bot.doctor.inforce.keys import Leaf, leaves, wrong_shape
from bot.opencode.user_config import UserConfig

KINDS = {"agent": "agent", "agents": "agent", "mode": "mode", "modes": "mode"}
KINDS |= {"command": "command", "commands": "command"}
PLUGINS = ("plugin", "plugins")
ENDINGS = (".ts", ".js")
FRONT = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
FIELD = re.compile(r"^(\w+):", re.MULTILINE)
LISTED = 500  # files of one folder


@dataclass(frozen=True, slots=True)
class Content:
    """What was read; ``mistake`` names line and column, never the text."""

    leaves: frozenset[Leaf]
    mistake: str = ""


def of_file(file: Path, user: UserConfig | None) -> Content | None:
    """Read a configuration file; None where there is none."""
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as exc:
        return Content(frozenset(), f"it cannot be read: {exc.strerror}")
    except UnicodeDecodeError:
        return Content(frozenset(), "it is not UTF-8")
    return of_text(text, file.parent, user)


def of_text(text: str, folder: Path, user: UserConfig | None) -> Content:
    """Read a configuration that stands in ``folder``."""
    try:
        value = parse(text)
    except Mistake as exc:
        return Content(frozenset(), str(exc))
    wrong = wrong_shape(value) or _missing(text, folder, user)
    return Content(leaves(value) if isinstance(value, dict) else frozenset(), wrong)


def of_folder(folder: Path) -> Content | None:
    """Look at the agents, commands and plugins of a folder; None where there are none."""
    found = set(_entries(folder))
    return Content(frozenset(found)) if found else None


def plugin_files(folder: Path) -> list[Path]:
    """Return the plugins that a folder holds as files."""
    found = (file for name in PLUGINS for file in _within(folder / name, ENDINGS, deep=False))
    return sorted(found)


def _entries(folder: Path) -> Iterator[Leaf]:
    for name, kind in KINDS.items():
        for file in _within(folder / name, (".md",), deep=True):
            entry = str(file.relative_to(folder / name).with_suffix(""))
            yield from ((kind, entry, field) for field in _fields(file))
    for file in plugin_files(folder):
        yield ("plugin", file.stem)


def _within(folder: Path, endings: tuple[str, ...], *, deep: bool) -> list[Path]:
    if not folder.is_dir():
        return []
    found = folder.rglob("*") if deep else folder.glob("*")
    return [file for file in found if file.suffix in endings and file.is_file()][:LISTED]


def _fields(file: Path) -> list[str]:
    """Return the fields of a file's front matter; its words are the prompt."""
    try:
        front = FRONT.match(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ["prompt"]
    return [*FIELD.findall(front[1]), "prompt"] if front else ["prompt"]


def _missing(text: str, folder: Path, user: UserConfig | None) -> str:
    """Say which ``{file:…}`` is not there: OpenCode takes that for a mistake."""
    for name in references(text, "file"):
        path = Path(name)
        if name.startswith("~/"):
            path = (user.home if user is not None else Path.home()) / name.removeprefix("~/")
        if not (folder / path).is_file():
            return f"it refers to {{file:{name}}}, which is no file"
    return ""
