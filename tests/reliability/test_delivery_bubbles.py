"""D5, and the life of a bubble: one writer, its latest text alone, an end in any case, never blank.

D5: polls that pause go on where they were, and those after the end show the same bytes.
"""

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import StoreError
from bot.messages import Answer
from bot.render import Frame, progress
from bot.summary import begin
from handlers.wecom.leaks import QUIET_MS
from handlers.wecom.markdown import visible
from handlers.wecom.wire import STREAM_BYTES
from tests.fakes.edge import MINUTE, Edge, asked, until
from tests.fakes.opencode_turns import hang
from tests.fault_fixtures import prompted

TICK_MS = 30_000  # a silent turn shows at least so often that it lives
UPDATES = 10_000
EVERY_S = 20


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(60), Edge(tmp_path) as edge:
        yield edge


# D5


async def test_d5_polls_that_stop_for_half_a_minute_and_go_on_miss_nothing(edge):
    stream, reply = await asked(edge)
    reply.update("half of it")
    assert (await edge.poll(stream))["content"] == "half of it"
    edge.clock.now += 30_000
    reply.update("half of it, and more")
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == ("half of it, and more", False)


async def test_d5_polls_for_ten_minutes_after_the_end_show_the_same_bytes(edge):
    stream, reply = await asked(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(Answer("the answer", "✅ done")))
        last = await edge.poll_to_the_end(stream)
    for second in range(0, 10 * 60, EVERY_S):
        edge.clock.now += EVERY_S * 1000
        if second == 5 * 60:
            await edge.restart()
        assert await edge.poll(stream) == last
    edge.clock.now += 10 * MINUTE
    await until(lambda: len(edge.edge._bubbles) == 0)
    assert await edge.poll(stream) == last


# Only the latest text counts


class Counting:
    """An envelope that counts what it seals."""

    def __init__(self, envelope):
        self._envelope = envelope
        self.sealed = 0

    def __getattr__(self, name):
        return getattr(self._envelope, name)

    def encrypt(self, plaintext):
        self.sealed += 1
        return self._envelope.encrypt(plaintext)


async def test_ten_thousand_updates_between_two_polls_cost_one(edge):
    stream, reply = await asked(edge)
    callback = edge.edge._callback
    callback._envelope = counting = Counting(callback._envelope)
    for n in range(UPDATES):
        reply.update(f"text {n}")
    shown = [await edge.poll(stream) for _ in range(3)]
    assert {one["content"] for one in shown} == {f"text {UPDATES - 1}"}
    assert counting.sealed == 1
    await edge.edge._bubbles.flush()
    assert (await edge.store.inbox.by_stream(stream)).shown == f"text {UPDATES - 1}"


async def test_a_text_that_did_not_change_is_neither_sealed_nor_written_again(edge):
    _, reply = await asked(edge)
    bubbles = edge.edge._bubbles
    reply.update("as before")
    await bubbles.flush()
    reply.update("as before")
    assert bubbles._dirty == {}


def test_a_silent_turn_shows_every_half_minute_that_it_lives():
    summary = begin("ses_1", "msg_1", 0)
    facts = {"n": 1, "title": "work", "agent": "build", "model": "demo/demo", "detail": "quiet"}
    frames = [
        progress(summary, Frame(**facts, now=now, started_at=0, language="en"))
        for now in range(0, 60 * MINUTE, TICK_MS)
    ]
    assert all(before != after for before, after in itertools.pairwise(frames))


async def test_the_bubble_of_a_silent_turn_changes_every_half_minute(faked, fake, clock):
    fake.script(hang())
    faked.wecom.polling = False
    talk = await faked.wecom.say("zhangsan", "work")
    await prompted(fake, 1)
    shown = []
    async with asyncio.timeout(60):
        for _ in range(4):
            clock.leap(TICK_MS)
            while talk.text in [*shown, ""]:
                await faked.wecom.poll(talk)
                await asyncio.sleep(0.02)
            shown.append(talk.text)
    assert all(visible(text) for text in shown)
    assert not talk.finished


# The end comes in any case


async def test_a_bubble_whose_turn_ended_without_it_is_closed_as_its_turn_is(edge):
    stream, _ = await asked(edge)
    await edge.end("M1")
    delivery = await edge.delivery("M1")
    await edge.store.deliveries.fetched(delivery.id)
    edge.clock.now += QUIET_MS
    assert (await edge.poll(stream))["finish"] is False
    assert await edge.edge.close_leaked() == 1
    shown = await edge.poll(stream)
    assert (shown["finish"], visible(shown["content"])) == (True, True)
    assert "⏩" not in shown["content"]
    assert await edge.edge.close_leaked() == 0


async def test_a_final_that_was_forgotten_is_put_into_its_open_bubble(edge):
    stream, _ = await asked(edge)
    await edge.end("M1")
    edge.clock.now += QUIET_MS
    assert await edge.edge.close_leaked() == 1
    shown = await edge.poll_to_the_end(stream)
    assert "the answer" in shown["content"]


async def test_the_bubble_of_a_turn_that_runs_is_no_leak(edge):
    stream, _ = await asked(edge)
    edge.clock.now += QUIET_MS
    assert await edge.edge.close_leaked() == 0
    assert (await edge.poll(stream))["finish"] is False


async def test_a_bubble_that_could_not_be_loaded_is_closed_when_its_time_is_over(edge):
    await asked(edge)
    await edge.restart()
    edge.edge._bubbles.expect("M1", edge.clock.now, "zh")
    assert edge.edge.open_bubbles == 1
    edge.clock.now += 6 * MINUTE
    assert await edge.edge.close_leaked() == 1
    assert edge.edge.open_bubbles == 0


words = st.one_of(st.text(max_size=40), st.sampled_from(["", " \n", "\u200b", "字" * 9_000]))
numbers = st.integers(0, 2)
steps = st.one_of(
    st.tuples(st.just("say"), numbers),
    st.tuples(st.just("poll"), numbers),
    st.tuples(st.just("show"), numbers, words),
    st.tuples(st.just("end"), numbers, words),
    st.tuples(st.just("leap"), st.integers(1_000, 150_000)),
    st.tuples(st.sampled_from(["restart", "crash", "fill", "empty"])),
)


class Story:
    """What happens to some bubbles, one step after the other, and what is seen of them."""

    def __init__(self, edge):
        self.edge = edge
        self.streams, self.last, self.ended = {}, {}, set()

    async def step(self, name, *args):
        await getattr(self, name)(*args)

    async def say(self, n):
        shown = await self.edge.say("hello", f"M{n}", sender=f"p{n}")
        self.streams[n] = shown["id"]
        self.saw(n, shown)

    async def poll(self, n):
        if n in self.streams:
            self.saw(n, await self.edge.poll(self.streams[n]))

    def saw(self, n, shown):
        """Hold what was seen against what was seen before: an end stays as it is."""
        assert visible(shown["content"])
        assert len(shown["content"].encode()) <= STREAM_BYTES
        assert n not in self.last or self.last[n] == shown["content"]
        if shown["finish"]:
            self.last[n] = shown["content"]

    async def show(self, n, text):
        if n in self.streams and n not in self.ended:
            (await self.edge.reply(f"M{n}")).update(text)

    async def end(self, n, text):
        if n in self.streams and n not in self.ended:
            self.ended.add(n)
            reply = await self.edge.reply(f"M{n}")
            await self.edge.end(f"M{n}", text)
            self.edge.background.start(reply.finish(Answer(text)), name="finish")

    async def leap(self, ms):
        self.edge.clock.now += ms

    async def restart(self):
        await self.empty()
        await self.edge.restart()

    async def crash(self):
        await self.empty()
        await self.edge.crash()

    async def fill(self):
        """Let the disk be full for what bubbles show."""

        async def full(_):
            raise StoreError("full")

        self.edge.store.inbox.show = full

    async def empty(self):
        vars(self.edge.store.inbox).pop("show", None)


async def live(steps_taken, folder):
    async with asyncio.timeout(100), Edge(folder) as edge:
        story = Story(edge)
        for step in steps_taken:
            await story.step(*step)
        await story.empty()
        edge.clock.now += 6 * MINUTE
        await edge.edge.close_leaked()
        await until(lambda: edge.edge.open_bubbles == 0)
        for n in story.streams:
            shown = await edge.poll_to_the_end(story.streams[n])
            story.saw(n, shown)
            await story.poll(n)
        await until(lambda: edge.edge.open_bubbles == 0)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=14).map(lambda more: [("say", 0), *more]))
def test_every_bubble_is_closed_after_six_minutes_and_none_ended_blank(steps_taken):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(steps_taken, Path(folder)))
