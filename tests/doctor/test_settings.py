"""Settings that cannot be used are the first thing that is told; what is right of them is looked at."""

import sys

from config.settings import Settings, salvage_settings
from tests.doctor.scenes import as_nobody, only, programs, scene_in, seen, theirs, unit
from tests.wecom_fixtures import AES_KEY, TOKEN

WRONG = """
nonsense = 1
[server]
port = "eighty"
public_url = "https://bot.example.com"
hots = "0.0.0.0"
[projects.shop]
path = "/nowhere/shop"
[turn]
timeout = "soon"
"""


async def test_every_key_that_is_wrong_is_named_with_its_own_mend(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text(WRONG)
    scene = scene_in(tmp_path, file=file, WECOM_BOT_AES_KEY="short", BOT_PROT="1")
    found = {one.evidence.split(":")[0]: one for one in await seen(scene, "settings.valid")}
    assert {one.grade for one in found.values()} == {"error"}
    assert found.keys() == {
        "nonsense",
        "server.port / BOT_PORT",
        "server.hots",
        "projects.shop.path",
        "turn.timeout / BOT_TURN_TIMEOUT",
        "wecom.bot.aes_key / WECOM_BOT_AES_KEY",
        "BOT_PROT",
    }
    assert found["wecom.bot.aes_key / WECOM_BOT_AES_KEY"].mend == (
        "correct the variable WECOM_BOT_AES_KEY"
    )
    assert "did you mean BOT_PORT" in found["BOT_PROT"].mend


async def test_what_is_right_of_wrong_settings_is_looked_at(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text(WRONG)
    settings = scene_in(tmp_path, file=file, BOT_PUBLIC_URL=None).settings
    assert settings.server.public_url == "https://bot.example.com"
    assert settings.server.port == Settings().server.port
    assert settings.server.data_dir == tmp_path / "data"
    assert settings.projects == {}
    assert settings.access.admins == ("boss",)


def test_settings_that_are_right_are_salvaged_as_they_are_loaded(tmp_path):
    settings, problems = salvage_settings(None, {"BOT_DATA_DIR": str(tmp_path)})
    assert (settings.server.data_dir, problems) == (tmp_path, ())


def test_tables_that_are_none_and_files_that_are_no_toml_leave_the_defaults(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[wecom]\nallowed_hosts = ["a.com", "no/host"]\napi_url = "https://b.com"\n')
    settings, problems = salvage_settings(file, {})
    assert (settings.wecom.api_url, len(problems)) == ("https://b.com", 1)
    for content in ('server = "x"\nprojects = 3\nwecom.bot = 7', "no toml", "\xff"):
        file.write_text(content, encoding="latin-1")
        settings, problems = salvage_settings(file, {})
        assert problems
        assert settings.server.port == Settings().server.port
    settings, problems = salvage_settings(tmp_path / "none.toml", {"BOT_PORT": "81"})
    assert (settings.server.port, len(problems)) == (81, 1)


async def test_that_nothing_is_configured_is_told(tmp_path):
    scene = scene_in(tmp_path, WECOM_BOT_TOKEN=None, WECOM_BOT_AES_KEY=None)
    found = await only(scene, "settings.source")
    assert (found.grade, found.mend) == ("warning", "python -m bot setup")


UNIT_OF_ITS_OWN = {
    "User": "opencode-wecom",
    "WorkingDirectory": "/opt/opencode-wecom",
    "EnvironmentFiles": "/etc/opencode-wecom/opencode-wecom.env (ignore_errors=no)",
    "Environment": "'BOT_CONFIG=/etc/opencode-wecom/bot.toml' A=hidden-from-all-4711",
}


async def test_that_the_unit_runs_with_other_settings_is_told_with_how_to_look_at_those(tmp_path):
    path = programs(tmp_path / "bin", systemctl=environment_last(**UNIT_OF_ITS_OWN))
    found = await only(scene_in(tmp_path, PATH=path), "settings.source")
    assert found.grade == "warning"
    assert "opencode-wecom.service runs with other settings than these, from " in found.evidence
    assert "/etc/opencode-wecom/bot.toml, /etc/opencode-wecom/opencode-wecom.env" in found.evidence
    assert found.mend == (
        "systemd-run --quiet --wait --pipe --collect --uid=opencode-wecom"
        " --working-directory=/opt/opencode-wecom"
        " --property=EnvironmentFile=/etc/opencode-wecom/opencode-wecom.env"
        f" --setenv=BOT_CONFIG=/etc/opencode-wecom/bot.toml {sys.executable} -m bot doctor"
    )


async def test_an_environment_that_cannot_be_read_names_no_file(tmp_path):
    path = programs(tmp_path / "bin", systemctl=environment_last(Environment="'BOT_CONFIG=/etc/b"))
    assert (await only(scene_in(tmp_path, PATH=path), "settings.source")).grade == "fine"


async def test_secrets_that_only_the_unit_has_are_told_too(tmp_path):
    path = programs(tmp_path / "bin", systemctl=environment_last(EnvironmentFiles="/etc/a.env"))
    scene = scene_in(tmp_path, PATH=path, WECOM_BOT_TOKEN=None, WECOM_BOT_AES_KEY=None)
    found = await only(scene, "settings.source")
    assert (found.grade, "from /etc/a.env" in found.evidence) == ("warning", True)
    assert "--uid" not in found.mend


async def test_the_settings_of_the_unit_are_fine_when_they_are_looked_at(tmp_path):
    file = tmp_path / "bot.toml"
    file.touch()
    (tmp_path / "opencode-wecom.env").touch()
    path = programs(tmp_path / "bin", systemctl=environment_last(Environment=f"BOT_CONFIG={file}"))
    found = await only(scene_in(tmp_path, file=file, PATH=path), "settings.source")
    assert (found.grade, found.evidence.split(";")[0]) == (
        "fine",
        f"{file}, {tmp_path}/opencode-wecom.env",
    )


def environment_last(Environment="", **facts):  # noqa: N803 - as systemd spells it
    """Return a systemctl that says the environment alone when asked for it, as the real one does."""
    return f"Environment={Environment}\n{unit(**facts)}"


async def test_where_settings_come_from_is_told_without_their_values(tmp_path):
    found = await only(scene_in(tmp_path), "settings.source")
    assert found.evidence == "no settings file; 7 variables of the environment above it"
    assert not any(secret in found.evidence for secret in (TOKEN, AES_KEY))


def test_settings_that_must_not_be_read_are_a_mistake_and_no_traceback():
    with theirs("etc/") as folder:
        (folder / "bot.toml").touch()
        (folder / "opencode-wecom.env").touch()
        with as_nobody(folder):
            _, problems = salvage_settings(folder / "bot.toml", {})
    assert [(one.key, one.problem) for one in problems] == [
        (str(folder / "bot.toml"), "cannot be read: Permission denied")
    ]


def test_a_service_on_the_sixth_protocol_is_asked_there(tmp_path):
    assert scene_in(tmp_path, BOT_HOST="::1").url == "http://[::1]:8080"
    assert scene_in(tmp_path, BOT_HOST="::").url == "http://[::1]:8080"
