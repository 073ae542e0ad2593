"""One run: twenty messages, one cut at one place, one restart, and the judge's verdict."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing
from tests.drill.history import History, Refusal
from tests.drill.judge import STUCK, Fault, judge
from tests.drill.opencode import DrillOpenCode, end_of
from tests.drill.people import People
from tests.drill.points import ON
from tests.drill.victim import LOOK_S, SHORT, START_S, Victim
from tests.drill.ways import WAYS
from tests.media.pictures import PNG
from tests.service_fixtures import environment, free_port
from tests.wecom_fixtures import AES_KEY, SECRET, TOKEN, standing_in

WECOM = Timing(retry_after_s=0.2, poll_every_s=0.1)
RUN_S = 120.0
SETTLE_S = 25.0
LAST_CHANCE_S = 1.0
AT_WORK = 3  # turns, when SIGTERM comes
SAID = (4, 9)  # messages, when the application's token ends before its time
KEPT = "SELECT message FROM inbound"
OPEN_TURNS = "SELECT message FROM turns WHERE state IN ('queued', 'running')"


@dataclass(frozen=True)
class Case:
    """Which point of which channel is to be met, at which passage, and how the process ends there."""

    point: str
    cut: str = "kill"  # or "power"
    passage: int = 1
    channel: str = "callback"

    def __str__(self):
        return f"{self.channel} {self.point}:{self.passage} {self.cut}"

    @property
    def at(self):
        """The point itself."""
        return ON[self.channel][self.point]


@dataclass
class Outcome:
    """What a run came to. Times are seconds since the restart's ``exec``."""

    case: Case
    reached: bool = False
    faults: list = field(default_factory=list)
    first_reply_s: float = 0.0
    attached_s: float = 0.0
    ended_s: float = 0.0  # from the failed sync to the end of the process
    unheard: int = 0  # messages that were lost before we had them, and written again


@dataclass
class Rig:
    """WeCom, OpenCode and the service between them."""

    standin: StandIn
    fake: DrillOpenCode
    victim: Victim
    up: asyncio.Event = field(default_factory=asyncio.Event)
    first_reply_s: float = 0.0

    @property
    def way(self):
        """How the service is reached."""
        return WAYS[self.standin.channel]

    async def start(self, **extra):
        """Start the service for the first time; return when it has OpenCode, or is dead again."""
        await self.victim.start(**extra)
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(self.victim.ready())
            ended = group.create_task(self.victim.process.wait())
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            ended.cancel()
        if self.victim.alive:
            await self.way.ready(self.standin, START_S)
            self.up.set()

    async def restart(self):
        """Start it again; return when WeCom got a good reply of it."""
        await self.victim.start()
        async with asyncio.timeout(START_S):
            while not await self.way.replies(self.standin):
                assert self.victim.alive, "it died again, of itself"
                await asyncio.sleep(LOOK_S)
        self.first_reply_s = time.monotonic() - self.victim.began
        self.up.set()

    async def died(self):
        """Wait for the end of the process; return its exit code."""
        code = await self.victim.process.wait()
        self.up.clear()
        return code


@contextlib.asynccontextmanager
async def rigged(place, library, channel="callback", **overrides):
    """Put up a rig in a folder of its own, and take it down whatever happened."""
    place.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        fake = await stack.enter_async_context(DrillOpenCode(wordy=channel == "app"))
        port, way = free_port(), WAYS[channel]
        url = f"http://127.0.0.1:{port}{way.path}"
        beside = standing_in(url, timing=WECOM, channel=channel)
        standin = await stack.enter_async_context(beside)
        way.hurry(standin)
        environ = environment(place, standin, port=port, opencode=fake, **overrides)
        victim = Victim(environ, port, place, command=SHORT, library=library)
        rig = Rig(standin, fake, victim)
        try:
            yield rig
        finally:
            if victim.process is not None:
                await victim.kill()


async def run(case, place, library):
    """Let the case happen; return what it came to."""
    outcome = Outcome(case)
    preloaded = library if case.cut == "power" or case.at.by_disk else None
    async with rigged(place, preloaded, case.channel) as rig:
        people = People(rig.standin, rig.fake, rig.up, pictures=case.point == "C21")
        try:
            async with asyncio.timeout(RUN_S):
                await _drill(rig, people, case, outcome)
                history = await history_of(rig, people)
                outcome.faults += judge(history)
                outcome.unheard = sum(one.rewritten for one in history.messages)
        except (TimeoutError, AssertionError, ExceptionGroup) as exc:
            outcome.faults.append(Fault(STUCK, f"the run itself: {exc!r}"))
        outcome.first_reply_s = rig.first_reply_s
        outcome.attached_s = _attached(rig.victim)
    if not outcome.reached:
        outcome.faults.append(Fault("not reached", str(case)))
    return outcome


async def _drill(rig, people, case, outcome):
    """Let people talk, the service die once and come back, and everything settle."""
    await rig.start(**case.at.armed(case.point, case.passage))
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(people.converse())
        dying = group.create_task(_die_once(rig, case, outcome))
        if case.at.by_signal:
            group.create_task(_terminate(rig))
        if case.point == "C22":
            group.create_task(_end_tokens(rig, people))
        await talking
        if not outcome.reached:
            await asyncio.wait({dying}, timeout=LAST_CHANCE_S)
        dying.cancel()
    await people.settle(SETTLE_S)


async def _die_once(rig, case, outcome):
    """Wait for the death that was asked for; take the power away if that is the cut; start again."""
    code = await rig.died()
    outcome.reached = code == case.at.exit_code
    if not outcome.reached:
        outcome.faults.append(Fault("bad end", f"exit code {code} where {case} was armed"))
    failed = rig.victim.copies / "failed"
    if failed.exists():
        outcome.ended_s = time.time() - failed.stat().st_mtime
    if case.cut == "power":
        rig.victim.lose_power()
    await rig.restart()


async def _terminate(rig):
    """Send SIGTERM while turns run."""
    while len(rig.fake.busy) < AT_WORK:  # noqa: ASYNC110 - the fake tells nobody
        await asyncio.sleep(LOOK_S)
    rig.victim.terminate()


async def _end_tokens(rig, people):
    """Let WeCom know the application's token no more, twice."""
    for count in SAID:
        await rig.standin.book.until(lambda least=count: people.said >= least, RUN_S)
        rig.standin.corp.api.expire()


async def history_of(rig, people):
    """End the service and put together what everybody saw."""
    later = await people.look_again()
    code = await rig.victim.end()
    prompts = tuple(rig.fake.asked())
    counts = Counter(prompt.word for prompt in prompts)
    with contextlib.closing(sqlite3.connect(rig.victim.database)) as database:
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
        unfinished = database.execute(OPEN_TURNS).fetchall()
        kept = database.execute(KEPT).fetchall()
    return History(
        messages=people.messages(counts, later),
        prompts=prompts,
        refusals=tuple(Refusal(one.code, one.detail, one.msgid) for one in rig.standin.violations),
        sessions=rig.fake.opened(),
        open_turns=tuple(msgid for (msgid,) in unfinished),
        kept=frozenset(msgid for (msgid,) in kept),
        files=people.pictures,
        whole_files=rig.fake.files().count(PNG),
        integrity=integrity,
        leaks=tuple(_leaks(rig, people)),
        exit_code=code,
    )


def _leaks(rig, people):
    """Name what must not stand in a log and does."""
    written = "".join(log.read_text() for log in rig.victim.logs)
    secret = {"token": TOKEN, "key": AES_KEY, "secret": SECRET, "password": rig.fake.password}
    yield from (name for name, value in secret.items() if value in written)
    words = (word for line in people.lines for word, _ in line.said)
    yield from (word for word in words if end_of(word) in written or f"{word}!" in written)


def _attached(victim):
    """Return how long the last life took to take up every turn that ran, in seconds from its start."""
    taken_up = 0.0
    for line in victim.logs[-1].read_text().splitlines():
        if "turn.resumed" in line:
            at = datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
            taken_up = max(taken_up, at - victim.began_at)
    return taken_up
