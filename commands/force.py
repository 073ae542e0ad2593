"""/force: run this now, in place of what runs."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as texts
from commands.registry import Invocation, Submit, command
from commands.turns import number_of, turn_called
from store.records import TurnRecord


@command("force", alias=("插队",), topic=about.TALKING, about=about.FORCE)
async def force(invocation: Invocation) -> str | Submit:
    """Put a text, or a queued turn by its number, before all others and end what runs."""
    usage = about.FORCE.usage.say(invocation.language)
    if not invocation.rest and not invocation.message.quote:
        raise UserError(texts.USAGE, usage=usage)
    _must_be_allowed(invocation)
    if number_of(invocation.rest) is None:
        return Submit(invocation.rest, forced=True)
    return await _queued(invocation, await turn_called(invocation, invocation.rest, usage))


def _must_be_allowed(invocation: Invocation) -> None:
    """Refuse whoever may not interrupt what runs; with nothing running everybody may."""
    services = invocation.services
    running = services.turns.running(invocation.chat.key)
    if running is None:
        return
    starter = running.record.sender
    if not services.access.may_force(invocation.message.sender, starter):
        raise UserError(texts.NOT_YOURS, n=running.record.n, starter=starter)


async def _queued(invocation: Invocation, turn: TurnRecord) -> str:
    services, key = invocation.services, invocation.chat.key
    if turn.state != "queued" or not await services.store.turns.force(turn.n):
        running = services.turns.running(key)
        runs = running is not None and running.record.n == turn.n
        raise UserError(texts.RUNS_ALREADY if runs else texts.ENDED_ALREADY, n=turn.n)
    running = services.turns.running(key)
    if running is None or running.record.n == turn.n:  # its lane may have taken it meanwhile
        services.turns.wake(key)
        return texts.FORCED_TURN.say(invocation.language, n=turn.n)
    _must_be_allowed(invocation)
    await services.turns.stop(key, by=invocation.message.sender, why="force")
    services.turns.wake(key)
    return texts.FORCED_AFTER.say(invocation.language, n=turn.n, running=running.record.n)
