"""What a callback and a poll cost, against an aiohttp handler that answers constant bytes."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile

import aiohttp
import orjson

from tests.bench.load import Run, load
from tests.fakes.envelope import Sealer

MESSAGES = 8_000
POLLS = 8_000
CALM = 600  # messages at CALM_RATE, for latency at a sane load
CALM_RATE = 200.0
ROUNDS = 3
TEXT = "请修复登录页的测试。 " * 16
WECOM = Sealer()


async def bench():
    """Return the figures as lines: medians of interleaved rounds, CPU of the server's process."""
    with _pinned(1):
        messages = await _messages()
        polls = [
            await _polls(size, kind) for size in (2_048, 20_000) for kind in ("kept", "changing")
        ]
    head = "msg/s   CPU µs   p50 ms   p99 ms"
    return [
        f"{'':<44}{head}",
        *messages,
        f"{'':<44}{head}",
        *(line for two in polls for line in two),
    ]


async def _messages():
    ours, floor, calm = [], [], []
    for round_ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            async with _server("ours", folder) as (address, pid):
                requests = [_message(f"m{round_}-{n}", n) for n in range(MESSAGES)]
                ours.append(await load(address, requests, pid))
                few = [_message(f"c{round_}-{n}", n) for n in range(CALM)]
                calm.append(await load(address, few, pid, rate=CALM_RATE))
        size = ours[-1].bodies // MESSAGES
        async with _server("bare", str(size)) as (address, pid):
            floor.append(await load(address, requests, pid))
    return [
        _line("new message: verify, decrypt, commit, reply", ours),
        _line(f"  bare handler, {size} bytes", floor),
        _ratio(ours, floor),
        _line(f"new message at {CALM_RATE:.0f}/s", calm),
    ]


async def _polls(size, kind):
    ours, floor = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            async with _server(kind, folder) as (address, pid):
                stream = await _open_bubble(address, size)
                requests = [_poll(stream, n) for n in range(POLLS)]
                ours.append(await load(address, requests, pid))
        async with _server("bare", str(ours[-1].bodies // POLLS)) as (address, pid):
            floor.append(await load(address, requests, pid))
    what = "unchanged" if kind == "kept" else "new text each time"
    return [
        _line(f"poll of {size} bytes, {what}", ours),
        _line(f"  bare handler, {ours[-1].bodies // POLLS} bytes", floor),
        _ratio(ours, floor),
    ]


def _message(msgid, n):
    return _request(
        {
            "msgid": msgid,
            "aibotid": "aibX",
            "chattype": "single",
            "from": {"userid": f"person{n % 500}"},
            "response_url": "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=C",
            "msgtype": "text",
            "text": {"content": TEXT},
        }
    )


def _poll(stream, n):
    body = {"msgid": f"p{n}", "aibotid": "aibX", "chattype": "single"}
    return _request(body | {"from": {"userid": "p"}, "msgtype": "stream", "stream": {"id": stream}})


def _request(body):
    """The bytes of one whole callback, sealed by code that is not the service's."""
    encrypted = WECOM.encrypt(orjson.dumps(body))
    shell = orjson.dumps({"encrypt": encrypted})
    head = f"POST /wecom/bot?{WECOM.query(encrypted)} HTTP/1.1\r\nHost: bot\r\n"
    return f"{head}Content-Length: {len(shell)}\r\n\r\n".encode() + shell


async def _open_bubble(address, size):
    body = {"msgid": "big", "from": {"userid": "p"}, "msgtype": "text"}
    encrypted = WECOM.encrypt(orjson.dumps(body | {"text": {"content": str(size)}}))
    url = f"http://{address[0]}:{address[1]}/wecom/bot?{WECOM.query(encrypted)}"
    shell = orjson.dumps({"encrypt": encrypted})
    async with aiohttp.ClientSession() as session, session.post(url, data=shell) as answer:
        return WECOM.open_answer(await answer.read())["stream"]["id"]


@contextlib.asynccontextmanager
async def _server(kind, argument):
    """A server of its own process, on core 0 where there is another for us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.callback_server",
        kind,
        argument,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            address = json.loads(await process.stdout.readline())
        if len(os.sched_getaffinity(0)) != os.cpu_count():
            os.sched_setaffinity(process.pid, {0})
        yield tuple(address), process.pid
    finally:
        process.stdin.close()
        await process.wait()


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


def _median(runs, figure):
    return sorted(figure(run) for run in runs)[len(runs) // 2]


def _line(what, runs):
    rate = _median(runs, lambda run: run.rate)
    cpu = _median(runs, lambda run: run.cpu_us)
    middle = _median(runs, lambda run: run.percentile(0.5))
    late = _median(runs, lambda run: run.percentile(0.99))
    return f"{what:<44}{rate:>6,.0f}   {cpu:>6.0f}   {middle:>6.2f}   {late:>6.2f}"


def _ratio(ours: list[Run], floor: list[Run]):
    rate = _median(ours, lambda run: run.rate) / _median(floor, lambda run: run.rate)
    cpu = _median(ours, lambda run: run.cpu_us) / _median(floor, lambda run: run.cpu_us)
    return f"{'  of the bare handler':<44}{rate:>6.0%}   ×{cpu:>5.2f}"
