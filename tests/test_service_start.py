"""The service as a process: it starts, or says in a sentence why not, and it ends as it is told."""

import asyncio
import contextlib
import json
import re
import signal
import sqlite3

import httpx
import psutil
import pytest

from bot.__main__ import main
from bot.sandbox.model import ScriptedModel, provider_config
from bot.tls import trusted
from tests.reliability.processes import PATIENCE_S, faulty_disk, over, ready
from tests.service_fixtures import ADMIN_TOKEN, environment, free_port


@pytest.fixture
async def environ(make_standin, tmp_path, fake):
    """The environment of a service that could run."""
    return environment(tmp_path, await make_standin(), port=free_port(), opencode=fake)


async def get(environ, path, *, wanted=200):
    """Ask the service, as soon as it answers at all."""
    url = f"http://127.0.0.1:{environ['BOT_PORT']}{path}"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx.AsyncClient(trust_env=False, verify=trusted()) as http,
    ):
        while True:
            try:
                answer = await http.get(url, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code == wanted
            return answer


async def until_gone(environ):
    """Ask whether the service is ready until nobody answers; returns all that it said."""
    url, answers = f"http://127.0.0.1:{environ['BOT_PORT']}/readyz", []
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx.AsyncClient(trust_env=False, verify=trusted()) as http,
    ):
        with contextlib.suppress(httpx.TransportError):
            while True:
                answers.append((await http.get(url)).json())
    return answers


WRONG = {
    "WECOM_BOT_AES_KEY": "too-short",
    "BOT_PORT": "99999",
    "BOT_TURN_TIMEOUT": "soon",
    "BOT_CHAT_BUSY": "perhaps",
    "OPENCODE_URL": "not a url",
    "BOT_MEMBRES": "zhangsan",
}


@pytest.mark.parametrize("command", [("run",), ("config", "check"), ()])
async def test_every_mistake_of_the_configuration_is_named_at_once(run, environ, command, tmp_path):
    code, said = await over(await run(*command, **environ | WRONG))
    assert code == 2
    for name in WRONG:
        assert name in said
    assert "43" in said
    assert "BOT_MEMBERS" in said
    assert "too-short" not in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


async def test_half_of_the_callbacks_secrets_and_a_missing_file_are_mistakes(run, environ):
    del environ["WECOM_BOT_TOKEN"]
    code, said = await over(await run("config", "check", **environ))
    assert (code, "WECOM_BOT_TOKEN" in said) == (2, True)
    code, said = await over(await run("--config", "/nowhere/bot.toml"))
    assert (code, "/nowhere/bot.toml" in said) == (2, True)
    code, said = await over(await run("swim"))
    assert (code, "swim" in said) == (2, True)


async def test_a_good_configuration_is_said_to_be_fine(run, environ, tmp_path):
    code, said = await over(await run("config", "check", **environ))
    assert (code, "is fine" in said) == (0, True)
    file = tmp_path / "bot.toml"
    file.write_text('[access]\nmembers = ["zhangsan"]\n')
    code, said = await over(await run("--config", str(file), "config", "check", **environ))
    assert (code, str(file) in said) == (0, True)
    code, said = await over(await run("--version"))
    assert code == 0


async def test_a_check_notes_what_is_allowed_and_hardly_meant(run, environ):
    for name in ("BOT_ADMINS", "BOT_MAINTAINERS", "BOT_MEMBERS"):
        del environ[name]
    code, said = await over(await run("config", "check", **environ))
    assert (code, "nobody may use the bot" in said) == (0, True)


async def test_a_check_of_nothing_says_that_nothing_is_configured(run):
    code, said = await over(await run("config", "check"))
    assert (code, "make run" in said) == (0, True)


async def test_a_port_that_is_taken_is_a_sentence(run, environ):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", int(environ["BOT_PORT"]))
    async with taken:
        code, said = await over(await run("run", **environ))
    assert code == 1
    assert f"127.0.0.1:{environ['BOT_PORT']}" in said
    assert "BOT_PORT" in said
    assert "Traceback" not in said


async def test_two_services_never_share_their_data(run, environ):
    first = await run("run", **environ)
    await get(environ, "/healthz")
    code, said = await over(await run("run", **environ | {"BOT_PORT": str(free_port())}))
    assert code == 1
    assert f"in use by process {first.pid}" in said
    assert "Traceback" not in said
    first.send_signal(signal.SIGTERM)
    assert (await over(first))[0] == 0


async def test_what_a_newer_version_wrote_is_left_alone(run, environ, tmp_path):
    first = await run("run", **environ)
    await get(environ, "/healthz")
    first.send_signal(signal.SIGINT)
    assert (await over(first))[0] == 0
    database = sqlite3.connect(tmp_path / "data/bot.db")
    database.execute("INSERT INTO schema_versions VALUES (9999, 'x', 0)")
    database.commit()
    database.close()
    code, said = await over(await run("run", **environ))
    assert code == 1
    assert "newer" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("spoil", ["a file", "no such place", "an empty token", "a cut key"])
async def test_a_data_folder_that_cannot_be_used_is_a_sentence(run, environ, tmp_path, spoil):
    data = tmp_path / "data"
    if spoil == "a file":
        data.write_text("")
    elif spoil == "no such place":
        environ["BOT_DATA_DIR"] = "/proc/no/such/place"
    else:
        data.mkdir()
        (data / ("admin.token" if spoil == "an empty token" else "link.key")).write_text("")
        environ["BOT_ADMIN_TOKEN"] = ""
    code, said = await over(await run("run", **environ))
    assert code == 1
    assert said.count("opencode-wecom:") == 1
    assert "Traceback" not in said


async def test_a_dying_disk_ends_the_process_and_says_so(run, environ, tmp_path):
    faulty, when = await faulty_disk(tmp_path)
    process = await run("run", **environ | faulty)
    await get(environ, "/readyz")
    when.touch()
    answers = await until_gone(environ)
    when.unlink()  # the disk works again, and is not trusted any more
    assert all("cannot store messages" in one["parts"]["store"] for one in answers)
    code, said = await over(process)
    assert code == 1
    assert re.search(r"^opencode-wecom: .*disk I/O error", said, re.MULTILINE)
    assert "cannot start" not in said
    assert "Traceback" not in said  # whichever job met the fault first


@pytest.fixture
async def managed(make_standin, tmp_path):
    """The environment of a service with an OpenCode of its own."""
    model = ScriptedModel()
    config = tmp_path / "home/.config/opencode"
    config.mkdir(parents=True)
    (config / "opencode.json").write_text(json.dumps(provider_config(await model.start())))
    yield environment(tmp_path, await make_standin(), port=free_port())
    await model.stop()


async def engine(environ):
    return (await get(environ, "/admin/health")).json()["opencode"]


@pytest.mark.opencode
async def test_told_to_end_it_ends_well_and_leaves_no_child_behind(run, managed):
    process = await run("run", **managed)
    await ready(managed)
    async with asyncio.timeout(20):
        while not (await engine(managed))["feed"]["connected"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    server = (await engine(managed))["pid"]
    assert server in {child.pid for child in children}
    process.send_signal(signal.SIGTERM)
    code, said = await over(process)
    assert code == 0, said
    assert [child for child in children if child.is_running()] == []
    entries = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [one for one in entries if one["level"] not in {"debug", "info"}] == []
    events = [one["event"] for one in entries]
    assert events.index("service.started") < events.index("service.stopping")
    assert events[-1] == "service.stopped"
    assert "feed.lost" not in events  # it waits until the server is ready


def test_an_interrupt_before_the_service_listens_to_it_is_no_failure(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.__main__.serve", interrupted)
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    assert main(["run"]) == 0


async def test_told_to_end_while_it_starts_it_ends_just_as_well(run, environ):
    process = await run("run", **environ)
    async with asyncio.timeout(PATIENCE_S):
        while b"store.opened" not in await process.stdout.readline():
            pass
    process.send_signal(signal.SIGTERM)
    code, said = await over(process)
    assert (code, "Traceback" in said) == (0, False)
