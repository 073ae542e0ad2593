"""What a managed server inherits, what it is given, and what it never sees."""

import subprocess

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StartError
from bot.opencode.environment import Wishes, allowed, furnish, merged, permission_config, real_shell
from tests.opencode_launch import PATH, launch_in, program


@pytest.fixture
def home(tmp_path):
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def config_of(launch):
    return orjson.loads(launch.environ["OPENCODE_CONFIG_CONTENT"])


def test_the_environment_is_an_allow_list(tmp_path, home):
    environ = {
        "PATH": PATH,
        "HOME": str(home),
        "LANG": "zh_CN.UTF-8",
        "LC_ALL": "C",
        "ANTHROPIC_API_KEY": "k1",
        "AWS_PROFILE": "p",
        "WECOM_BOT_TOKEN": "t",
        "BOT_ADMIN_TOKEN": "a",
        "BOT_X_API_KEY": "b",
        "OPENCODE_SERVER_PASSWORD": "of another server",
        "DATABASE_PASSWORD": "d",
        "SSH_AUTH_SOCK": "/s",
    }
    _, launch = launch_in(tmp_path, environ)
    child = launch.environ
    assert child["LANG"] == "zh_CN.UTF-8"
    assert child["ANTHROPIC_API_KEY"] == "k1"
    assert child["AWS_PROFILE"] == "p"
    assert child["OPENCODE_SERVER_PASSWORD"] == "the-password"
    assert child["OPENCODE_WECOM_MARK"] == "m1"
    for name in ("WECOM_BOT_TOKEN", "BOT_ADMIN_TOKEN", "BOT_X_API_KEY", "DATABASE_PASSWORD"):
        assert name not in child
    assert "SSH_AUTH_SOCK" not in child
    for kind in ("CONFIG", "DATA", "CACHE", "STATE"):
        assert child[f"XDG_{kind}_HOME"].startswith(str(tmp_path / "data/opencode/"))
    assert child["HOME"] == str(tmp_path / "data/opencode/home")
    assert child["PATH"].split(":")[0] == str(tmp_path / "tools")


@given(
    st.dictionaries(
        st.from_regex(r"(WECOM|BOT)_[A-Z_]{0,20}(_API_KEY)?", fullmatch=True), st.text()
    )
)
def test_nothing_of_ours_is_ever_inherited(environ):
    assert allowed(environ, set(environ)) == {}


def test_a_variable_that_the_users_configuration_names_comes_along(tmp_path, home):
    (home / ".config/opencode").mkdir(parents=True)
    file = home / ".config/opencode/opencode.jsonc"
    file.write_text('{"provider": {"x": {"options": {"apiKey": "{env:MY_OWN_SECRET}"}}}}')
    environ = {"PATH": PATH, "HOME": str(home), "MY_OWN_SECRET": "s", "OTHER_SECRET": "o"}
    _, launch = launch_in(tmp_path, environ)
    assert launch.environ["MY_OWN_SECRET"] == "s"
    assert "OTHER_SECRET" not in launch.environ


def test_a_model_on_loopback_is_reached_past_a_proxy(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home), "https_proxy": "http://proxy", "NO_PROXY": "corp"}
    _, launch = launch_in(tmp_path, environ)
    assert launch.environ["NO_PROXY"] == "corp,127.0.0.1,localhost"
    assert launch.environ["https_proxy"] == "http://proxy"
    del environ["NO_PROXY"]
    assert launch_in(tmp_path, environ)[1].environ["no_proxy"] == "127.0.0.1,localhost"


def test_nothing_is_fetched_and_the_configuration_cannot_say_otherwise(tmp_path, home):
    inline = '{"autoupdate": true, "share": "auto", "username": "me"}'
    environ = {"PATH": PATH, "HOME": str(home), "OPENCODE_CONFIG_CONTENT": inline}
    _, launch = launch_in(tmp_path, environ)
    assert config_of(launch) == {"autoupdate": False, "share": "disabled", "username": "me"}
    for switch in ("MODELS_FETCH", "LSP_DOWNLOAD", "AUTOUPDATE", "SHARE", "CLAUDE_CODE"):
        assert launch.environ[f"OPENCODE_DISABLE_{switch}"] == "1"


def test_a_workspace_does_not_configure_the_server_but_the_project_does(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home)}
    _, chats = launch_in(tmp_path, environ)
    _, project = launch_in(tmp_path, environ, Wishes(project_config=True))
    assert chats.environ["OPENCODE_DISABLE_PROJECT_CONFIG"] == "1"
    assert "OPENCODE_DISABLE_PROJECT_CONFIG" not in project.environ


def test_our_rules_reach_sub_agents_by_the_configuration():
    rules = [
        {"permission": "bash", "pattern": "*", "action": "allow"},
        {"permission": "bash", "pattern": "rm *", "action": "deny"},
        {"permission": "edit", "pattern": "*", "action": "ask"},
    ]
    assert permission_config(rules) == {
        "permission": {"bash": {"*": "allow", "rm *": "deny"}, "edit": {"*": "ask"}}
    }
    assert permission_config([]) == {}


def test_a_change_of_configuration_changes_the_fingerprint_and_the_language_does_not(
    tmp_path, home
):
    environ = {"PATH": PATH, "HOME": str(home)}
    _, first = launch_in(tmp_path, environ)
    _, same = launch_in(tmp_path, environ | {"LANG": "C"})
    _, other = launch_in(tmp_path, environ | {"OPENCODE_CONFIG_CONTENT": '{"username": "x"}'})
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert "the-password" not in repr(first)


@pytest.mark.parametrize("inline", ["{", "[]"])
def test_an_inline_configuration_that_is_none_is_named(tmp_path, home, inline):
    environ = {"PATH": PATH, "HOME": str(home), "OPENCODE_CONFIG_CONTENT": inline}
    with pytest.raises(StartError, match="OPENCODE_CONFIG_CONTENT"):
        launch_in(tmp_path, environ)


def test_the_shell_of_commands_forgets_all_secrets_and_keeps_the_rest(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home), "ANTHROPIC_API_KEY": "k1", "LANG": "C.UTF-8"}
    folders, launch = launch_in(tmp_path, environ)
    furnish(folders, environ, launch)
    shell = launch.environ["SHELL"]
    done = subprocess.run(
        [shell, "-c", "env"], env=dict(launch.environ), capture_output=True, text=True, check=True
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert seen["HOME"] == str(folders.home)
    assert seen["LANG"] == "C.UTF-8"
    assert seen["OPENCODE_WECOM_MARK"] == "m1"
    assert not [name for name in seen if name.startswith("XDG_") or name.endswith("_KEY")]
    assert [name for name in seen if name.startswith("OPENCODE_")] == ["OPENCODE_WECOM_MARK"]


def test_a_shell_that_cannot_run_is_said(tmp_path, home):
    program(tmp_path / "bin", "bash", "x").write_text("#!/nowhere/at/all\n")
    environ = {"PATH": f"{tmp_path / 'bin'}:{PATH}", "HOME": str(home)}
    folders, launch = launch_in(tmp_path, environ)
    with pytest.raises(StartError, match="noexec"):
        furnish(folders, environ, launch)


def test_without_bash_the_systems_shell_serves(tmp_path):
    assert str(real_shell({"PATH": str(tmp_path)})) == "/bin/sh"


def test_git_knows_the_users_name_and_writes_into_a_file_of_ours(tmp_path, home):
    (home / ".gitconfig").write_text("[user]\n\tname = Zhang San\n")
    environ = {"PATH": PATH, "HOME": str(home)}
    folders, launch = launch_in(tmp_path, environ)
    furnish(folders, environ, launch)
    child = {"PATH": PATH, "HOME": str(folders.home)}
    subprocess.run(["git", "config", "--global", "user.email", "z@x"], env=child, check=True)
    furnish(folders, environ, launch)
    for key, value in (("user.name", "Zhang San"), ("user.email", "z@x")):
        done = subprocess.run(
            ["git", "config", key], env=child, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == value
    assert (home / ".gitconfig").read_text() == "[user]\n\tname = Zhang San\n"


def test_tables_are_merged_and_everything_else_is_replaced():
    below = {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}
    above = {"a": {"y": 5}, "b": [2], "d": 4}
    assert merged(below, above) == {"a": {"x": 1, "y": 5}, "b": [2], "c": 3, "d": 4}
    assert below == {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}
