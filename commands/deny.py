"""/deny: refuse what the agent asks for; the model is told why."""

from bot.texts import about
from bot.texts import asks as texts
from commands.asked import code_of, role_of
from commands.registry import Invocation, command


@command("deny", alias=("拒绝",), topic=about.APPROVALS, about=about.DENY, followed="words")
async def deny(invocation: Invocation) -> str:
    """Refuse the request with this code."""
    code, reason = await code_of(invocation, about.DENY)
    ask = await invocation.services.asks.deny(
        invocation.chat.key, code, reason, by=invocation.message.sender, role=role_of(invocation)
    )
    return texts.DENIED.say(invocation.language, code=ask.code, n=ask.turn)
