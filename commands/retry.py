"""/retry: run a turn's words again."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as texts
from commands.registry import Invocation, Submit, command
from commands.turns import turn_or_last
from store.records import OPEN_STATES


@command("retry", alias=("重试",), topic=about.TALKING, about=about.RETRY)
async def retry(invocation: Invocation) -> Submit:
    """Make a new turn of the words of one that has ended."""
    turn = await turn_or_last(invocation, about.RETRY.usage.say(invocation.language))
    if turn.state in OPEN_STATES:
        raise UserError(texts.RETRY_OPEN, n=turn.n)
    return Submit(turn.text, kind=turn.kind, retry_of=turn.n)
