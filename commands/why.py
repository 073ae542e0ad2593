"""/why: the life of a turn, for administrators."""

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from bot.errors import UserError
from bot.history import Life, life_of
from bot.texts import Language, about
from bot.texts import commands as texts
from bot.texts import why as words
from commands.registry import Invocation, command
from commands.turns import named, turn_or_last
from store.records import EdgeRecord

EDGES_SHOWN = 24  # of a long life the first and the last
TOLD_IN_HEAD = 1  # the first edge stands in the line on top


@command("why", alias=("为什么",), topic=about.PEOPLE, about=about.WHY, role="admin")
async def why(invocation: Invocation) -> str:
    """Show every step that a turn took, when, and what came of it; no word of what was said."""
    turn = await turn_or_last(invocation, about.WHY.usage.say(invocation.language))
    life = await life_of(invocation.services.store, turn.n)
    if life is None:  # purged a moment ago
        raise UserError(texts.NO_SUCH_TURN, n=turn.n)
    language = invocation.language
    state = f"{turn.state} {turn.outcome}".rstrip()
    lines = [
        words.HEAD.say(language, turn=named(invocation, turn), state=state),
        words.WHO.say(language, sender=turn.sender, at=_moment(life.edges[0].at)),
        *_edges(life, language),
        *_asks(life, language),
        _delivery(life, language),
        words.MORE.say(language, n=turn.n),
    ]
    return "\n".join(f"{line.rstrip()}" for line in lines)


def _edges(life: Life, language: Language) -> Iterator[str]:
    edges = life.edges[TOLD_IN_HEAD:]
    half = EDGES_SHOWN // 2
    if len(edges) <= EDGES_SHOWN:
        first, last = edges, []
    else:
        first, last = edges[:half], edges[-half:]
    began_at = life.edges[0].at
    yield from (_edge(edge, began_at, language) for edge in first)
    if last:
        yield words.LEFT_OUT.say(language, count=len(edges) - len(first) - len(last))
    yield from (_edge(edge, began_at, language) for edge in last)


def _edge(edge: EdgeRecord, began_at: int, language: Language) -> str:
    facts: dict[str, object] = orjson.loads(edge.facts)
    if edge.fence > 1:
        facts["fence"] = edge.fence
    told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", None))
    after = f"+{max(0, edge.at - began_at) / 1000:.3f}s"
    return words.EDGE.say(
        language, after=after, edge=words.EDGES[edge.edge].say(language), facts=told
    )


def _asks(life: Life, language: Language) -> Iterator[str]:
    for ask in life.asks:
        yield words.ASK.say(
            language,
            code=ask.code,
            kind=ask.kind,
            state=ask.state,
            decision=ask.decision,
            by=ask.decided_by,
        )


def _delivery(life: Life, language: Language) -> str:
    delivery = life.delivery
    if delivery is None:
        return words.NO_DELIVERY.say(language)
    return words.DELIVERY.say(
        language,
        state=delivery.state,
        via=delivery.via,
        attempts=delivery.attempts,
        cause=delivery.cause,
    )


def _moment(at: int) -> str:
    """Return a time as ``2026-11-26 08:15:00.123Z``."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1000:03d}Z"
