"""What a managed server inherits, what it is given, and what it never sees."""

import os
import socket
import subprocess

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StartError
from bot.opencode import identity
from bot.opencode.binaries import Programs, look, path_suffices, version_of
from bot.opencode.environment import (
    Folders,
    Wishes,
    allowed,
    furnish,
    merged,
    permission_config,
    plan,
    real_shell,
)
from bot.opencode.files import bound, last_words, size, write_private
from bot.opencode.identity import Identity, Record, lock
from bot.opencode.probe import Address
from bot.opencode.process import Process
from bot.opencode.user_config import UserConfig

ADDRESS = Address("http://127.0.0.1:4567", "opencode", "the-password")
PATH = os.environ["PATH"]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def launch_in(tmp_path, environ, wishes=None):
    folders = Folders.under(tmp_path / "data")
    programs = Programs(tmp_path / "opencode", tmp_path / "tools/rg")
    return folders, plan(folders, programs, environ, wishes or Wishes(), ADDRESS, "m1")


def config_of(launch):
    return orjson.loads(launch.environ["OPENCODE_CONFIG_CONTENT"])


def program(folder, name, says):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho {says}\n")
    file.chmod(0o755)
    return file


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


def test_named_files_and_folders_are_copied_and_the_copies_are_used(tmp_path, home):
    (tmp_path / "mine.json").write_text('{"username": "{file:~/name}"}')
    (tmp_path / "more/agent").mkdir(parents=True)
    (tmp_path / "more/agent/poet.md").write_text("poet")
    environ = {
        "PATH": PATH,
        "HOME": str(home),
        "OPENCODE_CONFIG": str(tmp_path / "mine.json"),
        "OPENCODE_CONFIG_DIR": str(tmp_path / "more"),
    }
    folders, launch = launch_in(tmp_path, environ)
    furnish(folders, environ, launch)
    copied = folders.root / "extra.json"
    assert launch.environ["OPENCODE_CONFIG"] == str(copied)
    assert copied.read_text() == f'{{"username": "{{file:{home}/name}}"}}'
    assert (folders.root / "extra/agent/poet.md").read_text() == "poet"
    (tmp_path / "more/agent/poet.md").unlink()
    furnish(folders, environ, launch)
    assert not (folders.root / "extra/agent/poet.md").exists()


def test_a_named_file_that_is_missing_is_said(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home), "OPENCODE_CONFIG": str(tmp_path / "none.json")}
    folders, launch = launch_in(tmp_path, environ)
    with pytest.raises(StartError, match=r"none\.json"):
        furnish(folders, environ, launch)


def test_a_configuration_that_cannot_be_copied_is_said(tmp_path, home):
    (home / ".config/opencode").mkdir(parents=True)
    os.mkfifo(home / ".config/opencode/pipe")
    environ = {"PATH": PATH, "HOME": str(home)}
    folders, launch = launch_in(tmp_path, environ)
    with pytest.raises(StartError, match="cannot be read"):
        furnish(folders, environ, launch)


def test_the_servers_npm_finds_nothing_to_install(tmp_path, home):
    source = home / ".config/opencode"
    (source / "node_modules/left-pad").mkdir(parents=True)
    (source / "package.json").write_text('{"dependencies": {"left-pad": "1"}}')
    environ = {"PATH": PATH, "HOME": str(home)}
    folders, launch = launch_in(tmp_path, environ)
    furnish(folders, environ, launch)
    copy = folders.xdg("config") / "opencode"
    lock_file = orjson.loads((copy / "package-lock.json").read_bytes())
    assert set(lock_file["packages"][""]["dependencies"]) == {"left-pad", "@opencode-ai/plugin"}
    assert (copy / "node_modules/left-pad").is_dir()
    assert (copy / "node_modules").is_symlink()
    furnish(folders, environ, launch)
    assert (source / "node_modules/left-pad").is_dir()
    assert (folders.home / ".opencode/node_modules").is_dir()


def test_log_ins_come_over_when_they_are_new_and_renewed_tokens_stay(tmp_path, home):
    source = home / ".local/share/opencode/auth.json"
    source.parent.mkdir(parents=True)
    source.write_text('{"a": 1}')
    environ = {"PATH": PATH, "HOME": str(home)}
    folders, launch = launch_in(tmp_path, environ)
    ours = folders.xdg("data") / "opencode/auth.json"
    furnish(folders, environ, launch)
    assert ours.read_text() == '{"a": 1}'
    ours.write_text('{"a": "renewed by the server"}')
    furnish(folders, environ, launch)
    assert ours.read_text() == '{"a": "renewed by the server"}'
    source.write_text('{"a": "logged in again"}')
    furnish(folders, environ, launch)
    assert ours.read_text() == '{"a": "logged in again"}'
    assert ours.stat().st_mode & 0o777 == 0o600


def test_a_user_who_set_opencode_up_is_told_from_one_who_did_not(home):
    environ = {"HOME": str(home)}
    assert not UserConfig.of(environ).exists
    assert UserConfig.of(environ | {"OPENCODE_CONFIG_CONTENT": "{}"}).exists
    assert UserConfig.of(environ | {"OPENCODE_CONFIG": "x.json"}).exists
    auth = home / ".local/share/opencode/auth.json"
    auth.parent.mkdir(parents=True)
    auth.write_text("{}")
    assert not UserConfig.of(environ).exists
    auth.write_text("[]")
    assert not UserConfig.of(environ).exists
    auth.write_text("{torn")
    assert not UserConfig.of(environ).exists
    auth.write_text('{"a": {}}')
    assert UserConfig.of(environ).exists
    auth.unlink()
    (home / ".config/opencode").mkdir(parents=True)
    (home / ".config/opencode/config.json").write_text("{}")
    assert UserConfig.of(environ).exists


def test_tables_are_merged_and_everything_else_is_replaced():
    below = {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}
    above = {"a": {"y": 5}, "b": [2], "d": 4}
    assert merged(below, above) == {"a": {"x": 1, "y": 5}, "b": [2], "c": 3, "d": 4}
    assert below == {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}


def test_the_program_on_the_path_is_taken_when_its_version_was_tested(tmp_path):
    installed = program(tmp_path / "bin", "opencode", "1.18.33")
    pinned = program(tmp_path / "runtime/node_modules/.bin", "opencode", "1.18.33")
    environ = {"PATH": f"{tmp_path / 'bin'}:{PATH}"}
    assert look(environ, tmp_path / "runtime").choose(tmp_path).opencode == installed
    program(tmp_path / "bin", "opencode", "1.1.65")
    assert look(environ, tmp_path / "runtime").choose(tmp_path).opencode == pinned
    assert look(environ, tmp_path / "nowhere").choose(tmp_path).opencode == installed
    assert look({"PATH": PATH}, tmp_path / "runtime").choose(tmp_path).opencode == pinned


def test_a_missing_program_is_named_with_its_mend(tmp_path):
    with pytest.raises(StartError, match="git is not on the PATH"):
        look({"PATH": str(tmp_path)}, tmp_path)
    program(tmp_path / "bin", "git", "git")
    with pytest.raises(StartError, match="make run"):
        look({"PATH": str(tmp_path / "bin")}, tmp_path)


def test_ripgrep_is_taken_from_the_path_or_from_the_package(tmp_path):
    for name in ("git", "opencode"):
        program(tmp_path / "bin", name, "1.18.33")
    environ = {"PATH": str(tmp_path / "bin")}
    assert look(environ, tmp_path).ripgrep is None
    packed = program(tmp_path / "node_modules/@vscode/ripgrep-linux-x64/bin", "rg", "15")
    assert look(environ, tmp_path).ripgrep == packed
    assert look(environ, tmp_path).choose(tmp_path).ripgrep == packed
    installed = program(tmp_path / "bin", "rg", "15")
    assert look(environ, tmp_path).ripgrep == installed


def test_nothing_is_installed_when_the_path_has_it_all(tmp_path):
    environ = {"PATH": str(tmp_path / "bin")}
    assert not path_suffices(environ)
    program(tmp_path / "bin", "opencode", "1.18.33")
    assert not path_suffices(environ)
    program(tmp_path / "bin", "rg", "15")
    assert path_suffices(environ)
    program(tmp_path / "bin", "opencode", "1.1.65")
    assert not path_suffices(environ)


def test_a_program_that_does_not_run_has_no_version(tmp_path):
    (tmp_path / "opencode").write_text("nothing")
    assert version_of(tmp_path / "opencode", tmp_path) == ""


def test_an_identity_that_is_torn_is_made_anew(tmp_path):
    file = tmp_path / "identity.json"
    file.write_text("{torn")
    fresh = Identity.load(file)
    assert Identity.load(file) == fresh
    assert fresh.variable == f"OPENCODE_WECOM_MARK={fresh.mark}"
    file.chmod(0o644)
    assert Identity.load(file) == fresh
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("[]")
    assert Identity.load(file) != fresh


def test_a_record_is_kept_and_read_again(tmp_path):
    file = tmp_path / "server.json"
    assert Record.load(file) is None
    record = Record(Process(7, "boot:9"), "print")
    record.keep(file)
    assert Record.load(file) == record
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_lock_is_held_once(tmp_path):
    held = lock(tmp_path / "lock")
    with pytest.raises(StartError, match="another service"):
        lock(tmp_path / "lock")
    os.close(held)
    os.close(lock(tmp_path / "lock"))


def test_a_log_stays_below_its_limit_and_keeps_what_came_before(tmp_path):
    log = tmp_path / "server.log"
    bound(log, 10)
    assert size(log) == 0
    with log.open("ab") as sink:
        sink.write(b"0123456789abc")
        sink.flush()
        bound(log, 100)
        assert size(log) == 13
        bound(log, 10)
        sink.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "server.old.log").read_bytes() == b"3456789abc"


def test_last_words_are_without_colour_and_only_of_this_life(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("before\n")
    since = size(log)
    with log.open("a") as sink:
        sink.write("\x1b[91mError:\x1b[0m bad\n\n  port 5\n")
    assert last_words(log, since) == "Error: bad port 5"


def test_a_private_file_is_replaced_whole(tmp_path):
    file = tmp_path / "x"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_port_is_chosen_that_nobody_has(tmp_path, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(identity, "PORTS", range(taken - 1, taken + 2))
        for number in range(20):
            assert Identity.load(tmp_path / f"{number}.json").port != taken
