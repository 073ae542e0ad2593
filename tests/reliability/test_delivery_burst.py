"""D8: a burst of messages at once, then silence: each is acknowledged and answered.

One in ten is a prompt, in a chat of its own; the others are commands to its bot. The whole
burst is ``BURST=2000``; beside other tests a quarter of it leaves WeCom's 5 s to everybody.
"""

import asyncio
import os

import pytest

from bot.sandbox.payloads import text
from bot.sandbox.timing import Timing
from tests.drill.opencode import end_of, words_for
from tests.drill.run import rigged
from tests.drill.victim import REAL
from tests.reliability.witness import Witness

MESSAGES = int(os.environ.get("BURST", "500"))
CHATS = MESSAGES // 10
LOOK_S = 0.1
MEMBERS = ",".join(["boss", *(f"p{n}" for n in range(MESSAGES))])
PACE = Timing(poll_every_s=5)  # all polls are one process's to make here


@pytest.fixture
async def rig(tmp_path):
    async with rigged(tmp_path, None, BOT_MEMBERS=MEMBERS) as rig:
        rig.victim.command = REAL
        rig.standin._conversation._timing = PACE
        async with Witness(rig.standin) as rig.witness:
            yield rig


def is_prompt(word):
    return int(word[1:]) < CHATS


def answered(talk, word):
    """Whether a person has the whole answer of the turn, or of the command."""
    if not is_prompt(word):
        return talk.finished and bool(talk.text.strip())
    return any(end_of(word) in shown for shown in (talk.text, *(i.content for i in talk.late)))


async def all_of(talks, true):
    """Wait until it is true of every talk: each change would else be looked at 2,000 times."""
    for word, talk in talks.items():
        while not true(talk, word):  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK_S)


@pytest.mark.timeout(300)
async def test_d8_a_burst_is_acknowledged_and_answered_to_the_last_message(rig):
    await rig.start()
    words = [f"w{n}" for n in range(MESSAGES)]
    async with asyncio.timeout(280):
        talks = {
            word: rig.standin.begin(
                f"p{n}",
                text(words_for("short", word) if is_prompt(word) else "/queue"),
                group=f"g{n % CHATS}",
            )
            for n, word in enumerate(words)
        }
        await all_of(talks, lambda talk, _: talk.answered)
        assert {talk.said.state for talk in talks.values()} == {"delivered"}
        await all_of(talks, answered)
    assert rig.witness.broken == {}
    assert rig.standin.violations == []
    asked = [prompt.word for prompt in rig.fake.asked()]
    assert sorted(asked) == sorted(filter(is_prompt, words))
