"""The managed server and the external one, with the real OpenCode."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import astuple

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bot.background import Background
from bot.errors import StartError
from bot.opencode import process
from bot.opencode.client import OpenCode
from bot.opencode.feed import Feed
from bot.opencode.identity import Identity
from bot.opencode.process import Process
from bot.opencode.server import ExternalServer, ManagedServer
from bot.opencode.server_managed import LOG_BYTES, Patience
from bot.sandbox.model import ScriptedModel
from bot.sandbox.script import hang, say, tool
from tests.opencode_fixtures import (
    READY_S,
    environ_for,
    git_init,
    settings_in,
    skip_without_opencode,
    until,
)

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


@pytest.fixture
async def model():
    model = ScriptedModel()
    await model.start()
    yield model
    await model.stop()


@pytest.fixture
def folder(tmp_path):
    skip_without_opencode(tmp_path / "look")
    return tmp_path


@asynccontextmanager
async def serving(folder, environ, **facts):
    """Run a managed server to its readiness, and end it."""
    async with Background() as background:
        server = ManagedServer(settings_in(folder / "data"), background, environ=environ, **facts)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def ready(folder, environ, **facts):
    async with serving(folder, environ, **facts) as server:
        assert await server.wait_ready(READY_S), server.refused
        yield server


def environ_with(folder, model):
    return environ_for(folder, int(model.url.rpartition(":")[2].partition("/")[0]))


def client_of(server):
    address = server.address
    return OpenCode(address.url, address.username, address.password)


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


async def run_turn(server, folder, text):
    """Have the server answer one prompt, and return the session's messages."""
    async with client_of(server) as client:
        session = await begin_turn(client, folder, text)
        await finished(client, session)
        return await client.messages(session)


async def begin_turn(client, folder, text):
    git_init(folder)
    session = await client.create_session(folder, title="test", metadata={})
    part = {"type": "text", "text": text}
    await client.prompt(session.id, message="msg_1", parts=[part], agent="build", model="demo/demo")
    return session.id


async def finished(client, session):
    """Wait for the end of the turn; its answer is on the server's side, so we ask again and again."""
    async with asyncio.timeout(30):
        while True:
            messages = await client.messages(session)
            if messages and messages[-1].finish == "stop" and messages[-1].completed_at:
                return
            await asyncio.sleep(0.05)


def tool_output(messages):
    return next(
        part.output for message in messages for part in message.parts if hasattr(part, "tool")
    )


def sleepers(word):
    """Return the processes whose command line is ``sleep <word>``."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.cmdline() == ["sleep", word] and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.pid)
    return found


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
        os.kill(pid, signal.SIGKILL)
        await until(lambda: server.restarts == 1)
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
        assert server.restarts == 0
        async with client_of(server) as client:
            assert "poet" in {agent.name for agent in await client.agents(folder)}


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


def a_process(*command):
    return subprocess.Popen(command)


async def test_two_services_never_share_a_data_folder(folder, model):
    environ = environ_with(folder, model)
    async with serving(folder, environ), Background() as background:
        second = ManagedServer(settings_in(folder / "data"), background, environ=environ)
        with pytest.raises(StartError, match="another service"):
            await second.start()


async def test_a_wrong_configuration_is_named_and_mended_without_a_restart_of_ours(folder, model):
    environ = environ_with(folder, model)
    file = folder / "user/.config/opencode/opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"model": 5}')
    async with serving(folder, environ) as server:
        await until(lambda: server.refused)
        assert "got 5 model" in server.refused
        assert not await server.wait_ready(0)
        file.write_text("{}")
        assert await server.wait_ready(READY_S)
        assert server.refused is None


def environ_with_program(folder, script):
    """Return an environment in which ``opencode`` is a program of the test's."""
    program = folder / "bin/opencode"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    environ = environ_for(folder)
    return environ | {"PATH": f"{program.parent}:{environ['PATH']}"}


async def test_a_program_that_ends_at_once_is_tried_again_and_its_words_are_kept(tmp_path):
    environ = environ_with_program(tmp_path, "#!/bin/sh\necho out of luck\n")
    async with serving(tmp_path, environ, runtime=tmp_path) as server:
        await until(lambda: server.restarts >= 1)
        assert server.state == "down"
        assert "out of luck" in server.refused


async def test_a_program_that_never_answers_is_given_up_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.opencode.server_managed.START_LIMIT_S", 0.1)
    environ = environ_with_program(tmp_path, "#!/bin/sh\nexec sleep 31341\n")
    async with serving(tmp_path, environ, runtime=tmp_path) as server:
        await until(lambda: server.restarts >= 1)
        assert server.refused is None
        await until(lambda: sleepers("31341"))
    assert sleepers("31341") == []


MINIMAL = """#!{python}
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/global/health"
        self.send_response(200)
        self.send_header("content-type", "application/json" if known else "text/html")
        self.end_headers()
        self.wfile.write(b'{{"version": "1.0.185"}}' if known else b"<html>")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


async def test_a_program_that_lacks_a_call_is_refused(tmp_path):
    environ = environ_with_program(tmp_path, MINIMAL.format(python=sys.executable))
    async with serving(tmp_path, environ, runtime=tmp_path) as server:
        await until(lambda: server.refused)
        assert "GET /permission" in server.refused


async def test_a_stop_before_the_first_start_starts_nothing(tmp_path):
    environ = environ_with_program(tmp_path, "#!/bin/sh\nexec sleep 31342\n")
    slow = tmp_path / "bin/bash"
    slow.write_text("#!/bin/sh\nsleep 0.5\n")
    slow.chmod(0o755)
    async with serving(tmp_path, environ, runtime=tmp_path) as server:
        await until((tmp_path / "data/opencode/shell/bash").exists)
    assert server.pid is None
    assert not (tmp_path / "data/opencode/server.log").exists()


async def test_a_server_that_never_started_can_be_stopped(tmp_path):
    async with Background() as background:
        server = ManagedServer(settings_in(tmp_path / "data"), background, environ={})
        await server.stop()
        assert server.state == "down"


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


def identity_of(folder):
    kept = Identity.load(folder / "data/opencode/identity.json")
    return ManagedAddress(f"http://127.0.0.1:{kept.port}", kept.password)


class ManagedAddress:
    def __init__(self, url, password):
        self.url, self.password = url, password


@pytest.fixture
async def look_at(tmp_path):
    """Look at servers as an external one: ``await look_at(url, password)``."""
    async with AsyncExitStack() as stack:
        background = await stack.enter_async_context(Background())

        async def look(url, password, shared=tmp_path / "shared"):
            server = ExternalServer(url, "opencode", password, background, shared=shared)
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield look


async def test_an_external_server_is_proved_to_see_our_folders(opencode, look_at, tmp_path):
    server = await look_at(opencode.url, opencode.password)
    assert await server.wait_ready(READY_S)
    assert server.version == "1.18.33"
    assert server.pid is None
    assert server.address.url == opencode.url
    assert not server.managed
    assert list((tmp_path / "shared").iterdir()) == []


async def test_a_wrong_password_is_said_and_not_taken_for_an_outage(opencode, look_at):
    server = await look_at(opencode.url, "wrong")
    await until(lambda: server.refused)
    assert "opencode.password" in server.refused
    assert server.state == "down"


def fake_opencode(version="1.18.33", *, without=(), answers=None):
    """Return an app that answers as OpenCode does, with faults that the real one will not show."""
    bodies = {
        "/global/health": {"healthy": True, "version": version},
        "/file/content": {"type": "text", "content": ""},
    }

    async def answer(request):
        if request.path in without:
            return web.Response(text="<!doctype html>", content_type="text/html")
        if request.path in (answers or {}):
            return answers[request.path]()
        return web.json_response(bodies.get(request.path, []))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


@pytest.fixture
async def serve_fake():
    async with AsyncExitStack() as stack:

        async def serve(app, port=None):
            server = await stack.enter_async_context(TestServer(app, port=port))
            return str(server.make_url("")).rstrip("/")

        yield serve


async def test_a_server_on_another_disk_is_refused(serve_fake, look_at):
    server = await look_at(await serve_fake(fake_opencode()), "")
    await until(lambda: server.refused)
    assert "same disk" in server.refused


async def test_a_folder_that_takes_no_file_is_named(serve_fake, look_at, tmp_path):
    (tmp_path / "file").write_text("in the way")
    server = await look_at(await serve_fake(fake_opencode()), "", tmp_path / "file/shared")
    await until(lambda: server.refused)
    assert "No file can be written" in server.refused


async def test_a_server_that_lacks_a_call_is_refused(serve_fake, look_at):
    url = await serve_fake(fake_opencode("1.0.185", without=("/permission",)))
    server = await look_at(url, "", None)
    await until(lambda: server.refused)
    assert "GET /permission" in server.refused


@pytest.mark.parametrize("version", ["1.14.40", "1.18.34", "0.0.0-dev-1"])
async def test_an_unknown_version_is_a_warning_and_works(serve_fake, look_at, version):
    server = await look_at(await serve_fake(fake_opencode(version)), "", None)
    assert await server.wait_ready(READY_S)
    assert version in server.warning


async def test_a_page_that_is_not_opencode_is_never_ready(serve_fake, look_at):
    url = await serve_fake(fake_opencode(without=("/global/health",)))
    server = await look_at(url, "", None)
    await until(lambda: server.state == "down")
    assert "text/html" in server.refused


def json_of(body, status=200):
    return lambda: web.Response(text=body, status=status, content_type="application/json")


INVALID = """{"name": "ConfigInvalidError", "data": {"path": "/p/opencode.json",
    "issues": [{"path": ["agent", "x"], "message": "got 5"}, 7]}}"""


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"/config": json_of(INVALID, 400)}, "/p/opencode.json; agent.x: got 5"),
        ({"/config": json_of("[]", 400)}, "/config: 400"),
        ({"/global/health": json_of("{torn", 503)}, "/global/health: 503"),
        ({"/file/content": json_of("{}", 500)}, "same disk"),
    ],
)
async def test_a_server_that_cannot_work_says_why(serve_fake, look_at, answers, said):
    server = await look_at(await serve_fake(fake_opencode(answers=answers)), "")
    await until(lambda: server.refused)
    assert said in server.refused


@pytest.mark.parametrize("body", ["{torn", "[]", '{"version": 5}'])
async def test_a_health_that_nobody_can_read_is_an_outage(serve_fake, look_at, body):
    answers = {"/global/health": json_of(body)}
    server = await look_at(await serve_fake(fake_opencode(answers=answers)), "")
    await until(lambda: server.state == "down")
    assert server.refused is None


@pytest.fixture
def impatient(monkeypatch):
    """Let external servers be looked at all the time."""
    for state in ("DOWN", "READY"):
        monkeypatch.setattr(f"bot.opencode.server_external.LOOK_WHILE_{state}_S", 0.02)


async def test_an_external_server_that_goes_and_comes_is_followed(look_at, impatient):
    looks = []

    def health():
        looks.append(1)
        return web.json_response({"version": "1.18.33"})

    app = fake_opencode(answers={"/global/health": health})
    async with TestServer(app) as first:
        url, port = str(first.make_url("")).rstrip("/"), first.port
        server = await look_at(url, "", None)
        assert await server.wait_ready(READY_S)
        await until(lambda: len(looks) >= 3)
        assert server.state == "ready"
    await until(lambda: server.state == "down")
    assert server.refused is None
    async with TestServer(fake_opencode(), port=port):
        assert await server.wait_ready(READY_S)


async def test_an_outage_is_told_once(look_at, impatient):
    calls = []

    async def slam(_, writer):
        calls.append(1)
        writer.close()

    async with await asyncio.start_server(slam, "127.0.0.1") as peer:
        port = peer.sockets[0].getsockname()[1]
        with capture_logs() as entries:
            await look_at(f"http://127.0.0.1:{port}", "", None)
            await until(lambda: len(calls) >= 3)
    assert [entry["event"] for entry in entries].count("opencode.lost") == 1


async def test_a_stopped_look_ends(serve_fake):
    async with Background() as background:
        url = await serve_fake(fake_opencode())
        server = ExternalServer(url, "opencode", "", background)
        await server.start()
        assert await server.wait_ready(READY_S)
        await server.stop()
        await until(lambda: len(background) == 0)


def test_a_process_is_known_by_its_start_and_a_zombie_is_over():
    child = subprocess.Popen(["sleep", "60"])
    one = Process(child.pid, process.started_at(child.pid))
    assert one.alive
    assert not Process(child.pid, "another time").alive
    child.kill()
    deadline = time.monotonic() + 10
    while one.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not one.alive
    child.wait()
    assert not process.started_at(child.pid)


def test_without_proc_ps_tells_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "BOOT", tmp_path / "none")
    with subprocess.Popen(["sh", "-c", "sleep 61 & wait"]) as child:
        one = Process(child.pid, process.started_at(child.pid))
        assert one.alive
        deadline = time.monotonic() + 10
        while not (kin := process.family(child.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(kin) == 1
        assert process.marked("X=1") == []
        assert process.end([*kin, one], 5) == 2
        assert not one.alive
    assert not Process(child.pid, "").alive


def test_a_process_that_ignores_the_request_is_killed():
    script = (
        "import signal,time;signal.signal(15,signal.SIG_IGN);print(1,flush=True);time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        child.stdout.readline()
        one = Process(child.pid, process.started_at(child.pid))
        process.end_group(one, 0.2)
        assert not one.alive
        process.end_group(one, 0.2)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        one = Process(child.pid, process.started_at(child.pid))
        assert process.end([one], 0.2) == 1
        assert not one.alive
