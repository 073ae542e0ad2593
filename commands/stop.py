"""/stop: end what runs."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as texts
from commands.registry import Invocation, command
from commands.turns import must_be_theirs, number_of
from store.records import TurnRecord

ALL = ("all", "全部")
YES = ("yes", "是", "确认")


@command("stop", alias=("停止",), bare=("停止!",), topic=about.TALKING, about=about.STOP)
async def stop(invocation: Invocation) -> str:
    """End the running turn and keep the queue; with ``all`` clear the queue too."""
    first, second = (*map(str.casefold, invocation.args), "", "")[:2]
    if first in ALL:
        return await (_all if second in YES else _ask)(invocation)
    running = invocation.services.turns.running(invocation.chat.key)
    n = number_of(first)
    if n is not None and (running is None or running.record.n != n):
        raise UserError(texts.STOP_NOT_RUNNING, n=n)
    if running is not None:
        must_be_theirs(invocation, running.record)
    return "\n".join((await _stopped(invocation), *await _rest(invocation)))


async def _stopped(invocation: Invocation) -> str:
    """Ask for the end of the running turn and say how far that is."""
    stopped = await invocation.services.turns.stop(
        invocation.chat.key, by=invocation.message.sender
    )
    if stopped is None:
        return texts.NOTHING_RUNS.say(invocation.language)
    text = texts.STOPPED if stopped.over else texts.STOPPING
    return text.say(invocation.language, n=stopped.n)


async def _rest(invocation: Invocation) -> list[str]:
    count = len(await invocation.services.store.turns.queued(invocation.chat.key))
    return [texts.REST_RUNS.say(invocation.language, count=count)] if count else []


async def _ask(invocation: Invocation) -> str:
    running, queued = await _everything(invocation)
    if not running and not queued:
        return texts.STOP_ALL_NOTHING.say(invocation.language)
    text = texts.STOP_ALL_ASKED if running else texts.STOP_ALL_QUEUED
    if not queued:
        text = texts.STOP_ALL_RUNNING
    return text.say(invocation.language, count=len(queued))


async def _all(invocation: Invocation) -> str:
    await _everything(invocation)
    services, key = invocation.services, invocation.chat.key
    # The queue first: once the running turn is over, its lane takes the next at once.
    dropped = await services.turns.drop_all(key, by=invocation.message.sender)
    lines = [await _stopped(invocation)]
    if dropped:
        turns = " ".join(f"#{n}" for n in dropped)
        text = texts.DROPPED_ALL.say(invocation.language, count=len(dropped), turns=turns)
        lines.append(text)
    else:
        lines.append(texts.QUEUE_WAS_EMPTY.say(invocation.language))
    return "\n".join(lines)


async def _everything(invocation: Invocation) -> tuple[list[TurnRecord], list[TurnRecord]]:
    """Return what runs and what waits, once it is certain that the person may end all of it."""
    key = invocation.chat.key
    queued = await invocation.services.store.turns.queued(key)
    running = invocation.services.turns.running(key)
    runs = [] if running is None else [running.record]
    for turn in (*runs, *queued):
        must_be_theirs(invocation, turn)
    return runs, queued
