"""What people trip over in OpenCode's configuration: each named with its evidence and its mend."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace

import orjson
import pytest

from bot.choices import NOBODY
from bot.doctor.checks import inforce
from bot.doctor.command import run as run_doctor
from bot.doctor.inforce import table
from bot.doctor.inforce.choice import Asked, Whose
from bot.doctor.inforce.looking import look_for, look_in_force
from bot.doctor.inforce.plugins import plugins
from bot.errors import StartError
from bot.opencode.environment import Folders
from store import open_store
from store.chats import COLUMNS
from store.database import Statement
from tests.doctor.opencode_scenes import SECRET, look, only, scene_in, scripted, user_folder, write

INSERT = "INSERT INTO chats ({}) VALUES ({})"
RESTART = "start the service anew"  # no unit starts it here


async def test_an_agent_of_a_folder_above_the_project_is_named_with_its_file(tmp_path):
    web = tmp_path / "srv/web"
    web.mkdir(parents=True)
    above = write(tmp_path / "srv/opencode.json", {"default_agent": "plan"})
    async with scripted(tmp_path) as fake:
        fake.config["default_agent"] = "plan"
        scene = scene_in(tmp_path, toml=f'[projects.web]\npath = "{web}"\n')
        finding = await only(inforce.configuration, scene)
        said = await only(inforce.choice, scene)
    assert finding.grade == "warning"
    assert finding.evidence == f"default_agent comes from {above}, above {web}"
    assert finding.mend.startswith(f"take default_agent out of {above}, or `git init` the project")
    assert str(above) in said.evidence


async def test_settings_of_a_plugin_that_is_not_listed_do_not_load_it(tmp_path):
    file = write(user_folder(tmp_path) / "oh-my-opencode.json", {"agents": {}})
    async with scripted(tmp_path) as fake:
        finding = await only(inforce.loaded, scene_in(tmp_path))
        fake.config["plugin"] = ["oh-my-opencode@1.2.3"]
        write(
            tmp_path / "data/opencode/cache/opencode/packages/oh-my-opencode@1.2.3"
            "/node_modules/oh-my-opencode/package.json",
            "{}",
        )
        loaded = await only(inforce.loaded, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert str(file) in finding.evidence
    assert "GET /config lists 0 plugins" in finding.evidence
    assert (
        finding.mend
        == f'add "plugin": ["oh-my-opencode"] to opencode.json of the same folder; {RESTART}'
    )
    assert (loaded.grade, loaded.evidence) == ("fine", "1 loaded: oh-my-opencode@1.2.3")


@pytest.mark.parametrize(
    ("spec", "mend"),
    [
        ("gone", "npm install --prefix {cache}/packages/gone@latest gone@latest"),
        (
            "@team/gone@2.0.0",
            "npm install --prefix {cache}/packages/@team/gone@2.0.0 @team/gone@2.0.0",
        ),
        ("file:///nowhere/gone.ts", "bring /nowhere/gone.ts back"),
    ],
)
async def test_a_plugin_that_is_listed_and_not_there_is_named(tmp_path, spec, mend):
    async with scripted(tmp_path) as fake:
        fake.config["plugin"] = [[spec, {"apiKey": SECRET}]]
        finding = await only(inforce.loaded, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert finding.evidence.startswith(f"{spec}: listed, and ")
    assert finding.mend.startswith(mend.format(cache=tmp_path / "data/opencode/cache/opencode"))
    assert SECRET not in repr(finding)


async def test_a_plugin_in_a_workspace_that_does_not_count_is_not_loaded(tmp_path):
    chat = tmp_path / "data/workspaces/chat"
    write(chat / ".opencode/plugin/watch.ts", "")
    async with scripted(tmp_path):
        found = await look_for(scene_in(tmp_path), Whose("a chat", NOBODY, chat))
    [plugin] = found.plugins
    assert (plugin.name, plugin.loaded) == ("watch.ts", False)
    assert "does not count for a managed server" in plugin.why
    assert "~/.config/opencode/plugin/" in plugin.mend


async def test_a_plugin_in_the_users_folder_that_came_after_the_start_asks_for_a_restart(tmp_path):
    write(user_folder(tmp_path) / "plugin/watch.ts", "")
    async with scripted(tmp_path):
        finding = await only(inforce.loaded, scene_in(tmp_path))
    assert "the server does not list it" in finding.evidence
    assert finding.mend == RESTART


async def test_a_mistake_in_the_users_file_is_named_by_its_line(tmp_path):
    text = f'{{\n  "provider": {{"a": {{"options": {{"apiKey": "{SECRET}"}} }}\n}}\n'
    file = write(user_folder(tmp_path) / "opencode.json", text)
    async with scripted(tmp_path):
        finding = await only(inforce.configuration, scene_in(tmp_path))
    assert finding.grade == "error"
    assert finding.evidence.startswith(f"user: {file}: line 4, column 1: ")
    assert finding.mend == f"mend {file}, then {RESTART}"
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OPENCODE_CONFIG": "/nowhere/a.json"}, "OPENCODE_CONFIG names it, and it is no file"),
        ({"OPENCODE_CONFIG_DIR": "/nowhere"}, "OPENCODE_CONFIG_DIR names it, and it is no folder"),
        ({"OPENCODE_CONFIG_CONTENT": '{"model":'}, "line 1, column 10"),
        ({"OPENCODE_CONFIG_CONTENT": "[]"}, "it is no JSON object"),
    ],
)
async def test_a_variable_that_leads_nowhere_is_an_error(tmp_path, environ, said):
    async with scripted(tmp_path):
        finding = await only(inforce.configuration, scene_in(tmp_path, **environ))
    assert finding.grade == "error"
    assert said in finding.evidence


async def test_permissions_in_the_environment_do_not_reach_a_managed_server(tmp_path):
    async with scripted(tmp_path):
        scene = scene_in(tmp_path, OPENCODE_PERMISSION='{"bash":"deny"}')
        finding = await only(inforce.configuration, scene)
    assert finding.grade == "warning"
    assert finding.mend.startswith("set opencode.permission (BOT_OPENCODE_PERMISSION) instead")


async def test_a_workspaces_own_configuration_is_said_not_to_count(tmp_path):
    file = write(tmp_path / "data/workspaces/chat/opencode.json", {"model": "fake/two"})
    async with scripted(tmp_path):
        finding = await only(inforce.configuration, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert finding.evidence.startswith(f"{file}: a workspace's own configuration does not count")
    assert "[projects.NAME]" in finding.mend


@pytest.mark.parametrize(
    ("environ", "said", "mend"),
    [
        (
            {"OPENCODE_AGENT": "nobody"},
            "OpenCode has no agent nobody (set by OPENCODE_AGENT)",
            "set opencode.agent (OPENCODE_AGENT) to one of: build, plan; or unset it",
        ),
        (
            {"OPENCODE_MODEL": "fake/none"},
            "OpenCode has no model fake/none (set by OPENCODE_MODEL)",
            "set opencode.model (OPENCODE_MODEL) to a model that `opencode models` lists",
        ),
    ],
)
async def test_an_agent_or_model_that_is_set_and_not_there_is_an_error(
    tmp_path, environ, said, mend
):
    async with scripted(tmp_path):
        finding = await only(inforce.choice, scene_in(tmp_path, **environ))
    assert finding.grade == "error"
    assert finding.evidence.startswith(said)
    assert finding.mend.startswith(mend)


@pytest.mark.parametrize(
    ("key", "mend"),
    [("default_agent", "correct default_agent in OpenCode's"), ("model", "log in with")],
)
async def test_what_opencodes_own_configuration_names_must_be_there(tmp_path, key, mend):
    async with scripted(tmp_path) as fake:
        fake.config[key] = "nothing/there"
        finding = await only(inforce.choice, scene_in(tmp_path))
    assert finding.grade == "error"
    assert finding.mend.startswith(mend)


async def test_a_model_that_an_agent_silences_is_said_to_do_nothing(tmp_path):
    async with scripted(tmp_path):
        environ = {"OPENCODE_AGENT": "plan", "OPENCODE_MODEL": "fake/two"}
        finding = await only(inforce.choice, scene_in(tmp_path, **environ))
    assert finding.grade == "warning"
    assert finding.evidence.startswith("opencode.model = fake/two does nothing; agent plan (set by")
    assert finding.mend.startswith("unset opencode.agent (OPENCODE_AGENT) or opencode.model")


@pytest.mark.parametrize(
    ("key", "toml", "grade"),
    [
        ("public", "", "warning"),
        ("public", '[opencode]\nmodel = "opencode/one"', "fine"),
        ("mine", "", "fine"),
    ],
)
async def test_a_public_model_that_nobody_has_chosen_is_named(tmp_path, key, toml, grade):
    provider = {"id": "opencode", "options": {"apiKey": key}, "models": {"one": {}}}
    async with scripted(tmp_path) as fake:
        fake.providers = {"providers": [provider], "default": {"opencode": "one"}}
        del fake.config["model"]
        finding = await only(inforce.choice, scene_in(tmp_path, toml=toml))
    assert finding.grade == grade
    assert ("nobody has chosen a model" in finding.evidence) is (grade == "warning")
    assert finding.mend.startswith("log in to a provider of yours") is (grade == "warning")


async def test_a_chat_reads_the_rule_of_agent_and_model_in_its_language(tmp_path):
    async with scripted(tmp_path) as fake:
        scene = scene_in(tmp_path)
        words = table.short(await look_in_force(scene))
        fake.config["default_agent"] = "gone"
        gone = table.short(await look_in_force(scene))
    assert words.zh.startswith("新聊天用智能体 build（OpenCode 的默认智能体），模型 fake/")
    assert "没有智能体 gone" in gone.zh
    assert "has no agent gone" in gone.en


async def test_nothing_is_said_against_a_service_that_is_well(tmp_path):
    write(user_folder(tmp_path) / "opencode.json", {"model": "fake/one"})
    async with scripted(tmp_path):
        scene = scene_in(tmp_path, OPENCODE_MODEL="fake/two")
        found = [await look(check, scene) for check in inforce.CHECKS]
        words = table.short(await look_in_force(scene))
    assert [one for some in found for one in some if one.grade != "fine"] == []
    assert words.en == (
        "A new chat gets agent build (the server's default agent) "
        "and model fake/two (set by OPENCODE_MODEL)"
    )


async def test_all_that_can_be_told_is_told_while_the_server_is_down(tmp_path):
    file = write(user_folder(tmp_path) / "opencode.json", {"model": "fake/one"})
    scene = scene_in(tmp_path)
    found = table.as_json(await look_in_force(scene))
    assert found["error"] == "OpenCode was never started here"
    [source] = [one for one in found["sources"] if one["place"] == str(file)]
    assert (source["found"], source["valid"], source["in_force"]) == (True, True, True)
    finding = await only(inforce.choice, scene)
    assert finding.grade == "warning"
    assert finding.mend == "see the group OpenCode, then run doctor again"


async def test_a_plugin_that_is_not_loaded_shows_while_the_server_is_down_too(tmp_path):
    write(user_folder(tmp_path) / "oh-my-opencode.jsonc", "{}")
    scene = scene_in(tmp_path)
    finding = await only(inforce.loaded, scene)
    assert "no source of configuration lists it" in finding.evidence
    write(user_folder(tmp_path) / "opencode.json", {"plugin": ["oh-my-opencode"]})
    assert (await only(inforce.loaded, scene)).grade == "fine"


async def test_a_key_that_the_configuration_takes_from_nowhere_is_named(tmp_path):
    provider = {"options": {"apiKey": "{env:MY_KEY}"}}
    write(user_folder(tmp_path) / "opencode.json", {"provider": {"mine": provider}})
    finding = await only(inforce.environment, scene_in(tmp_path))
    assert finding.grade == "warning"
    assert finding.evidence.startswith("OpenCode's configuration refers to {env:MY_KEY}")
    assert finding.mend == "set MY_KEY in the environment file of the service"
    given = scene_in(tmp_path, MY_KEY=SECRET)
    assert (await only(inforce.environment, given)).grade == "fine"


async def test_a_variable_of_the_services_own_is_not_handed_on(tmp_path):
    write(user_folder(tmp_path) / "opencode.json", {"username": "{env:BOT_ADMIN_TOKEN}"})
    scene = scene_in(tmp_path, BOT_ADMIN_TOKEN=SECRET)
    finding = await only(inforce.environment, scene)
    assert finding.mend.startswith("give it another name: what begins with BOT_ or WECOM_")
    assert SECRET not in repr(finding)


async def test_that_plugins_are_switched_off_counts_for_a_server_of_others_alone(tmp_path):
    async with scripted(tmp_path) as fake:
        fake.config["plugin"] = ["one"]
        managed = await look_in_force(scene_in(tmp_path, OPENCODE_PURE="1"))
    [plugin] = managed.plugins
    assert plugin.loaded is False
    environ = {"HOME": str(tmp_path), "OPENCODE_PURE": "1"}
    world = replace(managed.world, managed=False, environ=environ)
    [plugin] = plugins(world, tmp_path, managed.sources, managed.told, RESTART)
    assert plugin.why == "OPENCODE_PURE is set: no plugin runs"
    assert plugin.mend.startswith("unset OPENCODE_PURE")


async def test_what_a_chat_chose_is_told_of_that_chat_alone(tmp_path):
    async with await open_store(scene_in(tmp_path).settings.store.url) as store:
        values = ["wecom:group:wr1", "wecom", "group", "wr1", "", 1, "", "", "", "plan", "", 1, 1]
        marks = ", ".join(f"${place}" for place, _ in enumerate(values, 1))
        await store.database.write(Statement(INSERT.format(COLUMNS, marks), *values))
    async with scripted(tmp_path):
        scene = scene_in(tmp_path)
        found = await look_in_force(scene, Asked("wr1"))
        new = await look_in_force(scene)
        with pytest.raises(StartError, match=r"no chat other ever wrote.*wecom:group:wr1"):
            await look_in_force(scene, Asked("other"))
    assert found.whose.words == "chat wecom:group:wr1"
    assert found.decided.fact("agent_why") == "/agent in this chat"
    assert new.decided.fact("agent") == "build"


async def test_a_service_that_runs_with_another_environment_is_said_to(tmp_path):
    folders = Folders.under(tmp_path / "data")
    folders.make()
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(); input()"
    environ = {"HOME": str(tmp_path / "user"), "OPENCODE_MODEL": SECRET}
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", hold, folders.lock), env=environ, stdin=PIPE, stdout=PIPE
    )
    try:
        await holder.stdout.readline()
        finding = await only(inforce.environment, scene_in(tmp_path))
    finally:
        holder.kill()
        await holder.wait()
    assert finding.grade == "warning"
    assert finding.evidence.endswith(
        "another environment than doctor: BOT_DATA_DIR, OPENCODE_MODEL"
    )
    assert SECRET not in repr(finding)


def test_a_chat_or_project_that_is_not_there_is_wrong_usage(tmp_path, capsys):
    scene = scene_in(tmp_path)
    for asked in (Asked("nobody"), Asked(project="nothing")):
        assert run_doctor(scene.settings, None, scene.environ, as_json=True, asked=asked) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no chat nobody ever wrote" in err
    assert "there is no project nothing" in err


def test_the_json_holds_what_is_in_force_for_the_project_that_was_asked_for(tmp_path, capsys):
    (tmp_path / "web").mkdir()
    scene = scene_in(tmp_path, toml=f'[projects.web]\npath = "{tmp_path}/web"\n')
    asked = Asked(project="web")
    assert run_doctor(scene.settings, scene.file, scene.environ, as_json=True, asked=asked) == 2
    told = orjson.loads(capsys.readouterr().out)["in_force"]
    assert (told["for"], told["directory"]) == ("project web", f"{tmp_path}/web")
    mine = {one["key"]: one["value"] for one in told["settings"]}
    assert mine["projects.web"] == f"{tmp_path}/web"


async def test_a_project_behind_a_link_is_looked_at_where_it_is(tmp_path):
    above = write(tmp_path / "real/opencode.json", {"default_agent": "plan"})
    (tmp_path / "real/web").mkdir()
    (tmp_path / "web").symlink_to(tmp_path / "real/web")
    async with scripted(tmp_path) as fake:
        fake.config["default_agent"] = "plan"
        toml = f'[projects.web]\npath = "{tmp_path}/web"\n'
        finding = await only(inforce.configuration, scene_in(tmp_path, toml=toml))
    assert finding.evidence == f"default_agent comes from {above}, above {tmp_path}/real/web"
