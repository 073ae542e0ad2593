"""`python -m bot doctor` on a terminal and off it, and `/doctor` in a chat."""

import asyncio
import os
import pty
import signal
import sys
import tarfile
from pathlib import Path

import orjson
import pytest

from bot.doctor.command import Asked, _told
from bot.doctor.command import run as run_doctor
from bot.doctor.inforce.looking import seen_in_force
from bot.doctor.reading import there
from config.settings import load_settings
from tests.doctor.scenes import as_nobody, only, scene_in, theirs
from tests.fakes.opencode import FakeOpenCode
from tests.reliability.processes import KEPT, ROOT, over
from tests.service_fixtures import free_port
from tests.wecom_fixtures import AES_KEY, TOKEN


def environ_in(folder, **more):
    """Return the environment of a service that never ran."""
    return {
        "BOT_DATA_DIR": str(folder / "data"),
        "BOT_PORT": str(free_port()),
        "BOT_ADMINS": "boss",
        "WECOM_BOT_TOKEN": TOKEN,
        "WECOM_BOT_AES_KEY": AES_KEY,
        "WECOM_API_URL": f"http://127.0.0.1:{free_port()}",
    } | more


async def test_off_a_terminal_json_is_all_that_is_said(run, tmp_path):
    code, said = await over(await run("doctor", "--json", **environ_in(tmp_path)))
    report = orjson.loads(said)
    assert (code, report["grade"]) == (2, "error")
    wrong = {one["check"] for one in report["findings"] if one["grade"] == "error"}
    assert {"runtime.service", "wecom.api"} <= wrong


async def test_settings_that_cannot_be_loaded_are_the_first_errors_and_no_traceback(run, tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[server]\nport = "x"\n[turn]\ngrace = "soon"\n')
    archive = tmp_path / "report.tar.gz"
    arguments = ("--config", str(file), "doctor", "--bundle", str(archive))
    code, said = await over(await run(*arguments, **environ_in(tmp_path, BOT_PORT="x")))
    lines = [line for line in said.splitlines() if "❌" in line]
    assert (code, "Traceback" in said) == (2, False)
    assert "server.port / BOT_PORT: is no whole number" in lines[0]
    assert "turn.grace / BOT_TURN_GRACE" in lines[1]
    assert f"Written for a bug report, read it before you send it: {archive}" in said
    with tarfile.open(archive) as tar:
        assert len(tar.getnames()) == 10


async def test_of_settings_that_are_no_toml_nothing_else_is_an_error(run, tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text("broken [\n")
    file.chmod(0o600)
    environ = {"BOT_DATA_DIR": str(tmp_path / "data")}
    code, said = await over(await run("--config", str(file), "doctor", **environ))
    assert code == 2
    [line] = [line for line in said.splitlines() if "❌" in line and "errors" not in line]
    assert "is no TOML" in line
    assert "what depends on the settings was not looked at: they cannot be read" in said
    assert "⚠️" not in said


async def test_mends_can_be_pasted_where_the_doctor_was_called(run, tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[access]\nadmins = ["boss"]\n')
    code, said = await over(await run("--config", str(file), "doctor", **environ_in(tmp_path)))
    python = Path(sys.executable)
    called = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    assert code == 2
    assert f"→ {called} -m bot --config {file} run" in said
    assert "python -m bot run" not in said.replace(f"{called} -m bot", "")


async def test_a_terminal_is_shown_what_is_looked_at_and_nothing_of_it_is_left(tmp_path):
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "doctor"),
        cwd=ROOT,
        env=kept_environ() | environ_in(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        shown = group.create_task(asyncio.to_thread(drained, ours))
        said, _ = await process.communicate()
    progress = shown.result()
    assert "Looking at what is in force …" in progress
    assert "Looking at Callback URL (wecom.callback) …" in progress
    assert progress.endswith("\r\x1b[2K")
    assert "Looking at" not in said.decode()
    assert process.returncode == 2


def kept_environ():
    return {name: os.environ[name] for name in KEPT if name in os.environ}


def drained(terminal):
    """Return all that is written to a terminal until nobody has it open any more."""
    said = b""
    try:
        while piece := os.read(terminal, 4096):
            said += piece
    except OSError:  # how Linux says so
        pass
    finally:
        os.close(terminal)
    return said.decode()


def test_a_wizard_can_run_it_with_what_it_has(tmp_path, capsys):
    environ = environ_in(tmp_path)
    settings = load_settings(None, environ)
    assert run_doctor(settings, None, environ | {"PATH": os.environ["PATH"]}) == 2
    assert capsys.readouterr().out.splitlines()[0] == "Settings"
    (tmp_path / "mine").touch()
    assert run_doctor(settings, None, environ, bundle=tmp_path / "mine") == 2
    assert f"cannot be written: {tmp_path}/mine: File exists." in capsys.readouterr().err


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


async def test_what_must_not_be_looked_at_is_left_out_and_no_traceback():
    with theirs("data/") as folder:
        scene = scene_in(folder.parent)
        assert (await seen_in_force(scene)).whose.words
        with as_nobody(folder):
            assert await seen_in_force(scene) is None
            assert not there(folder / "bot.db")
    assert _told(None) == {}


async def test_what_makes_a_look_fail_costs_no_more_than_its_own_lines(tmp_path):
    scene = scene_in(tmp_path, HOME=str(tmp_path))
    config = tmp_path / ".config/opencode/opencode.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"a":' * 100_000)
    found = await only(scene, "inforce.sources")
    assert (found.grade, "RecursionError" in found.evidence) == ("error", True)
    assert await seen_in_force(scene) is None


async def test_a_look_that_is_broken_off_is_not_fine(tmp_path):
    asked = asyncio.Event()

    async def never_answers(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_answers, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "doctor"),
            cwd=ROOT,
            env=kept_environ() | environ_in(tmp_path, OPENCODE_URL=url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            await asked.wait()
            process.send_signal(signal.SIGINT)
            said = await process.communicate()
    assert (process.returncode, said) == (2, (b"", b"Stopped before all was looked at.\n"))


def test_a_chat_that_is_not_there_is_wrong_usage(tmp_path, capsys):
    environ = environ_in(tmp_path)
    asked = Asked(chat="nobody")
    assert run_doctor(load_settings(None, environ), None, environ, asked=asked) == 2
    assert "nobody" in capsys.readouterr().err


async def told(bot, talk):
    """Return the answer to a command, whether it came at once or later."""
    await bot.wecom.book.until(lambda: talk.late or "🩺" in talk.text, 60)
    return talk.late[0].content if talk.late else talk.text


async def test_an_administrator_is_told_in_the_chat_what_is_wrong(make_bot, fake):
    bot = await make_bot(fake, BOT_CHAT_LANGUAGE="en")
    await bot.ready()
    (bot.service.settings.server.data_dir / "link.key").chmod(0o644)
    said = await told(bot, await bot.wecom.say("boss", "/doctor"))
    assert said.startswith("🩺 Doctor: ❌ ")
    assert "❌ Security · File modes: ‹link.key› (link.key) has mode 0644" in said
    assert "→ chmod 600 ‹link.key›" in said
    assert "A new chat gets agent build" in said
    for secret in (TOKEN, AES_KEY, bot.service.admin_token, "link.key/"):
        assert secret not in said
    assert str(bot.service.settings.server.data_dir / "link.key") not in said


async def test_the_doctor_speaks_chinese_too(make_bot, fake):
    bot = await make_bot(fake)
    said = await told(bot, await bot.wecom.say("boss", "/检查"))
    assert said.startswith("🩺 检查：❌ ")
    assert "新聊天用智能体 build（OpenCode 的默认智能体）" in said
    assert "（the " not in said


async def test_nobody_else_is_told(make_bot, fake):
    bot = await make_bot(fake)
    talk = await bot.wecom.say("zhangsan", "/doctor")
    assert "E-ROLE" in talk.text
