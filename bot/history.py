"""The whole life of a turn, read in one place for whoever has to explain it."""

from dataclasses import dataclass

import orjson

from store import Store
from store.records import AskRecord, Delivery, EdgeRecord, InboundRecord, TurnRecord


@dataclass(frozen=True, slots=True)
class Life:
    """A turn with all that is known of it.

    ``edges`` begin with ``received`` and, where the database's clock kept it, ``stored``;
    ``inbound`` and ``delivery`` are None when they are gone or never were.
    """

    turn: TurnRecord
    inbound: InboundRecord | None
    edges: list[EdgeRecord]
    asks: list[AskRecord]
    delivery: Delivery | None


async def life_of(store: Store, n: int) -> Life | None:
    """Return the life of a turn; None when there is no such turn, or not any more."""
    turn = await store.turns.get(n)
    if turn is None:
        return None
    inbound = await store.inbox.find(turn.message)
    return Life(
        turn=turn,
        inbound=inbound,
        edges=[*_first_edges(turn, inbound), *await store.turns.history(n)],
        asks=await store.asks.of_turn(n),
        delivery=await store.deliveries.of_turn(n),
    )


def _first_edges(turn: TurnRecord, inbound: InboundRecord | None) -> list[EdgeRecord]:
    """Return the edges that are columns: no row of their own is written while WeCom waits."""
    received_at = inbound.received_at if inbound is not None else turn.created_at
    facts = {"message": turn.message, "by": turn.sender}
    edges = [EdgeRecord(turn.n, "received", 0, orjson.dumps(facts).decode(), received_at)]
    if turn.stored_at:  # 0: kept by a version that did not note it
        edges.append(EdgeRecord(turn.n, "stored", 0, "{}", turn.stored_at))
    return edges
