"""Put a received file into a workspace, under ``inbox/``, over nothing that is there."""

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bot.media.names import numbered

INBOX = "inbox"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE_BYTES = 1 << 20


def place(copy: Path, workspace: Path, name: str, number: int) -> str:
    """Copy a file into the inbox and return its path there; one that lies there already is kept.

    ``number`` tells it from all others that are placed at the same time. No link is followed, and what is not whole never has the name. Raises OSError. Blocks.
    """
    with _opened(workspace) as root:
        shared = bool(os.fstat(root).st_mode & stat.S_IWGRP)
        with contextlib.suppress(FileExistsError):
            os.mkdir(INBOX, dir_fd=root)
            _give(INBOX, root, 0o770 if shared else 0o700)
        with (
            _opened(INBOX, root) as inbox,
            _drafted(copy, inbox, f".attachment-{number}") as draft,
        ):
            _give(draft, inbox, 0o660 if shared else 0o600)
            return f"{INBOX}/{_placed(copy, inbox, draft, name)}"


def _placed(copy: Path, inbox: int, draft: str, name: str) -> str:
    names = itertools.chain([name], (numbered(name, n) for n in itertools.count(2)))
    return next(one for one in names if _same(copy, one, inbox) or _named(draft, one, inbox))


def _named(draft: str, name: str, inbox: int) -> bool:
    """Give the draft a name that nothing has; False when something has it."""
    try:
        os.link(draft, name, src_dir_fd=inbox, dst_dir_fd=inbox, follow_symlinks=False)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def _drafted(copy: Path, inbox: int, draft: str) -> Iterator[str]:
    """Copy the file under a name of its own, in place of what a crash left of it."""
    _remove(draft, inbox)
    try:
        descriptor = os.open(draft, _NEW, 0o600, dir_fd=inbox)
        with os.fdopen(descriptor, "wb") as target, copy.open("rb") as source:
            shutil.copyfileobj(source, target, PIECE_BYTES)
        yield draft
    finally:
        _remove(draft, inbox)


def _remove(name: str, inbox: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=inbox)


def _give(name: str, folder: int, mode: int) -> None:
    """Let whoever the folder is shared with have what was made in it."""
    opened = os.open(name, _READ, dir_fd=folder)
    try:
        with contextlib.suppress(PermissionError):
            os.fchown(opened, -1, os.fstat(folder).st_gid)
        os.fchmod(opened, mode)
    finally:
        os.close(opened)


def _same(copy: Path, name: str, inbox: int) -> bool:
    """Tell whether a file of this name holds this content already."""
    try:
        opened = os.open(name, _READ, dir_fd=inbox)
    except OSError:  # nothing there, or no file
        return False
    try:
        info = os.fstat(opened)
        if not stat.S_ISREG(info.st_mode) or info.st_size != copy.stat().st_size:
            return False
        with copy.open("rb") as wanted:
            return all(
                os.pread(opened, len(piece), start) == piece for start, piece in _pieces(wanted)
            )
    finally:
        os.close(opened)


def _pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    start = 0
    while piece := file.read(PIECE_BYTES):
        yield start, piece
        start += len(piece)


@contextlib.contextmanager
def _opened(folder: Path | str, beneath: int | None = None) -> Iterator[int]:
    opened = os.open(folder, _FOLDER, dir_fd=beneath)
    try:
        yield opened
    finally:
        os.close(opened)
