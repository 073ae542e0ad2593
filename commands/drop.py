"""/drop: take a turn out of the queue."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as texts
from commands.registry import Invocation, command
from commands.turns import must_be_theirs, named, turn_called


@command("drop", alias=("取消",), topic=about.TALKING, about=about.DROP)
async def drop(invocation: Invocation) -> str:
    """Drop a queued turn: one's own, or anybody's for maintainers."""
    usage = about.DROP.usage.say(invocation.language)
    turn = await turn_called(invocation, invocation.rest, usage)
    services = invocation.services
    must_be_theirs(invocation, turn)
    if not await services.turns.drop(turn, by=invocation.message.sender):
        raise UserError(texts.NOT_QUEUED, n=turn.n)
    return texts.DROPPED.say(invocation.language, turn=named(invocation, turn))
