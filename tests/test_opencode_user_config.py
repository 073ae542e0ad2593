"""What a managed server gets of the user's configuration: copies, and log-ins once."""

import os

import orjson
import pytest

from bot.errors import StartError
from bot.opencode.environment import furnish
from bot.opencode.user_config import UserConfig
from tests.opencode_fixtures import environ_for, running_server
from tests.opencode_launch import PATH, launch_in
from tests.service_fixtures import free_port


@pytest.fixture
def home(tmp_path):
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


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


PLUGIN = """
import { writeFileSync } from "node:fs"
export const Marker = async () => { writeFileSync(process.env.HOME + "/loaded", "yes"); return {} }
"""


def package(home, folder, name):
    place = home / ".cache/opencode/packages" / folder
    inner = place / "node_modules" / name
    inner.mkdir(parents=True)
    facts = {"name": name, "version": "1.0.0", "type": "module", "main": "index.js"}
    (inner / "package.json").write_bytes(orjson.dumps(facts))
    (inner / "index.js").write_text(PLUGIN)
    return inner


def test_plugins_that_the_user_has_installed_are_copied_and_again_when_they_change(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home)}
    package(home, "marker@latest", "marker")
    inner = package(home, "@team/marker@2.0.0", "@team/marker")
    folders, launch = launch_in(tmp_path, environ)
    furnish(folders, environ, launch)
    packages = folders.xdg("cache") / "opencode/packages"
    assert (packages / "marker@latest/node_modules/marker/index.js").read_text() == PLUGIN
    copy = packages / "@team/marker@2.0.0/node_modules/@team/marker/index.js"
    copy.write_text("as the server left it")
    furnish(folders, environ, launch)
    assert copy.read_text() == "as the server left it"
    os.utime(inner.parent.parent, ns=(1, 1))  # what an installation does
    furnish(folders, environ, launch)
    assert copy.read_text() == PLUGIN


def test_a_plugin_that_cannot_be_read_is_named(tmp_path, home):
    environ = {"PATH": PATH, "HOME": str(home)}
    inner = package(home, "marker@latest", "marker")
    (inner / "index.js").unlink()
    os.mkfifo(inner / "index.js")
    folders, launch = launch_in(tmp_path, environ)
    with pytest.raises(StartError, match="marker@latest cannot be copied"):
        furnish(folders, environ, launch)


def test_a_plugin_that_the_user_has_installed_is_loaded_by_the_managed_server(tmp_path, home):
    package(home, "marker@latest", "marker")
    (home / ".config/opencode").mkdir(parents=True)
    (home / ".config/opencode/opencode.json").write_text('{"plugin": ["marker"]}')
    environ = environ_for(tmp_path, free_port()) | {"HOME": str(home)}
    with running_server(tmp_path, environ=environ):
        assert (tmp_path / "data/opencode/home/loaded").read_text() == "yes"
