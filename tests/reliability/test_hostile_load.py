"""X2: bodies without end and connections that say nothing cost little, and others are served meanwhile.

The service is a process of its own here, so that its memory can be weighed.
"""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass

import aiohttp
import psutil
import pytest

from handlers.wecom.incoming import BODY_BYTES, READ_S
from tests.fakes.opencode import FakeOpenCode
from tests.reliability.callbacks import PATH
from tests.service_fixtures import environment, free_port

START_S = 60
MIB = 1024 * 1024
ANNOUNCED = 100 * MIB
PIECE = b"x" * 65_536
# A bound, not a measure: what is promised is that it does not follow the size of what is sent.
GROWTH_MIB = 64
IDLE = 200
HEAD = f"POST {PATH}?msg_signature=x&timestamp=1&nonce=n HTTP/1.1\r\nHost: x\r\n".encode()


@dataclass
class Process:
    """A service as a process of its own, and the stand-in for WeCom that talks to it."""

    wecom: object
    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def mib(self):
        return psutil.Process(self.process.pid).memory_info().rss / MIB

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def healthy(self):
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/healthz") as answer:
            return answer.status == 200

    async def ready(self):
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/readyz") as answer:
                        if (await answer.json())["parts"]["opencode"] == "ok":
                            return
                await asyncio.sleep(0.1)


@pytest.fixture
async def service(make_standin, tmp_path):
    async with FakeOpenCode() as fake:
        standin = await make_standin()
        port = free_port()
        environ = environment(tmp_path, standin, port=port, opencode=fake)
        environ |= {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        with (tmp_path / "service.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), env=environ, stdout=log, stderr=log
            )
        try:
            service = Process(standin, port, process)
            standin.callback_url = f"{service.url}{PATH}"
            await service.ready()
            yield service
        finally:
            process.terminate()
            async with asyncio.timeout(30):
                await process.wait()


async def poured(service, head, pieces):
    """Send a head and then pieces until the service has had enough; return its answer and how much it took."""
    reader, writer = await service.connect()
    writer.write(head)
    taken = 0
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        answer = group.create_task(reader.readline())
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                taken += len(piece)
                if answer.done():
                    break
    writer.close()
    return answer.result(), taken


async def test_x2_a_body_is_cut_off_long_before_its_end(service):
    before = service.mib()
    pieces = (PIECE for _ in range(ANNOUNCED // len(PIECE)))
    line, taken = await poured(service, HEAD + b"Content-Length: %d\r\n\r\n" % ANNOUNCED, pieces)
    assert b" 413 " in line
    assert taken < ANNOUNCED // 4
    chunks = (b"%x\r\n%b\r\n" % (len(PIECE), PIECE) for _ in range(ANNOUNCED // len(PIECE)))
    line, taken = await poured(service, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert b" 413 " in line
    assert BODY_BYTES <= taken < ANNOUNCED // 4
    assert service.mib() - before < GROWTH_MIB
    assert await service.healthy()


async def test_x2_connections_that_say_half_a_word_keep_nobody_waiting(service):
    """Half of them stop within the headers, half within the body; their bodies end after READ_S."""
    before = service.mib()
    async with contextlib.AsyncExitStack() as stack:
        for number in range(IDLE):
            _, writer = await service.connect()
            stack.callback(writer.close)
            half = HEAD if number % 2 else HEAD + b"Content-Length: 50\r\n\r\n{"
            writer.write(half)
            await writer.drain()
        assert "OK" in await (await service.wecom.say("zhangsan", "hello")).done()
        assert await service.healthy()
        connections = psutil.Process(service.process.pid).net_connections("tcp")
        assert sum(one.status == "ESTABLISHED" for one in connections) >= IDLE
        assert service.mib() - before < GROWTH_MIB
    assert READ_S <= 10
