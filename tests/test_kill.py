"""The service is killed again and again in the middle of conversations; a history judges it.

What WeCom was told "received" must be answered, what OpenCode was asked must be asked once,
and no final answer may be shown twice.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from dataclasses import dataclass, field

import httpx
import pytest

from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import say
from bot.sandbox.timing import Timing
from tests.service_fixtures import environment, free_port

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(400)]

KILLS = int(os.environ.get("DRILL_KILLS", "20"))
PEOPLE = ("zhangsan", "lisi", "wangwu", "lead", "boss")
START_S = 60.0
WECOM = Timing(retry_after_s=1.0, poll_every_s=0.2)
SETTLE_S = 90.0


@dataclass
class Victim:
    """The service as a process of its own, to be killed and started again."""

    environ: dict
    port: int
    log: object
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    async def start(self):
        self.starts += 1
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=self.environ, stdout=self.log, stderr=self.log
        )

    async def kill(self):
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def end(self):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                await self.process.wait()

    async def ready(self):
        async with asyncio.timeout(START_S), httpx.AsyncClient() as http:
            while not await self._is_ready(http):  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(0.1)

    async def _is_ready(self, http):
        try:
            answer = await http.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and answer.json()["parts"]["opencode"] == "ok"


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
            with contextlib.suppress(TimeoutError):
                await talk.done(60)
        await asyncio.sleep(dice.uniform(0.1, 0.8))


async def killer(victim, stop):
    """Kill the service at random moments and start it again at once."""
    dice = random.Random(7)
    for _ in range(KILLS):
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
    assert len(words) > KILLS, "too few messages to tell anything"
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
            log = stack.enter_context((tmp_path / "service.log").open("ab"))
            kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
            victim = Victim(kept | environ, port, log)
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
