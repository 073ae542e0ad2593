"""Whether a managed server's copy of the user's configuration is still what stands there."""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from bot.doctor.inforce.jsonc import Mistake, parse
from bot.doctor.inforce.keys import SCHEMA
from bot.doctor.inforce.reading import KINDS, PLUGINS
from bot.opencode.user_config import settled


def changed_since(original: Path, copy: Path, home: Path) -> bool:
    """Tell whether an original, a file or a folder, is another one now than when it was copied."""
    if original.is_dir() or copy.is_dir():
        return _files(original) != _files(copy)
    if not original.is_file() or not copy.is_file():
        return original.is_file() != copy.is_file()
    # OpenCode adds a `$schema` to its copy, and `~` means the user's home in it.
    return _said(original, home) != _said(copy, home)


def _files(folder: Path) -> Mapping[str, str]:
    """Return the agents, commands and plugins of a folder, by what stands in them."""
    found = {}
    for name in (*KINDS, *PLUGINS):
        for file in sorted((folder / name).rglob("*")):
            with contextlib.suppress(OSError):
                if file.is_file():
                    digest = hashlib.sha256(file.read_bytes()).hexdigest()
                    found[str(file.relative_to(folder))] = digest
    return found


def _said(file: Path, home: Path) -> object:
    try:
        value = parse(settled(file.read_text(encoding="utf-8"), home))
    except (OSError, UnicodeDecodeError):
        return None
    except Mistake as exc:
        return str(exc)
    if isinstance(value, dict):
        value.pop(SCHEMA, None)
    return value
