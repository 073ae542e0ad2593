"""The single replacements that make one summary out of another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from bot.opencode.model import (
    CompactionPart,
    Message,
    Part,
    PatchPart,
    ReasoningPart,
    TextPart,
    ToolPart,
)
from bot.summary.state import FINAL_FINISHES, Child, ChildState, Patch, Piece, Step, Summary
from bot.summary.tools import Tool, as_tool
from bot.summary.words import Words

CHILD_STATES: Mapping[str, ChildState] = {
    "pending": "running",
    "running": "running",
    "completed": "done",
    "error": "failed",
}
EMPTY_STEP = Step(completed=False, finish=None, error=None, tokens=0, pieces={})
V = TypeVar("V")


def with_entry(values: dict[str, V], key: str, value: V) -> dict[str, V]:
    """Return a copy of ``values`` with one entry set; a known key keeps its place."""
    copy = values.copy()
    copy[key] = value
    return copy


def without_entry(values: dict[str, V], key: str) -> dict[str, V]:
    """Return a copy of ``values`` without one entry."""
    copy = values.copy()
    copy.pop(key, None)
    return copy


def with_message(summary: Summary, info: Message) -> Summary:
    """Take in what the server says of a message; one that is not the turn's changes nothing."""
    if info.role == "user":
        return _with_user(summary, info)
    if info.parent not in summary.prompts or info.summary:
        return summary
    known = summary.answers.get(info.id)
    step = known or EMPTY_STEP
    # An older copy may come after a newer one (read, then the queue): nothing is taken back.
    step = Step(
        completed=step.completed or info.completed_at is not None,
        finish=info.finish or step.finish,
        error=info.error or step.error,
        tokens=info.tokens or step.tokens,
        pieces=step.pieces,
    )
    return replace(
        summary,
        answers=with_entry(summary.answers, info.id, step),
        seen_busy=True,
        # A further step means that the server got over what had gone wrong before it.
        error=summary.error if known else None,
    )


def _with_user(summary: Summary, info: Message) -> Summary:
    newest, created_at = summary.newest_user
    if info.created_at < created_at or info.id == newest:
        return summary
    summary = replace(summary, newest_user=(info.id, info.created_at))
    if not summary.compaction or info.id in summary.prompts:
        return summary
    # The first message after the summing-up carries the turn on: "Continue …", or the prompt anew.
    return replace(summary, prompts=(*summary.prompts, info.id), compaction="")


def with_part(summary: Summary, message: str, part: Part, *, read: bool = False) -> Summary:
    """Take in a part as it is now; ``read``: from the server's list, not from the stream."""
    if isinstance(part, CompactionPart):
        return _with_compaction(summary, message)
    step = summary.answers.get(message)
    if step is None:
        return summary
    piece = _piece(step.pieces.get(part.id), part, read=read)
    if piece is None:
        return summary
    answers = with_entry(summary.answers, message, with_piece(step, part.id, piece))
    summary = replace(summary, answers=answers)
    if isinstance(piece, Tool) and piece.child:
        return _with_task(summary, piece)
    return summary


def _with_compaction(summary: Summary, message: str) -> Summary:
    """Note that the session is being summed up; after a final answer that is not our business."""
    last = summary.last_step
    if message == summary.prompt or last is None or last.finish in FINAL_FINISHES:
        return summary
    return replace(summary, compaction=message)


def with_delta(summary: Summary, message: str, part: str, delta: str, at: int) -> Summary:
    """Add a piece of text to a part that we have from its beginning."""
    step = summary.answers.get(message)
    words = step.pieces.get(part) if step else None
    if step is None or not isinstance(words, Words) or words.done or words.stale:
        return summary.with_answers(summary.answers, at)
    return summary.with_answers(
        with_entry(summary.answers, message, with_piece(step, part, words.grown(delta))), at
    )


def with_piece(step: Step, part: str, piece: Piece) -> Step:
    """Return the step with one piece set."""
    pieces = with_entry(step.pieces, part, piece)
    return Step(step.completed, step.finish, step.error, step.tokens, pieces)


def _piece(known: Piece | None, part: Part, *, read: bool) -> Piece | None:
    """Return what a part becomes, None when it is no news or nothing that we keep."""
    match part:
        case TextPart():
            return _words(known, Words.of("text", part.text, done=part.done), read=read)
        case ReasoningPart():
            return _words(known, Words.of("reasoning", part.text, done=part.done), read=read)
        case ToolPart():
            tool = as_tool(part)
            return tool if tool.later_than(known) else None
        case PatchPart():
            return Patch(part.files)
        case _:
            return None


def _words(known: Piece | None, words: Words, *, read: bool) -> Words | None:
    """Prefer the whole text; of two unfinished ones the longer: what was shown stays.

    Behind an unfinished text that was read, pieces may be missing or come twice.
    """
    if words.done:
        return words
    if isinstance(known, Words):
        shorter = words.size <= known.size if read else words.size < known.size
        if known.done or shorter:
            return None
    return words.gone_stale() if read else words


def _with_task(summary: Summary, task: Tool) -> Summary:
    """Follow a sub-agent by the tool that started it, which a gap does not hide."""
    child = summary.subagents.get(task.child)
    if child is None:
        child = Child(task.child, task.label, "running", task.started_at or 0, {})
    child = replace(child, state=CHILD_STATES.get(task.status, child.state))
    return replace(summary, subagents=with_entry(summary.subagents, task.child, child))


def with_child_part(child: Child, part: Part) -> Child:
    """Take in what a sub-agent does; what it says is for its parent alone."""
    if not isinstance(part, ToolPart):
        return child
    tool = as_tool(part)
    if not tool.later_than(child.tools.get(part.id)):
        return child
    return replace(child, tools=with_entry(child.tools, part.id, tool))
