"""Compares two texts line by line: how many lines came and went, and a unified diff."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_BYTES = 1 << 20
# Above so many pairs of lines the differing middle of two texts counts as rewritten: matching
# it line by line could take minutes.
MAX_PAIRS = 9_000_000
CONTEXT = 3
NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class Span:
    """Lines ``a1:a2`` of the one text stand against ``b1:b2`` of the other."""

    a1: int
    a2: int
    b1: int
    b2: int
    same: bool = True


def decode(content: bytes) -> str | None:
    """Return the text of ``content``: UTF-8, or what Chinese Windows writes; None for no text."""
    if b"\0" in content:
        return None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def counts(before: str, after: str) -> tuple[int, int]:
    """Return how many lines were added and how many removed."""
    spans = [span for span in _spans(_lines(before), _lines(after)) if not span.same]
    return sum(span.b2 - span.b1 for span in spans), sum(span.a2 - span.a1 for span in spans)


def unified(path: str, before: str | None, after: str | None) -> str:
    """Return a unified diff as git prints it; None stands for a file that is not there."""
    a, b = _lines(before or ""), _lines(after or "")
    head = [
        "--- /dev/null\n" if before is None else f"--- a/{path}\n",
        "+++ /dev/null\n" if after is None else f"+++ b/{path}\n",
    ]
    return "".join([*head, *_hunks(a, b)])


def _hunks(a: Sequence[str], b: Sequence[str]) -> Iterator[str]:
    for group in _grouped(_spans(a, b)):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first.a1, last.a2)} +{_range(first.b1, last.b2)} @@\n"
        for span in group:
            if span.same:
                yield from (_line(" ", line) for line in a[span.a1 : span.a2])
            else:
                yield from (_line("-", line) for line in a[span.a1 : span.a2])
                yield from (_line("+", line) for line in b[span.b1 : span.b2])


def _grouped(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield the differing spans with a few lines around them; near ones together."""
    group: list[Span] = []
    for index, span in enumerate(spans):
        if not span.same:
            group.append(span)
            continue
        lead = CONTEXT if index else 0
        tail = CONTEXT if index < len(spans) - 1 else 0
        if span.a2 - span.a1 <= lead + tail:
            group.append(span)
            continue
        if group:
            yield [*group, Span(span.a1, span.a1 + lead, span.b1, span.b1 + lead)]
        group = [Span(span.a2 - tail, span.a2, span.b2 - tail, span.b2)]
    if any(not span.same for span in group):
        yield group


def _spans(a: Sequence[str], b: Sequence[str]) -> list[Span]:
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a_end, b_end = len(a) - end, len(b) - end
    middle = [
        Span(start + a1, start + a2, start + b1, start + b2, same=tag == "equal")
        for tag, a1, a2, b1, b2 in _matched(a[start:a_end], b[start:b_end])
    ]
    spans = [Span(0, start, 0, start), *middle, Span(a_end, len(a), b_end, len(b))]
    return [span for span in spans if span.a1 < span.a2 or span.b1 < span.b2]


def _matched(a: Sequence[str], b: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    if len(a) * len(b) > MAX_PAIRS:
        return [("replace", 0, len(a), 0, len(b))]
    return SequenceMatcher(None, a, b).get_opcodes()


def _lines(text: str) -> list[str]:
    *whole, rest = text.split("\n")
    lines = [f"{line}\n" for line in whole]
    return [*lines, rest] if rest else lines


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}{NO_NEWLINE}"


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
