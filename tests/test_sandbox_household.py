import os
import socket
import stat

import pytest
from aiohttp import web

from bot.errors import StartError
from bot.sandbox import household
from bot.sandbox.cipher import Cipher
from bot.sandbox.guard import local_only
from config.settings import SettingsError

KEYS = household.Keys("token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "page")


def test_keys_are_made_once_and_are_ours_alone(tmp_path):
    keys = household.keys(tmp_path)
    assert household.keys(tmp_path) == keys
    assert household._new_keys() != keys
    assert Cipher(keys.token, keys.aes_key)
    mode = stat.S_IMODE((tmp_path / "sandbox.json").stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '{"token": 1, "other": 2}'])
def test_damaged_keys_are_named(tmp_path, damage):
    (tmp_path / "sandbox.json").write_text(damage)
    with pytest.raises(StartError, match=r"sandbox\.json"):
        household.keys(tmp_path)


def test_the_folder_is_the_sandboxes_own(tmp_path, monkeypatch):
    assert household.data_folder({"BOT_DATA_DIR": str(tmp_path)}) == tmp_path / "sandbox"
    monkeypatch.chdir(tmp_path)
    assert household.data_folder({}) == tmp_path / "data" / "sandbox"
    for made in (tmp_path / "data", tmp_path / "data" / "sandbox"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < household.free_port(port) <= port + household.PORTS_TRIED


def test_there_may_be_no_port():
    with pytest.raises(StartError, match="BOT_PORT"):
        household.free_port(70_000)


def test_the_wanted_port_is_8080_unless_the_user_says_otherwise():
    assert household.wanted_port({}) == 8080
    assert household.wanted_port({"BOT_PORT": "9000"}) == 9000
    assert household.wanted_port({"BOT_PORT": "soon"}) == 8080


def test_settings_are_the_sandboxes_where_the_users_would_do_harm(tmp_path):
    users = {
        "WECOM_BOT_TOKEN": "real",
        "WECOM_API_URL": "https://qyapi.weixin.qq.com",
        "BOT_CONFIG": "/nowhere.toml",
        "BOT_DATABASE_URL": "sqlite:////real.db",
        "BOT_HOST": "0.0.0.0",
        "BOT_PUBLIC_URL": "https://bot.example.com",
        "BOT_MEMBERS": "*",
        "BOT_CHAT_BUSY": "reject",
        "PATH": os.environ["PATH"],
    }
    settings = household.settings_for(users, tmp_path, 8081, KEYS, None)
    assert settings.server.public_url == settings.wecom.api_url == "http://127.0.0.1:8081"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8081)
    assert settings.server.data_dir == tmp_path
    assert str(tmp_path) in settings.store.url
    assert settings.workspaces.root.is_relative_to(tmp_path)
    assert settings.wecom.bot.token.get_secret_value() == "token"
    assert settings.access.admins == ("zhangsan",)
    assert settings.access.members == ("zhangsan", "lisi", "wangwu")
    assert settings.chat.busy == "reject"
    assert settings.opencode.model is None
    assert settings.wecom.allows("127.0.0.1")


def test_each_channel_gets_what_it_needs_and_nothing_of_another(tmp_path):
    users = {"WECOM_BOT_SECRET": "real", "WECOM_CORP_ID": "wwREAL"}
    callback, connection, app = (
        household.settings_for(users, tmp_path, 8081, KEYS, None, channel).wecom
        for channel in ("callback", "connection", "app")
    )
    assert (callback.bot.on, callback.bot.connects, callback.app.on) == (True, False, False)
    assert connection.bot.connects
    assert (connection.ws_url, connection.app.on) == ("ws://127.0.0.1:8081/gateway", False)
    assert app.app.on
    assert (app.bot.on, app.bot.connects) == (False, False)
    assert household.cast(demo_model=True, channel="app").groups == ()


def test_everybody_who_takes_part_is_admitted(tmp_path):
    settings = household.settings_for({}, tmp_path, 1, KEYS, None)
    cast = household.cast(demo_model=False)
    assert all(cast.has(member, cast.groups[0].id) for member in settings.access.members)
    assert not cast.has("nobody", None)


def test_one_who_takes_part_is_not_admitted_so_that_a_refusal_can_be_seen(tmp_path):
    access = household.settings_for({}, tmp_path, 1, KEYS, None).access
    cast = household.cast(demo_model=True)
    assert {each.id for each in cast.members} - set(access.members) == {household.STRANGER.id}
    assert household.STRANGER.id not in access.admins
    assert not cast.has("lisi", "wrOther")


def test_a_chosen_model_is_the_one(tmp_path):
    users = {"OPENCODE_MODEL": "a/b"}
    assert household.settings_for(users, tmp_path, 1, KEYS, "c/d").opencode.model == "c/d"
    assert household.settings_for(users, tmp_path, 1, KEYS, None).opencode.model == "a/b"
    with pytest.raises(SettingsError):
        household.settings_for({}, tmp_path, 1, KEYS, "no-provider")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("opencode.json", '{"model": "a/b"}', True),
        ("opencode.jsonc", '{ // mine\n "theme": "x", /* "a" */ "model": "a//b", }', True),
        ("config.json", '{"model": "a/b"}', True),
        ("opencode.json", '{"theme": "model"}', False),
        ("opencode.json", '{"agent": {"model": "a/b"}}', False),
        ("opencode.json", '["model"]', False),
        ("opencode.json", "{", False),
        ("other.json", '{"model": "a/b"}', False),
    ],
)
def test_the_users_opencode_configuration_may_have_a_model(tmp_path, name, text, found):
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    assert household.has_model({"HOME": str(tmp_path)}) is found
    assert household.has_model({"XDG_CONFIG_HOME": str(tmp_path / ".config")}) is found


def test_the_environment_may_have_a_model(tmp_path):
    (tmp_path / "mine.json").write_text('{"model": "a/b"}')
    for name, text in (("folder", '{"model": "a/b"}'), ("opencode", '{"anthropic": {}}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "opencode.json").write_text(text)
    (tmp_path / "opencode" / "auth.json").write_text('{"anthropic": {}}')
    nothing = {"HOME": str(tmp_path)}
    assert not household.has_model(nothing)
    for name, value in (
        ("OPENCODE_MODEL", "a/b"),
        ("OPENCODE_URL", "http://127.0.0.1:4096"),
        ("OPENCODE_CONFIG_CONTENT", '{"model": "a/b"}'),
        ("OPENCODE_CONFIG", str(tmp_path / "mine.json")),
        ("OPENCODE_CONFIG_DIR", str(tmp_path / "folder")),
        ("XDG_DATA_HOME", str(tmp_path)),
    ):
        assert household.has_model(nothing | {name: value})


async def test_wecoms_own_routes_are_for_this_machine_alone(aiohttp_client):
    async def hello(_):
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([local_only(web.get("/cgi-bin/x", hello))])
    client = await aiohttp_client(app)
    assert await (await client.get("/cgi-bin/x")).text() == "hello"
    proxied = await client.get("/cgi-bin/x", headers={"X-Forwarded-For": "127.0.0.1"})
    assert proxied.status == 403
