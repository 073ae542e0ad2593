"""/help: what the asker may say, and how things stand."""

import difflib
from collections.abc import Iterable

from bot.access import Role
from bot.errors import UserError
from bot.render import age
from bot.texts import Language, about
from bot.texts import status as texts
from bot.texts.about import TOPICS, Topic
from commands.registry import Command, Commands, Invocation, command
from commands.status import numbers
from commands.turns import named

NEAR = 0.5  # of difflib's likeness


def help_about(others: Iterable[Command]) -> Command:
    """Return the command that explains ``others`` and itself."""

    @command("help", alias=("帮助",), topic=about.TALKING, about=about.HELP)
    async def explain(invocation: Invocation) -> str:
        """Show the short list, a topic with examples, or one command."""
        word = invocation.rest.lstrip("/／").casefold()
        if not word:
            return await _overview(known, invocation)
        topic = _topic(word)
        if topic is not None:
            return _of_topic(known, topic, invocation)
        found = known.find(word)
        if found is not None and found.open_to(invocation.role):
            return _of_command(found, invocation.language)
        raise _unknown(known, word, invocation)

    known = Commands(explain, *others)
    return explain


async def _overview(known: Commands, invocation: Invocation) -> str:
    language, group = invocation.language, invocation.chat.kind == "group"
    topics = [topic for topic in TOPICS if _open(known, topic, invocation.role)]
    lines = [(texts.HELP_START_GROUP if group else texts.HELP_START).say(language)]
    lines += await _state(invocation)
    lines += [_line(known, topic, invocation) for topic in topics]
    titles = " | ".join(topic.title.say(language) for topic in topics)
    lines.append(texts.HELP_MORE.say(language, topics=titles))
    return "\n".join(lines)


async def _state(invocation: Invocation) -> list[str]:
    """Return what the asker most likely came for: what runs, what to decide, what to fetch."""
    services, key, language = invocation.services, invocation.chat.key, invocation.language
    lines = []
    running = services.turns.running(key)
    if running is not None:
        count = len(await services.store.turns.queued(key))
        lasted = age(services.clock() - running.started_at)
        turn = named(invocation, running.record)
        lines.append(texts.HELP_RUNNING.say(language, turn=turn, age=lasted, count=count))
    asks = await services.asks.open(key)
    if asks:
        lines.append(texts.HELP_PENDING.say(language, codes=" ".join(ask.code for ask in asks)))
    untold = await services.store.deliveries.untold(key)
    doubtful = [one.turn for one in untold if one.turn and one.state == "unknown"]
    if doubtful:
        lines.append(texts.HELP_DOUBTFUL.say(language, turns=numbers(doubtful)))
    return lines


def _open(known: Commands, topic: Topic, role: Role | None) -> list[Command]:
    return [one for one in known if one.topic is topic and one.open_to(role)]


def _line(known: Commands, topic: Topic, invocation: Invocation) -> str:
    language = invocation.language
    title = texts.HELP_TOPIC.say(language, title=topic.title.say(language))
    names = (_short(one, language) for one in _open(known, topic, invocation.role))
    return f"{title} {' · '.join(names)}"


def _short(one: Command, language: Language) -> str:
    """Return the verb and its label."""
    return f"/{one.name} {one.about.label.say(language)}"


def _topic(word: str) -> Topic | None:
    for topic in TOPICS:
        if word in (topic.title.zh, topic.title.en, *topic.words):
            return topic
    return None


def _of_topic(known: Commands, topic: Topic, invocation: Invocation) -> str:
    language = invocation.language
    lines = [texts.HELP_TOPIC.say(language, title=topic.title.say(language))]
    lines += [
        f"{one.about.usage.say(language)}\n　{one.about.summary.say(language)}"
        for one in _open(known, topic, invocation.role)
    ]
    lines.append(topic.examples.say(language))
    return "\n".join(lines)


def _of_command(one: Command, language: Language) -> str:
    words = " ".join(f"/{alias}" for alias in one.alias)
    lines = (
        one.about.usage.say(language),
        one.about.summary.say(language),
        texts.HELP_ALIASES.say(language, words=words),
    )
    return "\n".join(lines)


def _unknown(known: Commands, word: str, invocation: Invocation) -> UserError:
    topics = [name for topic in TOPICS for name in (topic.title.zh, topic.title.en)]
    near = difflib.get_close_matches(word, topics, n=1, cutoff=NEAR)
    nearest = near[0] if near else known.nearest(word)
    hint = texts.HELP_HINT.say(invocation.language, nearest=nearest) if nearest else ""
    return UserError(texts.HELP_UNKNOWN, word=word, hint=hint)
