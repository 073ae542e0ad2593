"""/allow: let the agent do what it asks for, this once."""

from bot.texts import about
from bot.texts import asks as texts
from commands.asked import code_of, role_of
from commands.registry import Invocation, command


@command("allow", alias=("允许",), topic=about.APPROVALS, about=about.ALLOW, followed="code")
async def allow(invocation: Invocation) -> str:
    """Grant the request with this code."""
    code, _ = await code_of(invocation, about.ALLOW)
    ask = await invocation.services.asks.allow(
        invocation.chat.key, code, by=invocation.message.sender, role=role_of(invocation)
    )
    return texts.ALLOWED.say(invocation.language, code=ask.code, n=ask.turn)
