"""What a file is, by its content: WeCom says of everything that it is bytes."""

import codecs
import mmap
from collections.abc import Callable, Mapping
from pathlib import Path

BINARY = "application/octet-stream"
TEXT = "text/plain"
TEXT_BYTES = 1_000_000  # a longer file is not looked through
TAIL_BYTES = 65_536
# What OpenCode gives to a model as it is. What is cut off or made up would fail the turn, and
# every later one of its session: so a file must begin and end as its kind does.
HANDED = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", TEXT})

Content = bytes | mmap.mmap


def mime_of(path: Path) -> str:
    """Return the type of a file; ``BINARY`` for what is nothing that we know, or not whole."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return BINARY
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return sniff(content)


def sniff(content: Content) -> str:
    """Return the type of a content."""
    for start, (mime, whole) in STARTS.items():
        if content[: len(start)] == start:
            return mime if whole(content) else BINARY
    if content[4:8] == b"ftyp":
        return "image/heic" if content[8:12] in {b"heic", b"heix", b"mif1"} else "video/mp4"
    return TEXT if is_text(content) else BINARY


def is_text(content: Content) -> bool:
    """Tell whether a content is text that a person can read."""
    return len(content) <= TEXT_BYTES and as_text(content[:]) is not None


def as_text(content: bytes) -> str | None:
    """Return a text in UTF-8, UTF-16 with its mark, or GB 18030; None for anything else."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decoded(content, "utf-16")
    return _decoded(content, "utf-8-sig") or _decoded(content, "gb18030")


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    readable = all(char.isprintable() or char in "\t\n\r\f" or char.isspace() for char in text)
    return text if readable else None


def _ends(tail: bytes) -> Callable[[Content], bool]:
    """Return what tells whether a content has ``tail`` near its end; some append to it."""
    return lambda content: tail in content[-TAIL_BYTES:]


def _riff(content: Content) -> bool:
    size = int.from_bytes(content[4:8], "little")
    return content[8:12] == b"WEBP" and size + 8 <= len(content)


def _always(_: Content) -> bool:
    return True


STARTS: Mapping[bytes, tuple[str, Callable[[Content], bool]]] = {
    b"\x89PNG\r\n\x1a\n": ("image/png", _ends(b"IEND\xaeB`\x82")),
    b"\xff\xd8\xff": ("image/jpeg", _ends(b"\xff\xd9")),
    b"GIF87a": ("image/gif", _ends(b"\x3b")),
    b"GIF89a": ("image/gif", _ends(b"\x3b")),
    b"RIFF": ("image/webp", _riff),
    b"%PDF-": ("application/pdf", _ends(b"%%EOF")),
    b"PK\x03\x04": ("application/zip", _always),
    b"#!AMR": ("audio/amr", _always),
    b"BM": ("image/bmp", lambda content: int.from_bytes(content[2:6], "little") == len(content)),
}
