"""When a turn is over, and how it ended: read from the session's messages, never from an event.

An idle event comes early, twice or never; a step's own end is no end between two tool calls.
What decides is whether the session works, which messages answer our prompt, and whether each of
them has its time of completion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.opencode.model import Message, ServerError, TextPart, ToolPart
from bot.summary import from_prompt, lineage, paragraphs, was_refused
from bot.texts.turns import Outcome

GRACE_MS = 2_000  # a session may be absent from the status map right after it took a prompt
SETTLE_MS = 3_000  # the last times of completion come this late after an error or an abort
ABORTED = "MessageAbortedError"
_BY_ERROR: dict[str, Outcome] = {
    ABORTED: "aborted",
    "ContentFilterError": "filtered",
    "MessageOutputLengthError": "length",
}
_BY_FINISH: dict[str, Outcome] = {
    "length": "length",
    "content-filter": "filtered",
    "error": "failed",
}


@dataclass(frozen=True, slots=True)
class Running:
    """The session works."""


@dataclass(frozen=True, slots=True)
class Settling:
    """Nothing can be said yet: look again in a moment."""


@dataclass(frozen=True, slots=True)
class Swallowed:
    """The server kept the prompt and passed over it; it may be deleted and sent once more."""


@dataclass(frozen=True, slots=True)
class Over:
    """The turn is over. ``error`` may hold internals; ``messages`` are the steps of the answer."""

    outcome: Outcome
    text: str = ""
    error: ServerError | None = None
    messages: tuple[Message, ...] = ()

    @property
    def tokens(self) -> int:
        """The size of the conversation at the last step that reported it."""
        return next((m.tokens for m in reversed(self.messages) if m.tokens), 0)

    @property
    def tools(self) -> tuple[ToolPart, ...]:
        """Every use of a tool in the answer."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, ToolPart))

    @property
    def finished_tools(self) -> int:
        """How many uses of a tool had their effect."""
        return sum(t.status == "completed" and t.tool != "invalid" for t in self.tools)


Verdict = Running | Settling | Swallowed | Over


def judge(
    messages: Sequence[Message],
    prompt: str,
    *,
    busy: bool,
    seen_busy: bool,
    since_ms: int,
    error: ServerError | None,
) -> Verdict:
    """Return how the turn of ``prompt`` stands.

    ``busy``: the session is in the server's status map. ``seen_busy``: it was, at least once,
    since the prompt was sent. ``since_ms``: for how long it has not been seen busy, counted from
    the sending at the earliest. ``error``: what an event told of a failure, if one did.
    """
    if busy:
        return Running()
    newer = from_prompt(messages, prompt)
    if not newer:
        return _not_kept(error, since_ms)
    if any(m.role == "assistant" and m.completed_at is None for m in newer):
        return _unfinished(newer, prompt, since_ms)
    _, own = lineage(newer, prompt)
    if not own:
        return _unanswered(newer, error, seen_busy=seen_busy, since_ms=since_ms)
    return _ended(newer, own, error, since_ms)


def _not_kept(error: ServerError | None, since_ms: int) -> Verdict:
    """Judge a prompt that is not in the session: an unknown agent, an image nobody can read."""
    if error is None and since_ms < GRACE_MS:
        return Settling()
    return Over(_outcome_of(error), error=error)


def _unfinished(newer: Sequence[Message], prompt: str, since_ms: int) -> Verdict:
    if since_ms < SETTLE_MS:
        return Settling()
    _, own = lineage(newer, prompt)
    return Over("interrupted", text_of(own), messages=tuple(own))


def _unanswered(
    newer: Sequence[Message], error: ServerError | None, *, seen_busy: bool, since_ms: int
) -> Verdict:
    merged = [m for m in newer if m.role == "assistant" and not m.summary]
    if merged:
        return Over("merged", text_of(merged), messages=tuple(merged))
    if error is not None and seen_busy:
        return Over(_outcome_of(error), error=error)
    if since_ms < GRACE_MS:
        return Settling()
    return Over(_outcome_of(error), error=error) if error else Swallowed()


def _outcome_of(error: ServerError | None) -> Outcome:
    return _BY_ERROR.get(error.name, "failed") if error else "failed"


def _ended(
    newer: Sequence[Message], own: list[Message], error: ServerError | None, since_ms: int
) -> Verdict:
    last = own[-1]
    text, steps = text_of(own), tuple(own)
    if last.error is not None:
        return Over(_outcome_of(last.error), text, last.error, steps)
    if last.finish == "stop":
        done = text or Over("answered", messages=steps).finished_tools
        return Over("answered" if done else "empty", text, None, steps)
    if last.finish in _BY_FINISH:
        return Over(_BY_FINISH[last.finish], text, error, steps)
    behind = newer[list(newer).index(last) + 1 :]
    others = [m for m in behind if m.role == "assistant" and not m.summary]
    # Where the session went on, with another prompt, it got over what an event told.
    told = None if others else error
    failure = next((m.error for m in behind if m.summary and m.error), told)
    if failure is not None:
        return Over(_outcome_of(failure), text, failure, steps)
    if last.finish is None:
        # Stopped while the server waited to try the model again: nothing says so but this.
        return Over("aborted", text, None, steps)
    return Settling() if since_ms < GRACE_MS else _ended_midway(others, own)


def _ended_midway(others: list[Message], own: list[Message]) -> Over:
    """Judge a turn whose last step was to be followed by another and, for some time, was not."""
    if others:
        return Over("merged", text_of([*own, *others]), None, (*own, *others))
    refused = own[-1].finish == "tool-calls" and _refused(own[-1])
    return Over("rejected" if refused else "interrupted", text_of(own), None, tuple(own))


def _refused(message: Message) -> bool:
    return any(isinstance(p, ToolPart) and was_refused(p.error) for p in message.parts)


def text_of(messages: Sequence[Message]) -> str:
    """Return the words of the steps; a text without an end was left behind by a new try."""
    return paragraphs(
        part.text
        for message in messages
        for part in message.parts
        if isinstance(part, TextPart) and (part.done or message.completed_at is None)
    )
