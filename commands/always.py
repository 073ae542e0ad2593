"""/always: let the agent do what it asks for, and the like of it, in this task."""

from bot.texts import about
from bot.texts import asks as texts
from commands.asked import code_of, role_of
from commands.registry import Invocation, command


@command("always", alias=("本任务",), topic=about.APPROVALS, about=about.ALWAYS, followed="code")
async def always(invocation: Invocation) -> str:
    """Grant the request with this code, and what is like it until its turn is over."""
    code, _ = await code_of(invocation, about.ALWAYS)
    ask = await invocation.services.asks.always(
        invocation.chat.key, code, by=invocation.message.sender, role=role_of(invocation)
    )
    return texts.ALLOWED_FOR_TASK.say(invocation.language, code=ask.code, n=ask.turn)
