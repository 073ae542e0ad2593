"""A client of the long connection as small as can be: frames in, frames out."""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager

import aiohttp

from tests.wecom_fixtures import BOT_ID, SECRET

NUMBERS = itertools.count(1)
PATIENCE_S = 10


class Closed(Exception):
    """The gateway ended the connection."""


class Client:
    """``callbacks``: what it was told without asking, oldest first."""

    def __init__(self, socket):
        self.callbacks = asyncio.Queue()
        self._answers = asyncio.Queue()
        self._socket = socket

    async def listen(self):
        async for message in self._socket:
            frame = json.loads(message.data)
            await (self.callbacks if "cmd" in frame else self._answers).put(frame)
        self._answers.put_nowait(None)
        self.callbacks.put_nowait(None)

    async def send(self, cmd, body=None, req_id=None):
        """Send a frame; return its id."""
        req_id = req_id or f"{cmd}_{next(NUMBERS)}"
        frame = {"cmd": cmd, "headers": {"req_id": req_id}}
        await self._socket.send_str(json.dumps(frame if body is None else frame | {"body": body}))
        return req_id

    async def raw(self, data):
        """Send anything; return what is answered."""
        send = self._socket.send_bytes if isinstance(data, bytes) else self._socket.send_str
        await send(data)
        return await self.answer()

    async def ask(self, cmd, body=None, req_id=None):
        """Send a frame and return its answer."""
        req_id = await self.send(cmd, body, req_id)
        answer = await self.answer()
        assert answer["headers"]["req_id"] == req_id
        return answer

    async def code(self, cmd, body=None, req_id=None):
        """Send a frame and return the number that it is answered with."""
        return (await self.ask(cmd, body, req_id))["errcode"]

    async def answer(self):
        return await _next(self._answers)

    async def told(self):
        """Wait for the next thing that WeCom tells by itself."""
        return await _next(self.callbacks)

    async def subscribe(self, secret=SECRET, bot=BOT_ID):
        return await self.code("aibot_subscribe", {"bot_id": bot, "secret": secret})

    async def close(self):
        await self._socket.close()


async def _next(queue):
    async with asyncio.timeout(PATIENCE_S):
        frame = await queue.get()
    if frame is None:
        queue.put_nowait(None)
        raise Closed
    return frame


@asynccontextmanager
async def connected(url):
    """Connect, without subscribing."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, max_msg_size=0) as socket,
        asyncio.TaskGroup() as group,
    ):
        client = Client(socket)
        listener = group.create_task(client.listen())
        try:
            yield client
        finally:
            listener.cancel()


def stream(content, *, finish=False, name="S1", **more):
    body = {"id": name, "finish": finish, "content": content, **more}
    return {"msgtype": "stream", "stream": body}


def text(content):
    return {"msgtype": "text", "text": {"content": content}}


def markdown(content):
    return {"msgtype": "markdown", "markdown": {"content": content}}
