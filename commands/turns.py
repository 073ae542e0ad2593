"""Find the turn that a person means: by its number, in their own chat only."""

import re

from bot.errors import UserError
from bot.render.pieces import plain
from bot.texts import commands as texts
from commands.registry import Invocation
from store.records import OPEN_STATES, TurnRecord

NUMBER = re.compile(r"[#＃]?(\d{1,12})")
LOOK_BACK = 50
TITLE_CHARS = 24


def number_of(word: str) -> int | None:
    """Return the number that ``word`` is, with or without ``#``; None for anything else."""
    found = NUMBER.fullmatch(word.strip())
    return int(found[1]) if found else None


async def turn_called(invocation: Invocation, word: str, usage: str) -> TurnRecord:
    """Return the turn of this chat with that number.

    A turn of another chat is as unknown as one that never was.
    """
    n = number_of(word)
    if n is None:
        raise UserError(texts.USAGE, usage=usage)
    turn = await invocation.services.store.turns.in_chat(invocation.chat.key, n)
    if turn is None:
        raise UserError(texts.NO_SUCH_TURN, n=n)
    return turn


async def turn_or_last(invocation: Invocation, usage: str) -> TurnRecord:
    """Return the turn that the first word names, else the newest that has ended."""
    if invocation.args:
        return await turn_called(invocation, invocation.args[0], usage)
    recent = await invocation.services.store.turns.recent(invocation.chat.key, LOOK_BACK)
    ended = [turn for turn in recent if turn.state not in (*OPEN_STATES, "dropped")]
    if not ended:
        raise UserError(texts.NO_TURN_YET)
    return max(ended, key=lambda turn: turn.n)


def named(invocation: Invocation, turn: TurnRecord) -> str:
    """Return how people see a turn: its number and its first words."""
    return texts.TURN.say(
        invocation.language, n=turn.n, title=plain(turn.text, TITLE_CHARS)
    ).rstrip()


def must_be_theirs(invocation: Invocation, turn: TurnRecord) -> None:
    """Refuse whoever may not end ``turn``: all but its starter, maintainers and administrators."""
    if not invocation.services.access.may_stop(invocation.message.sender, turn.sender):
        raise UserError(texts.NOT_YOURS, n=turn.n, starter=turn.sender)
