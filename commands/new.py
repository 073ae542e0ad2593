"""/new: start afresh."""

from bot.sessions import shortened
from bot.texts import about
from bot.texts import settling as texts
from commands.registry import Invocation, command
from commands.sessions import busy


@command("new", alias=("新会话",), topic=about.TALKING, about=about.NEW)
async def new(invocation: Invocation) -> str:
    """Let the next message open a session; the old one stays and can be switched back to."""
    language = invocation.language
    await invocation.services.sessions.fresh(invocation.chat, invocation.rest)
    title = shortened(invocation.rest)
    lines = [texts.NEW_TITLED.say(language, title=title) if title else texts.NEW.say(language)]
    if await busy(invocation):
        lines.append(texts.OTHERS_STAY.say(language))
    lines.append(texts.BACK.say(language))
    return "\n".join(lines)
