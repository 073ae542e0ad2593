"""Which paths of a workspace are looked at: what git would see, or all but the usual caches."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

from bot.snapshot.beneath import Beneath

GIT_TIMEOUT_S = 20.0
MAX_FILES = 200_000
# Folders that tools fill and can fill again. Tracked files in them are looked at all the same.
IGNORED_FOLDERS = (
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "bower_components",
    ".venv",
    "venv",
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".cache",
    ".gradle",
    ".next",
    ".nuxt",
    ".turbo",
    ".parcel-cache",
    ".terraform",
)
# A repository's own configuration is the agent's to write: nothing in it may start a program.
_GIT_OPTIONS = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.untrackedCache=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.excludesFile=/dev/null",
)


def files_beneath(
    tree: Beneath, root: Path, folder: str = "", *, limit: int = MAX_FILES
) -> dict[str, os.stat_result]:
    """Return the regular files to look at, at most ``limit``. Blocking.

    A repository (the workspace or one inside it) is listed by git; any other folder is walked.
    ``.gitignore`` has no say outside a repository. Names that are not UTF-8 are left out.
    """
    found: dict[str, os.stat_result] = {}
    pending = [folder]
    while pending:
        for path in _entries(tree, root, pending.pop()):
            info = tree.stat(path)
            if info is None:
                continue
            if stat.S_ISDIR(info.st_mode):
                pending.append(path)
            elif stat.S_ISREG(info.st_mode):
                found[path] = info
            if len(found) >= limit:
                return found
    return found


def _entries(tree: Beneath, root: Path, folder: str) -> list[str]:
    prefix = f"{folder}/" if folder else ""
    names = None
    if tree.stat(f"{prefix}.git") is not None:
        names = _seen_by_git(root / folder)
    if names is None:
        names = [name for name in tree.names(folder) if name not in IGNORED_FOLDERS]
    return [f"{prefix}{name}" for name in names]


def _seen_by_git(folder: Path) -> list[str] | None:
    """Return what git tracks or would track; a repository inside is one entry. None: no git here."""
    git = shutil.which("git")
    if git is None:
        return None
    excludes = [f"--exclude={name}/" for name in IGNORED_FOLDERS]
    command = [git, *_GIT_OPTIONS, "ls-files", "-z", "-co", "--exclude-standard", *excludes]
    try:
        ran = subprocess.run(  # noqa: S603 — fixed words, no shell
            command,
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    names = {os.fsdecode(name).removesuffix("/") for name in ran.stdout.split(b"\0") if name}
    return sorted(names)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
