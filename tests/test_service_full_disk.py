"""A store that is full or slow: WeCom is asked to send again, and nothing is kept by halves."""

import ctypes
import os
import sqlite3

import aiohttp
import pytest

from bot.sandbox.timing import Timing
from tests.fakes.edge import until
from tests.fakes.opencode import FakeOpenCode

QUICK = Timing(retry_after_s=0.05, poll_every_s=0.05)
TMPFS_BYTES = 1_000_000


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={TMPFS_BYTES}".encode()
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options) != 0:
        pytest.skip(f"no small disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(bytes(folder), 2)


async def test_a_full_disk_has_wecom_send_again_and_heals_by_itself(
    make_bot, fake, http, small_disk
):
    bot = await make_bot(fake, timing=QUICK, BOT_DATABASE_URL=f"sqlite:///{small_disk}/bot.db")
    await bot.ready()
    assert "OK" in await (await bot.wecom.say("zhangsan", "before")).done()
    ballast = small_disk / "ballast"
    _fill(ballast)
    talk = await bot.wecom.say("zhangsan", "during " + "x" * 2000)
    assert talk.attempts == ["http_503"] * 4
    command = await bot.wecom.say("zhangsan", "/new")
    assert command.attempts[-1] == "http_503"
    async with http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == 503
        assert "cannot store messages" in (await answer.json())["parts"]["store"]
    assert await bot.store.inbox.find(talk.msgid) is None
    assert await bot.store.turns.by_message(talk.msgid) is None
    assert not bot.service.ended.is_set()
    ballast.unlink()
    async with http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == 200
    again = await bot.wecom.say("zhangsan", "", msgid=talk.msgid)
    assert "OK" in await again.done()
    assert [prompt.text.split()[0] for prompt in fake.prompts] == ["before", "during"]
    with sqlite3.connect(small_disk / "bot.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def _fill(file):
    with file.open("wb", buffering=0) as handle:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    handle.write(b"x" * size)
            except OSError:
                continue


async def test_a_store_that_takes_too_long_has_wecom_send_again(make_bot, fake, monkeypatch):
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
