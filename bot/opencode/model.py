"""What OpenCode tells us, as values: sessions, messages, parts, requests, errors.

Every ``parse`` ignores what it does not know, takes the shapes of older releases, and raises
ValueError when something is missing that we cannot do without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from bot.opencode.fields import Json, as_json, child, items, need, number, text, texts
from bot.opencode.parts import (
    CompactionPart,
    OtherPart,
    Part,
    PatchPart,
    ReasoningPart,
    TextPart,
    ToolPart,
    parse_part,
)

__all__ = [
    "Agent",
    "Command",
    "CompactionPart",
    "FileDiff",
    "Message",
    "Option",
    "OtherPart",
    "Part",
    "PatchPart",
    "Paths",
    "PermissionRequest",
    "Question",
    "QuestionRequest",
    "ReasoningPart",
    "ServerError",
    "Session",
    "Status",
    "TextPart",
    "Todo",
    "ToolPart",
    "parse_part",
    "parse_todos",
]


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error as OpenCode names it. ``message`` may hold internals: never show it raw."""

    name: str
    message: str = ""
    status: int | None = None
    retryable: bool = False

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read ``{"name", "data": {"message", "statusCode", "isRetryable"}}``."""
        inner = child(json, "data")
        return cls(
            name=text(json, "name") or "UnknownError",
            message=text(inner, "message") or text(json, "message"),
            status=number(inner, "statusCode"),
            retryable=inner.get("isRetryable") is True,
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation on the server; ``parent`` is set for a sub-agent's."""

    id: str
    title: str = ""
    directory: str = ""
    parent: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    created_at: int = 0
    updated_at: int = 0

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a session object."""
        time = child(json, "time")
        return cls(
            id=need(json, "id"),
            title=text(json, "title"),
            directory=text(json, "directory"),
            parent=text(json, "parentID"),
            metadata=child(json, "metadata"),
            created_at=number(time, "created") or 0,
            updated_at=number(time, "updated") or 0,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """A prompt, or one step of the answer to it (there is one per model call).

    ``parent`` is the id of the prompt that an assistant's message answers. ``summary`` marks
    the server's own summary of a session that had grown too long.
    """

    id: str
    session: str
    role: str
    parent: str = ""
    agent: str = ""
    model: str = ""
    created_at: int = 0
    completed_at: int | None = None
    finish: str | None = None
    error: ServerError | None = None
    summary: bool = False
    tokens: int = 0
    parts: tuple[Part, ...] = ()

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read ``{"info", "parts"}``."""
        parts = tuple(parse_part(as_json(part)) for part in items(json, "parts"))
        return cls.parse_info(child(json, "info"), parts)

    @classmethod
    def parse_info(cls, json: Json, parts: tuple[Part, ...] = ()) -> Self:
        """Read the ``info`` alone, as ``message.updated`` brings it."""
        time = child(json, "time")
        error = json.get("error")
        return cls(
            id=need(json, "id"),
            session=need(json, "sessionID"),
            role=need(json, "role"),
            parent=text(json, "parentID"),
            agent=text(json, "agent") or text(json, "mode"),
            model=_model_name(json) or _model_name(child(json, "model")),
            created_at=number(time, "created") or 0,
            completed_at=number(time, "completed"),
            finish=text(json, "finish") or None,
            error=ServerError.parse(as_json(error)) if error else None,
            summary=json.get("summary") is True,
            tokens=_tokens(child(json, "tokens")),
            parts=parts,
        )


def _model_name(json: Json) -> str:
    """Return ``provider/model``, or nothing when either is missing."""
    provider, model = text(json, "providerID"), text(json, "modelID")
    return f"{provider}/{model}" if provider and model else ""


def _tokens(json: Json) -> int:
    """Return the tokens of a step; older releases leave the adding to us."""
    total = number(json, "total")
    if total is not None:
        return total
    cache = child(json, "cache")
    counts = [number(json, key) for key in ("input", "output", "reasoning")]
    return sum(count or 0 for count in (*counts, number(cache, "read"), number(cache, "write")))


@dataclass(frozen=True, slots=True)
class Status:
    """What a session is doing; ``attempt``, ``message``, ``next_at`` only while it retries."""

    kind: Literal["busy", "retry", "idle"]
    attempt: int = 0
    message: str = ""
    next_at: int = 0

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a status; a kind that we do not know is taken for busy."""
        kind = text(json, "type")
        if kind == "idle":
            return cls("idle")
        if kind != "retry":
            return cls("busy")
        return cls(
            kind="retry",
            attempt=number(json, "attempt") or 0,
            message=text(json, "message"),
            next_at=number(json, "next") or 0,
        )


def at_work(statuses: Mapping[str, Status], session: str) -> bool:
    """Tell whether a session is: the server lists it, and not as one that rests."""
    status = statuses.get(session)
    return status is not None and status.kind != "idle"


@dataclass(frozen=True, slots=True)
class Todo:
    """One line of the agent's own list."""

    content: str
    status: str = "pending"
    priority: str = ""

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read an entry of the list."""
        return cls(
            content=text(json, "content"),
            status=text(json, "status") or "pending",
            priority=text(json, "priority"),
        )


def parse_todos(values: Sequence[object]) -> tuple[Todo, ...]:
    """Read the agent's list."""
    return tuple(Todo.parse(as_json(value)) for value in values)


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """The agent asks whether it may; ``always`` are the patterns that "always" would allow."""

    id: str
    session: str
    permission: str
    patterns: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    message: str = ""
    call: str = ""

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a request, also in the shape of ``permission.updated`` (1.0)."""
        tool = child(json, "tool")
        return cls(
            id=need(json, "id"),
            session=need(json, "sessionID"),
            permission=text(json, "permission") or text(json, "type"),
            patterns=texts(json, "patterns") or texts(json, "pattern"),
            always=texts(json, "always"),
            metadata=child(json, "metadata"),
            message=text(tool, "messageID") or text(json, "messageID"),
            call=text(tool, "callID") or text(json, "callID"),
        )


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that a question offers."""

    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the agent; ``custom``: an answer in one's own words is welcome."""

    question: str
    header: str = ""
    options: tuple[Option, ...] = ()
    multiple: bool = False
    custom: bool = True

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read one question of a request."""
        options = (as_json(item) for item in items(json, "options"))
        return cls(
            question=text(json, "question"),
            header=text(json, "header"),
            options=tuple(Option(text(o, "label"), text(o, "description")) for o in options),
            multiple=json.get("multiple") is True,
            custom=json.get("custom") is not False,
        )


@dataclass(frozen=True, slots=True)
class QuestionRequest:
    """The agent waits for answers, one for each question."""

    id: str
    session: str
    questions: tuple[Question, ...] = ()

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a request."""
        return cls(
            id=need(json, "id"),
            session=need(json, "sessionID"),
            questions=tuple(Question.parse(as_json(q)) for q in items(json, "questions")),
        )


@dataclass(frozen=True, slots=True)
class Agent:
    """A way of working that OpenCode offers; ``mode`` is primary, subagent or all."""

    name: str
    mode: str = "primary"
    hidden: bool = False
    model: str | None = None

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read an agent."""
        return cls(
            name=need(json, "name"),
            mode=text(json, "mode") or "primary",
            hidden=json.get("hidden") is True,
            model=_model_name(child(json, "model")) or None,
        )


@dataclass(frozen=True, slots=True)
class Command:
    """A command that OpenCode knows."""

    name: str
    description: str = ""

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a command."""
        return cls(name=need(json, "name"), description=text(json, "description"))


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a prompt did to one file; ``status`` is added, modified or deleted."""

    file: str
    patch: str = ""
    additions: int = 0
    deletions: int = 0
    status: str = ""

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read a diff; the path is relative to the worktree."""
        return cls(
            file=need(json, "file"),
            patch=text(json, "patch"),
            additions=number(json, "additions") or 0,
            deletions=number(json, "deletions") or 0,
            status=text(json, "status"),
        )


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the server works for a directory: the repository around it, and itself."""

    worktree: str
    directory: str

    @classmethod
    def parse(cls, json: Json) -> Self:
        """Read ``/path``."""
        return cls(worktree=need(json, "worktree"), directory=need(json, "directory"))
