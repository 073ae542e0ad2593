"""What an event of OpenCode costs, from the socket to the summary, against httpx's lines and json."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx
import orjson

from bot.opencode.events import parse
from bot.opencode.stream import Splitter
from bot.summary import begin, fold

EVENTS = 40_000
ROUNDS = 3
SESSIONS = 50
PIECES = 1_000  # of each answer, 20 characters each
TIMES = (1795335811587, 1795335811999)
Handle = Callable[[bytes], object]


async def bench() -> list[str]:
    """Return the figures as lines: CPU of this process per event, median of three runs."""
    head = "events: µs of CPU per event"
    lines = [f"{head:<40} decoded    typed   folded   httpx+json   decoded:httpx"]
    for name, frame in (("a delta, 260 bytes", _delta), ("a tool's update, 420 bytes", _update)):
        frames = [frame(n) for n in range(EVENTS)]
        async with _served(frames) as url:
            decoded = await _median(lambda url=url: _ours(url, orjson.loads))
            typed = await _median(lambda url=url: _ours(url, parse))
            folded = await _median(lambda url=url: _ours(url, _folding()))
            rival = await _median(lambda url=url: _httpx(url))
        lines.append(
            f"  {name:<38} {decoded:>7.1f}  {typed:>7.1f}  {folded:>7.1f}   {rival:>10.1f}"
            f"   {rival / decoded:>13.1f}"
        )
    return lines


def _shell(session: int, payload: dict[str, object]) -> bytes:
    outer = {"directory": f"/srv/chats/{session:08x}", "project": "global", "payload": payload}
    return b"data: " + json.dumps(outer, separators=(",", ":")).encode() + b"\n\n"


def _ids(n: int) -> tuple[str, str, str]:
    session = n % SESSIONS
    answer = n // SESSIONS // PIECES
    return f"ses_{session:026d}", f"msg_{answer:026d}", f"prt_{answer:026d}"


def _delta(n: int) -> bytes:
    session, message, part = _ids(n)
    properties = {"sessionID": session, "messageID": message, "partID": part, "field": "text"}
    properties["delta"] = "二十个字的一小段。 and text "[:20]
    kind = "message.part.delta"
    return _shell(n % SESSIONS, {"id": f"evt_{n:026d}", "type": kind, "properties": properties})


def _update(n: int) -> bytes:
    session, message, part = _ids(n)
    state = {"status": "running", "input": {"command": "make"}, "time": {"start": TIMES[0]}}
    tool = {"type": "tool", "tool": "bash", "callID": "call_1", "state": state, "id": part}
    tool |= {"sessionID": session, "messageID": message}
    kind, properties = "message.part.updated", {"sessionID": session, "part": tool}
    return _shell(n % SESSIONS, {"id": f"evt_{n:026d}", "type": kind, "properties": properties})


SERVER = """
import asyncio, sys

async def talk(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    head = "HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\nconnection: close\\r\\n"
    writer.write(head.encode() + b"transfer-encoding: chunked\\r\\n\\r\\n")
    for at in range(0, len(DATA), 65536):
        writer.write(DATA[at:at + 65536])
        await writer.drain()
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

DATA = sys.stdin.buffer.read()
asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def _served(frames: list[bytes]) -> AsyncIterator[str]:
    """Serve the frames from another process, as fast as they are taken."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdin=pipe, stdout=pipe
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        # OpenCode sends every event as a chunk of its own.
        chunks = (b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)
        server.stdin.write(b"".join(chunks) + b"0\r\n\r\n")
        await server.stdin.drain()
        server.stdin.close()
        yield f"http://127.0.0.1:{int(await server.stdout.readline())}"
    finally:
        server.kill()
        await server.wait()


async def _median(run: Callable[[], "asyncio.Future[int]"]) -> float:
    costs = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        count = await run()
        assert count == EVENTS
        costs.append((time.process_time() - begun) / EVENTS * 1e6)
    return sorted(costs)[ROUNDS // 2]


async def _ours(url: str, handle: Handle) -> int:
    """Read as the feed does, and do this with every frame."""
    count, splitter = 0, Splitter()
    async with aiohttp.ClientSession(read_bufsize=256 * 1024) as http, http.get(url) as response:
        async for piece in response.content.iter_any():
            for frame in splitter.feed(piece):
                handle(frame)
                count += 1
    return count


def _folding() -> Handle:
    """Return what folds each event into its session's summary."""
    summaries = {}

    def handle(frame: bytes) -> None:
        event = parse(frame)
        assert event is not None
        session = event.session
        summary = summaries.get(session) or begin(session, "msg_prompt", 0)
        summaries[session] = fold(summary, event, 1)

    return handle


async def _httpx(url: str) -> int:
    """Read with httpx's lines and the standard json, and do nothing with it."""
    count = 0
    async with httpx.AsyncClient(trust_env=False) as http, http.stream("GET", url) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                json.loads(line[6:])
                count += 1
    return count
