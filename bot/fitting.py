"""Cutting Markdown to a limit of bytes: at paragraphs, never inside a character, fences whole."""

import re
import unicodedata
from dataclasses import dataclass

PART_BYTES = 18_000  # of UTF-8, for one part of a long answer
LEAST_BYTES = 64  # below this there is no room for a fence and something in it
CUT = "…"
# Longer marks and information than any editor writes are taken for text: they would leave no room.
_FENCE = re.compile(r"^([ \t]{0,16})(`{3,16}|~{3,16})(?![`~])(.{0,40})$")
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code block: how it began, and so how it is closed and begun again."""

    indent: str
    mark: str
    info: str

    @property
    def opening(self) -> str:
        """The line that begins it again, with its language."""
        return f"{self.indent}{self.mark}{self.info}"

    @property
    def closing(self) -> str:
        """The line that ends it."""
        return f"{self.indent}{self.mark}"


def after_line(fence: Fence | None, line: str) -> Fence | None:
    """Return the code block that is open behind ``line``, given the one open before it."""
    found = _FENCE.match(line.rstrip("\r"))
    if found is None:
        return fence
    indent, mark, info = found.groups()
    if fence is None:
        inline = mark[0] == "`" and "`" in info
        return None if inline else Fence(indent, mark, info.strip())
    closes = mark[0] == fence.mark[0] and len(mark) >= len(fence.mark) and not info.strip()
    return None if closes else fence


def open_fence(markdown: str) -> Fence | None:
    """Return the code block that is still open at the end."""
    fence: Fence | None = None
    for line in markdown.split("\n"):
        fence = after_line(fence, line)
    return fence


def closed(markdown: str) -> str:
    """Return the text with its last code block closed, so that what follows is no code."""
    fence = open_fence(markdown)
    return markdown if fence is None else f"{markdown.rstrip(chr(10))}\n{fence.closing}"


def size(text: str) -> int:
    """Return how many bytes the text has on the wire."""
    return len(text.encode())


def fit(markdown: str, limit_bytes: int) -> str:
    """Return the text, or its beginning with ``…`` behind it, in at most so many bytes."""
    if size(markdown) <= limit_bytes:
        return markdown
    if limit_bytes < LEAST_BYTES:
        return head(markdown, limit_bytes)
    return split(markdown, limit_bytes - size(CUT) - 1)[0] + "\n" + CUT


def tail(markdown: str, limit_bytes: int, *, left_out: str) -> str:
    """Return the text, or ``left_out`` and the end of the text, for an answer that still grows."""
    if size(markdown) <= limit_bytes:
        return markdown
    lines = markdown.split("\n")
    first, used = len(lines), 0
    while first > 0 and used + size(lines[first - 1]) + 1 <= limit_bytes:
        first -= 1
        used += size(lines[first]) + 1
    kept = lines[first:] or [_end(lines[-1], limit_bytes)]
    fence: Fence | None = None
    for line in lines[:first]:
        fence = after_line(fence, line)
    return "\n".join([left_out, "", *([fence.opening] if fence else []), *kept])


def split(markdown: str, limit_bytes: int) -> list[str]:
    """Cut the text into parts of at most so many bytes, none of them empty.

    A cut prefers the end of a paragraph. A code block that it goes through is closed before it
    and begun again behind it. Nothing but blank lines at a cut is lost. ``limit_bytes`` must be
    ``LEAST_BYTES`` or more.
    """
    parts: list[str] = []
    rest = markdown.strip("\n")
    fence: Fence | None = None
    while rest:
        part, rest, fence = _take(rest, fence, limit_bytes)
        parts.append(part)
    return [part for part in parts if part.strip()] or [""]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part may end: behind so many characters, ``fence`` being open there."""

    end: int
    bytes: int
    fence: Fence | None
    quality: int


def _take(rest: str, fence: Fence | None, limit: int) -> tuple[str, str, Fence | None]:
    """Return the next part, what is left, and the code block that is open between them."""
    opening = f"{fence.opening}\n" if fence else ""
    budget = limit - size(opening)
    if size(rest) <= budget:
        return opening + rest, "", None
    place = _best(_places(rest, fence, budget), budget) or _within_line(rest, fence, budget)
    part = opening + rest[: place.end].rstrip("\n")
    left = rest[place.end :].removeprefix("\n")
    again = _affordable(place.fence, limit)
    if again is None:
        return part, left.lstrip("\n"), None
    line, _, behind = left.partition("\n")
    if after_line(again, line) is None:
        # The block ends here anyway: its last line closes this part, not an empty next one.
        left, again_next = behind.lstrip("\n"), None
    else:
        again_next = again
    return f"{part}\n{again.closing}", left, again_next


def _places(rest: str, fence: Fence | None, budget: int) -> list[_Place]:
    """Return the ends of lines at which a part still fits, with what it takes to close it."""
    places: list[_Place] = []
    start = used = 0
    while True:  # the rest does not fit, so that some line is the first that does not
        end = rest.find("\n", start)
        end = len(rest) if end < 0 else end
        line = rest[start:end]
        before, fence = fence, after_line(fence, line)
        used += size(line) + (1 if start else 0)
        if used > budget:
            return places
        if used + _closing_bytes(fence) <= budget:
            blank_next = rest[end : end + 2] == "\n\n"
            places.append(_Place(end, used, fence, _quality(before, fence, ends=blank_next)))
        start = end + 1


def _quality(before: Fence | None, fence: Fence | None, *, ends: bool) -> int:
    """Rate the end of a line as a place to cut: 3 between paragraphs … 1 inside a code block."""
    if fence is not None:
        return 1
    return 3 if ends or before is not None else 2


def _best(places: list[_Place], budget: int) -> _Place | None:
    """Choose the best place in the second half of what fits, the last among equals."""
    late = [place for place in places if place.bytes * 2 >= budget]
    return max(late or places[-1:], key=lambda place: (place.quality, place.end), default=None)


def _within_line(rest: str, fence: Fence | None, budget: int) -> _Place:
    """Cut a line that is too long by itself, at a space when there is one near the end."""
    piece = head(rest.partition("\n")[0], max(budget - _closing_bytes(fence), 4))
    space = piece.rfind(" ")
    end = space + 1 if space * 4 >= len(piece) * 3 else len(piece)
    return _Place(end, size(piece[:end]), fence, 1)


def _closing_bytes(fence: Fence | None) -> int:
    return size(fence.closing) + 1 if fence else 0


def _affordable(fence: Fence | None, limit: int) -> Fence | None:
    """Give a code block up when closing and reopening it would take half of the room."""
    if fence is None or size(fence.opening) + size(fence.closing) + 2 > limit // 2:
        return None
    return fence


def head(text: str, limit_bytes: int) -> str:
    """Return the longest beginning of ``text`` within the limit that cuts no character."""
    raw = text.encode()
    if len(raw) <= limit_bytes:
        return text
    return text[: _whole(text, len(raw[: max(limit_bytes, 0)].decode(errors="ignore")))]


def _end(text: str, limit_bytes: int) -> str:
    return text.encode()[-limit_bytes:].decode(errors="ignore")


def _whole(text: str, end: int) -> int:
    """Move ``end`` back to where no visible character (an accent, an emoji's parts) is cut."""
    cut = end
    while 0 < cut < len(text) and _continues(text[cut - 1], text[cut]):
        cut -= 1
    return cut or end


def _continues(before: str, after: str) -> bool:
    if _JOINER in (before, after):
        return True
    skin_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    flag = all("\U0001f1e6" <= char <= "\U0001f1ff" for char in (before, after))
    return skin_tone or flag or unicodedata.category(after) in {"Mn", "Me", "Mc"}
