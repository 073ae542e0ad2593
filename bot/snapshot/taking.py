"""Takes a file of a workspace to send it: by the rules of what may be published."""

import os
from pathlib import Path

from bot.errors import UserError
from bot.messages import Medium
from bot.render import path_of
from bot.snapshot.beneath import Beneath
from bot.snapshot.places import inside
from bot.snapshot.secret_paths import withheld
from bot.texts import files as texts

SEND_BYTES = 20 * 1024 * 1024  # of one file, by every way of WeCom
SMALLEST_BYTES = 5  # WeCom takes no smaller file
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # JPG and PNG, by which they begin


def take(workspace: Path, path: str) -> tuple[str, Medium]:
    """Return a file with its path in the workspace. Raises ``UserError`` that says why not.

    A link, a second name of a file, a secret and what lies outside is none. Blocks.
    """
    relative = inside(path, workspace)
    if relative is None:
        raise UserError(texts.SEND_OUTSIDE, path=path_of(path))
    if withheld(relative):
        raise UserError(texts.SEND_SECRET, path=path_of(relative))
    try:
        with Beneath(workspace) as tree:
            descriptor = tree.open(relative)
    except OSError:
        descriptor = None
    if descriptor is None:
        raise UserError(texts.SEND_NONE, path=path_of(relative))
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if not SMALLEST_BYTES <= size <= SEND_BYTES:
            raise UserError(
                texts.SEND_SIZE, path=path_of(relative), size=size, limit=SEND_BYTES >> 20
            )
        content = file.read(SEND_BYTES + 1)
    name = relative.rpartition("/")[2]
    return relative, Medium(name, "image" if content.startswith(IMAGES) else "file", content)
