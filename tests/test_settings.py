"""Settings come from a file and the environment; every mistake is named at once; secrets stay in."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import (
    SettingsError,
    catalogue,
    find_config,
    is_configured,
    load_settings,
)
from tests.settings_channels import AES_KEY, APP


@pytest.fixture
def write(tmp_path):
    def write_toml(text):
        path = tmp_path / "bot.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_toml


def problems(path=None, **environ):
    with pytest.raises(SettingsError) as wrong:
        load_settings(path, environ)
    return wrong.value.problems


def problem(path=None, **environ):
    (only,) = problems(path, **environ)
    return only


# What holds without a word


def test_nothing_has_to_be_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.store.url == f"sqlite:///{tmp_path}/data/bot.db"
    assert settings.workspaces.root == tmp_path / "data" / "workspaces"
    assert settings.turn.timeout == 3600
    assert settings.files.max_bytes == 50_000_000
    assert settings.files.link_ttl == 7 * 86_400
    assert not settings.wecom.on
    assert settings.access.members == ()


def test_what_depends_on_the_data_folder_follows_it(tmp_path):
    settings = load_settings(None, {"BOT_DATA_DIR": f"{tmp_path}/d"})
    assert settings.store.url == f"sqlite:///{tmp_path}/d/bot.db"
    assert settings.workspaces.root == tmp_path / "d" / "workspaces"


def test_a_path_of_the_users_home_is_theirs():
    settings = load_settings(None, {"BOT_WORKSPACES": "~/w"})
    assert settings.workspaces.root == Path.home() / "w"


def test_settings_cannot_be_changed():
    settings = load_settings(None, {})
    with pytest.raises(ValidationError):
        settings.server.port = 1
    with pytest.raises(ValidationError):
        settings.server = settings.server


# Where values come from


def test_the_environment_wins_over_the_file(write):
    path = write('[server]\nport = 1\nhost = "::1"\n')
    settings = load_settings(path, {"BOT_PORT": "2"})
    assert (settings.server.port, settings.server.host) == (2, "::1")


def test_an_empty_variable_is_not_set(write):
    path = write('[opencode]\nagent = "build"\n')
    assert load_settings(path, {"OPENCODE_AGENT": "", "BOT_NEVER": ""}).opencode.agent == "build"


def test_lists_come_from_both(write):
    path = write('[access]\nadmins = ["a", "b"]\n')
    settings = load_settings(path, {"BOT_MEMBERS": "c, d，e,"})
    assert settings.access.admins == ("a", "b")
    assert settings.access.members == ("c", "d", "e")


def test_permission_rules_come_from_both(write):
    rules = [{"permission": "bash", "pattern": "rm *", "action": "deny"}]
    path = write('[opencode]\npermission = [{ permission = "bash", action = "ask" }]\n')
    (rule,) = load_settings(path, {}).opencode.permission
    assert (rule.permission, rule.pattern, rule.action) == ("bash", "*", "ask")
    (rule,) = load_settings(
        path, {"BOT_OPENCODE_PERMISSION": json.dumps(rules)}
    ).opencode.permission
    assert rule.model_dump() == rules[0]


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("QDG6eK\n")
    environ = {"WECOM_BOT_TOKEN_FILE": str(secret), "WECOM_BOT_AES_KEY": AES_KEY}
    settings = load_settings(None, environ)
    assert settings.wecom.bot.token.get_secret_value() == "QDG6eK"
    assert settings.wecom.bot.on


def test_the_file_is_the_named_one_or_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config({}) is None
    assert not is_configured({"BOT_PORT": "1", "WECOM_BOT_TOKEN": ""})
    assert is_configured({"WECOM_BOT_TOKEN": "x"})
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    assert find_config({}) == Path("config/bot.toml")
    assert find_config({"BOT_CONFIG": "other.toml"}) == Path("other.toml")
    assert is_configured({})


def test_all_chats_may_work_in_one_project(write, tmp_path):
    settings = load_settings(write(f'[projects.shop]\npath = "{tmp_path}"\n'), {})
    assert settings.projects["shop"].path == tmp_path


# Hosts


def test_the_hosts_of_the_api_are_allowed_beside_the_listed_ones():
    environ = {
        "WECOM_API_URL": "http://127.0.0.1:8000/",
        "WECOM_ALLOWED_HOSTS": "A.example,*.b.example",
    }
    wecom = load_settings(None, environ).wecom
    assert wecom.api_url == "http://127.0.0.1:8000"
    own = ("127.0.0.1", "openws.work.weixin.qq.com")
    assert wecom.allowed_hosts == (*own, "a.example", "*.b.example")
    assert all(wecom.allows(host) for host in ("127.0.0.1", "a.example", "X.b.example"))
    assert not any(wecom.allows(host) for host in ("b.example", "xb.example", "a.example.evil"))


# Mistakes


def test_every_mistake_is_named_at_once_with_its_mend(write):
    path = write("""
        [server]
        port = 99999
        prot = 1
        [wecom.bot]
        token = "QDG6eK"
        [turn]
        timeout = "3 weeks"
        max_steps = true
        [chat]
        queue_limit = 0
        [projects.a]
        path = "/no/such/folder"
        [projects.b]
        path = "/no/such/folder"
    """)
    found = problems(path, BOT_FILES_MAX_BYTES="0", OPENCODE_FOLLOW="maybe", BOT_PROT="1")
    assert {p.key or p.env for p in found} == {
        "server.port",
        "server.prot",
        "wecom.bot.aes_key",
        "turn.timeout",
        "turn.max_steps",
        "chat.queue_limit",
        "projects",
        "projects.a.path",
        "projects.b.path",
        "files.max_bytes",
        "opencode.follow",
        "BOT_PROT",
    }
    assert all(p.problem and p.shape and p.mend for p in found)


def test_a_mistake_reads_as_a_sentence_with_key_variable_shape_and_mend():
    text = str(SettingsError([problem(BOT_PORT="http")]))
    assert text == (
        "1 setting is wrong\n"
        "  server.port / BOT_PORT: is no whole number\n"
        "    wanted: a number from 0 to 65535\n"
        "    mend:   correct the variable BOT_PORT"
    )


def test_a_mistake_of_the_file_is_mended_in_the_file(write):
    assert problem(write("[server]\nport = 70000\n")).mend == "write, for example, `port = 8080`"


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("[server]\nprot = 1", "server.prot", "server.port"),
        ("[servr]\nport = 1", "servr", "server"),
        ("[wecom.bot]\ntokn = 'x'", "wecom.bot.tokn", "wecom.bot.token"),
    ],
)
def test_an_unknown_key_is_a_mistake_with_the_nearest_known_one(write, text, key, meant):
    found = problem(write(text))
    assert found.key == key
    assert f"`{meant}`" in found.mend


def test_a_key_like_no_other_is_to_be_taken_out(write):
    assert problem(write("_env_file = 'x'\n")).mend == "take it out"
    assert problem(WECOM_QQQQQQQQQQQQQQQQQQQQ="1").mend == "unset it"


def test_an_unknown_variable_is_a_mistake_with_the_nearest_known_one():
    assert "WECOM_BOT_TOKEN" in problem(WECOM_BOT_TOKN="x").mend
    assert load_settings(None, {"OPENCODE_WHATEVER": "1", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WECOM_BOT_AES_KEY", AES_KEY[:-1]),
        ("WECOM_BOT_AES_KEY", AES_KEY + "="),
        ("WECOM_BOT_AES_KEY", "!" + AES_KEY[1:]),
        ("WECOM_BOT_AES_KEY", "=" + AES_KEY[1:]),
        ("WECOM_BOT_TOKEN", "two words"),
        ("BOT_ADMIN_TOKEN", "short"),
        ("BOT_ADMIN_TOKEN", "管理员管理员管理员"),
        ("BOT_PUBLIC_URL", "bot.example.com"),
        ("BOT_PUBLIC_URL", "ftp://bot.example.com"),
        ("BOT_PUBLIC_URL", "https://bot.example.com/?a=1"),
        ("BOT_PUBLIC_URL", "https://bot.example.com/#a"),
        ("BOT_PUBLIC_URL", "https://bot.example.com:port"),
        ("BOT_PUBLIC_URL", "https://bot example.com"),
        ("OPENCODE_URL", "http://user:hunter2hunter2@localhost"),
        ("BOT_DATABASE_URL", "postgresql://localhost/bot"),
        ("BOT_DATABASE_URL", "sqlite:///"),
        ("WECOM_WS_URL", "https://openws.work.weixin.qq.com"),
        ("WECOM_WS_URL", "wss://user:hunter2hunter2@localhost"),
        ("WECOM_API_URL", "wss://qyapi.weixin.qq.com"),
        ("WECOM_AGENT_ID", "-1000002 "),
        ("WECOM_AES_KEY", AES_KEY[:-1]),
        ("WECOM_WEBHOOK_KEY", "two words of it"),
        ("WECOM_ALLOWED_HOSTS", "https://a.example"),
        ("WECOM_ALLOWED_HOSTS", "*."),
        ("OPENCODE_MODEL", "sonnet"),
        ("BOT_OPENCODE_PERMISSION", "{"),
        ("BOT_OPENCODE_PERMISSION", "{}"),
        ("BOT_OPENCODE_PERMISSION", '[{"permission":"bash","action":"maybe"}]'),
        ("BOT_OPENCODE_PERMISSION", '[{"permission":"bash"}]'),
        ("BOT_OPENCODE_PERMISSION", '["bash"]'),
        ("BOT_HOST", " "),
        ("BOT_TURN_TIMEOUT", "soon"),
        ("BOT_RETENTION_DAYS", "1.5"),
        ("BOT_CHAT_LANGUAGE", "fr"),
    ],
)
def test_a_wrong_value_is_refused_and_not_shown(variable, value):
    with pytest.raises(SettingsError) as wrong:
        load_settings(None, {variable: value})
    assert any(found.env == variable for found in wrong.value.problems)
    assert len(value) < 12 or value not in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


def test_an_aes_key_of_the_wrong_length_is_told_its_length():
    found = problems(WECOM_BOT_TOKEN="x", WECOM_BOT_AES_KEY=AES_KEY[:-1])
    assert found[0].problem == "has 42 characters instead of 43"


@pytest.mark.parametrize(
    "text",
    [
        "server = 5",
        "[wecom]\nbot = 1",
        "projects = 1",
        "[projects]\na = 1",
        "[access]\nadmins = 5",
        "[server]\nhost = 5",
        "[server]\ndata_dir = 5",
        "[access]\nadmins = ['a', '']",
        "[projects.a]",
        "[server]\nadmin_token = ''",
    ],
)
def test_a_value_of_the_wrong_kind_is_one_problem(write, text):
    assert problem(write(text)).key


def test_a_variable_beneath_a_broken_table_does_not_hide_the_mistake(write):
    assert problem(write("server = 5"), BOT_PORT="1").key == "server"
    assert problem(write("wecom = 5"), WECOM_BOT_ID="1").key == "wecom"


def test_a_file_that_cannot_be_read_is_said(tmp_path, write):
    assert "cannot be read" in problem(tmp_path / "none.toml").problem
    assert "line 1" in problem(write("port = = 1")).problem
    broken = tmp_path / "latin.toml"
    broken.write_bytes(b'a = "\xff"')
    assert "UTF-8" in problem(broken).problem


def test_a_secrets_file_that_cannot_be_used_is_said(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "cannot be read" in problem(BOT_ADMIN_TOKEN_FILE=str(tmp_path / "none")).problem
    assert "no text" in problem(BOT_ADMIN_TOKEN_FILE=str(binary)).problem
    twice = problem(BOT_ADMIN_TOKEN_FILE=str(binary), BOT_ADMIN_TOKEN="long-enough")
    assert "set twice" in twice.problem


# Secrets


def test_secrets_never_print():
    secret = "hunter2-hunter2"
    environ = {
        "BOT_ADMIN_TOKEN": secret,
        "WECOM_BOT_TOKEN": secret,
        "WECOM_BOT_AES_KEY": AES_KEY,
        "WECOM_WEBHOOK_KEY": secret,
        "OPENCODE_SERVER_PASSWORD": secret,
        **APP,
        "WECOM_SECRET": secret,
    }
    settings = load_settings(None, environ)
    printed = [
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        f"{settings.server.admin_token}",
    ]
    assert not any(secret in text or AES_KEY in text for text in printed)
    app = (secret, APP["WECOM_TOKEN"], AES_KEY)
    assert settings.secrets() == (secret, secret, AES_KEY, *app, secret, secret)


@pytest.mark.parametrize("other", ["WECOM_BOT_SECRET", "WECOM_BOT_TOKEN WECOM_BOT_AES_KEY"])
def test_every_secret_is_known_to_the_log(other):
    named = {entry.env for entry in catalogue() if entry.secret} - set(other.split())
    environ = dict.fromkeys(named, AES_KEY)
    settings = load_settings(
        None, environ | {"WECOM_BOT_ID": "b", "WECOM_CORP_ID": "c", "WECOM_AGENT_ID": "1"}
    )
    assert len(settings.secrets()) == len(named) == 9 - len(other.split())


def test_a_refused_secret_is_not_in_the_error_or_its_cause():
    with pytest.raises(SettingsError) as wrong:
        load_settings(None, {"BOT_ADMIN_TOKEN": "hunter2", "WECOM_BOT_TOKEN": "hunter2 hunter2"})
    assert "hunter2" not in str(wrong.value)
    assert wrong.value.__cause__ is None
    assert wrong.value.__suppress_context__
