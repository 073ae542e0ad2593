"""/status: everything about this chat on one screen."""

from pathlib import Path

from bot.errors import PeerError, UserError
from bot.render import activity, age
from bot.texts import about
from bot.texts import status as texts
from commands.registry import Invocation, command
from commands.turns import named

TURNS_NAMED = 8


@command("status", alias=("状态",), topic=about.TALKING, about=about.STATUS)
async def status(invocation: Invocation) -> str:
    """Say what runs, what waits, with what and why, and how OpenCode is."""
    lines = [
        *_running(invocation),
        await _queue(invocation),
        *await _session(invocation),
        *await _open_ends(invocation),
        *_links(invocation),
        *_server(invocation),
    ]
    return "\n".join(lines)


def _running(invocation: Invocation) -> list[str]:
    running = invocation.services.turns.running(invocation.chat.key)
    language = invocation.language
    if running is None:
        return [texts.IDLE.say(language)]
    now, summary = invocation.services.clock(), running.summary
    head = texts.RUNNING.say(
        language,
        turn=named(invocation, running.record),
        age=age(now - running.started_at),
        steps=summary.steps,
    )
    doing = activity(summary, running.asks, now, language)
    heard = age(now - summary.last_event_at)
    lines = [head, texts.DOING.say(language, doing=doing, age=heard)]
    return [*lines, texts.NOTE.say(language, note=running.note)] if running.note else lines


async def _queue(invocation: Invocation) -> str:
    queued = await invocation.services.store.turns.queued(invocation.chat.key)
    if not queued:
        return texts.QUEUE_EMPTY.say(invocation.language)
    turns = numbers([turn.n for turn in queued])
    return texts.QUEUE.say(invocation.language, count=len(queued), turns=turns)


async def _session(invocation: Invocation) -> list[str]:
    language, services = invocation.language, invocation.services
    current = await services.sessions.current(invocation.chat)
    directory = await services.sessions.directory(invocation.chat)
    title = texts.SESSION_NEXT.say(language)
    if current is not None and (current.session or current.title):
        title = current.title or texts.UNTITLED.say(language)
    workspace = next(iter(services.settings.projects), directory.name)
    line = texts.SESSION.say(language, title=title, workspace=workspace)
    return [line, *await _choice(invocation, directory)]


async def _choice(invocation: Invocation, directory: Path) -> list[str]:
    """Return agent and model in force and why, or why that cannot be told."""
    language = invocation.language
    try:
        choice = await invocation.services.choices.resolve(invocation.chat, directory)
    except PeerError:
        return [texts.CHOICE_UNKNOWN.say(language)]
    except UserError as exc:
        return [texts.CHOICE_WRONG.say(language, problem=exc.text.say(language, **exc.facts))]
    return [
        texts.AGENT.say(language, agent=choice.agent, why=choice.agent_why.say(language)),
        texts.MODEL.say(language, model=choice.model, why=choice.model_why.say(language)),
    ]


async def _open_ends(invocation: Invocation) -> list[str]:
    """Return what waits for people: requests to decide, answers that may be lost."""
    services, key, language = invocation.services, invocation.chat.key, invocation.language
    lines = []
    asks = await services.asks.open(key)
    if asks:
        lines.append(texts.PENDING.say(language, codes=" ".join(ask.code for ask in asks)))
    doubtful = [one.turn for one in await services.store.deliveries.unknown(key) if one.turn]
    if doubtful:  # what is merely due stands on top of this very reply
        lines.append(texts.DOUBTFUL.say(language, turns=numbers(doubtful)))
    return lines


def numbers(turns: list[int]) -> str:
    """Return the numbers of turns, the first few of many."""
    shown = " ".join(f"#{n}" for n in turns[:TURNS_NAMED])
    return f"{shown} …" if len(turns) > TURNS_NAMED else shown


def _links(invocation: Invocation) -> list[str]:
    on = invocation.services.links.public_url is not None
    return [(texts.LINKS_ON if on else texts.LINKS_OFF).say(invocation.language)]


def _server(invocation: Invocation) -> list[str]:
    language, server = invocation.language, invocation.services.server
    if server.state == "starting":
        return [texts.SERVER_STARTING.say(language)]
    if server.state != "ready":
        return [texts.SERVER_DOWN.say(language)]
    lines = [texts.SERVER_READY.say(language, version=server.version)]
    feed = invocation.services.feed
    if feed is not None and not feed.connected:
        lines.append(texts.FEED_LOST.say(language))
    if server.warning:
        lines.append(texts.WARNING.say(language, warning=server.warning))
    return lines
