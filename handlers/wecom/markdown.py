"""What a bubble shows: an answer that had waited on top, then the turn, fitted to the byte limit."""

from bot.fitting import closed, fit
from bot.messages import Answer
from bot.outbox import SEAM
from handlers.wecom.wire import STREAM_BYTES

PREFIX_BYTES = 10_000
FOOTER_BYTES = 4_000
GAP = "\n\n"


def compose(prefix: str, text: str) -> str:
    """Return the whole content of a bubble."""
    head = head_of(prefix)
    return head + fit(text, STREAM_BYTES - len(head.encode()))


def head_of(prefix: str) -> str:
    """Return what stands above the turn, with the line that ends it."""
    return f"{closed(fit(prefix, PREFIX_BYTES))}{SEAM}" if prefix else ""


def split(content: str) -> tuple[str, str]:
    """Return prefix and text of a content that was composed before."""
    prefix, seam, text = content.partition(SEAM)
    return (prefix, text) if seam else ("", content)


def answer_text(answer: Answer, limit: int = STREAM_BYTES) -> str:
    """Return a final answer in at most ``limit`` bytes.

    The footer always stands below; where the body had to be cut, the words on how
    to read the rest stand above it.
    """
    footer = fit(answer.footer, FOOTER_BYTES)
    body = closed(answer.body) if footer or answer.more else answer.body
    whole = _joined(body, footer)
    if len(whole.encode()) <= limit:
        return whole
    tail = _joined(fit(answer.more, FOOTER_BYTES), footer)
    room = limit - len(tail.encode()) - len(GAP)
    return _joined(fit(body, room), tail)


def visible(text: str) -> bool:
    """Tell whether a person sees anything: blank text leaves WeCom's bubble "thinking"."""
    return any(char.isprintable() and not char.isspace() for char in text)


def _joined(*parts: str) -> str:
    return GAP.join(part for part in parts if part)
