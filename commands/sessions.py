"""/sessions: the sessions of this chat, with the numbers that /switch takes."""

from bot.render import age
from bot.texts import about
from bot.texts import settling as texts
from bot.texts.status import UNTITLED
from commands.registry import Invocation, command
from store.records import SessionRecord

SHOWN = 12


@command("sessions", alias=("会话",), topic=about.SESSIONS, about=about.SESSION_LIST)
async def sessions(invocation: Invocation) -> str:
    """List the chat's sessions, newest first, the current one marked."""
    language = invocation.language
    listed = await numbered(invocation)
    if not listed:
        return texts.SESSIONS_NONE.say(language)
    current = await invocation.services.sessions.current(invocation.chat)
    lines = [texts.SESSIONS_HEAD.say(language)]
    if current is None or not current.session:
        lines.append(texts.SESSION_FRESH.say(language))
    for number, record in listed[:SHOWN]:
        here = current is not None and record.session == current.session
        lines.append(_line(invocation, number, record, here=here))
    if len(listed) > SHOWN:
        lines.append(texts.SESSIONS_OLDER.say(language, count=len(listed) - SHOWN))
    lines += ["", texts.SESSIONS_HINT.say(language)]  # else it belongs to the list's last item
    return "\n".join(lines)


async def numbered(invocation: Invocation) -> list[tuple[int, SessionRecord]]:
    """Return the chat's sessions, newest first, each with its number.

    The oldest is 1: a number goes on meaning the same session when new ones are opened.
    """
    known = await invocation.services.sessions.known(invocation.chat)
    by_age = sorted(known, key=lambda record: (record.opened_at, record.epoch))
    return list(enumerate(by_age, start=1))[::-1]


def titled(invocation: Invocation, record: SessionRecord) -> str:
    """Return the title of a session, or words that say it has none."""
    return record.title or UNTITLED.say(invocation.language)


async def busy(invocation: Invocation) -> bool:
    """Tell whether a turn of the chat runs or waits, which keeps to the session it was said in."""
    key, services = invocation.chat.key, invocation.services
    return services.turns.running(key) is not None or bool(await services.store.turns.queued(key))


def _line(invocation: Invocation, number: int, record: SessionRecord, *, here: bool) -> str:
    open_for = age(invocation.services.clock() - record.opened_at)
    title = titled(invocation, record)
    text = texts.SESSION_CURRENT if here else texts.SESSION_LINE
    return text.say(invocation.language, number=number, title=title, age=open_for)
