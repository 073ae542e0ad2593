"""A turn that asks for people, and the store and server around it."""

import asyncio

import pytest

from bot.access import Access
from bot.asks import Asks
from bot.errors import UserError
from bot.opencode.ids import MessageIds
from config.sections import AccessSettings
from tests.store.samples import a_chat, a_turn, an_inbound

CHAT = "wecom:group:wrTEAM"
WAIT_S = 20
ACCESS = Access(
    AccessSettings(admins=("boss",), maintainers=("lead",), members=("zhangsan", "lisi"))
)


async def until(holds):
    """Wait for something that a peer does."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def accepted(store):
    kept = await store.inbox.accept(an_inbound(chat=CHAT), a_chat(CHAT), a_turn(chat=CHAT))
    return kept.turn


class Desk:
    """A turn on a scripted OpenCode, and the asks of its chat."""

    def __init__(self, fake, client, store, directory):
        self.fake, self.client, self.store, self.directory = fake, client, store, str(directory)
        self.now = 1_000_000
        self.asks = self.renewed()
        self.turn = None
        self.session = ""

    def renewed(self):
        """The asks of a service that was started again."""
        return Asks(self.store, self.client, ACCESS, lambda: self.now, expire_after_s=900)

    async def begin(self, *actions):
        self.session = (await self.client.create_session(self.directory, title="T", metadata={})).id
        self.turn = await accepted(self.store)
        await self.prompt(*actions)

    async def prompt(self, *actions):
        self.fake.script(*actions)
        await self.client.prompt(
            self.session,
            message=MessageIds(lambda: self.now).next(),
            parts=[{"type": "text", "text": "go"}],
            agent="build",
            model="fake/one",
        )

    async def look(self, sessions=None):
        return await self.asks.reconcile(
            self.turn, self.directory, sessions or set(self.fake.sessions)
        )

    async def asked(self, count=1):
        """Return what waits, once it is so many."""
        await until(lambda: len(self.fake.waiting) >= count)
        return await self.look()

    async def answer(self):
        await self.fake.settled(self.session)
        parts = [m.parts for m in await self.client.messages(self.session)]
        return "\n".join(str(part) for many in parts for part in many)


def refused(text):
    """Expect a person to be told so."""
    return pytest.raises(UserError, check=lambda exc: exc.text == text)
