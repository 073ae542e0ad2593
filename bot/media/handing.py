"""What OpenCode is given of received files: their paths, and those that a model can take."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.media.pixels import HEADS, pixels
from bot.media.types import HANDED, TEXT, as_text
from store.records import AttachmentRecord

# What is larger stands in the workspace: OpenCode stands still while it shrinks a large image,
# and every handed file is kept twice in its database and sent to the model with each later step.
LIMITS = {TEXT: 64_000, "application/pdf": 8_000_000}
IMAGE_BYTES = 5_000_000
PIXELS = 50_000_000  # OpenCode unpacks a picture whole before it shrinks it: 4 bytes each
PART_BYTES = 12_000_000  # of one prompt

Part = dict[str, object]


@dataclass(frozen=True, slots=True)
class Handed:
    """A file of a turn as its prompt names it. ``part`` is None where it has to be read by a tool.

    ``path`` is empty where it could not be put into the workspace.
    """

    name: str
    path: str
    mime: str
    size: int
    part: Part | None


def handed(media: Sequence[tuple[AttachmentRecord, Path]]) -> list[Handed]:
    """Return what a prompt says of kept files, each with where its copy lies. Blocks."""
    room, found = PART_BYTES, []
    for one, copy in media:
        part = _part(one, copy) if one.size <= room else None
        room -= one.size if part else 0
        found.append(Handed(one.name, one.path, one.mime, one.size, part))
    return found


def _part(one: AttachmentRecord, copy: Path) -> Part | None:
    if one.mime not in HANDED or one.size > LIMITS.get(one.mime, IMAGE_BYTES):
        return None
    try:
        content = copy.read_bytes()
    except FileNotFoundError:  # swept since, or lost with a disk
        return None
    if one.mime in HEADS and (pixels(content, one.mime) or PIXELS + 1) > PIXELS:
        return None
    if one.mime == TEXT:
        content = (as_text(content) or "").encode()
    url = f"data:{one.mime};base64,{base64.b64encode(content).decode()}"
    return {"type": "file", "mime": one.mime, "filename": one.path or one.name, "url": url}
