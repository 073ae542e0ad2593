"""The setup for automation: every answer is given, none is asked for, and all that lacks is named."""

import asyncio
import re
import stat
import subprocess
import sys

import pytest

from bot.__main__ import _parser
from bot.clock import now_ms
from bot.opencode.probe import NEWEST, OLDEST
from bot.sandbox.caller import Caller, NotAnswered
from bot.sandbox.cipher import Cipher, Refused
from bot.setup import automatic
from bot.setup.terminal import Terminal
from config.settings import load_settings
from tests.opencode_launch import program
from tests.service_fixtures import free_port
from tests.setup.person import ROOT, environment
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN


@pytest.fixture
def given(programs):
    """What an automation would set at least."""
    return {
        "PATH": programs,
        "WECOM_BOT_TOKEN": TOKEN,
        "WECOM_BOT_AES_KEY": AES_KEY,
        "BOT_PUBLIC_URL": "http://127.0.0.1:8080",
        "BOT_ADMINS": "zhangsan,lisi",
    }


@pytest.fixture
def file(place):
    return place / "config/bot.toml"


@pytest.fixture
def set_up(file, capsys):
    """Run it: ``set_up(environ, "--dry-run")`` returns the exit code and all that was said."""

    def run(environ, *flags):
        options = _parser().parse_args(["setup", "--non-interactive", "--no-doctor", *flags])
        code = automatic.run(options, file, environ, Terminal())
        said = "".join(capsys.readouterr())
        assert TOKEN not in said
        assert AES_KEY not in said
        return code, said

    return run


def names(file):
    return sorted(path.name for path in file.parent.iterdir()) if file.parent.exists() else []


def test_a_clean_folder_is_set_up_without_a_question(place, given):
    place.mkdir()
    flags = ("--set", "chat.language=zh", "--set", "access.members=*")
    done = subprocess.run(
        [sys.executable, "-m", "bot", "setup", "--non-interactive", *flags],
        cwd=place,
        env=environment(place, **given, BOT_DATA_DIR=str(place / "data")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for words in ("http://127.0.0.1:8080/wecom/bot", "Three commands", "Doctor: what is not fine"):
        assert words in said
    assert TOKEN not in said
    assert AES_KEY not in said
    settings = load_settings(place / "config/bot.toml", {})
    assert settings.access.admins == ("zhangsan", "lisi")
    assert settings.chat.language == "zh"
    assert settings.wecom.bot.on
    for name in ("bot.toml", "opencode-wecom.env"):
        assert stat.S_IMODE((place / "config" / name).stat().st_mode) == 0o600


def test_all_that_is_missing_or_wrong_is_named_at_once_and_nothing_is_written(set_up, file):
    code, said = set_up({"BOT_PORT": "many", "WECOM_BOT_AES_KEY": "short"}, "--set", "swim=1")
    assert code == 2
    for name in ("WECOM_BOT_TOKEN", "WECOM_BOT_AES_KEY", "BOT_PUBLIC_URL", "BOT_ADMINS"):
        assert name in said
    for words in ("BOT_PORT", "no whole number", "43", "swim"):
        assert words in said
    assert said.count("WECOM_BOT_AES_KEY:") == 1
    assert names(file) == []


def test_a_secret_is_not_taken_from_the_arguments_and_is_from_a_file(set_up, given, file, tmp_path):
    del given["WECOM_BOT_TOKEN"]
    code, said = set_up(given, "--set", "wecom.bot.token=abc", "--set", "server.port=x")
    assert code == 2
    assert "others can read the arguments" in said
    assert "server.port" in said
    kept = tmp_path / "token"
    kept.write_text(f"{TOKEN}\n")
    code, said = set_up({**given, "WECOM_BOT_TOKEN_FILE": str(kept)})
    assert code == 0
    assert load_settings(file, {}).wecom.bot.token.get_secret_value() == TOKEN


def test_it_may_run_again_and_keeps_what_was_given_before(set_up, given, file):
    assert set_up(given)[0] == 0
    code, said = set_up({"PATH": given["PATH"]})
    assert (code, "nothing to write" in said) == (0, True)
    assert names(file) == ["bot.toml", "opencode-wecom.env"]
    code, said = set_up({"PATH": given["PATH"]}, "--set", "access.admins=wangwu")
    assert (code, "Kept what was there" in said) == (0, True)
    assert load_settings(file, {}).access.admins == ("wangwu",)
    assert len(names(file)) == 3


def test_a_broken_file_is_named_and_left_alone(set_up, given, file):
    file.parent.mkdir(parents=True)
    file.write_text("[server")
    code, said = set_up(given)
    assert (code, "is no TOML" in said) == (2, True)
    assert names(file) == ["bot.toml"]


def test_a_dry_run_shows_what_would_be_written_and_writes_nothing(set_up, given, file):
    code, said = set_up(given, "--dry-run", "--install-opencode")
    assert code == 0
    assert 'admins = ["zhangsan", "lisi"]' in said
    assert "WECOM_BOT_TOKEN=(hidden)" in said
    assert names(file) == []


def test_an_opencode_of_its_own_is_given_a_url_on_loopback_and_a_password(set_up, given, file):
    assert set_up(given, "--own-opencode")[0] == 0
    settings = load_settings(file, {})
    password = settings.opencode.password.get_secret_value()
    assert settings.opencode.url == "http://127.0.0.1:4096"
    assert len(password) > 30
    assert f"={password}\n" in file.with_name("opencode.env").read_text()
    assert set_up(given)[0] == 0
    assert load_settings(file, {}).opencode.password.get_secret_value() == password


@pytest.fixture
def connection(given):
    """What an automation would set at least for the long connection."""
    others = {"WECOM_BOT_TOKEN", "WECOM_BOT_AES_KEY", "BOT_PUBLIC_URL"}
    kept = {name: value for name, value in given.items() if name not in others}
    return kept | {"WECOM_BOT_ID": BOT_ID, "WECOM_BOT_SECRET": "a-secret-of-tests"}


def test_the_long_connection_needs_no_public_url(set_up, connection, file):
    code, said = set_up(connection)
    assert (code, "callback URL" in said) == (0, False)
    settings = load_settings(file, {})
    assert settings.wecom.bot.connects
    assert not settings.wecom.bot.on
    assert "a-secret-of-tests" not in file.read_text() + said


def test_what_a_channel_lacks_is_named_and_so_are_both_channels_of_a_bot(
    set_up, given, connection, file
):
    code, said = set_up(connection | {"WECOM_BOT_ID": "", "WECOM_CORP_ID": "ww1"})
    assert code == 2
    for env in ("WECOM_BOT_ID", "WECOM_AGENT_ID", "WECOM_SECRET", "WECOM_TOKEN", "BOT_PUBLIC_URL"):
        assert f"{env}: is missing" in said
    assert "WECOM_BOT_TOKEN" not in said
    code, said = set_up(given | connection)
    assert (code, "not both" in said) == (2, True)
    assert names(file) == []


async def test_a_connection_can_be_waited_for(place, connection, file, make_standin):
    standin = await make_standin(channel="connection", secret="a-secret-of-tests")
    given = connection | {"BOT_PORT": str(free_port()), "WECOM_WS_URL": standin.gateway_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "--config", str(file), "setup"),
        *("--non-interactive", "--no-doctor", "--wait", "60"),
        env=environment(place, **given),
        cwd=place,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert b"The long connection is up" in out
    assert standin.violations == []


async def test_wecoms_request_can_be_waited_for(place, given, file):
    port = free_port()
    given = {**given, "BOT_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "--config", str(file), "setup"),
        *("--non-interactive", "--no-doctor", "--wait", "60"),
        env=environment(place, **given),
        cwd=place,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        while b"Waiting for" not in await process.stdout.readline():
            pass
        async with Caller(
            f"http://127.0.0.1:{port}/wecom/bot", Cipher(TOKEN, AES_KEY), now_ms
        ) as wecom:
            while not await verified(wecom):
                pass
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert b"has arrived and was answered" in out


async def verified(wecom):
    """Ask as WeCom does; the port opens when it opens."""
    try:
        await wecom.verify(limit_s=5)
    except Refused as exc:
        if isinstance(exc.__cause__, NotAnswered):
            return False
        raise
    return True


def test_units_that_cannot_be_installed_are_a_failure(set_up, given, place):
    given["BOT_DATA_DIR"] = str(place / "a folder")
    code, said = set_up(given, "--units")
    assert (code, "a folder cannot stand in a unit" in said) == (1, True)


def test_a_request_that_does_not_come_is_a_failure(set_up, given):
    given["BOT_PORT"] = str(free_port())
    code, said = set_up(given, "--wait", "0.2")
    assert (code, "Nothing has come in time" in said) == (1, True)


async def test_a_port_that_is_taken_is_a_failure(set_up, given):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with taken:
        given["BOT_PORT"] = str(taken.sockets[0].getsockname()[1])
        code, said = await asyncio.to_thread(set_up, given, "--wait", "5")
    assert (code, "something else listens there" in said) == (1, True)


def test_the_opencode_that_was_found_is_judged(set_up, given, tmp_path):
    code, said = set_up(given)
    assert f"within the proved range, {OLDEST} to {NEWEST}" in said
    old = program(tmp_path / "old", "opencode", "0.1.0").parent
    given["PATH"] = f"{old}:{given['PATH']}"
    code, said = set_up(given)
    assert code == 0
    assert re.search(r"OpenCode \d+\.\d+\.\d+ \(", said)


def test_without_a_terminal_the_wizard_says_how_to_go_on(place):
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bot", "setup"],
        cwd=place,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--non-interactive" in done.stderr
    assert [path.name for path in place.iterdir()] == ["home"]


def test_the_service_never_carries_the_wizard():
    look = "import sys, bot.__main__; print([n for n in sys.modules if 'setup' in n or 'questionary' in n])"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
