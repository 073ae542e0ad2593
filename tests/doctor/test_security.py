"""Faults of roles, modes, arguments and places: each is named with its mend, and never by its value."""

import os
import subprocess
import sys

import pytest

from bot.doctor.checks.security import shown_in
from tests.doctor.scenes import live, only, programs, scene_in, seen, unit
from tests.wecom_fixtures import AES_KEY, TOKEN

SLEEPER = "import sys; print('here', flush=True); sys.stdin.read()"
SECRET = "hidden-from-all-4711"


@pytest.fixture
def run_with():
    """Start processes with arguments that hold something; they are over when the test is."""
    running = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-c", SLEEPER, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout.readline() == "here\n"
        return process.pid

    yield start
    for process in running:
        process.communicate("")


async def test_that_everybody_is_an_administrator_is_named(tmp_path):
    found = await only(scene_in(tmp_path, BOT_ADMINS="*"), "security.roles")
    assert (found.grade, "access.admins is *" in found.evidence) == ("error", True)
    assert "BOT_ADMINS" in found.mend


async def test_that_nobody_is_an_administrator_is_named(tmp_path):
    found = await only(scene_in(tmp_path, BOT_ADMINS=""), "security.roles")
    assert (found.grade, "no administrator" in found.evidence) == ("warning", True)


async def test_a_settings_file_with_secrets_that_others_can_read_is_named(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text(f'[wecom.bot]\ntoken = "{TOKEN}"\naes_key = "{AES_KEY}"\n')
    file.chmod(0o644)
    scene = scene_in(tmp_path, file=file, WECOM_BOT_TOKEN=None, WECOM_BOT_AES_KEY=None)
    found = await only(scene, "security.modes")
    assert (found.grade, found.mend) == ("error", f"chmod o-rwx {file}")
    assert f"{file} (the settings file with secrets in it) has mode 0644" in found.evidence
    assert TOKEN not in found.evidence
    file.chmod(0o640)  # root's, and the service's group
    assert (await only(scene, "security.modes")).grade == "fine"


async def test_a_settings_file_without_secrets_may_be_read_by_all(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text("[server]\nport = 8080\n")
    file.chmod(0o644)
    found = await only(scene_in(tmp_path, file=file), "security.modes")
    assert found.grade == "fine"


async def test_a_settings_file_that_is_no_toml_may_hold_anything(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text("token = planted")
    file.chmod(0o644)
    assert (await only(scene_in(tmp_path, file=file), "security.modes")).grade == "error"


async def test_the_environment_file_of_the_unit_is_looked_at(tmp_path):
    file = tmp_path / "opencode-wecom.env"
    file.touch(mode=0o600)
    listed = f"{file} (ignore_errors=no)\nEnvironmentFiles={tmp_path}/none (ignore_errors=yes)"
    path = programs(tmp_path / "bin", systemctl=unit(EnvironmentFiles=listed))
    scene = scene_in(tmp_path, PATH=path)
    assert (await only(scene, "security.modes")).grade == "fine"
    file.chmod(0o644)
    found = await only(scene, "security.modes")
    assert (found.grade, found.mend) == ("error", f"chmod o-rwx {file}")
    assert "(the environment file of the unit) has mode 0644" in found.evidence


async def test_secret_files_that_others_can_read_are_named(tmp_path):
    beside, named = tmp_path / "opencode-wecom.env", tmp_path / "my token"
    of_opencode = tmp_path / "opencode.env"
    for file in (beside, of_opencode):
        file.write_text(f"OPENCODE_SERVER_PASSWORD={SECRET}\n")
    named.write_text(SECRET)
    for file in (beside, of_opencode, named):
        file.chmod(0o604)
    file = tmp_path / "bot.toml"
    file.touch(mode=0o600)
    scene = scene_in(tmp_path, file=file, BOT_ADMIN_TOKEN=None, BOT_ADMIN_TOKEN_FILE=str(named))
    found = await seen(scene, "security.modes")
    assert [one.mend for one in found] == [
        f"chmod o-rwx {beside}",
        f"chmod o-rwx {of_opencode}",
        f"chmod o-rwx '{named}'",
    ]
    assert "the environment file of OpenCode" in found[1].evidence
    assert "the file that BOT_ADMIN_TOKEN_FILE names" in found[2].evidence


async def test_what_the_service_keeps_is_for_its_user_alone(tmp_path):
    scene = scene_in(tmp_path)
    (scene.data_dir / "backups").mkdir()
    for name in ("admin.token", "link.key", "bot.db", "backups/bot.tar.gz"):
        (scene.data_dir / name).touch(mode=0o600)
        (scene.data_dir / name).chmod(0o600)
    assert (await only(scene, "security.modes")).grade == "fine"
    for name in ("admin.token", "backups/bot.tar.gz"):
        (scene.data_dir / name).chmod(0o640)
    scene.data_dir.chmod(0o755)
    found = await seen(scene, "security.modes")
    assert {one.mend for one in found} == {
        f"chmod 700 {scene.data_dir}",
        f"chmod 600 {scene.data_dir}/admin.token",
        f"chmod 600 {scene.data_dir}/backups/bot.tar.gz",
    }


async def test_a_secret_in_the_arguments_of_a_process_is_named_without_it(tmp_path, run_with):
    scene = scene_in(tmp_path, OPENCODE_URL="http://127.0.0.1:1", OPENCODE_SERVER_PASSWORD=SECRET)
    pid = run_with(f"--password={SECRET}")
    (found,) = [one for one in await seen(scene, "security.arguments") if one.grade == "error"]
    assert found.evidence.startswith(f"process {pid} (")
    assert found.evidence.endswith("shows opencode.password in its arguments")
    assert SECRET not in found.evidence + found.mend


def test_a_variable_with_a_secret_in_the_arguments_of_a_process_is_seen():
    given = ["env", "OPENCODE_SERVER_PASSWORD=of-somebody", "opencode", "serve"]
    assert shown_in(given, {}) == "a variable that holds a secret"
    assert shown_in(["env", "OPENCODE_SERVER_PASSWORD_FILE=/run/secret"], {}) == ""
    assert shown_in(["a", "--b=word-two"], {"two": "word-two", "one": "word"}) == "one, two"


async def test_a_secret_within_a_project_is_named(tmp_path):
    project = tmp_path / "shop"
    project.mkdir()
    file = project / "bot.toml"
    file.write_text(f'projects.shop.path = "{project}"\n[server]\nadmin_token = "{SECRET}"\n')
    file.chmod(0o600)
    scene = scene_in(tmp_path, file=file, BOT_ADMIN_TOKEN=None)
    found = await only(scene, "security.places")
    assert (found.grade, found.mend) == ("error", f"move it out of {project}")
    assert found.evidence.startswith(f"{file} (the settings file with secrets in it) is within")


async def test_a_data_folder_within_a_project_is_named_once(tmp_path):
    file = tmp_path / "settings" / "bot.toml"
    file.parent.mkdir()
    file.write_text(f'projects.shop.path = "{tmp_path}"\n')
    scene = scene_in(tmp_path, file=file)
    (scene.data_dir / "admin.token").touch()
    found = await only(scene, "security.places")
    assert found.evidence.startswith(f"{scene.data_dir} (the data folder) is within")


async def test_the_isolation_in_force_is_told_by_the_users_of_both(tmp_path):
    here = scene_in(tmp_path, told=live(opencode={"pid": os.getpid()}))
    found = await only(here, "security.isolation")
    assert (found.grade, found.evidence.split(":")[0]) == ("fine", "same user")
    if os.getuid() == 0:
        os.chown(here.data_dir, 12345, -1)
        found = await only(here, "security.isolation")
        assert found.evidence == "own user: OpenCode is root, the service is 12345"
    assert await seen(scene_in(tmp_path), "security.isolation") == []
