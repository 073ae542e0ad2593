"""/detail: how much of the work a reply shows."""

from bot.errors import UserError
from bot.texts import about
from bot.texts import commands as shared
from bot.texts import settling as texts
from commands.registry import Invocation, command

WORDS = {
    "quiet": "quiet",
    "少": "quiet",
    "normal": "normal",
    "适中": "normal",
    "full": "full",
    "全部": "full",
    "default": "",
    "默认": "",
}


@command("detail", alias=("详略",), topic=about.CHOOSING, about=about.DETAIL)
async def detail(invocation: Invocation) -> str:
    """Show or choose the level of detail for this chat."""
    word, language = invocation.rest.casefold(), invocation.language
    if not word:
        level = _in_force(invocation, invocation.chat.detail)
        return texts.DETAIL_NOW.say(language, level=texts.LEVELS[level].say(language))
    if word not in WORDS:
        raise UserError(shared.USAGE, usage=about.DETAIL.usage.say(language))
    chosen = WORDS[word]
    await invocation.services.store.chats.choose(invocation.chat.key, detail=chosen)
    level = _in_force(invocation, chosen)
    return texts.DETAIL_SET.say(language, level=texts.LEVELS[level].say(language))


def _in_force(invocation: Invocation, chosen: str) -> str:
    """Return the chat's level, else that of the settings, else what its kind of chat has."""
    by_kind = "quiet" if invocation.chat.kind == "group" else "normal"
    return chosen or invocation.services.settings.chat.detail or by_kind
