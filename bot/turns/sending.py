"""Choose the files of a turn's outbox that go with its answer, and say of the others why they stay."""

from collections.abc import Sequence
from pathlib import Path

from bot.errors import UserError
from bot.files import Files, Looked
from bot.messages import Sendable
from bot.render import path_of
from bot.texts import engine as texts
from bot.turns.running import Running
from store.records import NewDelivery

SENT_AT_ONCE = 10  # files of one answer
REFUSED_TOLD = 3  # with a sentence each; the others are counted


async def to_send(
    running: Running, looked: Looked | None, files: Files, outbox: str
) -> tuple[Sendable, ...]:
    """Return what the turn put into its outbox and its reply can bring; tell of the rest."""
    chosen: list[Sendable] = []
    left: list[str] = []
    refused: list[UserError] = []
    for change in looked.changes if looked else ():
        if not change.path.startswith(outbox) or change.kind == "deleted":
            continue
        try:
            one = await files.sendable(Path(running.record.directory), change.path)
        except UserError as exc:
            refused.append(exc)
            continue
        if len(chosen) < SENT_AT_ONCE and running.reply.takes((*chosen, one)):
            chosen.append(one)
        else:
            left.append(one.path)
    _tell(running, left, refused)
    return tuple(chosen)


def file_of(running: Running, one: Sendable, at: int) -> NewDelivery:
    """Return the delivery of a file that is a message of its own, behind the answer."""
    record = running.record
    return NewDelivery(
        chat=record.chat,
        turn=None,
        message=record.message,
        body=unsent(running, [one]),
        footer="",
        more="",
        at=at,
        file=one.path,
    )


def unsent(running: Running, media: Sequence[Sendable]) -> str:
    """Name files where they are not sent."""
    names = texts.COMMA.say(running.language).join(path_of(one.path) for one in media)
    return texts.UNSENT.say(running.language, names=names, n=running.record.n)


def _tell(running: Running, left: list[str], refused: list[UserError]) -> None:
    """Name what stays in the workspace; only so many, since the list of changes has all."""
    for exc in refused[:REFUSED_TOLD]:
        running.tell(exc.text, **exc.facts)
    if len(refused) > REFUSED_TOLD:
        running.tell(texts.UNSENT_OTHERS, n=len(refused) - REFUSED_TOLD)
    if left:
        named = texts.COMMA.say(running.language).join(map(path_of, left[:SENT_AT_ONCE]))
        more = len(left) - SENT_AT_ONCE
        text = texts.UNSENT_MORE if more > 0 else texts.UNSENT
        running.tell(text, names=named, more=more, n=running.record.n)
