"""/status: everything about this chat on one screen."""

import asyncio
from pathlib import Path

from bot.errors import PeerError, UserError
from bot.render import activity, age
from bot.texts import about
from bot.texts import status as texts
from bot.turns import Running
from commands.registry import Invocation, command
from commands.turns import named
from store.records import Delivery, DeliveryState, TurnRecord

TURNS_NAMED = 8
DELIVERIES_NAMED = 5
CHOICE_S = 1.5  # of the 3 s that a command has before its reply is closed
UNSENT: tuple[DeliveryState, ...] = ("due", "sending", "unknown", "failed")


@command("status", alias=("状态",), topic=about.TALKING, about=about.STATUS)
async def status(invocation: Invocation) -> str:
    """Say what runs, what waits, with what and why, and how OpenCode is."""
    services, key = invocation.services, invocation.chat.key
    session, open_ends = await _session(invocation), await _open_ends(invocation)
    queued = await services.store.turns.queued(key)
    # What changes by itself is read last and nothing is waited for after it: true when said.
    running = services.turns.running(key)
    lines = [
        *_running(invocation, running),
        _queue(invocation, [turn.n for turn in queued if not _runs(running, turn)]),
        *session,
        *open_ends,
        *_links(invocation),
        *_server(invocation),
    ]
    return "\n".join(lines)


def _runs(running: Running | None, turn: TurnRecord) -> bool:
    """Tell whether a turn that waited when it was read has begun since."""
    return running is not None and running.record.n == turn.n


def _running(invocation: Invocation, running: Running | None) -> list[str]:
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


def _queue(invocation: Invocation, queued: list[int]) -> str:
    if not queued:
        return texts.QUEUE_EMPTY.say(invocation.language)
    return texts.QUEUE.say(invocation.language, count=len(queued), turns=numbers(queued))


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
        async with asyncio.timeout(CHOICE_S):
            choice = await invocation.services.choices.resolve(invocation.chat, directory)
    except (PeerError, TimeoutError):
        late = invocation.services.server.state == "ready"
        return [(texts.CHOICE_LATE if late else texts.CHOICE_UNKNOWN).say(language)]
    except UserError as exc:
        return [texts.CHOICE_WRONG.say(language, problem=exc.text.say(language, **exc.facts))]
    return [
        texts.AGENT.say(language, agent=choice.agent, why=choice.agent_why.say(language)),
        texts.MODEL.say(language, model=choice.model, why=choice.model_why.say(language)),
    ]


async def _open_ends(invocation: Invocation) -> list[str]:
    """Return what waits for people: requests to decide, answers that may be or are lost."""
    services, key, language = invocation.services, invocation.chat.key, invocation.language
    lines = []
    asks = await services.asks.open(key)
    if asks:
        lines.append(texts.PENDING.say(language, codes=" ".join(ask.code for ask in asks)))
    untold = await services.store.deliveries.untold(key)
    for state, text in (("unknown", texts.DOUBTFUL), ("failed", texts.FAILED)):
        turns = [one.turn for one in untold if one.turn and one.state == state]
        if turns:  # what is merely due stands on top of this very reply
            lines.append(text.say(language, turns=numbers(turns)))
    return [*lines, *(await _deliveries(invocation) if invocation.role == "admin" else [])]


async def _deliveries(invocation: Invocation) -> list[str]:
    """Return what an administrator wants to know of answers on their way: here, and everywhere.

    What waits for this chat's next contact is left out: this very reply has it on top.
    """
    language, deliveries = invocation.language, invocation.services.store.deliveries
    above = {one.id for one in await deliveries.waiting(invocation.chat.key)}
    unsent = await deliveries.unsent(chat=invocation.chat.key)
    here = [one for one in unsent if one.id not in above]
    lines = [_undelivered(invocation, one) for one in here[:DELIVERIES_NAMED]]
    if len(here) > DELIVERIES_NAMED:
        lines.append(texts.MORE_DELIVERIES.say(language, count=len(here) - DELIVERIES_NAMED))
    told = []
    backlog = await deliveries.backlog(but=invocation.chat.key)
    for state in UNSENT:
        if state in backlog:
            count, oldest_at = backlog[state]
            oldest = age(invocation.services.clock() - oldest_at)
            told.append(texts.COUNTED.say(language, state=state, count=count, oldest=oldest))
    return [*lines, texts.ALL_DELIVERIES.say(language, told=" · ".join(told))] if told else lines


def _undelivered(invocation: Invocation, delivery: Delivery) -> str:
    other = texts.FILE if delivery.file else texts.NOTICE
    name = other if delivery.turn is None else texts.ANSWER
    text = texts.UNDELIVERED_WHY if delivery.cause else texts.UNDELIVERED
    return text.say(
        invocation.language,
        name=name.say(invocation.language, n=delivery.turn),
        state=delivery.state,
        age=age(invocation.services.clock() - delivery.created_at),
        cause=delivery.cause,
    )


def numbers(turns: list[int]) -> str:
    """Return the numbers of turns, the first few of many."""
    shown = " ".join(f"#{n}" for n in turns[:TURNS_NAMED])
    return f"{shown} …" if len(turns) > TURNS_NAMED else shown


def _links(invocation: Invocation) -> list[str]:
    on = invocation.services.links.public_url is not None
    return [(texts.LINKS_ON if on else texts.LINKS_OFF).say(invocation.language)]


def _server(invocation: Invocation) -> list[str]:
    language, server = invocation.language, invocation.services.server
    if server.gate.shut:
        return [texts.SERVER_HELD.say(language)]
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
