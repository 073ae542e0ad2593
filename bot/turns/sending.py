"""Choose the files of a turn's outbox that go with its answer, and say of the others why they stay."""

from pathlib import Path

from bot.errors import UserError
from bot.files import Files, Looked
from bot.messages import Sendable
from bot.render import unsent
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
        body=unsent([one.path], record.n, running.language),
        footer="",
        more="",
        at=at,
        file=one.path,
    )


def _tell(running: Running, left: list[str], refused: list[UserError]) -> None:
    """Name what stays in the workspace; only so many, since the list of changes has all."""
    for exc in refused[:REFUSED_TOLD]:
        running.tell(exc.text, **exc.facts)
    if len(refused) > REFUSED_TOLD:
        running.tell(texts.UNSENT_OTHERS, n=len(refused) - REFUSED_TOLD)
    if left:
        running.tell_line(unsent(left, running.record.n, running.language))
