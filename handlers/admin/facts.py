"""What administrators are told of a turn and of a delivery; of what was said only on demand."""

import orjson

from bot.history import Life
from store.records import AskRecord, Delivery, EdgeRecord, TurnRecord


def row(turn: TurnRecord, delivery: Delivery | None) -> dict[str, object]:
    """Return a turn in one line."""
    return {
        "turn": turn.n,
        "chat": turn.chat,
        "sender": turn.sender,
        "kind": turn.kind,
        "state": turn.state,
        "outcome": turn.outcome,
        "created_at": turn.created_at,
        "started_at": turn.started_at,
        "ended_at": turn.ended_at,
        "delivery": delivery and {"id": delivery.id, "state": delivery.state, "via": delivery.via},
    }


def life(life: Life) -> dict[str, object]:
    """Return the life of a turn without a word of what people or models wrote."""
    turn = life.turn
    return row(turn, life.delivery) | {
        "message": turn.message,
        "language": turn.language,
        "forced": turn.forced,
        "retry_of": turn.retry_of,
        "stopped_by": turn.stopped_by,
        "session": turn.session,
        "directory": turn.directory,
        "prompt": turn.prompt,
        "prompts": turn.prompts,
        "agent": turn.agent,
        "model": turn.model,
        "owner": turn.owner,
        "fence": turn.fence,
        "versions": _versions(life.edges),
        "received_at": life.inbound.received_at if life.inbound else None,
        "stored_at": turn.stored_at,
        "address": life.inbound.reply_url_state if life.inbound else "none",
        "edges": [_edge(one) for one in life.edges],
        "asks": [_ask(one) for one in life.asks],
        "delivery": life.delivery and _delivery(life.delivery),
    }


def text(life: Life) -> dict[str, object]:
    """Return what people and models wrote in a turn."""
    turn = life.turn
    return {
        "question": turn.text,
        "quote": turn.quote,
        "attachments": orjson.loads(turn.attachments),
        "answer": turn.answer,
        "footer": turn.footer,
        "reason": turn.reason,
        "asks": {one.code: orjson.loads(one.body) for one in life.asks},
    }


def waiting(delivery: Delivery, now: int) -> dict[str, object]:
    """Return a delivery that is not sent."""
    return {"age_s": (now - delivery.created_at) // 1000} | _delivery(delivery)


def _delivery(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "turn": delivery.turn,
        "file": bool(delivery.file),
        "chat": delivery.chat,
        "state": delivery.state,
        "via": delivery.via,
        "cause": delivery.cause,
        "source": delivery.source,
        "attempts": delivery.attempts,
        "refusals": delivery.refusals,
        "next_at": delivery.next_at or None,
        "told": delivery.told,
        "chars": len(delivery.body),
        "created_at": delivery.created_at,
        "changed_at": delivery.changed_at,
    }


def _edge(edge: EdgeRecord) -> dict[str, object]:
    return {
        "edge": edge.edge,
        "at": edge.at,
        "fence": edge.fence,
        "facts": orjson.loads(edge.facts),
    }


def _ask(ask: AskRecord) -> dict[str, object]:
    return {
        "id": ask.id,
        "code": ask.code,
        "kind": ask.kind,
        "state": ask.state,
        "decision": ask.decision,
        "decided_by": ask.decided_by,
        "asked_at": ask.asked_at,
        "decided_at": ask.decided_at,
        "expires_at": ask.expires_at,
    }


def _versions(edges: list[EdgeRecord]) -> dict[str, list[str]]:
    """Return which versions of this service and of OpenCode worked on a turn, in order."""
    seen: dict[str, dict[str, None]] = {"service": {}, "opencode": {}}
    for edge in edges:
        facts = orjson.loads(edge.facts)
        for name, fact in (("service", "version"), ("opencode", "opencode")):
            if facts.get(fact):
                seen[name][str(facts[fact])] = None
    return {name: list(found) for name, found in seen.items()}
