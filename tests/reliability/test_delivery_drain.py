"""D1: told to end under load, the service loses no turn, resets no connection, and ends in time."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import leaving
from bot.background import GRACE_S
from bot.errors import StoreBroken
from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import hold, say
from bot.sandbox.timing import Timing
from bot.texts import engine as texts
from bot.tls import trusted
from bot.turns.lanes import INTERRUPT_S
from store import open_store
from tests.drill.opencode import PIECES, end_of, words_for
from tests.drill.run import rigged
from tests.drill.victim import REAL, Victim
from tests.fakes.opencode_turns import hang
from tests.fakes.opencode_turns import say as say_so
from tests.fault_fixtures import prompted
from tests.reliability.witness import Witness
from tests.service_fixtures import environment, free_port

STREAMS = 25  # D1 says 50, and 100 messages a second: half of it, for machines with more to do
MESSAGES_A_S = 50
FLOOD = 150  # at the most: six wait behind every stream
PIECES_OF_A_STREAM = 160  # it runs for 8 s
PACE = Timing(retry_after_s=1, poll_every_s=0.5)
GRACE = {"BOT_TURN_GRACE": "1s"}
MEMBERS = ",".join(["zhangsan", "boss", *(f"p{n}" for n in range(STREAMS))])
PATIENCE_S = 60
READY, CLOSING = 200, 503


class Crowd:
    """People with a stream each, who go on writing until they are told to stop."""

    def __init__(self, rig):
        self._rig = rig
        self.talks = {}
        self.enough = asyncio.Event()

    async def streams(self):
        """Have many long answers run at once."""
        async with asyncio.TaskGroup() as group:
            for n in range(STREAMS):
                group.create_task(self.write(n, "longest"))

    async def flood(self):
        """Write short messages at a steady rate."""
        async with asyncio.TaskGroup() as group:
            for n in range(STREAMS, STREAMS + FLOOD):
                if self.enough.is_set():
                    return
                group.create_task(self.write(n, "short"))
                await asyncio.sleep(1 / MESSAGES_A_S)

    async def write(self, n, kind):
        word = f"w{n}"
        self.talks[word] = await self._rig.standin.say(f"p{n % STREAMS}", words_for(kind, word))

    async def write_again(self):
        """Write once more what WeCom could not hand over: it comes with its old id."""
        for word, talk in self.talks.items():
            if talk.said.state != "delivered":
                words = words_for("short", word)
                await self._rig.standin.say(talk.origin.member, words, msgid=talk.msgid)

    async def answered(self):
        """Wait until everybody has the answer, in the bubble or as a message of its own."""
        for word, talk in self.talks.items():
            await self._rig.standin.book.until(
                lambda talk=talk, word=word: end_of(word) in seen(talk), PATIENCE_S
            )


def seen(talk):
    """All that was shown for good in answer to a message."""
    final = talk.text if talk.finished else ""
    return "\n".join([final, *(item.content for item in talk.late)])


async def watch_the_door(port):
    """Ask anew and anew on fresh connections; return when each answer was first heard."""
    heard = {}
    async with httpx.AsyncClient(trust_env=False, verify=trusted(), timeout=PATIENCE_S) as http:
        while True:
            try:
                answer = await http.get(
                    f"http://127.0.0.1:{port}/readyz", headers={"Connection": "close"}
                )
            except httpx.ConnectError:
                return heard | {"gone": time.monotonic()}
            heard.setdefault(answer.status_code, time.monotonic())
            await asyncio.sleep(0.02)


@pytest.fixture
async def rig(tmp_path, monkeypatch):
    monkeypatch.setitem(PIECES, "longest", PIECES_OF_A_STREAM)
    async with rigged(tmp_path, None, BOT_MEMBERS=MEMBERS, **GRACE) as rig:
        rig.victim.command = REAL
        rig.standin._conversation._timing = PACE
        async with Witness(rig.standin) as rig.witness:
            yield rig


async def test_d1_told_to_end_under_load_it_resets_nobody_and_loses_no_turn(rig):
    await rig.start()
    crowd = Crowd(rig)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        group.create_task(crowd.streams())
        flood = group.create_task(crowd.flood())
        while len(rig.fake.busy) < STREAMS:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.02)
        door = group.create_task(watch_the_door(rig.victim.port))
        await asyncio.sleep(0.5)  # what comes before is the load
        rig.victim.terminate()
        assert await rig.died() == 0
        crowd.enough.set()
        await flood
        heard = await door
        await rig.restart()
        await crowd.write_again()
        await crowd.answered()
    assert rig.witness.broken == {}
    assert rig.witness.refused, "the flood went on to the end"
    assert heard["gone"] - heard[CLOSING] >= 1.0
    asked = Counter(prompt.word for prompt in rig.fake.asked())
    assert {word: asked[word] for word in crowd.talks} == dict.fromkeys(crowd.talks, 1)
    finals = {word: seen(talk).count(end_of(word)) for word, talk in crowd.talks.items()}
    assert finals == dict.fromkeys(crowd.talks, 1)
    assert "job.stuck" not in rig.victim.logs[0].read_text()


async def test_a_message_that_comes_while_it_ends_is_kept_and_told_so(rig):
    await rig.start()
    async with asyncio.timeout(120):
        running = await rig.standin.say("p0", words_for("longest", "w0"))
        while not rig.fake.busy:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.02)
        rig.victim.terminate()
        await until_closing(rig.victim.port)
        late = await rig.standin.say("p1", words_for("short", "w1"))
        assert texts.RESTARTING.say("en", n=2) in late.bubble.history[0]
        assert await rig.died() == 0
        await rig.restart()
        assert end_of("w1") in await late.done()
        assert end_of("w0") in await running.done()
    assert [prompt.word for prompt in rig.fake.asked()] == ["w0", "w1"]


async def until_closing(port):
    async with httpx.AsyncClient(trust_env=False, verify=trusted()) as http:
        while (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == READY:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_told_twice_it_gives_nobody_time_any_more_and_ends_well(rig):
    rig.victim.environ["BOT_TURN_GRACE"] = "10m"
    await rig.start()
    async with asyncio.timeout(PATIENCE_S):
        talk = await rig.standin.say("p0", words_for("longest", "w0"))
        while not rig.fake.busy:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.02)
        rig.victim.terminate()
        await until_closing(rig.victim.port)
        rig.victim.terminate()
        assert await rig.died() == 0
        await rig.restart()
        assert end_of("w0") in await talk.done()
    assert len(rig.fake.prompts) == 1


async def test_a_fault_gives_no_turn_time_since_nothing_can_be_kept(make_faked, fake):
    faked = await make_faked(BOT_TURN_GRACE="10m")
    fake.script(hang())
    await faked.wecom.say("zhangsan", "work")
    await prompted(fake, 1)
    faked.service.fault.report(StoreBroken("the disk failed"))
    async with asyncio.timeout(PATIENCE_S):
        await faked.stop()
    assert fake.aborts == []


async def test_a_turn_on_its_way_to_opencode_gets_its_grace_too(make_faked, fake, monkeypatch):
    faked = await make_faked(BOT_TURN_GRACE="10m")
    opening, open_it = asyncio.Event(), asyncio.Event()
    sessions = faked.service.services.sessions
    works = sessions.open_for

    async def slowly(*args):
        opening.set()
        await open_it.wait()
        return await works(*args)

    monkeypatch.setattr(sessions, "open_for", slowly)
    talk = await faked.wecom.say("zhangsan", "work")
    await opening.wait()
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        stopping = group.create_task(faked.stop())
        while not faked.turns.closing:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)
        open_it.set()
        assert "OK" in await talk.done()
        await stopping
    assert len(fake.prompts) == 1


@given(
    grace=st.integers(0, 60),
    late=st.integers(0, 20),
    taken=st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=5, max_size=5),
)
def test_whatever_each_stage_of_the_end_takes_of_its_time_all_is_closed_before_the_limit(
    grace, late, taken
):
    """`late`: how long after it was told to the service begins to end, as it was still starting."""
    limit, now = grace + leaving.REST_S, [min(late, grace)]
    stages = leaving.Stages(limit, now=lambda: now[0])
    had = stages.grace_s(grace)
    interrupt = stages.interrupt_s(had)
    now[0] += taken[0] * had + taken[1] * interrupt
    now[0] += max(taken[2] * stages.server_s(), taken[3] * stages.posts_s())
    now[0] += taken[4] * stages.requests_s()
    assert limit - now[0] >= leaving.CLOSE_S - 1e-6
    if late == 0:
        assert had == grace
        assert interrupt == INTERRUPT_S


def test_a_server_of_ours_has_time_even_where_the_turns_took_all_of_theirs():
    now = [10 + INTERRUPT_S]
    stages = leaving.Stages(10 + leaving.REST_S, now=lambda: now[0])
    assert stages.server_s() == leaving.SERVER_S
    now[0] += stages.server_s()
    assert stages.requests_s() == leaving.HANG_UP_S
    assert GRACE_S < leaving.CLOSE_S


def test_a_service_that_is_told_to_end_too_late_gives_nobody_time():
    stages = leaving.Stages(15, now=lambda: 20)
    assert [stages.grace_s(10), stages.interrupt_s(0), stages.server_s()] == [0, 0, 0]
    assert [stages.posts_s(), stages.requests_s()] == [0, 0]


def test_after_a_fault_no_stage_has_more_than_a_moment():
    stages = leaving.Stages(15, fault=True, now=lambda: 0)
    assert [stages.server_s(), stages.requests_s()] == [leaving.FAULT_S, leaving.FAULT_S]


async def test_told_to_end_the_service_posts_to_the_end_what_is_under_way(make_faked, fake):
    faked = await make_faked()
    posted, go_on = asyncio.Event(), asyncio.Event()
    fake.script(say_so("Posted."))
    late = faked.service.edge.channels[0]._late
    works = late.post

    async def slowly(*args):
        posted.set()
        await go_on.wait()
        return await works(*args)

    late.post = slowly
    faked.wecom.polling = False
    faked.service.edge.channels[0]._replies.way_out._timing = replace(
        faked.service.edge.channels[0]._replies.way_out._timing, patience_s=0.0
    )
    await faked.wecom.say("zhangsan", "work")
    await posted.wait()
    closed = []
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        stopping = group.create_task(faked.stop())
        stopping.add_done_callback(closed.append)
        while not faked.turns.closing:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)
        assert closed == []
        go_on.set()
        await stopping
    async with await open_store(faked.service.settings.store.url) as store:
        assert (await store.deliveries.of_turn(1)).state == "sent"


LONG_START = """
import asyncio, os, signal
from bot import app, assembly
from config.settings import load_settings

async def never(self):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.sleep(3600)

assembly.Assembly._build = never
app.REST_S = 0.2
app.serve(load_settings(None, os.environ))
"""


async def test_told_to_end_while_it_takes_long_to_start_it_is_ended_in_time(rig):
    rig.victim.command = ("-c", LONG_START)
    async with asyncio.timeout(PATIENCE_S):
        await rig.victim.start()
        assert await rig.died() == 1
    assert "service.overdue" in rig.victim.logs[0].read_text()


STUCK = """
import asyncio, contextlib, os, time
from bot import app
from config.settings import load_settings

opened = app.opened

async def never(blocked):
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        if blocked:
            time.sleep(3600)

@contextlib.asynccontextmanager
async def stuck(*args, **facts):
    async with opened(*args, **facts) as service:
        service.background.start(never({blocked}), name="never")
        yield service

app.opened = stuck
app.serve(load_settings(None, os.environ))
"""


@pytest.mark.parametrize(("blocked", "code"), [(False, 0), (True, 1)])
async def test_what_does_not_end_by_itself_is_ended_in_time(rig, blocked, code):
    """A job that will not be cancelled does no harm; a loop that is blocked has kept the rest up."""
    rig.victim.command = ("-c", STUCK.format(blocked=blocked))
    rig.victim.environ["BOT_TURN_GRACE"] = "0.2s"
    await rig.start()
    async with asyncio.timeout(PATIENCE_S):
        rig.victim.terminate()
        assert await rig.died() == code
    assert "service.overdue" in rig.victim.logs[0].read_text()


@pytest.fixture
async def managed(make_standin, tmp_path):
    """A service with an OpenCode of its own, and the model that it talks to."""
    model = ScriptedModel()
    home = tmp_path / "home"
    (home / ".config/opencode").mkdir(parents=True)
    config = json.dumps(provider_config(await model.start()))
    (home / ".config/opencode/opencode.json").write_text(config)
    standin, port = await make_standin(), free_port()
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
    environ = environment(tmp_path, standin, port=port, HOME=str(home), **GRACE)
    victim = Victim(environ, port, tmp_path, command=REAL)
    await victim.start()
    await victim.ready()
    yield victim, standin, model
    await victim.kill()
    await model.stop()


@pytest.mark.opencode
async def test_a_turn_on_its_own_server_ends_as_interrupted_with_what_it_had(managed):
    victim, standin, model = managed
    model.script("work", say("Half of it.") + hold("never"))
    async with asyncio.timeout(100):
        talk = await standin.say("zhangsan", "work")
        await talk.shows("Half of it.")
        victim.terminate()
        assert await victim.process.wait() == 0
        log = victim.logs[0].read_text()
        await victim.start()
        text = await talk.done()
    assert "Half of it." in text
    assert "/retry 1" in text
    assert "opencode.ended" in log
    assert "service.overdue" not in log
    assert len(model.asked("work")) == 1
