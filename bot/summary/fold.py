"""How the events of OpenCode become a summary, one by one and in any chunking alike."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import singledispatch

from bot.opencode.events import (
    Event,
    MessageRemoved,
    MessageUpdated,
    PartDelta,
    PartRemoved,
    PartUpdated,
    SessionCreated,
    SessionFailed,
    SessionIdle,
    SessionRetitled,
    StatusChanged,
    TodosUpdated,
)
from bot.opencode.model import Message
from bot.summary.changes import (
    with_child_part,
    with_delta,
    with_entry,
    with_message,
    with_part,
    without_entry,
)
from bot.summary.lineage import from_prompt, lineage
from bot.summary.state import IDLE, Child, Step, Summary
from bot.summary.words import Words


def begin(session: str, prompt: str, at: int) -> Summary:
    """Return the summary of a turn of which nothing is known but its prompt's id."""
    return Summary(
        session=session,
        prompt=prompt,
        started_at=at,
        last_event_at=at,
        status=IDLE,
        seen_busy=False,
        error=None,
        answers={},
        prompts=(prompt,),
        newest_user=("", 0),
        compaction="",
        todos=(),
        subagents={},
        title="",
    )


def fold(summary: Summary, event: Event, at: int) -> Summary:
    """Return the turn after ``event``; events of other sessions and turns change nothing."""
    if isinstance(event, PartDelta) and event.session == summary.session and event.field == "text":
        return with_delta(summary, event.message, event.part, event.delta, at)
    if isinstance(event, SessionCreated):
        return _created(summary, event, at)
    if event.session == summary.session:
        return _moved(_apply(event, summary), at)
    child = summary.subagents.get(event.session)
    if child is None:
        return summary
    changed = _of_child(child, event)
    if changed is not child:
        subagents = with_entry(summary.subagents, child.session, changed)
        summary = replace(summary, subagents=subagents)
    return _moved(summary, at)


def _moved(summary: Summary, at: int) -> Summary:
    return summary if summary.last_event_at == at else replace(summary, last_event_at=at)


def _created(summary: Summary, event: SessionCreated, at: int) -> Summary:
    parent, session = event.info.parent, event.info.id
    if parent != summary.session and parent not in summary.subagents:
        return summary
    known = summary.subagents.get(session)
    child = known or Child(session, event.info.title, "running", at, {})
    child = replace(child, title=event.info.title or child.title)
    return _moved(replace(summary, subagents=with_entry(summary.subagents, session, child)), at)


@singledispatch
def _apply(event: object, summary: Summary) -> Summary:
    """Return the summary after an event of the turn's own session; most kinds only show life."""
    del event
    return summary


@_apply.register
def _(event: MessageUpdated, summary: Summary) -> Summary:
    return with_message(summary, event.message)


@_apply.register
def _(event: MessageRemoved, summary: Summary) -> Summary:
    return replace(summary, answers=without_entry(summary.answers, event.message))


@_apply.register
def _(event: PartUpdated, summary: Summary) -> Summary:
    return with_part(summary, event.message, event.part)


@_apply.register
def _(event: PartRemoved, summary: Summary) -> Summary:
    step = summary.answers.get(event.message)
    if step is None:
        return summary
    step = replace(step, pieces=without_entry(step.pieces, event.part))
    return replace(summary, answers=with_entry(summary.answers, event.message, step))


@_apply.register
def _(event: StatusChanged, summary: Summary) -> Summary:
    busy = summary.seen_busy or event.status.kind != "idle"
    return replace(summary, status=event.status, seen_busy=busy)


@_apply.register
def _(event: SessionIdle, summary: Summary) -> Summary:
    del event
    return replace(summary, status=IDLE)


@_apply.register
def _(event: SessionFailed, summary: Summary) -> Summary:
    # The second error of a pair is a stack trace; the first has the words.
    return replace(summary, error=summary.error or event.error)


@_apply.register
def _(event: SessionRetitled, summary: Summary) -> Summary:
    return replace(summary, title=event.title)


@_apply.register
def _(event: TodosUpdated, summary: Summary) -> Summary:
    return replace(summary, todos=event.todos)


def _of_child(child: Child, event: Event) -> Child:
    match event:
        case PartUpdated():
            return with_child_part(child, event.part)
        case SessionFailed():
            return replace(child, state="failed")
        case SessionIdle() if child.state == "running":
            return replace(child, state="done")
        case _:
            return child


def after_gap(summary: Summary) -> Summary:
    """Note that events were missed: a text that is being written is frozen until it comes whole."""
    answers = {id_: _frozen(step) for id_, step in summary.answers.items()}
    return replace(summary, answers=answers)


def _frozen(step: Step) -> Step:
    pieces = {
        id_: piece.gone_stale() if isinstance(piece, Words) else piece
        for id_, piece in step.pieces.items()
    }
    return replace(step, pieces=pieces)


def catch_up(summary: Summary, messages: Sequence[Message], at: int) -> Summary:
    """Return the turn after a look at the session's messages, which are the truth.

    Serves behind ``after_gap``, and as the whole of following by polling: ``last_event_at``
    moves when the look brought news. It does no harm while events come: nothing is taken back.
    """
    before, newer = summary, from_prompt(messages, summary.prompt)
    summary = _with_lineage(summary, newer)
    for message in newer:
        summary = with_message(summary, message)
        for part in message.parts:
            summary = with_part(summary, message.id, part, read=True)
    summary = _in_order(summary, [message.id for message in messages])
    news = (summary.answers, summary.subagents) != (before.answers, before.subagents)
    return _moved(summary, at) if news else summary


def _with_lineage(summary: Summary, messages: Sequence[Message]) -> Summary:
    """Let the list say which steps are ours; an end that a gap hid may have misled us."""
    prompts, steps = lineage(messages, summary.prompt)
    listed, own = {message.id for message in messages}, {step.id for step in steps}
    newer = tuple(id_ for id_ in summary.prompts if id_ not in listed and id_ not in prompts)
    answers = {
        id_: step for id_, step in summary.answers.items() if id_ in own or id_ not in listed
    }
    return replace(summary, prompts=(*prompts, *newer), answers=answers)


def _in_order(summary: Summary, ids: Iterable[str]) -> Summary:
    """Put the steps in the order of the server's list; those that it does not have stay last."""
    known = [id_ for id_ in ids if id_ in summary.answers]
    rest = [id_ for id_ in summary.answers if id_ not in set(known)]
    return replace(summary, answers={id_: summary.answers[id_] for id_ in (*known, *rest)})
