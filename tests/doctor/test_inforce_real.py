"""What doctor says is in force, held against the real OpenCode's own word."""

import shutil
from pathlib import Path

import pytest

from bot.choices import NOBODY
from bot.clock import now_ms
from bot.doctor.checks import inforce, opencode
from bot.doctor.inforce import log as logs
from bot.doctor.inforce import table
from bot.doctor.inforce.choice import Asked, Whose
from bot.doctor.inforce.jsonc import parse
from bot.doctor.inforce.looking import look_for, look_in_force
from bot.doctor.inforce.sources import decides
from bot.doctor.scene import Scene
from bot.errors import StartError
from bot.opencode.environment import Folders
from config.settings import load_settings
from tests.doctor.opencode_scenes import PROVIDER, SECRET, look, only, write
from tests.opencode_fixtures import environ_for, git_init, running_server, until

pytestmark = pytest.mark.opencode

LOCK = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user with a provider, a quiet project, and beside it folders with words of their own."""
    folder = tmp_path_factory.mktemp("inforce")
    git_init(folder / "quiet")
    write(folder / "bot.toml", f'[projects.web]\npath = "{folder / "quiet"}"\n')
    user = folder / "user/.config/opencode"
    write(user / "opencode.jsonc", {"provider": {"mine": PROVIDER}, "model": "mine/one"})
    write(user / "agent/poet.md", "---\nmode: primary\n---\nRhyme.")
    top, web = folder / "srv", folder / "srv/team/web"
    write(top / "opencode.json", {"default_agent": "plan", "small_model": "mine/one"})
    write(web / "opencode.jsonc", '{"model": "near/file"} // nearest file')
    write(top / ".opencode/opencode.json", {"model": "mine/one"})
    write(web / ".opencode/opencode.json", {"model": "near/folder"})
    write(web / ".opencode/oh-my-opencode.json", {})
    write(web / ".opencode/plugin/good.js", "export default async () => ({})")
    write(web / ".opencode/plugin/bad.js", "export default 5")
    for place in (top, web):  # nothing to install
        (place / ".opencode/node_modules").mkdir()
        write(place / ".opencode/package-lock.json", LOCK)
    write(folder / "broken/opencode.json", f'{{"model": "a/a"\n "apiKey": "{SECRET}"}}')
    return folder


@pytest.fixture(scope="module")
def server(folder):
    settings = load_settings(folder / "bot.toml", {"BOT_DATA_DIR": str(folder / "data")})
    with running_server(folder, settings, environ_for(folder)) as server:
        yield server


@pytest.fixture
def scene(folder, server):
    environ = environ_for(folder, BOT_DATA_DIR=str(folder / "data"))
    settings = load_settings(folder / "bot.toml", environ)
    address = server.managed.address
    return Scene(settings, folder / "bot.toml", environ, False, now_ms(), address)


def in_folder(directory):
    return Whose("a new chat", NOBODY, directory)


def said(place):
    """What stands in a file."""
    return parse(Path(place).read_text())


async def test_a_healthy_server_has_nothing_to_complain_of(scene):
    found = [await look(check, scene) for check in (*opencode.CHECKS, *inforce.CHECKS)]
    assert [one for some in found for one in some if one.grade != "fine"] == []
    names = {one.check for some in found for one in some}
    assert len(names) == len(opencode.CHECKS) + len(inforce.CHECKS) - 1  # sessions are for --deep


async def test_the_file_that_is_named_is_the_one_that_the_server_goes_by(scene, folder):
    found = await look_for(scene, in_folder(folder / "srv/team/web"))
    for key in ("model", "small_model", "default_agent"):
        assert said(decides(key, found.sources).place)[key] == found.told.config[key]
    assert found.decided.fact("agent") == "plan"
    assert found.decided.agent_source == str(folder / "srv/opencode.json")
    assert found.decided.model_source == str(folder / "srv/.opencode/opencode.json")
    lines = table.lines(found)
    rule = "default_agent of the server's /config"
    assert f"  agent  plan — {rule} ({folder}/srv/opencode.json)" in lines
    assert f"            model: overridden by {folder}/srv/.opencode/opencode.json" in lines
    assert SECRET not in repr(table.as_json(found))
    assert SECRET not in "\n".join(lines)


async def test_a_plugin_that_does_not_run_is_named_and_so_is_its_log(scene, folder):
    await look_for(scene, in_folder(folder / "srv/team/web"))  # opens the folder
    log = Folders.under(folder / "data").xdg("data") / "opencode/log"
    await until(lambda: logs.read(log).failed_plugins)
    found = await look_for(scene, in_folder(folder / "srv/team/web"))
    loaded = {plugin.name.rpartition("/")[2]: plugin.loaded for plugin in found.plugins}
    assert loaded == {"good.js": True, "bad.js": False, "oh-my-opencode": False}
    known = next(one for one in found.plugins if one.name == "oh-my-opencode")
    assert "lists 2 plugins, not this one" in known.why
    assert known.mend.startswith('add "plugin": ["oh-my-opencode"] to opencode.json')
    bad = next(one for one in found.plugins if one.name.endswith("bad.js"))
    assert "opencode.log" in bad.why


async def test_a_broken_file_is_named_by_its_line_and_never_quoted(scene, folder):
    found = await look_for(scene, in_folder(folder / "broken"))
    broken = next(one for one in found.sources if one.place == f"{folder}/broken/opencode.json")
    assert broken.state == "invalid"
    assert "line 2, column 2" in broken.why
    assert found.silence.endswith("refuses: 400 ConfigJsonError")
    assert SECRET not in repr(table.as_json(found))
    assert found.refused


async def test_a_configuration_that_changed_after_the_start_counts_later(scene, folder):
    file = folder / "user/.config/opencode/opencode.jsonc"
    shutil.copy(file, folder / "before")
    write(file, {"provider": {"mine": PROVIDER}, "model": "mine/one", "default_agent": "plan"})
    try:
        finding = await only(inforce.configuration, scene)
    finally:
        shutil.copy(folder / "before", file)
    assert finding.grade == "warning"
    assert str(file) in finding.evidence
    assert finding.mend == "start the service anew"
    assert (await only(inforce.configuration, scene)).grade == "fine"


async def test_a_project_is_looked_at_by_its_name(scene, folder):
    found = await look_in_force(scene, Asked(project="web"))
    assert found.whose.words == "project web"
    assert found.decided.fact("agent") == "build"
    assert found.decided.fact("model") == "mine/one"
    assert found.decided.model_source == str(folder / "user/.config/opencode/opencode.jsonc")
    with pytest.raises(StartError, match="there are: web"):
        await look_in_force(scene, Asked(project="nothing"))


async def test_a_session_is_opened_aborted_and_deleted(scene, server):
    deep = Scene(scene.settings, None, scene.environ, True, now_ms(), scene.address)
    finding = await only(opencode.sessions, deep)
    assert (finding.grade, finding.mend) == ("fine", "")


async def test_the_same_server_run_by_somebody_else_is_seen_by_its_process(folder, server):
    address = server.managed.address
    environ = {
        "HOME": str(folder / "elsewhere"),
        "BOT_DATA_DIR": str(folder / "other"),
        "OPENCODE_URL": address.url,
        "OPENCODE_SERVER_PASSWORD": address.password,
    }
    scene = Scene(load_settings(None, environ), None, environ, False, now_ms(), address)
    found = await look_in_force(scene)
    own = Folders.under(folder / "data").xdg("config") / "opencode/opencode.jsonc"
    assert decides("model", found.sources).place == str(own)
    inline = next(one for one in found.sources if one.layer == "inline")
    assert (inline.state, inline.why) == ("unseen", "it is set; what it holds is not looked at")
    unit = await only(opencode.opencode_machine.unit, scene)
    assert "OPENCODE_SERVER_PASSWORD" in unit.evidence
    said = repr(table.as_json(found)) + unit.evidence
    assert address.password not in said
    assert SECRET not in said
