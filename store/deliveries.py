"""Deliveries: what must reach a chat, and how far it got."""

from typing import Literal

from store.database import Database, Row, Statement, Value
from store.delivery_sql import (
    ADD,
    ALL_SENDING,
    ALL_WAITING,
    BACKLOG,
    CHANNELS_OWING,
    COUNTS,
    DOUBTED,
    DUE,
    FAILED,
    FETCHED,
    GET,
    GIVE_BACK,
    MOVE_HOUSE,
    MOVE_MESSAGES,
    MOVE_TURNS,
    NEXT_AT,
    NOTICES_OF,
    OF_TURN,
    OLDEST,
    POSTPONED,
    PURGE_NOTICES,
    PUSHED,
    PUSHING,
    READY,
    REFUSED,
    RELEASED,
    REPEATING,
    RETRIED,
    SENDING,
    SENDING_SINCE,
    SENT,
    SHOWN,
    TAKE_ADDRESS,
    TELL_OF,
    UNSEEN,
    UNSENT_ALL,
    UNSENT_IN,
    UNSENT_OF,
    UNTOLD,
    WAITING,
)
from store.edges import Move, moved
from store.records import CALLBACK, Delivery, DeliveryState, NewDelivery
from store.rows import reader

Settled = Literal["sent", "unknown", "failed"]
PURGED_AT_ONCE = 500
SETTLED: dict[Settled, Move] = {"sent": SENT, "unknown": DOUBTED, "failed": FAILED}

_delivery = reader(Delivery)


class Deliveries:
    """Final answers, notices and files: ``due → sending → sent | failed | unknown``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewDelivery) -> Delivery:
        """Keep something that must reach a chat."""
        values = (new.chat, new.turn, new.message, new.body, new.footer, new.more, new.at)
        rows = await self._database.write(Statement(ADD, *values))
        return _delivery(rows[0][0])

    async def get(self, delivery: int) -> Delivery | None:
        """Return a delivery by its id."""
        return _one(await self._database.fetch_one(GET, delivery))

    async def of_turn(self, n: int) -> Delivery | None:
        """Return the final answer of a turn."""
        return _one(await self._database.fetch_one(OF_TURN, n))

    async def notices_of(self, message: str) -> list[Delivery]:
        """Return the notices that answer a message, and its files."""
        return await self._all(NOTICES_OF, message)

    async def due(self, chat: str, channel: str = CALLBACK) -> list[Delivery]:
        """Return what is due in a chat by one channel, oldest first."""
        return await self._all(DUE, chat, channel)

    async def waiting(self, chat: str) -> list[Delivery]:
        """Return what the next contact of a chat is to be shown, oldest first."""
        return await self._all(WAITING, chat)

    async def all_waiting(self, channel: str = CALLBACK) -> list[Delivery]:
        """Return what is due anywhere by one channel, oldest first."""
        return await self._all(ALL_WAITING, channel)

    async def all_sending(self, channel: str = CALLBACK) -> list[Delivery]:
        """Return what is on its way anywhere by one channel, oldest first."""
        return await self._all(ALL_SENDING, channel)

    async def pushed(self, channel: str, since: int) -> list[Delivery]:
        """Return what a channel has pushed since then, or is pushing, in that order."""
        return await self._all(PUSHED, channel, since)

    async def move_house(self, channel: str, to: str, *, groups: bool = True) -> int:
        """Let what is due by a channel leave by another one; return how many.

        So does what its queued and running turns will say. Without ``groups`` theirs stays.
        """
        statements = (MOVE_HOUSE, MOVE_MESSAGES, MOVE_TURNS)
        rows = await self._database.write(
            *(Statement(sql, channel, to, int(groups)) for sql in statements)
        )
        return len(rows[0])

    async def channels(self) -> list[str]:
        """Return the channels by which something is to leave, now or at the end of a turn."""
        return [str(row[0]) for row in await self._database.fetch_all(CHANNELS_OWING)]

    async def untold(self, chat: str) -> list[Delivery]:
        """Return what is in doubt or failed in a chat, and was not told to it yet."""
        return await self._all(UNTOLD, chat)

    async def unseen(self, since: int) -> list[Delivery]:
        """At a start: doubt what a poll took, and no poll can have seen; return it.

        That is so where the bubble of a message received before ``since`` was not finished.
        """
        facts: dict[str, object] = {"cause": "the service was cut off"}
        return [_delivery(row) for row in await moved(self._database, UNSEEN, 0, facts, since)]

    async def unsent(
        self, *, state: DeliveryState | None = None, chat: str | None = None
    ) -> list[Delivery]:
        """Return what is not sent, newest first and at most 200: of a state, else of a chat, else all."""
        if state is not None:
            return await self._all(UNSENT_IN, state)
        return await (self._all(UNSENT_OF, chat) if chat is not None else self._all(UNSENT_ALL))

    async def ready(self, now: int, since: int) -> list[str]:
        """Return the chats where something may be posted now, to an address received after ``since``."""
        return [str(row[0]) for row in await self._database.fetch_all(READY, now, since)]

    async def next_at(self, now: int, channel: str = CALLBACK) -> int | None:
        """Return when the next delivery of a channel may be tried again, of those that may not yet."""
        return _number(await self._database.fetch_one(NEXT_AT, now, channel))

    async def claim(self, delivery: int, *, via: str) -> bool:
        """Take what is due, before it is shown; the first one wins."""
        return bool(await moved(self._database, SHOWN, delivery, {"via": via}, via))

    async def fetched(self, delivery: int) -> bool:
        """Take what is not surely sent, for somebody who asked for it; False when it is on its way."""
        return bool(await moved(self._database, FETCHED, delivery, {"via": "result"}))

    async def post(self, delivery: int, source: str) -> str | None:
        """Take what is due together with the address of the message ``source``, before it leaves.

        None when one of the two was taken before, or while an older one of the chat is on its way.
        """
        facts: dict[str, object] = {"via": "url", "source": source}
        statements = SENDING.statements(delivery, facts, source)
        rows = await self._database.write(*statements, Statement(TAKE_ADDRESS, delivery, source))
        return str(rows[-1][0][0]) if rows[-1] else None

    async def push(self, delivery: int, via: str) -> Delivery | None:
        """Take what is due before it is pushed ``via`` a channel that needs no address.

        None when it was taken before, or while an older one of the chat is on its way; words
        do not wait for a file.
        """
        rows = await moved(self._database, PUSHING, delivery, {"via": via}, via)
        return _delivery(rows[0]) if rows else None

    async def repeat(self, delivery: int, cause: str) -> bool:
        """Keep that the address is posted to once more, before that leaves; False the second time."""
        facts: dict[str, object] = {"via": "url", "repeat": True, "cause": cause}
        return bool(await moved(self._database, REPEATING, delivery, facts, cause))

    async def postpone(self, delivery: int, cause: str, next_at: int, *, via: str = "url") -> bool:
        """Keep that a repeat did not leave: it is made again, not before ``next_at``."""
        facts: dict[str, object] = {"via": via, "repeat": True, "cause": cause}
        return bool(await moved(self._database, POSTPONED, delivery, facts, next_at))

    async def settle(
        self, delivery: int, state: Settled, cause: str = "", *, via: str = "url", words: str = ""
    ) -> bool:
        """Keep how a post or a push ended, with a notice of it where there are ``words`` for one."""
        facts: dict[str, object] = {"via": via, "cause": cause} if cause else {"via": via}
        notice = [Statement(TELL_OF, delivery, words)] if words else []
        moves = SETTLED[state].statements(delivery, facts, cause)
        return bool((await self._database.write(*notice, *moves))[-1])

    async def release(self, delivery: int, cause: str, next_at: int) -> bool:
        """Give back what was surely not sent, with its address; it is not tried before ``next_at``."""
        facts: dict[str, object] = {"cause": cause}
        statements = RELEASED.statements(delivery, facts, cause, next_at)
        rows = await self._database.write(Statement(GIVE_BACK, delivery), *statements)
        return bool(rows[-1])

    async def refuse(self, delivery: int, cause: str, *, last: bool) -> bool:
        """Give back what its address did not take, or, at the ``last`` refusal, let it fail."""
        facts: dict[str, object] = {"cause": cause, "refused": True}
        statements = REFUSED.statements(delivery, facts, cause)
        failed = FAILED.statements(delivery, {"cause": cause}, cause) if last else []
        return bool((await self._database.write(*statements, *failed))[-1])

    async def retry(self, delivery: int) -> bool:
        """Let what failed or is in doubt be due again, by somebody's wish."""
        return bool(await moved(self._database, RETRIED, delivery, {}))

    async def oldest(self, state: DeliveryState) -> int | None:
        """Return when the oldest delivery of a state came to be."""
        return _number(await self._database.fetch_one(OLDEST, state))

    async def backlog(self, *, but: str) -> dict[str, tuple[int, int]]:
        """Return of each state how many are not sent and when the oldest came to be.

        What waits for the next contact of the chat ``but`` is left out.
        """
        rows = await self._database.fetch_all(BACKLOG, but)
        return {str(state): (int(count), int(oldest)) for state, count, oldest in rows}

    async def sending_since(self) -> int | None:
        """Return since when the one that is longest on its way has been so."""
        return _number(await self._database.fetch_one(SENDING_SINCE))

    async def counts(self, *, told_files: bool = False) -> dict[str, int]:
        """Return how many deliveries are in each state.

        ``told_files``: with files that failed or are in doubt, of which their chat was told.
        """
        rows = await self._database.fetch_all(COUNTS, int(told_files))
        return {str(state): int(count) for state, count in rows}

    async def purge(self, before: int) -> int:
        """Delete notices and files made earlier; finals are deleted with their turns."""
        purged = 0
        while True:
            rows = await self._database.write(Statement(PURGE_NOTICES, before, PURGED_AT_ONCE))
            purged += len(rows[0])
            if len(rows[0]) < PURGED_AT_ONCE:
                return purged

    async def _all(self, sql: str, *args: Value) -> list[Delivery]:
        return [_delivery(row) for row in await self._database.fetch_all(sql, *args)]


def _one(row: Row | None) -> Delivery | None:
    return _delivery(row) if row else None


def _number(row: Row | None) -> int | None:
    return None if row is None or row[0] is None else int(row[0])
