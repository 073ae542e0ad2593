"""The parts of a message: text, reasoning, tools, and what marks the server's own work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.opencode.fields import Json, child, need, number, text, texts


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text of a message; ``done`` is False while the model still writes it.

    The server keeps a running part's text as "" until it ends. ``synthetic`` text was written
    by OpenCode itself, not by a person or the model.
    """

    id: str
    text: str
    done: bool = True
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """What the model thought before it wrote."""

    id: str
    text: str
    done: bool = True


@dataclass(frozen=True, slots=True)
class ToolPart:
    """One use of a tool; ``status`` is pending, running, completed or error."""

    id: str
    call: str
    tool: str
    status: str
    title: str = ""
    input: Mapping[str, object] = field(default_factory=dict)
    output: str = ""
    error: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    started_at: int | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class PatchPart:
    """The files (absolute paths) that a step changed, as OpenCode's snapshot saw it."""

    files: tuple[str, ...]
    id: str = ""


@dataclass(frozen=True, slots=True)
class CompactionPart:
    """Marks a user message that asks for a summary of the session."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class OtherPart:
    """A part that we have no use for."""

    type: str
    id: str = ""


Part = TextPart | ReasoningPart | ToolPart | PatchPart | CompactionPart | OtherPart


def parse_part(json: Json) -> Part:
    """Read a part of any kind."""
    build = _PARTS.get(text(json, "type"))
    if build is None:
        return OtherPart(type=text(json, "type"), id=text(json, "id"))
    return build(json)


def _done(json: Json) -> bool:
    """Tell whether a text has its end; what a person wrote has no times at all."""
    return "time" not in json or number(child(json, "time"), "end") is not None


def _text_part(json: Json) -> TextPart:
    return TextPart(
        id=need(json, "id"),
        text=text(json, "text"),
        done=_done(json),
        synthetic=json.get("synthetic") is True,
    )


def _reasoning_part(json: Json) -> ReasoningPart:
    return ReasoningPart(id=need(json, "id"), text=text(json, "text"), done=_done(json))


def _tool_part(json: Json) -> ToolPart:
    state = child(json, "state")
    time = child(state, "time")
    return ToolPart(
        id=need(json, "id"),
        call=text(json, "callID"),
        tool=need(json, "tool"),
        status=text(state, "status") or "pending",
        title=text(state, "title"),
        input=child(state, "input"),
        output=text(state, "output"),
        error=text(state, "error"),
        metadata=child(state, "metadata"),
        started_at=number(time, "start"),
        ended_at=number(time, "end"),
    )


def _patch_part(json: Json) -> PatchPart:
    return PatchPart(files=texts(json, "files"), id=text(json, "id"))


def _compaction_part(json: Json) -> CompactionPart:
    return CompactionPart(id=text(json, "id"))


_PARTS: dict[str, Callable[[Json], Part]] = {
    "text": _text_part,
    "reasoning": _reasoning_part,
    "tool": _tool_part,
    "patch": _patch_part,
    "compaction": _compaction_part,
}
