"""One client's socket: what leaves for it, in order, and what it waits for."""

import asyncio
import contextlib

import orjson
from aiohttp import web

from bot.sandbox.cipher import Refused
from bot.sandbox.payloads import Payload

ACK_PATIENCE_S = 5.0  # a client gives up waiting then, and may use the req_id again


class Line:
    """What a socket is to the gateway. ``half_open``: nothing passes any more, and nobody is told.

    ``dismissed``: another client has taken its place, and nothing that it says counts.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.subscribed = False
        self.half_open = False
        self.dismissed = False
        self._socket = socket
        self._request = request
        self._out: asyncio.Queue[tuple[Payload, str, bool]] = asyncio.Queue()
        self._waiting: dict[str, list[float]] = {}
        self._own: set[str] = set()

    @property
    def deaf(self) -> bool:
        """Whether nothing that the client says counts."""
        return self.half_open or self.dismissed

    def put(
        self, frame: Payload, *, after_s: float = 0.0, answers: str = "", last: bool = False
    ) -> None:
        """Let a frame leave. ``answers``: the req_id that waits for it; ``last``: then close."""
        item = (frame, answers, last)
        if after_s > 0:
            asyncio.get_running_loop().call_later(after_s, self._out.put_nowait, item)
        else:
            self._out.put_nowait(item)

    async def write(self) -> None:
        """Send what is put, until the socket is closed."""
        with contextlib.suppress(ConnectionError):
            while await self._write_one():
                pass

    async def _write_one(self) -> bool:
        frame, answers, last = await self._out.get()
        self.settled(answers)
        if not self.half_open:
            await self._socket.send_str(orjson.dumps(frame).decode())
        if last:
            await self._socket.close()
        return not last

    def arrived(self, req_id: str) -> None:
        """Note that a frame waits for its answer; ``Refused`` when another one with its id does."""
        waiting = self._waiting.setdefault(req_id, [])
        early = [at for at in waiting if _now() - at < ACK_PATIENCE_S]
        waiting.append(_now())
        if early:
            raise Refused("unacknowledged", "a frame with this req_id has no answer yet")

    def settled(self, req_id: str) -> None:
        """Note that the oldest frame with an id is answered, or never will be."""
        waiting = self._waiting.get(req_id, [])
        if waiting:
            waiting.pop(0)
        if not waiting:
            self._waiting.pop(req_id, None)

    def own(self, req_id: str) -> None:
        """Note an id that the client made up; ``Refused`` when it did before."""
        if req_id in self._own:
            raise Refused("req_id_reused", "each request has an id of its own")
        self._own.add(req_id)

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()


def _now() -> float:
    return asyncio.get_running_loop().time()
