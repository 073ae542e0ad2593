"""/why: the life of a turn, for administrators."""

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from bot.errors import UserError
from bot.history import Life, life_of
from bot.texts import Language, about
from bot.texts import commands as texts
from bot.texts import files as shown
from bot.texts import why as words
from commands.registry import Invocation, command
from commands.turns import turn_or_last
from store.records import EdgeRecord, TurnRecord

EDGES_SHOWN = 24  # of a long life the first and the last
TOLD_IN_HEAD = 1  # the first edge stands in the line on top
PLAIN = "answered"  # the outcome that says no more than the state


@command("why", alias=("为什么",), topic=about.PEOPLE, about=about.WHY, role="admin")
async def why(invocation: Invocation) -> str:
    """Show every step that a turn took, when, and what came of it; no word of what was said."""
    turn = await turn_or_last(invocation, about.WHY.usage.say(invocation.language))
    life = await life_of(invocation.services.store, turn.n)
    if life is None:  # purged a moment ago
        raise UserError(texts.NO_SUCH_TURN, n=turn.n)
    language = invocation.language
    lines = [
        words.HEAD.say(language, n=turn.n, state=_state(turn, language)),
        words.WHO.say(language, sender=turn.sender, at=_moment(life.edges[0].at)),
        *_edges(life, language),
        *_asks(life, language),
        _delivery(life, language),
        _more(invocation, turn.n),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _state(turn: TurnRecord, language: Language) -> str:
    """Return how a turn stands, with its outcome where that says more."""
    said = shown.STATES[turn.state].say(language)
    return said if turn.outcome in ("", PLAIN) else f"{said} {turn.outcome}"


def _more(invocation: Invocation, n: int) -> str:
    path, public = f"/admin/turns/{n}", invocation.services.links.public_url
    if public is None:
        return words.MORE.say(invocation.language, path=path)
    return words.MORE_LINK.say(invocation.language, url=f"{public}{path}")


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
    refused = facts.pop("refused", False)
    name = "refused" if edge.edge == "unsent" and refused else edge.edge
    told = " ".join(f"{key}={value}" for key, value in facts.items() if value not in ("", None))
    after = f"+{max(0, edge.at - began_at) / 1000:.3f}s"
    return words.EDGE.say(language, after=after, edge=words.EDGES[name].say(language), facts=told)


def _asks(life: Life, language: Language) -> Iterator[str]:
    for ask in life.asks:
        yield words.ASKS[ask.kind].say(
            language,
            code=ask.code,
            state=ask.state,
            decision=ask.decision,
            by=ask.decided_by,
        )


def _delivery(life: Life, language: Language) -> str:
    delivery = life.delivery
    if delivery is None:
        return words.NO_DELIVERY.say(language)
    count = delivery.attempts
    tried = words.ATTEMPTS.say(language, count=count) if count else ""
    facts = (delivery.state, delivery.via, tried, delivery.cause)
    return words.DELIVERY.say(language, facts=" · ".join(filter(None, facts)))


def _moment(at: int) -> str:
    """Return a time as ``2026-11-26 08:15:00.123Z``."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1000:03d}Z"
