"""What the long connection costs, beside WeCom's own SDK doing the same."""

import asyncio
import contextlib
import os
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
from aiohttp import web

from bot.clock import now_ms
from bot.sandbox import payloads
from bot.sandbox.book import Book
from bot.sandbox.gateway import PATH, Gateway
from bot.sandbox.payloads import Origin
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing
from tests.bench.load import Run
from tests.node.sdk import running, running_sdk
from tests.peer_fixtures import installed_peers

MESSAGES = 3_000
WARM = 300
AT_ONCE = 64
UPDATES = 2_000
UPDATE_TEXT = "字" * 680  # 2 KB
UPLOAD_BYTES = 20 * 1024 * 1024
ROUNDS = 3
BOT, SECRET = "aibBENCH", "the-secret-of-the-benchmark"
TEXT = "请修复登录页的测试。 " * 16
KINDS = {"sdk": "WeCom's SDK", "client": "our client", "service": "our channel, on a store"}


class Tally:
    """Takes the place of the gateway's quota: nothing is too often, and all is timed."""

    def __init__(self):
        self.due = {}
        self.run = Run(0.0, 0.0, 0)
        self.room = asyncio.Semaphore(AT_ONCE)

    def check(self, who):
        pass

    def count(self, who):
        due = self.due.pop(who, None)
        if due is not None:
            self.run.latencies_ms.append((time.perf_counter() - due) * 1000)
            self.room.release()


async def bench():
    """Return the figures as lines: medians of interleaved rounds, CPU of the client's process."""
    peers = installed_peers()
    kinds = [kind for kind in KINDS if kind != "sdk" or peers is not None]
    runs = {kind: [] for kind in kinds}
    with _pinned(1):
        for _ in range(ROUNDS):
            for kind in kinds:
                async with _stage(kind, peers) as (gateway, book, actor):
                    runs[kind].append(await _round(kind, gateway, book, actor))
    return [
        f"{'':<40}{'msg/s':>7}   CPU µs   p50 ms   p99 ms",
        *(_messages(kind, [one[0] for one in runs[kind]]) for kind in kinds),
        f"{'':<40}{'upd/s':>7}   CPU µs",
        *(_updates(kind, [one[1] for one in runs[kind]]) for kind in kinds if kind != "service"),
        f"{'':<40}{'MB/s':>7}   CPU ms of 20 MB",
        *(_upload(kind, [one[2] for one in runs[kind]]) for kind in kinds if kind != "service"),
    ]


async def _round(kind, gateway, book, actor):
    messages = await _answered(gateway, book, actor)
    if kind == "service":
        return messages, None, None
    return messages, await _burst(gateway, book, actor), await _uploaded(actor)


async def _answered(gateway, book, actor):
    """Say many things, so many at once, each in a chat of its own; each is answered once."""
    await actor.do("echo", content="开始 #1")
    tally = gateway.replies.quota = Tally()
    for n in range(WARM):
        await _say(gateway, book, tally, f"warm{n}")
    await _quiet(tally)
    tally.run, before = Run(0.0, 0.0, 0), _cpu_s(actor.pid)
    began = time.perf_counter()
    for n in range(MESSAGES):
        await _say(gateway, book, tally, f"person{n}")
    await _quiet(tally)
    tally.run.seconds = time.perf_counter() - began
    tally.run.cpu_s = _cpu_s(actor.pid) - before
    await actor.do("echo", content="")
    return tally.run


async def _say(gateway, book, tally, member):
    await tally.room.acquire()
    talk = _talk(book, member)
    tally.due[member] = time.perf_counter()
    await gateway.hand_over(talk, 1)
    await asyncio.sleep(0)


async def _quiet(tally):
    async with asyncio.timeout(60):
        while tally.due:  # noqa: ASYNC110 - the last few answers
            await asyncio.sleep(0.001)


async def _burst(gateway, book, actor):
    """Update one stream, each time as soon as the update before was answered."""
    talk = _talk(book, "reader")
    await gateway.hand_over(talk, 1)
    frame, before = await actor.heard(talk.msgid), _cpu_s(actor.pid)
    more = {"frame": frame, "stream": "S", "content": UPDATE_TEXT, "times": UPDATES}
    return await actor.do("burst", **more) / 1000, _cpu_s(actor.pid) - before


async def _uploaded(actor):
    before = _cpu_s(actor.pid)
    done = await actor.do("upload", type="file", name="a.bin", size=UPLOAD_BYTES)
    return done["ms"] / 1000, _cpu_s(actor.pid) - before


def _talk(book, member):
    said = book.add(member, "said", member, TEXT)
    return Talk(book, Origin(BOT, member), f"m-{said.id}", said, content=payloads.text(TEXT))


@asynccontextmanager
async def _stage(kind, peers):
    """A gateway, and a client of it in a process of its own, on another core where there is one."""
    book = Book(now_ms)
    gateway = Gateway(BOT, SECRET, Timing(ack_s=0), now_ms, book)
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.add_routes([web.get(PATH, gateway.serve)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(gateway.cut)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "ws://{}:{}".format(*runner.addresses[0]) + PATH
        module = (sys.executable, "-m", "tests.bench.connection_client", kind)
        program = running_sdk(peers) if kind == "sdk" else running(*module)
        actor = await stack.enter_async_context(program)
        if len(os.sched_getaffinity(0)) != os.cpu_count():
            os.sched_setaffinity(actor.pid, {0})
        await actor.do("connect", url=url, bot=BOT, secret=SECRET)
        await gateway.until_connected()
        yield gateway, book, actor


@contextlib.contextmanager
def _pinned(core):
    """Keep ourselves, and what we start, to one core, if there are several."""
    free = os.sched_getaffinity(0)
    if {0, core} <= free:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, free)


def _cpu_s(pid):
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _messages(kind, runs):
    rate = _median(run.rate for run in runs)
    cpu = _median(run.cpu_us for run in runs)
    middle = _median(run.percentile(0.5) for run in runs)
    late = _median(run.percentile(0.99) for run in runs)
    what = f"message answered: {KINDS[kind]}"
    return f"{what:<40}{rate:>7,.0f}   {cpu:>6.0f}   {middle:>6.2f}   {late:>6.2f}"


def _updates(kind, bursts):
    rate = _median(UPDATES / seconds for seconds, _ in bursts)
    cpu = _median(cpu_s / UPDATES * 1e6 for _, cpu_s in bursts)
    return f"{'update of 2 KB: ' + KINDS[kind]:<40}{rate:>7,.0f}   {cpu:>6.0f}"


def _upload(kind, uploads):
    speed = _median(UPLOAD_BYTES / 2**20 / seconds for seconds, _ in uploads)
    cpu = _median(cpu_s * 1000 for _, cpu_s in uploads)
    return f"{'upload of 20 MB: ' + KINDS[kind]:<40}{speed:>7,.0f}   {cpu:>6.0f}"
