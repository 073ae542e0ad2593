"""How a decision is made: who may, who was first, and whether OpenCode still wants it."""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import structlog

from bot.access import Access, Role, at_least
from bot.asks.kept import load, same
from bot.clock import Clock
from bot.errors import OpenCodeError, PeerError, UserError, facts_of
from bot.texts import asks as texts
from store import Store
from store.crashpoints import crashpoint
from store.records import AskRecord

log = structlog.get_logger()

Decision = Literal["allow", "always", "deny", "answer"]
Hand = Callable[[AskRecord], Awaitable[None]]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
NOT_FOUND = 404
GROUP_PARTS = 3  # of a chat's key: platform, kind, id; a member may follow
REMEMBERED = 1_000  # asks; one is listed by the server for milliseconds after its decision
NOBODY = "—"  # the service itself, shortly before the time limit


class Decisions:
    """Keeps decisions before they are handed on; the first valid one wins."""

    def __init__(self, store: Store, access: Access, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._clock = clock
        self._handed: dict[str, None] = {}  # the newest last
        self._decided: dict[int, int] = {}  # turn -> when; the newest last

    def handed(self, ask: str) -> bool:
        """Tell whether this process hands or handed a decision on the ask to OpenCode."""
        return ask in self._handed

    def decided_at(self, turn: int) -> int:
        """Return when somebody last decided a request of the turn; 0: never, as far as we know."""
        return self._decided.get(turn, 0)

    async def open_ask(self, chat: str, code: str, *, by: str, role: Role) -> AskRecord:
        """Return the open ask that ``by`` may decide. Raises UserError: unknown, past, not theirs."""
        record = await self._store.asks.by_code(chat, code)
        if record is None and at_least(role, "maintainer"):
            record = await self._of_another_member(chat, code)
        if record is None:
            raise UserError(texts.UNKNOWN_CODE, code=code)
        return await self._theirs(record, by=by, role=role)

    async def open_card(self, chat: str, ask: str, *, by: str, role: Role) -> AskRecord:
        """Return the open ask of a card that ``by`` pressed in ``chat``. Raises UserError as above."""
        record = await self._store.asks.get(ask)
        if record is None or not same_group(record.chat, chat):
            raise UserError(texts.UNKNOWN_CODE, code="")
        if record.state != "open":  # an equal of it may wait; its code may be another's by now
            equals = [a for a in await self._store.asks.open(record.chat) if a.code == record.code]
            record = next((a for a in equals if same(load(a), load(record))), record)
        return await self._theirs(record, by=by, role=role)

    async def _theirs(self, record: AskRecord, *, by: str, role: Role) -> AskRecord:
        turn = await self._store.turns.get(record.turn)
        requester = turn.sender if turn else ""
        if not (at_least(role, "maintainer") or self._access.may_decide(by, requester)):
            raise UserError(texts.NOT_YOURS, code=record.code, starter=requester or NOBODY)
        if record.state != "open":
            raise _too_late(record)
        return record

    async def _of_another_member(self, chat: str, code: str) -> AskRecord | None:
        """Return an open ask of the same group, where each member has a session of their own."""
        for ask in await self._store.asks.all_open():
            if ask.code == code and same_group(ask.chat, chat):
                return ask
        return None

    async def decide(self, record: AskRecord, decision: Decision, by: str, hand: Hand) -> AskRecord:
        """Keep the decision for the ask and its equals and ``hand`` each on. Raises UserError."""
        same = [a for a in await self._store.asks.open(record.chat) if a.code == record.code]
        kept = reached = 0
        for ask in same:
            self._remember(ask.id)
            if await self._store.asks.decide(ask.id, decision, by, self._clock()):
                kept += 1
                crashpoint("C14")
                reached += await self._hand(ask, hand)
        if not kept:
            now = await self._store.asks.by_code(record.chat, record.code)
            raise _too_late(now or record)
        if not reached:
            raise UserError(texts.GONE, code=record.code)
        self._decided.pop(record.turn, None)
        self._decided[record.turn] = self._clock()
        _bound(self._decided)
        facts = {"ask": record.id, "turn": record.turn, "decision": decision, "by": by}
        log.info("ask.decided", **facts, equals=reached)
        return record

    def _remember(self, ask: str) -> None:
        self._handed[ask] = None
        _bound(self._handed)

    async def _hand(self, ask: AskRecord, hand: Hand) -> bool:
        """Hand a kept decision on; False when OpenCode no longer waits for it."""
        try:
            await hand(ask)
        except PeerError as exc:
            # Undecided again: it may be tried anew, and what OpenCode does not list goes with it.
            self._handed.pop(ask.id, None)
            await self._store.asks.reopen(ask.id)
            if not is_gone(exc):
                log.warning("ask.undelivered", ask=ask.id, error=facts_of(exc))
                raise UserError(texts.NOT_REACHED, code=ask.code) from exc
            await self._store.asks.close(ask.id, "gone", self._clock())
            log.info("ask.gone", ask=ask.id)
            return False
        return True


def same_group(chat: str, other: str) -> bool:
    """Tell whether two chats are one, or sessions of two members of one group."""
    return chat.split(":")[:GROUP_PARTS] == other.split(":")[:GROUP_PARTS]


def _bound(remembered: dict[_Key, _Value]) -> None:
    if len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]


def is_gone(exc: PeerError) -> bool:
    """Tell whether OpenCode says that it does not know the request (any more)."""
    return isinstance(exc, OpenCodeError) and exc.status == NOT_FOUND


def _too_late(record: AskRecord) -> UserError:
    if record.state == "answered":
        text = texts.DECIDED_BEFORE[record.decision]
        return UserError(text, code=record.code, by=record.decided_by or NOBODY)
    return UserError(texts.EXPIRED if record.state == "expired" else texts.GONE, code=record.code)
