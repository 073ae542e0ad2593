"""The load of the soak: people who write at a steady rate, and turns that last so long that enough run."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from bot.sandbox.caller import NotAnswered
from bot.sandbox.payloads import text
from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing
from tests.drill.history import History, Message, Refusal
from tests.drill.opencode import ASKED, DrillOpenCode, end_of, words_for
from tests.drill.people import UNKNOWN
from tests.drill.victim import REAL, Victim
from tests.fakes.opencode_turns import say, tool
from tests.service_fixtures import environment, free_port
from tests.stand_in_caller import InPlace
from tests.wecom_fixtures import standing_in

ASKS = 4  # one message in so many asks the model, the others are commands
COMMANDS = ("/status", "/queue", "/help")
PEOPLE_A_STREAM = 4  # so nobody asks again before the former answer is there
DELTA_S = 0.5
PACE = Timing(poll_every_s=1)
SETTLE_S = 90.0
LOOK_S = 0.2


class SoakOpenCode(DrillOpenCode):
    """Answers every prompt with deltas and a tool, over ``turn_s`` seconds."""

    def __init__(self, turn_s):
        super().__init__()
        self._pieces = max(1, round(turn_s / DELTA_S / 2))

    def answer_to(self, message):
        found = ASKED.search(message["parts"][-1]["text"])
        if found is None:
            return super().answer_to(message)
        word = found[2]
        return (
            say(f"Begun with {word}.", *self._some()),
            tool("bash", {"command": "make test"}, "ok\n" * 40, title="make test"),
            say(*self._some(), f" {end_of(word)}"),
        )

    def _some(self):
        for n in range(self._pieces):
            yield from (DELTA_S, f" piece {n} of it")


class Stopwatch(InPlace):
    """Calls as the stand-in does, and takes the time of every answer that came."""

    def __init__(self, standin):
        super().__init__(standin)
        self.took = []
        self.missed = Counter()

    async def __aenter__(self):
        """Open a connection for each call: a pool keeps as many as were ever needed at once."""
        await super().__aenter__()
        await self._http.close()
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(connector=connector)
        return self

    async def raw(self, method, query, body, *, limit_s):
        began = time.perf_counter()
        try:
            answer = await super().raw(method, query, body, limit_s=limit_s)
        except NotAnswered as exc:
            self.missed[str(exc)] += 1
            raise
        self.took.append(time.perf_counter() - began)
        return answer

    def taken(self):
        """Return the times since the last call, in milliseconds, sorted."""
        taken, self.took = self.took, []
        return sorted(1000 * one for one in taken)


@dataclass
class Rig:
    """WeCom, OpenCode and the service between them."""

    standin: StandIn
    fake: SoakOpenCode
    victim: Victim
    stopwatch: Stopwatch
    talks: dict = field(default_factory=dict)
    commands: list = field(default_factory=list)
    contacts: list = field(default_factory=list)
    results: dict = field(default_factory=dict)  # of a word, the answers that were asked for anew

    async def write(self, rate, streams, ends):
        """Write at a steady rate until the time has come."""
        loop = asyncio.get_running_loop()
        people, due, n = streams * PEOPLE_A_STREAM, loop.time(), 0
        while loop.time() < ends:
            if n % ASKS == 0:
                words = text(words_for("soak", f"w{n}"))
                self.talks[f"w{n}"] = self.standin.begin(f"p{n // ASKS % people}", words)
            else:
                words = text(COMMANDS[n % ASKS - 1])
                self.commands.append(self.standin.begin(f"c{n % people}", words))
            n, due = n + 1, due + 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def blocks(self):
        """Return how many blocks of memory the service's Python has in use."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{self.victim.port}/metrics") as answer,
        ):
            told = await answer.text()
        return int(float(re.search(r"^bot_memory_blocks (\S+)$", told, re.MULTILINE)[1]))

    async def settle(self):
        """Wait until every answer is there; who misses one writes again, and asks for it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                for talk in (*self.talks.values(), *self.commands):
                    while not talk.over:  # noqa: ASYNC110 - a bell would ring for each of thousands
                        await asyncio.sleep(LOOK_S)
        for word, talk in self.talks.items():
            if talk.delivered and end_of(word) not in seen(talk):
                await self._ask_again(word, talk)

    async def _ask_again(self, word, talk):
        contact = await self.standin.say(talk.origin.member, "/status")
        self.contacts.append(contact)
        for n in UNKNOWN.findall(await contact.done()):
            result = await self.standin.say(talk.origin.member, f"/result {n}")
            self.results.setdefault(word, []).append(await result.done())

    async def history(self):
        """End the service; return what everybody saw, for the judge."""
        code = await self.victim.end()
        prompts = tuple(self.fake.asked())
        counts = Counter(prompt.word for prompt in prompts)
        return History(
            messages=tuple(
                self._message(word, talk, counts[word])
                for word, talk in self.talks.items()
                if talk.delivered
            ),
            prompts=prompts,
            refusals=tuple(Refusal(v.code, v.detail, v.msgid) for v in self.standin.violations),
            sessions=self.fake.opened(),
            exit_code=code,
            crashed=False,
        )

    def unanswered(self):
        """Return every command that was not answered with something."""
        given = [talk for talk in self.commands if talk.delivered]
        return [talk.msgid for talk in given if not (talk.finished and talk.text.strip())]

    def _message(self, word, talk, prompts):
        shown = [talk.text if talk.finished else "", *(item.content for item in talk.late)]
        shown += [one.text for one in self.contacts if one.chat == talk.chat]
        return Message(
            word=word,
            chat=talk.chat,
            msgid=talk.msgid,
            acknowledged=talk.said.state == "delivered",
            prompts=prompts,
            finals=tuple(one for one in shown for _ in range(one.count(end_of(word)))),
            asked=tuple(one for one in self.results.get(word, ()) if end_of(word) in one),
            last=talk.text if talk.finished else None,
            streams=tuple(talk.streams),
        )


def seen(talk):
    """All that was shown for good in answer to a message."""
    final = talk.text if talk.finished else ""
    return "\n".join([final, *(item.content for item in talk.late)])


@contextlib.asynccontextmanager
async def rigged(place, turn_s):
    """Put up a rig with a running service, and take it down whatever happened."""
    async with contextlib.AsyncExitStack() as stack:
        fake = await stack.enter_async_context(SoakOpenCode(turn_s))
        port = free_port()
        callback = f"http://127.0.0.1:{port}/wecom/bot"
        standin = await stack.enter_async_context(standing_in(callback, timing=PACE))
        environ = environment(place, standin, port=port, opencode=fake, BOT_MEMBERS="*")
        victim = Victim(environ, port, place, command=REAL)
        stopwatch = await stack.enter_async_context(Stopwatch(standin))
        await victim.start()
        try:
            await victim.ready()
            yield Rig(standin, fake, victim, stopwatch)
        finally:
            await victim.kill()
