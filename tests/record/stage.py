"""Where a scenario is played: a fresh repository, a session, and an ear on the event stream."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import aiohttp
import orjson

from bot.opencode.client import OpenCode
from bot.opencode.feed import PATH, PATIENCE
from bot.opencode.model import Session
from tests.opencode_fixtures import OpenCodeUnderTest
from tests.opencode_talk import Talk, read_until, until

BEHIND_S = 1.0  # what the server still says when a turn is over comes within this time


@dataclass
class Stage:
    """One session of the real server, what is asked of it, and all that it says meanwhile."""

    opencode: OpenCodeUnderTest
    talk: Talk
    session: Session | None = None
    heard: bytearray = field(default_factory=bytearray)
    prompts: list[str] = field(default_factory=list)

    @property
    def model(self):
        return self.opencode.model

    async def prompt(self, text="go", **more):
        """Ask; the answer is not waited for."""
        self.prompts.append(await self.talk.prompt(self.session, text, **more))

    async def over(self):
        """Return when every answer so far is complete and the session rests."""
        await self.talk.until_over(self.session)

    async def until_heard(self, *words):
        """Return when the stream has said all of these words."""
        await until(lambda: all(word in self.heard for word in words))

    async def permission(self):
        """Return the permission that is waited for."""
        (request,) = await self.talk.requests(self.talk.client.permissions)
        return request

    async def question(self):
        """Return the question that is waited for."""
        (request,) = await self.talk.requests(self.talk.client.questions)
        return request

    async def rested(self):
        """Return when the session is not at work any more, whatever became of its messages."""
        await read_until(
            lambda: self.talk.client.status(self.talk.directory),
            lambda busy: self.session.id not in busy,
        )


@dataclass(frozen=True)
class Recording:
    """What the stream brought, byte for byte, and what reading said afterwards."""

    stream: bytes
    facts: bytes


async def record(opencode, scenario):
    """Play a scenario and return what came of it."""
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        directory = opencode.directory(scenario.name)
        talk = Talk(client, directory, scenario.model)
        stage = Stage(opencode, talk)
        scenario.script(stage.model)
        async with _listening(stage):
            stage.session = await talk.session(scenario.name, permission=scenario.permission)
            await scenario.play(stage)
            await asyncio.sleep(BEHIND_S)  # the end of the recording, not a wait for an event
    return Recording(bytes(stage.heard), await _facts(stage))


async def _facts(stage):
    """Return what is to be known beside the stream; the server may have another address by now."""
    server = stage.opencode
    async with OpenCode(server.url, server.username, server.password) as client:
        path = f"/session/{stage.session.id}/message"
        facts = {
            "version": await client.health(),
            "directory": str(stage.talk.directory),
            "session": stage.session.id,
            "prompts": stage.prompts,
            "messages": await client._transport.get(path, lambda value: value),
        }
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@contextlib.asynccontextmanager
async def _listening(stage):
    """Keep every byte of the event stream's body until the block ends."""
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_listen(stage, ready))
        await ready.wait()
        await asyncio.sleep(PATIENCE.settle_s)  # it greets before it listens to itself
        yield
        reading.cancel()


async def _listen(stage, ready):
    server = stage.opencode
    headers = {
        "authorization": aiohttp.encode_basic_auth(server.username, server.password),
        "accept-encoding": "identity",
    }
    async with (
        aiohttp.ClientSession() as http,
        http.get(server.url + PATH, headers=headers) as response,
    ):
        with contextlib.suppress(aiohttp.ClientError):  # the server may be killed
            async for piece in response.content.iter_any():
                stage.heard += piece
                ready.set()
