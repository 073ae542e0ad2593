"""What a scripted model can be told to do: steps, one for each request that it gets."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

TITLE_MODEL = "title"
TITLE_PROMPT = "title generator"
LETTERS_PER_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Speech:
    """Words, or thoughts, in chunks with a pause behind each."""

    text: str
    chunks: int
    delay_s: float
    thought: bool = False

    def pieces(self) -> list[str]:
        """Cut the text into its chunks, as even as can be; joined they are the text again."""
        count = max(1, min(self.chunks, len(self.text)))
        marks = [len(self.text) * n // count for n in range(count + 1)]
        return [self.text[a:b] for a, b in itertools.pairwise(marks)]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error instead of an answer."""

    status: int
    headers: Mapping[str, str]
    message: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Stand still: until released by name, or, without one, until the client goes away."""

    gate: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection where it is."""


@dataclass(frozen=True, slots=True)
class End:
    """The finish reason, where it is not the natural one."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens the model says that it has used."""

    tokens: int


Piece = Speech | Call | Failure | Wait | Cut | End | Usage


@dataclass(frozen=True, slots=True)
class Step:
    """All that the model does with one request. ``+`` puts two into one: text, then a tool."""

    pieces: tuple[Piece, ...]

    def __add__(self, other: Self) -> "Step":
        return Step(self.pieces + other.pieces)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tools that this step calls."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Call))

    @property
    def finish(self) -> str | None:
        """The finish reason that the model gives for this step."""
        for piece in self.pieces:
            if isinstance(piece, End):
                return piece.reason
        return "tool_calls" if self.calls else "stop"

    @property
    def tokens(self) -> int:
        """The tokens that the model says that this step has cost."""
        return next((p.tokens for p in self.pieces if isinstance(p, Usage)), 100)


def say(text: str, chunks: int = 0, delay_s: float = 0.0) -> Step:
    """Answer with ``text``, in as many ``chunks`` (0: a few letters each)."""
    return Step((Speech(text, chunks or 1 + len(text) // LETTERS_PER_CHUNK, delay_s),))


def think(text: str, chunks: int = 0, delay_s: float = 0.0) -> Step:
    """Reason with ``text`` before the answer."""
    count = chunks or 1 + len(text) // LETTERS_PER_CHUNK
    return Step((Speech(text, count, delay_s, thought=True),))


def tool(name: str, arguments: Mapping[str, object]) -> Step:
    """Call one tool."""
    return Step((Call(name, arguments),))


def tools(*calls: tuple[str, Mapping[str, object]]) -> Step:
    """Call several tools at once."""
    return Step(tuple(Call(name, arguments) for name, arguments in calls))


def http_error(
    status: int, headers: Mapping[str, str] | None = None, message: str = "scripted failure"
) -> Step:
    """Refuse the request with an HTTP status."""
    return Step((Failure(status, headers or {}, message),))


def hang(where: Literal["before", "mid"] = "before", text: str = "so far") -> Step:
    """Never end: without a byte, or after some words."""
    return Step((Wait(),)) if where == "before" else say(text) + Step((Wait(),))


def hold(gate: str = "gate") -> Step:
    """Stand still here until the model's ``release(gate)`` is called."""
    return Step((Wait(gate),))


def cut(text: str = "cut he") -> Step:
    """Break the connection, after some words unless ``text`` is empty."""
    return (say(text) if text else Step(())) + Step((Cut(),))


def empty() -> Step:
    """End properly without a word."""
    return Step(())


def finish(reason: str | None) -> Step:
    """Give this finish reason instead of the natural one (``None``: none at all)."""
    return Step((End(reason),))


def tokens(total: int) -> Step:
    """Say that so many tokens were used."""
    return Step((Usage(total),))


@dataclass(frozen=True, slots=True)
class Request:
    """What OpenCode asked of the model."""

    session: str
    model: str
    stream: bool
    messages: tuple[Mapping[str, object], ...]
    tools: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, body: object, headers: Mapping[str, str]) -> "Request":
        """Read the JSON of a ``/chat/completions`` request; raises ValueError for anything else."""
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            raise ValueError("no chat completion request")  # noqa: TRY004  # the sender's fault
        lower = {name.lower(): value for name, value in headers.items()}
        functions = [_mapping(_mapping(each).get("function")) for each in _list(body.get("tools"))]
        return cls(
            session=lower.get("x-session-id") or lower.get("x-session-affinity", ""),
            model=str(body.get("model", "")),
            stream=bool(body.get("stream")),
            messages=tuple(_mapping(message) for message in body["messages"]),
            tools=tuple(str(function.get("name", "")) for function in functions),
            headers=lower,
        )

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(_text(m) for m in self.messages if m.get("role") == "system")

    @property
    def user(self) -> str:
        """What was asked last."""
        return next((_text(m) for m in reversed(self.messages) if m.get("role") == "user"), "")

    @property
    def turn(self) -> int:
        """How many messages of the user the conversation has; the last one is being answered."""
        return sum(1 for m in self.messages if m.get("role") == "user")

    @property
    def results(self) -> tuple[str, ...]:
        """What the tools returned since the last message of the user."""
        found: list[str] = []
        for message in self.messages:
            if message.get("role") == "user":
                found.clear()
            elif message.get("role") == "tool":
                found.append(_text(message))
        return tuple(found)

    @property
    def is_title(self) -> bool:
        """Whether it is OpenCode that wants a title for the session, and nobody's question."""
        return self.model == TITLE_MODEL or TITLE_PROMPT in self.system[:400]


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(message: Mapping[str, object]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = [_mapping(part) for part in _list(content)]
    return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
