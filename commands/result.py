"""/result: an answer once more, part by part."""

import structlog

from bot.errors import UserError
from bot.fitting import PART_BYTES, split
from bot.texts import Text, about
from bot.texts import commands as texts
from commands.registry import Invocation, command
from commands.turns import named, number_of, turn_or_last
from store.records import Delivery, TurnRecord

log = structlog.get_logger()

NOT_THERE = {
    "queued": texts.RESULT_QUEUED,
    "running": texts.RESULT_RUNNING,
    "dropped": texts.RESULT_DROPPED,
}


@command("result", alias=("结果",), topic=about.TALKING, about=about.RESULT)
async def result(invocation: Invocation) -> str:
    """Show a part of a turn's answer; one that had not been brought yet is brought by this."""
    usage = about.RESULT.usage.say(invocation.language)
    turn = await turn_or_last(invocation, usage)
    not_there = NOT_THERE.get(turn.state)
    if not_there is not None:
        return not_there.say(invocation.language, n=turn.n)
    delivery = await invocation.services.store.deliveries.of_turn(turn.n)
    body, footer = (delivery.body, delivery.footer) if delivery else (turn.answer, turn.footer)
    if delivery is not None and delivery.via == "bubble":  # which showed its pictures
        footer = turn.footer
    parts = split(body or texts.RESULT_EMPTY.say(invocation.language), PART_BYTES)
    part = _part(invocation, usage)
    if not 1 <= part <= len(parts):
        raise UserError(texts.RESULT_PARTS, n=turn.n, part=part, total=len(parts))
    if delivery is not None:
        await _brought(invocation, delivery)
    return _shown(invocation, turn, parts, part, footer)


def _part(invocation: Invocation, usage: str) -> int:
    if len(invocation.args) < 2:  # noqa: PLR2004 - the turn's number, then the part's
        return 1
    part = number_of(invocation.args[1])
    if part is None:
        raise UserError(texts.USAGE, usage=usage)
    return part


async def _brought(invocation: Invocation, delivery: Delivery) -> None:
    """Take a delivery that had not arrived, or not for certain; one under way is left alone."""
    if await invocation.services.store.deliveries.fetched(delivery.id):
        log.info("delivery.sent", delivery=delivery.id, via="result", turn=delivery.turn)


def _shown(
    invocation: Invocation, turn: TurnRecord, parts: list[str], part: int, footer: str
) -> str:
    total, language = len(parts), invocation.language
    head: Text = texts.RESULT_HEAD if total == 1 else texts.RESULT_PART
    tail = footer
    if part < total:
        tail = texts.RESULT_NEXT.say(language, n=turn.n, part=part + 1)
    title = head.say(language, turn=named(invocation, turn), part=part, total=total)
    return "\n\n".join(filter(None, (title, parts[part - 1], tail)))
