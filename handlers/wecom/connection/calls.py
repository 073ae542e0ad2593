"""Requests over one socket, each with its answer: never two unanswered ones with the same id."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from bot.errors import Error
from handlers.wecom.connection.frames import Ack, Request
from store.crashpoints import crashpoint

SEND_S = 60.0  # for a frame to get out: WeCom may be gone, and say nothing
Send = Callable[[bytes], Awaitable[None]]


class Unsent(Error):
    """A frame that certainly did not leave us."""


class Unanswered(Error):
    """A frame that may have arrived: nobody said."""


class Calls:
    """Answers carry the id of a request alone, so those of one id are told apart by their order.

    After an answer that did not come in time, the next request with that id waits for as long
    again: a late answer must not be taken for its own.
    """

    def __init__(self, send: Send, ack_s: float, send_s: float = SEND_S) -> None:
        self._send = send
        self._ack_s = ack_s
        self._send_s = send_s
        self._waiting: dict[str, asyncio.Future[Ack | None]] = {}
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._late: dict[str, tuple[float, asyncio.Event]] = {}
        self._ended = False

    async def call(self, request: Request) -> Ack:
        """Send a frame and return its answer. Raises ``Unsent`` or ``Unanswered``."""
        line = self._lines.setdefault(request.req_id, asyncio.Lock())
        async with line:
            await self._past(request.req_id)
            if self._ended:
                raise Unsent("the connection is gone")
            return await self._answer(request)

    def answered(self, ack: Ack) -> bool:
        """Take in an answer; False when nobody waits for it."""
        waiting = self._waiting.get(ack.req_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)
            return True
        late = self._late.get(ack.req_id)
        if late is None:
            return False
        late[1].set()
        return True

    def end(self) -> None:
        """Let nobody wait any more: the socket is gone."""
        self._ended = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)
        for _, come in self._late.values():
            come.set()

    async def _answer(self, request: Request) -> Ack:
        waiting: asyncio.Future[Ack | None] = asyncio.get_running_loop().create_future()
        self._waiting[request.req_id] = waiting
        try:
            async with asyncio.timeout(self._send_s):
                await self._send(request.encode())
            crashpoint(request.point)
            async with asyncio.timeout(self._ack_s):
                ack = await waiting
        except TimeoutError as exc:
            self._missed(request.req_id)
            raise Unanswered("no answer in time") from exc
        finally:
            del self._waiting[request.req_id]
        if ack is None:
            raise Unanswered("the connection was lost")
        return ack

    def _missed(self, req_id: str) -> None:
        now = asyncio.get_running_loop().time()
        self._late = {one: late for one, late in self._late.items() if late[0] > now}
        self._late[req_id] = (now + self._ack_s, asyncio.Event())

    async def _past(self, req_id: str) -> None:
        """Wait until the answer that is late has come, or will not come any more."""
        late = self._late.get(req_id)
        if late is None:
            return
        until, come = late
        try:
            async with asyncio.timeout_at(until):
                await come.wait()
        except TimeoutError:
            pass
        finally:
            self._late.pop(req_id, None)
