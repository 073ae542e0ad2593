"""A load generator: whole requests over kept connections, each timed from when it was due."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil


@dataclass
class Run:
    """What a server did with some requests."""

    seconds: float
    cpu_s: float
    bodies: int
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies_ms) / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / len(self.latencies_ms) * 1e6

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Connection(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again."""

    def __init__(self, requests: Iterator[tuple[float, bytes]], run: Run) -> None:
        self._requests = requests
        self._run = run
        self._seen = bytearray()
        self._due = 0.0
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.over = self._loop.create_future()

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._next()

    def connection_lost(self, exc) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head = self._seen.find(b"\r\n\r\n")
        if head < 0:
            return
        mark = self._seen.index(b"Content-Length: ") + 16
        size = int(self._seen[mark : self._seen.index(b"\r\n", mark)])
        if len(self._seen) < head + 4 + size:
            return
        if not self._seen.startswith(b"HTTP/1.1 200"):
            self.over.set_exception(AssertionError(bytes(self._seen[:40])))
            return
        self._run.latencies_ms.append((time.perf_counter() - self._due) * 1000)
        self._run.bodies += size
        self._seen.clear()
        self._next()

    def _next(self) -> None:
        due, request = next(self._requests, (0.0, b""))
        if not request:
            self.over.set_result(None)
            self._transport.close()
            return
        wait = due - time.perf_counter() if due else 0.0
        if wait > 0:
            self._loop.call_later(wait, self._send, due, request)
        else:
            self._send(due or time.perf_counter(), request)

    def _send(self, due: float, request: bytes) -> None:
        self._due = due
        self._transport.write(request)


async def load(address, requests: list[bytes], pid: int, *, connections=32, rate=0.0) -> Run:
    """Send every request once; ``rate`` spaces them, else each connection goes as fast as it can."""
    began = time.perf_counter()
    due = ((began + n / rate if rate else 0.0, one) for n, one in enumerate(requests))
    run = Run(0.0, 0.0, 0)
    server = psutil.Process(pid)
    before = server.cpu_times()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(due, run), *address)
        for _ in range(connections)
    ]
    for _, connection in opened:
        await connection.over
    after = server.cpu_times()
    run.seconds = time.perf_counter() - began
    run.cpu_s = after.user - before.user + after.system - before.system
    return run
