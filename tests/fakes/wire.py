"""A wire to a server that can be cut and mended."""

import asyncio
import contextlib


class Wire:
    """Carries every connection to another port, byte by byte."""

    def __init__(self, url):
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.target, self.port, self.ends, self.server = int(port), 0, [], None
        self.carriers = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self):
        await self.open()
        return self

    async def __aexit__(self, *_):
        await self.cut()
        if self.carriers:
            await asyncio.wait(self.carriers)

    async def open(self):
        """Take connections, on the same port as before."""
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def cut(self):
        """Break what is open, and take nothing more."""
        self.server.close()
        for end in self.ends:
            end.transport.abort()

    async def _carry(self, reader, writer):
        self.carriers.add(asyncio.current_task())
        there, away = await asyncio.open_connection(self.host, self.target)
        self.ends += [writer, away]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, away))
            group.create_task(self._pump(there, writer))

    async def _pump(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
