"""Two clients of the long connection that can be told to do the same: WeCom's own, and ours."""

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager

import aiohttp

from bot.clock import now_ms
from handlers.wecom.connection import frames
from handlers.wecom.connection.calls import Unanswered
from handlers.wecom.connection.connection import Connection
from handlers.wecom.connection.pace import Pace
from handlers.wecom.connection.uploads import Uploads
from handlers.wecom.media.disposition import name_of
from handlers.wecom.media.sealed import Unsealing, key_of
from tests.node.sdk import Refusal, running_sdk
from tests.wecom_fixtures import BOT_ID

PATIENCE_S = 30


class Theirs:
    """WeCom's own SDK."""

    def __init__(self, sdk):
        self._sdk = sdk

    async def connect(self, url, secret, *, beat_s=30.0, patience_s=5.0):
        await self._sdk.do(
            "connect",
            url=url,
            bot=BOT_ID,
            secret=secret,
            beat=beat_s * 1000,
            patience=patience_s * 1000,
        )
        await self._sdk.happened("authenticated")

    async def refused(self, url, secret):
        options = {"url": url, "bot": BOT_ID, "secret": secret, "maxAuthFailureAttempts": 0}
        await self._sdk.do("connect", **options)
        error = await self._sdk.happened("error", 2)
        assert error["code"] == "WS_AUTH_FAILURE_EXHAUSTED"

    async def back(self):
        await self._sdk.happened("authenticated", 2)

    async def heard(self, msgid):
        return await self._sdk.heard(msgid)

    async def heard_event(self, kind):
        return await self._sdk.heard_event(kind)

    async def kicked(self):
        await self._sdk.happened("disconnected")

    async def stream(self, frame, stream, content, *, finish):
        return await self._do(
            "reply_stream", frame=frame, stream=stream, content=content, finish=finish
        )

    async def reply(self, frame, body):
        return await self._do("reply", frame=frame, body=body)

    async def welcome(self, frame, content):
        body = {"msgtype": "text", "text": {"content": content}}
        return await self._do("welcome", frame=frame, body=body)

    async def update_card(self, frame, card, members):
        return await self._do("update_card", frame=frame, card=card, members=members)

    async def push(self, chat, body):
        return await self._do("send", chat=chat, body=body)

    async def upload(self, kind, name, content):
        data = base64.b64encode(content).decode()
        return (await self._sdk.do("upload", type=kind, name=name, content=data))["media_id"]

    async def download(self, url, key):
        got = await self._sdk.do("download", url=url, key=key)
        return got["name"], got["sha256"]

    async def _do(self, what, **options):
        try:
            return (await self._sdk.do(what, **options))["errcode"]
        except Refusal as exc:  # without a number: nobody answered in time
            return exc.code


class Ours:
    """The service's own client, below the bubbles: what leaves it, leaves the service."""

    def __init__(self, group):
        self._group = group
        self._told = []
        self._link = None

    async def connect(self, url, secret, *, beat_s=30.0, patience_s=5.0):
        self._open(url, secret, Pace(ping_every_s=beat_s, ack_s=patience_s, back_off_s=0.02))
        await self._until(lambda: self._link.up)

    async def refused(self, url, secret):
        self._open(url, secret, Pace())
        await self._until(lambda: self._link.state == "refused")

    def _open(self, url, secret, pace):
        self._link = Connection(url, BOT_ID, secret, self._take, now_ms, pace)
        self._group.create_task(self._link.run())

    async def _take(self, told):
        self._told.append(told)

    async def back(self):
        await self._until(lambda: self._link.up)

    async def heard(self, msgid):
        def of():
            return next((told for told in self._told if told.body["msgid"] == msgid), None)

        await self._until(lambda: of() is not None)
        return of()

    async def heard_event(self, kind):
        def of():
            return next((told for told in self._told if told.event == kind), None)

        await self._until(lambda: of() is not None)
        return of()

    async def kicked(self):
        await self._until(lambda: self._link.state == "kicked")

    async def stream(self, told, stream, content, *, finish):
        return await self._call(frames.stream(told.req_id, stream, content, finished=finish))

    async def reply(self, told, body):
        return await self._call(frames.respond(told.req_id, body))

    async def welcome(self, told, content):
        return await self._call(frames.welcome(told.req_id, content))

    async def update_card(self, told, card, members):
        return await self._call(frames.update_card(told.req_id, card, tuple(members)))

    async def push(self, chat, body):
        group = chat.startswith("wr")
        return await self._call(frames.send(chat, group=group, body=body, now=now_ms()))

    async def upload(self, kind, name, content):
        return await Uploads(self._link, now_ms, Pace()).upload(kind, name, content)

    async def download(self, url, key):
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            unsealing = Unsealing(key_of(key))
            plain = unsealing.add(await response.read()) + unsealing.end()
            name = name_of(response.headers["Content-Disposition"])
        return name, hashlib.sha256(plain).hexdigest()

    async def close(self):
        if self._link is not None:
            await self._link.close()

    async def _call(self, request):
        try:
            return (await self._link.call(request)).code
        except Unanswered:
            return None

    async def _until(self, true):
        """Look now and then: the connection tells nobody of its states."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def theirs(peers):
    async with running_sdk(peers) as sdk:
        yield Theirs(sdk)


@asynccontextmanager
async def ours(_):
    async with asyncio.TaskGroup() as group:
        actor = Ours(group)
        try:
            yield actor
        finally:
            await actor.close()
