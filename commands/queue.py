"""/queue: what runs and what waits."""

from bot.render import age
from bot.texts import about
from bot.texts import commands as texts
from commands.registry import Invocation, command
from commands.turns import named
from store.records import TurnRecord


@command("queue", alias=("队列",), topic=about.TALKING, about=about.QUEUE)
async def queue(invocation: Invocation) -> str:
    """List the running turn and the queue in its order."""
    queued = await invocation.services.store.turns.queued(invocation.chat.key)
    lines = _running(invocation)
    lines += [_line(invocation, turn, position) for position, turn in enumerate(queued, start=1)]
    lines += _hints(invocation, queued) if queued else [texts.QUEUE_EMPTY.say(invocation.language)]
    return "\n".join(lines)


def _hints(invocation: Invocation, queued: list[TurnRecord]) -> list[str]:
    """Return what the asker may do about the queue, below a blank line: else it joins the list."""
    services, sender = invocation.services, invocation.message.sender
    running = services.turns.running(invocation.chat.key)
    hints = []
    if running is None or services.access.may_force(sender, running.record.sender):
        hints.append(texts.QUEUE_FORCE.say(invocation.language))
    if any(services.access.may_stop(sender, turn.sender) for turn in queued):
        hints.append(texts.QUEUE_DROP.say(invocation.language))
    return ["", " · ".join(hints)] if hints else []


def _running(invocation: Invocation) -> list[str]:
    running = invocation.services.turns.running(invocation.chat.key)
    if running is None:
        return [texts.NOTHING_RUNS.say(invocation.language)]
    lasted = age(invocation.services.clock() - running.started_at)
    turn = named(invocation, running.record)
    return [texts.QUEUE_RUNNING.say(invocation.language, turn=turn, age=lasted)]


def _line(invocation: Invocation, turn: TurnRecord, position: int) -> str:
    line = texts.QUEUE_LINE.say(
        invocation.language,
        position=position,
        turn=named(invocation, turn),
        sender=turn.sender,
        age=age(invocation.services.clock() - turn.created_at),
    )
    return f"{line} · {texts.QUEUE_FORCED.say(invocation.language)}" if turn.forced else line
