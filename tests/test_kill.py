"""The service is killed again and again in the middle of conversations; a history judges it.

What WeCom was told "received" must be answered, what OpenCode was asked must be asked once,
and no final answer may be shown twice.
"""

import asyncio
import contextlib
import json
import os
import random
from dataclasses import dataclass, field

import pytest

from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import say
from bot.sandbox.timing import Timing
from tests.drill.victim import Victim
from tests.service_fixtures import environment, free_port

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(400)]

KILLS = int(os.environ.get("DRILL_KILLS", "20"))
PEOPLE = ("zhangsan", "lisi", "wangwu", "lead", "boss")
WECOM = Timing(retry_after_s=1.0, poll_every_s=0.2)
SETTLE_S = 90.0
ANSWER_S = 20.0


@dataclass
class History:
    """What people said, and what became of it. ``asked`` names the word of each message."""

    talks: list = field(default_factory=list)
    asked: dict = field(default_factory=dict)

    def words(self):
        """The words whose messages WeCom was told are received."""
        return [
            self.asked[talk.msgid]
            for talk in self.talks
            if talk.msgid in self.asked and talk.said.state == "delivered"
        ]

    def answers(self, word):
        """Every final that shows the answer to ``word``: finished bubbles, late replies."""
        wanted = f"answer to {word}."
        shown = [talk.text for talk in self.talks if talk.finished]
        shown += [item.content for talk in self.talks for item in talk.late]
        return [text for text in shown if wanted in text]


async def chatter(standin, model, person, history, stop):
    """One person's conversation: mostly waiting for the answer, now and then not."""
    dice = random.Random(person)
    count = 0
    while not stop.is_set():
        count += 1
        word = f"{person}-{count}"
        model.script(f"please {word}!", say(f"answer to {word}.", chunks=5, delay_s=0.1))
        talk = await standin.say(person, f"please {word}!")
        history.asked[talk.msgid] = word
        history.talks.append(talk)
        if dice.random() < 0.8:
            await answered(standin, history, word)
        await asyncio.sleep(dice.uniform(0.1, 0.8))


async def answered(standin, history, word):
    """Wait for an answer, not for its bubble: who only writes on fills the queue and is refused."""
    with contextlib.suppress(TimeoutError):
        await standin.book.until(lambda: history.answers(word), ANSWER_S)


async def killer(victim, stop):
    """Kill the service at random moments, some of them while it starts, and start it again at once."""
    dice = random.Random(7)
    for n in range(KILLS):
        if n % 2:  # on a slow machine it would otherwise never live to be spoken to
            await victim.ready()
        await asyncio.sleep(dice.uniform(0.05, 3.0))
        await victim.kill()
        await victim.start()
    stop.set()


async def drill(standin, model, victim):
    """Run the conversations while the service is killed, let all settle; return the history."""
    history = History()
    stop = asyncio.Event()
    await victim.start()
    await victim.ready()
    async with asyncio.TaskGroup() as group:
        for person in PEOPLE:
            group.create_task(chatter(standin, model, person, history, stop))
        group.create_task(killer(victim, stop))
    await victim.ready()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            await settle(standin, history)
    return history


async def settle(standin, history):
    """Wait until every message is answered; each person's next contact brings what waited."""
    while any(not history.answers(word) for word in history.words()):
        await asyncio.sleep(2)
        for person in PEOPLE:
            history.talks.append(await standin.say(person, "/status"))


def judge(history, model):
    words = history.words()
    assert len(words) >= KILLS // 2, "too few messages to tell anything"
    assert [word for word in words if not history.answers(word)] == [], "lost"
    assert [word for word in words if len(history.answers(word)) > 1] == [], "answered twice"
    prompted = {word: len(model.asked(f"please {word}!")) for word in words}
    assert {word: count for word, count in prompted.items() if count != 1} == {}, "not run once"


@pytest.fixture
async def victim(make_standin, tmp_path):
    """Make a service process in front of a given OpenCode, or with its own managed one."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(opencode=None, **overrides):
            standin = await make_standin(timing=WECOM)
            port = free_port()
            environ = environment(tmp_path, standin, port=port, opencode=opencode, **overrides)
            victim = Victim(environ, port, tmp_path)
            standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
            stack.push_async_callback(victim.end)
            return standin, victim

        yield make


async def test_kills_in_front_of_an_external_server_lose_and_repeat_nothing(victim, opencode):
    standin, process = await victim(opencode)
    history = await drill(standin, opencode.model, process)
    judge(history, opencode.model)


async def test_kills_with_the_managed_server_lose_and_repeat_nothing(victim, tmp_path):
    model = ScriptedModel()
    url = await model.start()
    config = tmp_path / "home/.config/opencode"
    config.mkdir(parents=True)
    (config / "opencode.json").write_text(json.dumps(provider_config(url)))
    standin, process = await victim(HOME=str(tmp_path / "home"))
    try:
        history = await drill(standin, model, process)
        judge(history, model)
    finally:
        await process.end()
        await model.stop()
