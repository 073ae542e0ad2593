"""A service in front of a scripted OpenCode, with a clock that a test moves on."""

import asyncio
import contextlib

import pytest

from bot import leaving
from bot.clock import now_ms
from bot.opencode import server_external, server_trust
from bot.texts import delivery as delivery_texts
from bot.turns import calming, following, lanes, progress, prompting, run
from store.records import OPEN_STATES
from tests.fakes.opencode import FakeOpenCode

CHAT = "wecom:direct:zhangsan"
QUIET_MS = 13_000  # a turn that nothing is heard of is looked at within 15 s
LOOK = "/session/status"


class MovedClock:
    """The time of day, moved on by a test."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return now_ms() + self.ahead

    def leap(self, ms):
        self.ahead += ms


class Watched(list):
    """What a fake got; ``on`` does something when the first call comes in that ends so."""

    def __init__(self):
        super().__init__()
        self.hooks = []
        self.grown = asyncio.Event()

    def on(self, end, act):
        self.hooks.append((end, act))

    def append(self, item):
        super().append(item)
        for hook in [hook for hook in self.hooks if str(item).endswith(hook[0])]:
            self.hooks.remove(hook)
            hook[1]()
        self.grown.set()
        self.grown = asyncio.Event()

    def count_of(self, end):
        return sum(item.endswith(end) for item in self)

    async def until(self, true):
        """Wait until it has what a test waits for."""
        async with asyncio.timeout(10):
            while not true(self):
                await self.grown.wait()


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
async def fake():
    """A scripted OpenCode whose calls can be waited for."""
    async with FakeOpenCode() as fake:
        fake.calls, fake.prompts = Watched(), Watched()
        yield fake


@pytest.fixture
def make_faked(fake, make_bot, clock, monkeypatch):
    """Make a service in front of the scripted OpenCode: ``await make_faked(BOT_CHAT_BUSY=…)``."""
    monkeypatch.setattr(prompting, "DOUBT_S", 0.05)
    monkeypatch.setattr(prompting, "CALL_TICK_S", 0.01)
    monkeypatch.setattr(calming, "AGAIN_S", 0.05)
    monkeypatch.setattr(run, "RETRY_S", 0.05)
    monkeypatch.setattr(run, "READY_TICK_S", 0.05)
    monkeypatch.setattr(following, "TICK_S", 0.05)
    monkeypatch.setattr(progress, "SHOW_EVERY_MS", 50)
    monkeypatch.setattr(lanes, "STOP_WAIT_S", 0.3)
    monkeypatch.setattr(leaving, "LINGER_S", 0.2)
    monkeypatch.setattr(server_external, "LOOK_WHILE_DOWN_S", 0.05)
    monkeypatch.setattr(server_external, "LEAST_PAUSE_S", 0.05)
    monkeypatch.setattr(server_trust, "PAUSES_S", (0.05,))

    async def make(*, options=None, ready=True, **overrides):
        options = {"clock": clock} | (options or {})
        bot = await make_bot(fake, options=options, **{"BOT_TURN_GRACE": "0.2s"} | overrides)
        if ready:
            await bot.ready()
        return bot

    return make


@pytest.fixture
async def faked(make_faked):
    return await make_faked()


async def called(fake, end, count):
    """Wait until the server got so many calls of a kind."""
    await fake.calls.until(lambda calls: calls.count_of(end) >= count)


async def prompted(fake, count):
    """Wait until the server got so many prompts."""
    await fake.prompts.until(lambda prompts: len(prompts) >= count)


async def quiet(fake, clock):
    """Let time pass in which nothing is heard, until the turn is looked at."""
    before = fake.calls.count_of(LOOK)
    async with asyncio.timeout(10):
        while fake.calls.count_of(LOOK) == before:
            clock.leap(QUIET_MS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await called(fake, LOOK, before + 1)


async def brought(bot, n):
    """Wait until a turn is over, its answer was brought or waits, and the next would not queue."""
    async with asyncio.timeout(10):
        while True:
            turn = await bot.store.turns.get(n)
            busy = len(bot.turns) or bot.turns.busy(turn.chat) or bot.service.edge.posting
            if turn.state not in OPEN_STATES and not busy:
                return
            await asyncio.sleep(0.01)


async def answer_of(talk, n=1):
    """Return a turn's answer: in its bubble, or behind it where the clock leapt past the polls."""
    text = await talk.done()
    if text == delivery_texts.COMES_SEPARATELY.say("en", n=n):
        return await talk.late_reply()
    return text
