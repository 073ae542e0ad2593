"""/whoami: who the bot takes the asker for, and what would admit them."""

from bot.texts import about
from bot.texts import showing as texts
from commands.registry import Invocation, command


@command("whoami", alias=("我是谁",), topic=about.PEOPLE, about=about.WHOAMI, role=None)
async def whoami(invocation: Invocation) -> str:
    """Show id, role and chat; to somebody who is not admitted also the line for an administrator."""
    language, sender = invocation.language, invocation.message.sender
    role = texts.ROLES[invocation.role or ""].say(language)
    lines = [
        texts.WHOAMI.say(language, sender=sender, role=role),
        texts.WHOAMI_CHAT.say(language, chat=invocation.chat.key),
    ]
    if invocation.role is None:
        lines.append(texts.ADMIT.say(language, sender=sender))
    return "\n".join(lines)
