"""/stop!: end what will not stop, with the server that runs it."""

import structlog

from bot.texts import about
from bot.texts import commands as texts
from bot.turns import Running
from commands.registry import Invocation, command

log = structlog.get_logger()

YES = ("yes", "是", "确认")
NAMED = 10  # tasks of other chats; their words are nobody's business here


@command(
    "stop!",
    alias=("停止!", "强制停止", "强制停止!"),
    topic=about.PEOPLE,
    about=about.RECYCLE,
    role="admin",
)
async def recycle(invocation: Invocation) -> str:
    """Start the managed server anew, after asking where other chats' turns would end with it."""
    services = invocation.services
    if not services.server.managed:
        return await _leave(invocation)
    if services.server.gate.shut:  # the upgrade's own look at the server would take it for broken
        return texts.RECYCLE_HELD.say(invocation.language)
    others = [
        running
        for running in services.turns.all_running()
        if running.record.chat != invocation.chat.key
    ]
    if others and invocation.rest.casefold() not in YES:
        return _ask(invocation, others)
    # Nothing is waited for in between: no turn slips in that is not told.
    interrupted = services.turns.interrupt(by=invocation.message.sender)
    log.info("opencode.recycled", by=invocation.message.sender, turns=len(interrupted))
    came = await services.server.recycle()
    text = texts.RECYCLED if came else texts.RECYCLE_FAILED
    return text.say(invocation.language, count=len(interrupted))


def _ask(invocation: Invocation, others: list[Running]) -> str:
    language = invocation.language
    named = [
        texts.RECYCLE_TURN.say(
            language,
            n=running.record.n,
            sender=running.record.sender,
            kind=texts.RECYCLE_KINDS[running.chat.kind].say(language),
        )
        for running in others[:NAMED]
    ]
    if len(others) > NAMED:
        named.append(texts.RECYCLE_MORE.say(language, count=len(others) - NAMED))
    return texts.RECYCLE_ASKED.say(language, count=len(others), turns=" · ".join(named))


async def _leave(invocation: Invocation) -> str:
    """Give this chat's lane free: the server is not ours to restart."""
    language = invocation.language
    stopped = await invocation.services.turns.leave(
        invocation.chat.key, by=invocation.message.sender
    )
    if stopped is None:
        then = texts.NOTHING_RUNS.say(language)
    else:
        then = (texts.STOPPED if stopped.over else texts.LEFT).say(language, n=stopped.n)
    return f"{texts.NOT_OURS.say(language)}\n{then}"
