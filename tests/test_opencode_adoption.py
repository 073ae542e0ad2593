"""What a killed service left behind is taken over, or ended first."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress

import pytest

from bot.opencode import process
from bot.opencode.client import OpenCode
from bot.opencode.identity import Identity
from bot.sandbox.script import hang
from tests.opencode_fixtures import READY_S
from tests.serving_fixtures import begin_turn, client_of, environ_with, ready

pytestmark = pytest.mark.opencode

SERVICE = """
import asyncio, json, os, sys
from pathlib import Path
from bot.background import Background
from bot.opencode.server import ManagedServer
from config.settings import load_settings

async def main():
    folder, environ = sys.argv[1], json.loads(sys.argv[2])
    settings = load_settings(None, {"BOT_DATA_DIR": folder})
    server = ManagedServer(settings, Background(), environ=environ)
    await server.start()
    assert await server.wait_ready(60)
    print(server.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@asynccontextmanager
async def killed_service(folder, environ):
    """Run a service process to readiness, kill it, and give the pid of the server it leaves."""
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(folder / "data"), json.dumps(environ), stdout=-1
    )
    async with asyncio.timeout(READY_S):
        while not (line := await service.stdout.readline()).strip().isdigit():
            assert line, "the service ended"
    service.kill()
    await service.wait()
    left = int(line)
    try:
        yield left
    finally:
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


async def test_what_a_killed_service_left_is_taken_over_with_its_turn(folder, model):
    environ = environ_with(folder, model)
    model.script("long", hang("mid"))
    async with killed_service(folder, environ) as left:
        address = identity_of(folder)
        async with OpenCode(address.url, "opencode", address.password) as client:
            session = await begin_turn(client, folder / "work", "a long one")
            await model.wait_asked("long")
        async with ready(folder, environ) as server:
            assert server.pid == left
            assert server.address.password == address.password
            async with client_of(server) as client:
                assert session in await client.status(folder / "work")
        assert not process.started_at(left)


async def test_a_left_server_with_another_configuration_is_ended_first(folder, model):
    environ = environ_with(folder, model)
    async with killed_service(folder, environ) as left:
        changed = environ | {"OPENCODE_CONFIG_CONTENT": '{"username": "other"}'}
        async with ready(folder, changed) as server:
            assert server.pid != left
            assert not process.started_at(left)


async def test_a_left_server_with_another_password_is_ended_first(folder, model):
    environ = environ_with(folder, model)
    async with killed_service(folder, environ) as left:
        file = folder / "data/opencode/identity.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"password": "new"}))
        async with ready(folder, environ) as server:
            assert server.pid != left
            assert not process.started_at(left)


async def test_a_server_that_was_never_recorded_is_found_by_its_mark(folder, model):
    environ = environ_with(folder, model)
    async with killed_service(folder, environ) as left:
        (folder / "data/opencode/server.json").unlink()
        async with ready(folder, environ) as server:
            assert server.pid != left
            assert not process.started_at(left)


async def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(folder, model):
    with a_process("sleep", "31340") as other:
        record = folder / "data/opencode/server.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"pid": other.pid, "started": "once:1", "fingerprint": ""}))
        async with ready(folder, environ_with(folder, model)) as server:
            assert server.pid != other.pid
        assert other.poll() is None
        other.kill()


async def test_a_copy_of_the_data_folder_runs_beside_the_original_and_ends_nothing_of_it(
    folder, model
):
    environ = environ_with(folder, model)
    async with ready(folder, environ) as original:
        shutil.copytree(folder / "data", folder / "copy/data", symlinks=True)
        async with ready(folder / "copy", environ) as copy:
            assert copy.pid != original.pid
            assert copy.address.url != original.address.url
            assert await copy.recycle()
            assert process.started_at(original.pid)
            assert original.restarts == 0
            pid = copy.pid
            assert await original.recycle()
            assert process.started_at(pid)
        assert process.started_at(original.pid)


async def test_a_folder_that_was_moved_ends_or_takes_over_what_was_left_in_it(folder, model):
    environ = environ_with(folder, model)
    async with killed_service(folder, environ) as left:
        (folder / "moved").mkdir()
        (folder / "data").rename(folder / "moved/data")
        async with ready(folder / "moved", environ) as server:
            assert server.pid == left or not process.started_at(left)
        assert not process.started_at(left)


def a_process(*command):
    return subprocess.Popen(command)


def identity_of(folder):
    kept = Identity.load(folder / "data/opencode/identity.json")
    return ManagedAddress(f"http://127.0.0.1:{kept.port}", kept.password)


class ManagedAddress:
    def __init__(self, url, password):
        self.url, self.password = url, password
