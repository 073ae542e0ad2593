"""Takes a file of a workspace to send it: by the rules of what may be published."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bot.errors import UserError
from bot.messages import Medium, MediumKind
from bot.render import path_of
from bot.snapshot.beneath import Beneath
from bot.snapshot.places import inside
from bot.snapshot.secret_paths import withheld
from bot.texts import files as texts

SEND_BYTES = 20 * 1024 * 1024  # of one file, by every way of WeCom
SMALLEST_BYTES = 5  # WeCom takes no smaller file
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # JPG and PNG, by which they begin
HEAD_BYTES = 8


def look(workspace: Path, path: str) -> tuple[str, MediumKind, int]:
    """Return a file's path in the workspace, its kind and its size in bytes. Raises ``UserError``.

    A link, a second name of a file, a secret and what lies outside is none. Blocks.
    """
    with _opened(workspace, path) as (relative, file):
        return relative, _kind(file.read(HEAD_BYTES)), os.fstat(file.fileno()).st_size


def take(workspace: Path, path: str) -> tuple[str, Medium]:
    """Return a file with its path in the workspace. Raises ``UserError`` as ``look`` does. Blocks."""
    with _opened(workspace, path) as (relative, file):
        return relative, _read(relative, file)


def take_open(relative: str, descriptor: int) -> Medium:
    """Return an open file, by its path in the workspace, and close it. Raises ``UserError``. Blocks."""
    try:
        with os.fdopen(descriptor, "rb") as file:
            return _read(relative, file)
    except OSError as exc:
        raise UserError(texts.SEND_NONE, path=path_of(relative)) from exc


def _read(relative: str, file: BinaryIO) -> Medium:
    content = file.read(SEND_BYTES + 1)
    _check_size(relative, len(content))
    return Medium(relative.rpartition("/")[2], _kind(content), content)


@contextlib.contextmanager
def _opened(workspace: Path, path: str) -> Iterator[tuple[str, BinaryIO]]:
    relative = inside(path, workspace)
    if relative is None:
        raise UserError(texts.SEND_OUTSIDE, path=path_of(path))
    if withheld(relative):
        raise UserError(texts.SEND_SECRET, path=path_of(relative))
    gone = UserError(texts.SEND_NONE, path=path_of(relative))
    try:
        with Beneath(workspace) as tree:
            descriptor = tree.open(relative)
        if descriptor is None:
            raise gone
        with os.fdopen(descriptor, "rb") as file:
            _check_size(relative, os.fstat(descriptor).st_size)
            yield relative, file
    except OSError as exc:
        raise gone from exc


def _check_size(relative: str, size: int) -> None:
    if not SMALLEST_BYTES <= size <= SEND_BYTES:
        shown = path_of(relative)
        raise UserError(texts.SEND_SIZE, path=shown, size=size, limit=SEND_BYTES >> 20)


def _kind(head: bytes) -> MediumKind:
    return "image" if head.startswith(IMAGES) else "file"
