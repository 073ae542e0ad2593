"""Choose the files of a turn's outbox that its reply can bring, and say of the others why they stay."""

from pathlib import Path

from bot.errors import UserError
from bot.files import Files, Looked
from bot.messages import Medium
from bot.render import path_of
from bot.texts import engine as texts
from bot.turns.running import Running

SENT_AT_ONCE = 10  # files of one answer
BYTES_AT_ONCE = 40 * 1024 * 1024  # of all of them: they are held in memory until they are sent


async def to_send(
    running: Running, looked: Looked | None, files: Files, outbox: str
) -> tuple[Medium, ...]:
    """Read what the turn put into its outbox and its reply can bring; tell of the rest on top of it."""
    chosen: list[Medium] = []
    left: list[str] = []
    room = BYTES_AT_ONCE
    for change in looked.changes if looked else ():
        if not change.path.startswith(outbox) or change.kind == "deleted":
            continue
        if len(chosen) == SENT_AT_ONCE or change.size > room:
            left.append(change.path)
            continue
        try:
            path, medium = await files.take(Path(running.record.directory), change.path)
        except UserError as exc:
            running.tell(exc.text, **exc.facts)
            continue
        if running.reply.takes((*chosen, medium)):
            chosen.append(medium)
            room -= len(medium.content)
        else:
            left.append(path)
    _tell(running, left)
    return tuple(chosen)


def _tell(running: Running, left: list[str]) -> None:
    """Name what stays in the workspace; only so many, since the list of changes has all."""
    if not left:
        return
    names = [path_of(path) for path in left[:SENT_AT_ONCE]]
    named = texts.COMMA.say(running.language).join(names)
    more = len(left) - SENT_AT_ONCE
    text = texts.UNSENT_MORE if more > 0 else texts.UNSENT
    running.tell(text, names=named, more=more, n=running.record.n)
