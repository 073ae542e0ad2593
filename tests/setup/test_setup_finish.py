"""What comes behind the answers: programs are found or installed, units are filled in, commands are told."""

import os
import socket

import pytest

from bot.errors import StartError
from bot.opencode.probe import NEWEST
from bot.sandbox.model import ScriptedModel
from bot.setup.draft import Draft
from bot.setup.finish import consult, install_units, remember, search_path, unit_values
from bot.setup.offers import offered
from bot.setup.programs import ROOT, find, install_pinned, install_shared
from bot.setup.steps.address import doubts_about
from bot.setup.steps.model import _one_of
from bot.setup.steps.wecom import new_key, new_token
from bot.setup.terminal import Terminal
from bot.setup.units import can_install
from config.settings import load_settings
from tests.opencode_fixtures import environ_for, skip_without_opencode
from tests.opencode_launch import program
from tests.wecom_fixtures import AES_KEY, TOKEN


@pytest.fixture
def draft(tmp_path):
    draft = Draft.open(tmp_path / "etc/bot.toml")
    draft.put("server.data_dir", str(tmp_path / "var"))
    draft.put("wecom.bot.token", TOKEN)
    draft.put("wecom.bot.aes_key", AES_KEY)
    return draft


def said(capsys):
    return capsys.readouterr().out


def test_units_get_the_paths_of_this_machine(draft, tmp_path, programs):
    found = find({"PATH": programs}, tmp_path)
    shop = tmp_path / "shop"
    shop.mkdir()
    draft.put("projects.shop.path", str(shop))
    draft.put("workspaces.root", str(tmp_path / "work"))
    draft.put("turn.grace", 60.0)
    values = unit_values(draft, draft.settings(), found)
    assert (values.install, values.settings, values.data) == (ROOT, draft.file, tmp_path / "var")
    assert values.secrets == draft.secrets_file
    assert values.writable == (shop, tmp_path / "work")
    assert values.stop_s == 75
    assert not values.external
    assert str(tmp_path / "programs") in values.path


def test_an_opencode_of_its_own_gets_its_port_its_password_and_the_shared_folder(draft, tmp_path):
    draft.put("opencode.url", "http://127.0.0.1:4444")
    draft.put("workspaces.root", "/srv/work")
    draft.with_opencode_file = True
    values = unit_values(draft, draft.settings(), None)
    assert (values.external, values.opencode_port) == (True, 4444)
    assert values.opencode_secrets == tmp_path / "etc/opencode.env"
    assert str(values.workspaces) == "/srv/work"
    assert values.writable == ()


def test_where_systemd_is_not_ours_units_are_written_and_the_rest_is_said(draft, capsys):
    if can_install():
        pytest.skip("this is root on a machine that systemd runs: units would be installed")
    assert not install_units(Terminal(), draft, draft.settings(), None)
    unit = draft.file.parent / "units/opencode-wecom.service"
    assert f"BOT_CONFIG={draft.file}" in unit.read_text()
    assert "systemctl enable --now opencode-wecom.service" in said(capsys)


def test_what_no_unit_can_say_is_said(draft, tmp_path, capsys):
    draft.put("server.data_dir", str(tmp_path / "a folder"))
    assert not install_units(Terminal(), draft, draft.settings(), None)
    assert "The units are not installed" in said(capsys)


def test_the_path_of_a_unit_begins_with_where_programs_were_found(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", programs)
    folders = search_path(find({"PATH": programs}, tmp_path)).split(":")
    assert folders[0] == str(tmp_path / "programs")
    assert {"/usr/local/bin", "/usr/bin", "/bin"} <= set(folders)
    assert len(folders) == len(set(folders))


def test_the_commands_to_remember_name_the_settings_and_root_where_they_need_it(tmp_path, capsys):
    remember(Terminal(), tmp_path / "bot.toml", units=True)
    shown = said(capsys)
    assert f"In {ROOT}:\n" in shown, "nowhere else is the package found"
    assert f"  sudo .venv/bin/python -m bot --config {tmp_path}/bot.toml doctor\n" in shown
    remember(Terminal(), ROOT / "config/bot.toml", units=False)
    shown = said(capsys)
    assert "  .venv/bin/python -m bot doctor\n" in shown
    assert shown.endswith("backup\n"), "the commands stand last"


def test_a_release_is_shared_by_a_link_that_names_the_one_in_use(tmp_path, capsys):
    program(tmp_path / "releases" / NEWEST / "node_modules/.bin", "opencode", NEWEST)
    shared = install_shared(Terminal().say, tmp_path)
    assert shared.exists()
    assert str((tmp_path / "current").readlink()) == f"releases/{NEWEST}"
    (tmp_path / "current").unlink()
    (tmp_path / "1.17.18").mkdir()
    (tmp_path / "current").symlink_to("1.17.18")
    install_shared(Terminal().say, tmp_path)
    assert (tmp_path / "current").readlink().name == "1.17.18", "an upgrade is not undone"


def test_without_make_or_npm_the_mend_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="make and the checkout"):
        install_pinned(Terminal().say)
    fails = program(tmp_path, "make", "no")
    fails.write_text("#!/bin/sh\necho 'npm is needed' >&2\nexit 2\n")
    with pytest.raises(StartError, match="npm is needed"):
        install_pinned(Terminal().say)
    fails.write_text("not a program")
    with pytest.raises(StartError, match="could not be installed"):
        install_pinned(Terminal().say)


def test_no_opencode_at_all_is_a_sentence(tmp_path):
    found = find({"PATH": ""}, tmp_path, runtime=tmp_path)
    assert found.opencode is None
    assert "git" in found.words
    git = program(tmp_path / "git", "git", "git version 2").parent
    old = program(tmp_path / "old", "opencode", "0.1.0").parent
    assert "there is no OpenCode" in find({"PATH": str(git)}, tmp_path, runtime=tmp_path).words
    found = find({"PATH": f"{git}{os.pathsep}{old}"}, tmp_path, runtime=tmp_path)
    assert "OpenCode 0.1.0" in found.words
    assert "outside the proved range" in found.words
    assert not found.proved


def test_an_address_that_wecom_cannot_use_is_doubted():
    assert doubts_about("https://1.1.1.1") == []
    assert [doubt.split(":")[0] for doubt in doubts_about("http://10.0.0.1")] == [
        "this is not https",
        "10.0.0.1 is a private address",
    ]
    nowhere = f"https://{'a' * 70}.example"
    assert "has no address" in doubts_about(nowhere)[0]


def test_what_is_made_for_wecom_is_what_the_settings_take():
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert key.isalnum()
        given = {"WECOM_BOT_TOKEN": new_token(), "WECOM_BOT_AES_KEY": key}
        assert load_settings(None, given).wecom.bot.on


def test_the_doctor_at_the_end_says_nothing_of_what_only_is_not_started_yet(draft, capsys):
    draft.put("server.port", unused())
    draft.put("wecom.api_url", f"http://127.0.0.1:{unused()}")
    draft.file.parent.mkdir()
    draft.file.touch(mode=0o644)
    consult(Terminal(), draft.settings(), draft.file, {"PATH": os.environ["PATH"]})
    shown = said(capsys)
    assert "nobody is admitted" in shown, "what is not fine"
    assert "✅" not in shown
    for later in ("it does not run", "never started", "not there", "✅"):
        assert later not in shown
    assert "errors" in shown.splitlines()[-1]


def test_a_name_that_is_like_no_other_is_answered_with_those_that_there_are():
    check = _one_of("opencode.agent", ("build", "plan"))
    assert check("zzz") == "OpenCode has none of that name. There are: build, plan."
    assert check("pla") == "OpenCode has none of that name. Near: plan."
    assert check("plan") == ""


async def test_where_all_models_are_the_public_ones_of_the_vendor_that_is_known(tmp_path, fake):
    data = {"BOT_DATA_DIR": str(tmp_path), "OPENCODE_URL": fake.url}
    data |= {"OPENCODE_SERVER_PASSWORD": fake.password}
    assert not (await offered(load_settings(None, data), {})).public
    provider = {"id": "opencode", "options": {"apiKey": "public"}, "models": {"one": {}}}
    fake.providers = {"providers": [provider], "default": {"opencode": "one"}}
    assert (await offered(load_settings(None, data), {})).public


@pytest.mark.opencode
async def test_an_opencode_is_started_for_the_question_alone(tmp_path):
    skip_without_opencode(tmp_path / "look")
    model = ScriptedModel()
    port = int((await model.start()).rpartition(":")[2].partition("/")[0])
    data = {"BOT_DATA_DIR": str(tmp_path / "data"), "OPENCODE_URL": f"http://127.0.0.1:{unused()}"}
    offers = await offered(load_settings(None, data), environ_for(tmp_path, port), own_unit=True)
    await model.stop()
    assert "demo/demo" in offers.models
    assert "build" in offers.agents
    assert not (tmp_path / "data").exists()


async def test_a_server_that_cannot_be_asked_is_a_reason(tmp_path, fake):
    data = {"BOT_DATA_DIR": str(tmp_path), "OPENCODE_URL": f"http://127.0.0.1:{unused()}"}
    offers = await offered(load_settings(None, data), {})
    assert offers.error
    fake.fault("/agent", "error")
    offers = await offered(load_settings(None, {**data, "OPENCODE_URL": fake.url}), {})
    assert offers.error


def unused():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
