"""The folder that a chat's sessions work in, and which folders OpenCode must never be given."""

import asyncio
import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.errors import UserError
from bot.opencode.model import Paths
from bot.texts import workspace as texts

log = structlog.get_logger()

READABLE_CHARS = 40
DIGEST_CHARS = 8
GIT_LIMIT_S = 20.0
NO_WORKTREE = "/"  # what the server calls the worktree of a folder without a repository


class Workspaces:
    """One folder a chat under ``root``, or ``project`` for all. ``protected``: not for agents."""

    def __init__(self, root: Path, project: Path | None, protected: Sequence[Path]) -> None:
        self._root = root.absolute()
        self._project = project.absolute() if project else None
        self._protected = tuple(path.resolve() for path in protected)

    async def folder(self, chat: str) -> Path:
        """Return the folder of a chat, given its key, made if it was not there.

        Raises ``UserError`` when there can be none.
        """
        if self._project is not None:
            if not await asyncio.to_thread(self._project.is_dir):
                log.error("workspace.failed", reason="the project's folder is not there")
                raise UserError(texts.PROJECT_MISSING)
            return self._project
        folder = self._root / folder_name(chat)
        if not await asyncio.to_thread(_is_repository, folder):
            await asyncio.to_thread(_make, folder)
        return folder

    def check(self, paths: Paths) -> None:
        """Refuse a folder whose worktree, as the server reports it, holds what is protected.

        Raises ``UserError``. OpenCode asks nobody before it reads within the worktree.
        """
        widest = paths.directory if paths.worktree == NO_WORKTREE else paths.worktree
        seen = Path(widest).resolve()
        if any(path.is_relative_to(seen) for path in self._protected):
            log.error("workspace.refused", worktree=str(seen))
            raise UserError(texts.TOO_WIDE)


def folder_name(chat: str) -> str:
    """Return a name for a chat's folder that people can read and no other chat has."""
    digest = hashlib.sha256(chat.encode()).hexdigest()[:DIGEST_CHARS]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", chat).strip("-").lower()[:READABLE_CHARS]
    return f"{readable}-{digest}".lstrip("-")


def _is_repository(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / ".git").is_dir()


def _make(folder: Path) -> None:
    """Make the folder a repository of its own: else its parent's would be the worktree."""
    try:
        if folder.is_symlink():
            raise OSError("a symbolic link stands in its place")  # noqa: TRY301  # same mend
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An OpenCode of another user writes here as one of the group that the root is given to.
        shared = folder.parent.stat().st_mode & stat.S_IWGRP
        folder.chmod(0o770 if shared else 0o700)
        git = shutil.which("git") or "git"
        subprocess.run(  # noqa: S603  # fixed arguments and a folder of ours
            [git, "init", "--quiet", "--template=", str(folder)],
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            check=True,
            capture_output=True,
            timeout=GIT_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        log.error("workspace.failed", reason=repr(exc))  # noqa: TRY400  # the reason is enough
        raise UserError(texts.FOLDER_FAILED) from exc
    log.info("workspace.made", folder=folder.name)
