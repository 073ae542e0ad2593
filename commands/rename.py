"""/rename: give the current session another title."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as shared
from bot.texts import settling as texts
from commands.registry import Invocation, command


@command("rename", alias=("改名",), topic=about.SESSIONS, about=about.RENAME)
async def rename(invocation: Invocation) -> str:
    """Rename the session here and on the server."""
    if not invocation.rest:
        raise UserError(shared.USAGE, usage=about.RENAME.usage.say(invocation.language))
    record = await invocation.services.sessions.rename(invocation.chat, invocation.rest)
    return texts.RENAMED.say(invocation.language, title=record.title)
