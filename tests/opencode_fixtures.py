"""The real OpenCode with a scripted model, run by the service's own managed server."""

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bot.background import Background
from bot.errors import StartError
from bot.opencode.binaries import look, version_of
from bot.opencode.probe import Probe, proved
from bot.opencode.server import ManagedServer
from bot.sandbox.model import ScriptedModel, provider_config
from config.settings import load_settings

READY_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def git_init(folder: Path):
    """Make a folder an empty repository."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


async def until(true, limit_s=30):
    """Wait for what another process or thread brings about: there is no event to wait for."""
    async with asyncio.timeout(limit_s):
        while not true():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.02)


def settings_in(folder: Path, **environ):
    """Return settings whose data are in a folder."""
    return load_settings(None, {"BOT_DATA_DIR": str(folder), **environ})


def environ_for(folder: Path, model_port: int | None = None, **more):
    """Return the environment of a service whose user has nothing at home but a scripted model."""
    home, catalogue = folder / "user", folder / "no-models.json"
    home.mkdir(parents=True, exist_ok=True)
    catalogue.write_text("{}")
    config = provider_config(f"http://127.0.0.1:{model_port}/v1") if model_port else {}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "OPENCODE_MODELS_PATH": str(catalogue),
        "OPENCODE_CONFIG_CONTENT": orjson.dumps(config).decode(),
        **more,
    }


@dataclass
class RunningServer:
    """A managed server in a thread of its own, so that it outlives a test's event loop."""

    managed: ManagedServer
    portal: BlockingPortal
    model_port: int

    async def run(self, job, *arguments):
        """Run one of its coroutines over there."""
        return await asyncio.to_thread(self.portal.call, job, *arguments)

    async def dispose(self):
        async with Probe(self.managed.address) as probe:
            await probe.dispose(10)


@dataclass
class OpenCodeUnderTest:
    """What a test is given: the server's address, its model, and ways to ill-treat it."""

    server: RunningServer
    model: ScriptedModel
    folder: Path

    @property
    def url(self):
        return self.server.managed.address.url

    @property
    def username(self):
        return self.server.managed.address.username

    @property
    def password(self):
        return self.server.managed.address.password

    @property
    def pid(self):
        return self.server.managed.pid

    def directory(self, name="project"):
        """Make a folder with an empty repository."""
        return git_init(self.folder / name)

    async def restart(self):
        """End it properly and start it anew; returns when it can be used."""
        assert await self.server.run(self.server.managed.recycle)

    async def kill(self):
        """Kill it as an out-of-memory killer does; returns when it is over, not when it is back."""
        pid, gone = self.pid, self.server.managed._process
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not gone.alive)

    async def ready(self):
        """Wait until it can be used (again)."""
        assert await self.server.run(self.server.managed.wait_ready, READY_S)


@contextmanager
def running_server(folder: Path, settings=None, environ=None):
    """Run a managed server on a folder."""
    skip_without_opencode(folder)
    port = free_port()
    environ = environ or environ_for(folder, port)
    with start_blocking_portal() as portal:
        background = portal.call(_background)
        settings = settings or settings_in(folder / "data")
        managed = portal.call(_managed, settings, background, environ)
        try:
            portal.call(managed.start)
            assert portal.call(managed.wait_ready, READY_S), managed.refused
            yield RunningServer(managed, portal, port)
        finally:
            portal.call(managed.stop)
            portal.call(background.close)


async def _background():
    return Background()


async def _managed(settings, background, environ):
    return ManagedServer(settings, background, environ=environ)


def skip_without_opencode(folder):
    try:
        found = look(os.environ)
    except StartError as exc:
        pytest.skip(f"no OpenCode to test with: {exc}")
    folder.mkdir(parents=True, exist_ok=True)
    version = version_of(found.choose(folder).opencode, folder)
    if not proved(version):
        pytest.skip(f"OpenCode {version} is outside the range that the tests hold for")


@pytest.fixture(scope="session")
def opencode_server(tmp_path_factory):
    """The server that all tests share which do it no harm."""
    with running_server(tmp_path_factory.mktemp("opencode")) as server:
        yield server


@pytest.fixture
async def opencode(opencode_server, tmp_path):
    """The shared server with a model of this test's own."""
    async for under_test in _under_test(opencode_server, tmp_path):
        yield under_test


@pytest.fixture
async def own_opencode(tmp_path):
    """A server of this test's own, which it may kill."""
    with running_server(tmp_path / "opencode") as server:
        async for under_test in _under_test(server, tmp_path):
            yield under_test


async def _under_test(server, tmp_path):
    model = ScriptedModel()
    await model.start(port=server.model_port)
    try:
        yield OpenCodeUnderTest(server, model, tmp_path / "folders")
    finally:
        await server.dispose()
        await model.stop()
