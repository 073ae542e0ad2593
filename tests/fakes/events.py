"""A server that sends exactly the bytes it is told to."""

import asyncio
import contextlib

import orjson

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BEAT = b'data: {"payload":{"type":"server.heartbeat","properties":{}}}\n\n'
HELLO = b'data: {"payload":{"type":"server.connected","properties":{}}}\n\n'


def idle(session, **outer):
    payload = {"type": "session.idle", "properties": {"sessionID": session}}
    return b"data: " + orjson.dumps({"directory": "/w", **outer, "payload": payload}) + b"\n\n"


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Script:
    """A server whose n-th connection sends the n-th script.

    Its items: bytes, a pause in seconds, "more" (until ``more`` is set), "stay", "reset".
    """

    def __init__(self, *connections):
        self.connections = list(connections)
        self.requests = []
        self.more = asyncio.Event()

    async def __aenter__(self):
        self.stop = asyncio.Event()
        self.talks = set()
        self.server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        self.server.close()
        if self.talks:
            await asyncio.wait(self.talks)

    async def talk(self, reader, writer):
        self.talks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            script = self.connections.pop(0) if self.connections else [HEAD, chunk(HELLO), "stay"]
            for item in script:
                await self.say(item, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def say(self, item, writer):
        match item:
            case bytes():
                writer.write(item)
                await writer.drain()
            case float():
                await asyncio.sleep(item)
            case "stay":
                await self.stop.wait()
            case "more":
                await self.more.wait()
            case "reset":
                writer.transport.abort()
