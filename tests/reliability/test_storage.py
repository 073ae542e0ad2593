"""S1 to S3, S5: a disk that is full, fails, is held by others, or is wanted by two services.

WeCom is asked to send again, nothing is kept by halves, and nothing that was acknowledged is lost.
"""

import asyncio
import contextlib
import signal
import sqlite3

import pytest

from bot.background import Background
from bot.sandbox.timing import Timing
from tests.fakes.edge import until
from tests.fakes.opencode_turns import say
from tests.reliability.processes import faulty_disk, held_by_another, over, ready
from tests.service_fixtures import environment, free_port
from tests.small_disk import small_disk

QUICK = Timing(retry_after_s=0.05, poll_every_s=0.05)
# Who waits longer than WeCom's five seconds sees that the service answers by itself, however
# busy the machine is; that it does so in time is what ACCEPT_S is for.
PATIENT = Timing(answer_s=30, retry_after_s=0.05, poll_every_s=0.05)
TMPFS_BYTES = 1_000_000
CHATS = 12
ENOUGH = 60


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte."""
    with small_disk(tmp_path / "small", f"size={TMPFS_BYTES}") as folder:
        yield folder


def check_integrity(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def kept_in(path):
    """Return the ids of the messages that a database has."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {message for (message,) in database.execute("SELECT message FROM inbound")}


# S1: the disk is full.


async def test_s1_a_full_disk_has_wecom_send_again_and_heals_by_itself(make_bot, fake, http, disk):
    bot = await make_bot(fake, timing=QUICK, BOT_DATABASE_URL=f"sqlite:///{disk}/bot.db")
    await bot.ready()
    go = asyncio.Event()
    fake.script(say("begun", go, "OK"))
    before = await bot.wecom.say("zhangsan", "before")
    ballast = disk / "ballast"
    _fill(ballast)
    talk = await bot.wecom.say("lisi", "during " + "x" * 2000)
    assert talk.attempts == ["http_503"] * 4
    command = await bot.wecom.say("lisi", "/new")
    assert command.attempts[-1] == "http_503"
    async with http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == 503
        assert "cannot store messages" in (await answer.json())["parts"]["store"]
    assert await bot.store.inbox.find(talk.msgid) is None
    assert await bot.store.turns.by_message(talk.msgid) is None
    polls = before.polls
    await until(lambda: before.polls > polls)  # what is open is answered on
    assert not before.missed_polls
    assert not bot.service.ended.is_set()
    ballast.unlink()
    async with http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == 200
    go.set()
    assert "OK" in await before.done()
    again = await bot.wecom.say("lisi", "", msgid=talk.msgid)
    assert "OK" in await again.done()
    assert [prompt.text.split()[0] for prompt in fake.prompts] == ["before", "during"]
    check_integrity(disk / "bot.db")


def _fill(file):
    with file.open("wb", buffering=0) as handle:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    handle.write(b"x" * size)
            except OSError:
                continue


async def test_s1_a_start_on_a_full_disk_is_refused_with_a_sentence(
    run, make_standin, tmp_path, fake, disk
):
    environ = environment(tmp_path, await make_standin(), port=free_port(), opencode=fake)
    environ |= {"BOT_DATABASE_URL": f"sqlite:///{disk}/bot.db"}
    _fill(disk / "ballast")
    code, said = await over(await run("run", **environ))
    assert code == 1
    assert "opencode-wecom: " in said
    assert "Traceback" not in said
    (disk / "ballast").unlink()
    process = await run("run", **environ)
    await ready(environ)
    process.send_signal(signal.SIGTERM)
    assert (await over(process))[0] == 0


# S2: a sync reports an I/O error.


async def test_s2_a_failed_sync_ends_the_process_and_nothing_acknowledged_is_missing(
    run, make_standin, tmp_path, fake
):
    wecom = await make_standin(timing=QUICK)
    environ = environment(tmp_path, wecom, port=free_port(), opencode=fake)
    wecom.callback_url = f"http://127.0.0.1:{environ['BOT_PORT']}/wecom/bot"
    faulty, when = await faulty_disk(tmp_path)
    process = await run("run", **environ | faulty)
    await ready(environ)
    talks = []
    async with Background() as crowd:
        for n in range(CHATS):
            member = ("zhangsan", "lisi", "wangwu", "lead")[n % 4]
            crowd.start(_chatter(wecom, member, f"g{n}", talks), name=f"chatter {n}")
        await until(lambda: len(talks) >= ENOUGH)
        when.touch()
        code, said = await over(process)
    assert code == 1
    assert "ended by a fault: StoreBroken" in said
    when.unlink()
    acknowledged = {talk.msgid for talk in talks if talk.said.state == "delivered"}
    assert len(acknowledged) >= ENOUGH // 2
    process = await run("run", **environ)
    await ready(environ)
    process.send_signal(signal.SIGTERM)
    assert (await over(process))[0] == 0
    assert acknowledged <= kept_in(tmp_path / "data/bot.db")
    check_integrity(tmp_path / "data/bot.db")


async def _chatter(wecom, member, group, talks):
    """Write one message after the other; WeCom takes no fourth one while three are open."""
    while True:
        talk = await wecom.say(member, "/status", group=group)
        talks.append(talk)
        await asyncio.sleep(0.01)


# S3: somebody else has the database for himself.


async def test_s3_while_another_program_holds_the_database_wecom_is_told_to_send_again(
    make_bot, fake, tmp_path
):
    bot = await make_bot(fake, timing=PATIENT)
    await bot.ready()
    go = asyncio.Event()
    fake.script(say("begun", go, "OK one"))
    fake.script(say("OK two"))
    running = await bot.wecom.say("zhangsan", "first")
    await until(lambda: len(fake.prompts) == 1)
    async with held_by_another(tmp_path / "data/bot.db"):
        async with asyncio.TaskGroup() as group:
            go.set()  # the turn ends while nothing can be kept of that
            refused = group.create_task(bot.wecom.say("lisi", "second"))
        talk = refused.result()
        assert talk.attempts == ["http_503"] * 4, "each is told to send again"
        assert bot.wecom.violations == []
        assert not running.missed_polls
        assert not bot.service.ended.is_set()
    # The last copy may have been kept after its 503: then this is a repeat of it.
    again = await bot.wecom.say("lisi", "", msgid=talk.msgid)
    assert "OK two" in await again.done()
    assert "OK one" in await running.done()
    assert sorted(prompt.text for prompt in fake.prompts) == ["first", "second"]
    assert bot.wecom.violations == []


async def test_s3_a_store_that_takes_too_long_has_wecom_send_again(make_bot, fake, monkeypatch):
    monkeypatch.setattr("handlers.wecom.callback.ACCEPT_S", 0.3)
    bot = await make_bot(fake, timing=QUICK)
    await bot.ready()
    async with bot.store.database.transaction():  # the one writer is taken
        talk = await bot.wecom.say("zhangsan", "hello")
    assert talk.attempts == ["http_503"] * 4
    assert await bot.store.inbox.find(talk.msgid) is None
    again = await bot.wecom.say("zhangsan", "hello", msgid=talk.msgid)
    assert "OK" in await again.done()
    await until(lambda: bot.turns.ended["answered"])
    assert len(fake.prompts) == 1


# S5: two want the same database.


async def test_s5_a_second_process_is_refused_and_told_the_pid_of_the_first(
    run, make_standin, tmp_path, fake
):
    environ = environment(tmp_path, await make_standin(), port=free_port(), opencode=fake)
    first = await run("run", **environ)
    await ready(environ)
    code, said = await over(await run("backup", **environ))
    assert (code, "is whole" in said) == (0, True)
    (archive,) = (tmp_path / "data/backups").iterdir()
    others = [("run",), ("restore", str(archive))]
    for command in others:
        code, said = await over(await run(*command, **environ | {"BOT_PORT": str(free_port())}))
        assert code == 1
        assert f"in use by process {first.pid}" in said
        assert "Traceback" not in said
    first.send_signal(signal.SIGTERM)
    assert (await over(first))[0] == 0
