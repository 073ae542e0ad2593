"""The external server: what it must prove, and what is said of one that cannot."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bot.background import Background
from bot.opencode.server import ExternalServer
from tests.opencode_fixtures import READY_S, until

pytestmark = pytest.mark.opencode


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


@pytest.mark.parametrize("version", ["1.2.26", "1.18.34", "0.0.0-dev-1"])
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
        ({"/global/health": json_of("{torn", 503)}, "503 "),
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
