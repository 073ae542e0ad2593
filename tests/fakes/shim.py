"""The network between us and a server: it forwards bytes, and loses, cuts, delays or refuses them."""

import asyncio
import contextlib
import itertools
import socket
import struct
from urllib.parse import urlsplit

EVENTS = "/global/event"
BUFFER = 64 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER without a time: closing sends RST
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\nconnection: close\r\n"
    b"content-length: 20\r\n\r\n<html>oh no</html>\r\n"
)


class Over(Exception):
    """One direction has ended, and so the other does."""


class Link:
    """One connection through the shim; ``path`` is that of its first request."""

    def __init__(self, path, writer, budget):
        self.path, self.writer, self.budget = path, writer, budget
        self.flowing = asyncio.Event()
        self.flowing.set()

    def reset(self):
        """Break it off, as a router does that lost its state."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()

    def finish(self):
        """End it properly in the middle."""
        self.writer.close()

    def freeze(self):
        """Let no further byte through, and tell nobody."""
        self.flowing.clear()


class Shim:
    """Stands in front of a server at an address of its own.

    ``budgets`` yields after how many of the server's bytes each event stream is reset (None:
    never); ``bad_gateway`` answers 502 to new connections whose first path begins so;
    ``mute``: the next new connection with this path is taken and never answered;
    ``slow_posts_s`` holds every POST up.
    """

    def __init__(self, server):
        at = urlsplit(server.url)
        self._target = (at.hostname, at.port)
        self.username, self.password = server.username, server.password
        self.budgets = itertools.repeat(None)
        self.bad_gateway = ""
        self.mute = ""
        self.slow_posts_s = 0.0
        self.links, self.cuts, self.refused = [], 0, 0
        self.url = ""
        self._server = None
        self._closing = asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=BUFFER)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self._closing.set()
        async with asyncio.timeout(10):
            while self.links:
                for link in list(self.links):
                    link.reset()
                await asyncio.sleep(0.01)

    def events(self):
        """Return the event streams that stand."""
        return [link for link in self.links if link.path == EVENTS]

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, Over):
            head = await reader.readuntil(b"\r\n")
            path = head.split()[1].decode().partition("?")[0]
            if path == self.mute:
                self.mute = ""
                while await reader.read(BUFFER):
                    pass
            elif self.bad_gateway and path.startswith(self.bad_gateway):
                self.refused += 1
                writer.write(BAD_GATEWAY)
                await writer.drain()
            else:
                await self._forward(Link(path, writer, self._budget(path)), reader, head)
        writer.close()

    def _budget(self, path):
        return next(self.budgets) if path == EVENTS else None

    async def _forward(self, link, reader, head):
        self.links.append(link)
        writer = None
        try:
            server, writer = await asyncio.open_connection(*self._target)
            await self._hold_up(head)
            writer.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(reader, writer))
                group.create_task(self._down(server, link))
        except* (ConnectionError, Over):
            pass
        finally:
            self.links.remove(link)
            if writer is not None:
                writer.close()

    async def _hold_up(self, data):
        if self.slow_posts_s and data.startswith(b"POST "):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.slow_posts_s):
                    await self._closing.wait()
                    raise Over

    async def _up(self, reader, writer):
        while data := await reader.read(BUFFER):
            await self._hold_up(data)
            writer.write(data)
            await writer.drain()
        raise Over

    async def _down(self, server, link):
        while data := await server.read(BUFFER):
            await link.flowing.wait()
            if link.budget is not None:
                data, link.budget = data[: link.budget], link.budget - len(data)
            link.writer.write(data)
            await link.writer.drain()
            if link.budget is not None and link.budget <= 0:
                self.cuts += 1
                link.reset()
                break
        link.finish()
        raise Over
