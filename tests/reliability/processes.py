"""``python -m bot`` as a process of its own, to be killed, refused or starved of its disk."""

import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from bot.tls import trusted

ROOT = Path(__file__).parent.parent.parent
KEPT = ("PATH", "COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG")
PATIENCE_S = 60


@pytest.fixture
async def run(tmp_path):
    """Give what runs ``python -m bot …``; every process is over when the test is."""
    running = []

    async def begin(*arguments, **environ):
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *arguments),
            cwd=ROOT,
            env=kept | {"HOME": str(tmp_path / "home")} | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def over(process):
    """Wait for the end; returns the exit code and all that was said."""
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def ready(environ):
    """Wait until the service of an environment answers, and its OpenCode is there."""
    url = f"http://127.0.0.1:{environ['BOT_PORT']}/readyz"
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx.AsyncClient(trust_env=False, verify=trusted()) as http,
    ):
        while True:
            with contextlib.suppress(httpx.TransportError):
                parts = (await http.get(url)).json()["parts"]
                if parts["opencode"] == "ok":
                    return
            await asyncio.sleep(0.05)


async def faulty_disk(folder):
    """Return the environment in which syncs fail once a file is there, and that file."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler to make a disk that fails")
    library, source = folder / "faulty_disk.so", ROOT / "tests/store/faulty_disk.c"
    command = (compiler, "-shared", "-fPIC", "-o", library, source, "-ldl")
    assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0
    when = folder / "fault"
    return {"LD_PRELOAD": str(library), "FAULT_WHEN": str(when)}, when


HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.asynccontextmanager
async def held_by_another(path):
    """Let another program have the database for itself."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        await holder.communicate(b"")
