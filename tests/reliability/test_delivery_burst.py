"""D8: two thousand messages at once, then silence: all are acknowledged, and all are answered."""

import asyncio

import pytest

from bot.sandbox.payloads import text
from bot.sandbox.timing import Timing
from bot.texts import engine as texts
from tests.drill.opencode import end_of, words_for
from tests.drill.run import rigged
from tests.drill.victim import REAL
from tests.reliability.witness import Witness

MESSAGES = 2_000
CHATS = 10
LOOK_S = 0.1
MEMBERS = ",".join(["boss", *(f"p{n}" for n in range(MESSAGES))])
PACE = Timing(poll_every_s=1)
FULL = texts.QUEUE_FULL.say("en", limit=10)[:24]


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path, None, BOT_MEMBERS=MEMBERS) as rig:
        rig.victim.command = REAL
        rig.standin._conversation._timing = PACE
        async with Witness(rig.standin) as rig.witness:
            yield rig


def answered(talk, word):
    """Whether a person has an answer: the turn's, or that the chat's queue is full."""
    shown = "\n".join([talk.text, *(item.content for item in talk.late)])
    return end_of(word) in shown or FULL in shown


async def all_of(talks, true):
    """Wait until it is true of every talk: each change would else be looked at 2,000 times."""
    for word, talk in talks.items():
        while not true(talk, word):  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK_S)


@pytest.mark.timeout(300)
async def test_d8_a_burst_is_acknowledged_and_answered_to_the_last_message(rig):
    await rig.start()
    async with asyncio.timeout(280):
        talks = {
            f"w{n}": rig.standin.begin(
                f"p{n}", text(words_for("short", f"w{n}")), group=f"g{n % CHATS}"
            )
            for n in range(MESSAGES)
        }
        await all_of(talks, lambda talk, _: talk.answered)
        assert {talk.said.state for talk in talks.values()} == {"delivered"}
        await all_of(talks, answered)
    assert rig.witness.broken == {}
    assert rig.standin.violations == []
    asked = [prompt.word for prompt in rig.fake.asked()]
    assert len(asked) == len(set(asked))
    assert len(asked) >= CHATS * 11  # what runs, and a queue of ten, in every chat
