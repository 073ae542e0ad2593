"""/switch: go back to a session of this chat."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as shared
from bot.texts import settling as texts
from bot.texts.sessions import NO_SUCH_SESSION
from commands.registry import Invocation, command
from commands.sessions import busy, numbered, titled
from commands.turns import number_of


@command("switch", alias=("切换",), topic=about.SESSIONS, about=about.SWITCH)
async def switch(invocation: Invocation) -> str:
    """Let the next message run in the session that /sessions shows under this number."""
    language, sessions = invocation.language, invocation.services.sessions
    wanted = number_of(invocation.rest)
    if wanted is None:
        raise UserError(shared.USAGE, usage=about.SWITCH.usage.say(language))
    record = dict(await numbered(invocation)).get(wanted)
    if record is None:
        raise UserError(NO_SUCH_SESSION)
    title = titled(invocation, record)
    current = await sessions.current(invocation.chat)
    if current is not None and current.session == record.session:
        return texts.SWITCHED_ALREADY.say(language, title=title)
    await sessions.switch(invocation.chat, record.session)
    lines = [texts.SWITCHED.say(language, title=title)]
    if await busy(invocation):
        lines.append(texts.OTHERS_STAY.say(language))
    return "\n".join(lines)
