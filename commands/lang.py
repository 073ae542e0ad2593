"""/lang: which language the bot speaks in this chat."""

from bot.errors import UserError
from bot.texts import Language, about
from bot.texts import commands as shared
from bot.texts import settling as texts
from commands.registry import Invocation, command

WORDS = {
    "zh": "zh",
    "中文": "zh",
    "en": "en",
    "english": "en",
    "英文": "en",
    "auto": "auto",
    "自动": "auto",
}
SPOKEN: dict[str, Language] = {"zh": "zh", "en": "en"}


@command("lang", alias=("语言",), topic=about.CHOOSING, about=about.LANG)
async def lang(invocation: Invocation) -> str:
    """Show or choose the language of this chat; the answer speaks it already."""
    word, language = invocation.rest.casefold(), invocation.language
    if not word:
        now = invocation.chat.language or invocation.services.settings.chat.language
        return texts.LANG_NOW.say(language, spoken=texts.LANGUAGES[now].say(language))
    if word not in WORDS:
        raise UserError(shared.USAGE, usage=about.LANG.usage.say(language))
    chosen = WORDS[word]
    await invocation.services.store.chats.choose(invocation.chat.key, language=chosen)
    language = SPOKEN.get(chosen, language)
    return texts.LANG_SET.say(language, spoken=texts.LANGUAGES[chosen].say(language))
