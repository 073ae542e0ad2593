"""Programs and configurations that a managed server cannot be started with."""

import sys

import pytest

from bot.background import Background
from bot.opencode.server import ManagedServer
from tests.opencode_fixtures import READY_S, environ_for, settings_in, until
from tests.serving_fixtures import environ_with, serving, sleepers

pytestmark = pytest.mark.opencode


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


async def test_one_that_is_started_anew_by_hand_and_does_not_come_is_tried_again_after_pauses(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("bot.opencode.server_managed.START_LIMIT_S", 2.0)
    monkeypatch.setattr("bot.opencode.server_managed.restart_delays", lambda: iter([0.1, 3600.0]))
    starts = tmp_path / "starts"
    environ = environ_with_program(tmp_path, f"#!/bin/sh\necho start >> {starts}\n")
    async with serving(tmp_path, environ, runtime=tmp_path) as server:
        await until(lambda: server.refused)
        assert not await server.recycle()
        assert server.restarts <= 3  # the third where it was asked for in the middle of the second
    assert starts.read_text().count("start") <= 3


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
