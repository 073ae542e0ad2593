"""How large a picture is once it is unpacked, by its head: a few kilobytes may hold gigabytes."""

from collections.abc import Callable, Mapping

MARK = 0xFF  # by which each of JPEG's markers begins; more of it fills
SIZED = 9  # bytes of a marker that tells the size, up to behind that
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers that tell the size
BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # those without a length

Size = tuple[int, int]


def pixels(content: bytes, mime: str) -> int | None:
    """Return how many pixels a picture has; None when its head does not tell."""
    size = HEADS[mime](content) if mime in HEADS else None
    return size[0] * size[1] if size else None


def _png(content: bytes) -> Size | None:
    if content[12:16] != b"IHDR":
        return None
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _gif(content: bytes) -> Size:
    return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")


def _jpeg(content: bytes) -> Size | None:
    at = 2
    while at + SIZED <= len(content) and content[at] == MARK:
        marker = content[at + 1]
        if marker in FRAMES:
            height, width = content[at + 5 : at + 7], content[at + 7 : at + 9]
            return int.from_bytes(width), int.from_bytes(height)
        if marker == MARK:
            at += 1
        else:
            at += 2 if marker in BARE else 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _webp(content: bytes) -> Size | None:
    def number(start: int, length: int) -> int:
        return int.from_bytes(content[start : start + length], "little")

    match content[12:16]:
        case b"VP8 ":
            return number(26, 2) & 0x3FFF, number(28, 2) & 0x3FFF
        case b"VP8L":
            return (number(21, 4) & 0x3FFF) + 1, (number(21, 4) >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return number(24, 3) + 1, number(27, 3) + 1
    return None


HEADS: Mapping[str, Callable[[bytes], Size | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
