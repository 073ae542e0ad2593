"""The managed server, with the real OpenCode: its start, its life, and its end."""

import asyncio
import json
import os
import signal
import socket
from dataclasses import astuple

import psutil
import pytest
from structlog.testing import capture_logs

from bot.background import Background
from bot.errors import StartError
from bot.opencode import process
from bot.opencode.feed import Feed
from bot.opencode.identity import Identity
from bot.opencode.server import ManagedServer
from bot.opencode.server_managed import LOG_BYTES, Patience
from bot.sandbox.script import say, tool
from tests.opencode_fixtures import READY_S, environ_for, settings_in, until
from tests.serving_fixtures import (
    begin_turn,
    client_of,
    environ_with,
    ready,
    run_turn,
    serving,
    sleepers,
)

pytestmark = pytest.mark.opencode


@pytest.mark.parametrize("waits", [True, False])
async def test_events_come_soon_after_a_start(folder, waits):
    """Whoever asks in the moment the port opens is never answered, and must not wait for it."""
    async with serving(folder, environ_for(folder)) as server, Background() as background:
        facts = {"ready": server.wait_ready} if waits else {}
        feed = Feed(*astuple(server.address), **facts)
        background.start(feed.run(), name="feed")
        assert await server.wait_ready(READY_S), server.refused
        async with asyncio.timeout(20):
            await feed.wait_connected()


def tool_output(messages):
    return next(
        part.output for message in messages for part in message.parts if hasattr(part, "tool")
    )


async def test_a_cold_start_answers_and_hides_its_password_from_the_commands(folder, model):
    model.script("env", tool("bash", {"command": "env", "description": "env"}), say("done"))
    environ = environ_with(folder, model) | {"ACME_API_KEY": "key-of-a-provider"}
    async with ready(folder, environ) as server:
        assert server.state == "ready"
        assert server.managed
        assert server.warning is None
        assert psutil.pid_exists(server.pid)
        shown = tool_output(await run_turn(server, folder / "work", "show the env"))
        own = psutil.Process(server.pid).environ()
    assert own["OPENCODE_SERVER_PASSWORD"] == server.address.password
    assert own["ACME_API_KEY"] == "key-of-a-provider"
    assert "HOME=" in shown
    for secret in (server.address.password, "key-of-a-provider", "baseURL", "XDG_DATA_HOME"):
        assert secret not in shown


async def test_port_and_password_stay_and_nobody_else_reads_them(folder, model):
    environ = environ_with(folder, model)
    async with ready(folder, environ) as server:
        first = server.address
    async with ready(folder, environ) as server:
        assert server.address == first
    kept = folder / "data/opencode/identity.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


async def test_a_port_that_somebody_took_is_exchanged(folder, model):
    file = folder / "data/opencode/identity.json"
    file.parent.mkdir(parents=True)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        Identity(taken, "secret", "mark").kept(file)
        async with ready(folder, environ_with(folder, model)) as server:
            assert server.address.url != f"http://127.0.0.1:{taken}"
            assert server.address.password == "secret"
    assert json.loads(file.read_text())["port"] != taken


async def test_a_stop_leaves_no_command_behind(folder, model):
    command = "setsid sleep 31337 & sleep 31338"
    model.script("sleep", tool("bash", {"command": command, "description": "sleep"}))
    async with ready(folder, environ_with(folder, model)) as server:
        async with client_of(server) as client:
            await begin_turn(client, folder / "work", "sleep long")
            await until(lambda: sleepers("31337") and sleepers("31338"))
        pid = server.pid
    assert not process.started_at(pid)
    assert sleepers("31337") == sleepers("31338") == []
    assert not (folder / "data/opencode/server.json").exists()
    assert server.state == "down"


async def test_a_killed_server_comes_back_at_the_same_address_without_orphans(folder, model):
    model.script("sleep", tool("bash", {"command": "sleep 31339", "description": "sleep"}))
    async with ready(folder, environ_with(folder, model)) as server:
        address, pid = server.address, server.pid
        async with client_of(server) as client:
            await begin_turn(client, folder / "work", "sleep long")
            await until(lambda: sleepers("31339"))
        with capture_logs() as logged:
            os.kill(pid, signal.SIGKILL)
            await until(lambda: server.restarts == 1)
        (died,) = [one for one in logged if one["event"] == "opencode.died"]
        assert (died["pid"], died["code"]) == (pid, -signal.SIGKILL)
        assert await server.wait_ready(READY_S)
        assert server.address == address
        assert server.pid != pid
        assert sleepers("31339") == []


async def test_a_server_that_does_not_answer_any_more_is_replaced(folder, model):
    patience = Patience(every_s=0.3, answer_s=0.3, misses=2)
    async with ready(folder, environ_with(folder, model), patience=patience) as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: server.restarts == 1)
        assert await server.wait_ready(READY_S)
        assert server.pid != pid


async def test_a_log_that_grows_is_cut_while_the_server_runs(folder, model):
    patience = Patience(every_s=0.1)
    async with ready(folder, environ_with(folder, model), patience=patience) as server:
        log = folder / "data/opencode/server.log"
        with log.open("ab") as sink:
            sink.write(b"x" * LOG_BYTES + b"\n")
        await until(lambda: log.stat().st_size < LOG_BYTES)
        assert server.state == "ready"
        assert server.restarts == 0


async def test_a_recycled_server_reads_the_configuration_of_now(folder, model):
    environ = environ_with(folder, model)
    async with ready(folder, environ) as server:
        agents = folder / "user/.config/opencode/agent"
        agents.mkdir(parents=True)
        (agents / "poet.md").write_text("---\ndescription: writes verse\n---\nYou are a poet.\n")
        assert await server.recycle()
        assert server.restarts == 1
        async with client_of(server) as client:
            assert "poet" in {agent.name for agent in await client.agents(folder)}


async def test_two_services_never_share_a_data_folder(folder, model):
    environ = environ_with(folder, model)
    async with serving(folder, environ), Background() as background:
        second = ManagedServer(settings_in(folder / "data"), background, environ=environ)
        with pytest.raises(StartError, match="another service"):
            await second.start()


async def test_the_users_configuration_is_read_and_never_written(folder, model):
    environ = environ_with(folder, model)
    make_users_home(folder / "user")
    before = picture(folder / "user")
    async with ready(folder, environ) as server:
        await run_turn(server, folder / "work", "hello")
        async with client_of(server) as client:
            agents = {agent.name for agent in await client.agents(folder / "work")}
            config = await client.config(folder / "work")
    assert {"poet", "homely"} <= agents
    assert config["username"] == "from-home-secret"
    assert picture(folder / "user") == before
    ours = folder / "data/opencode/data/opencode/auth.json"
    assert json.loads(ours.read_text())["acme"]["key"] == "k"
    assert ours.stat().st_mode & 0o777 == 0o600


def make_users_home(home):
    for path, text in {
        ".config/opencode/opencode.json": '{"username": "{file:~/.secret}"}',
        ".config/opencode/agent/poet.md": "---\ndescription: verse\n---\nYou are a poet.\n",
        ".opencode/agent/homely.md": "---\ndescription: home\n---\nYou stay at home.\n",
        ".local/share/opencode/auth.json": '{"acme": {"type": "api", "key": "k"}}',
        ".secret": "from-home-secret",
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)


def picture(folder):
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
