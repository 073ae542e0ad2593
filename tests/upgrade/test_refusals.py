"""What is refused before anything is held back, with the reason; and what status says of it."""

import fcntl
import sqlite3

import pytest

from bot.opencode.releases import Release, installed, number_of
from bot.upgrade import prepare
from bot.upgrade.managed import ManagedEngine
from tests.upgrade.house import NEW, OLD

FAR = "2.0.0"


def unchanged(house):
    assert house.chosen == OLD
    assert not house.folders.hold.exists()
    assert not house.folders.journal.exists()
    assert house.backups == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (FAR, "outside the range"),
        ("1.18", "outside the range"),
        ("1.0.0", "outside the range"),
    ],
)
async def test_a_release_that_is_not_proved_needs_force(house, target, reason):
    house.install(FAR)
    ran = await house.opencode_command("upgrade", "--to", target)
    assert ran.code == 1
    assert reason in ran.text
    unchanged(house)


async def test_force_takes_one_that_is_not_proved_and_tries_it_all_the_same(house):
    house.install(FAR)
    house.spoil(FAR, "forgets")
    ran = await house.opencode_command("upgrade", "--to", FAR, "--force")
    assert ran.code == 1
    assert "sessions of chats are not there" in ran.text
    house.mend(FAR)
    ran = await house.opencode_command("upgrade", "--to", FAR, "--force")
    assert ran.code == 0, ran.text
    assert house.chosen == FAR


async def test_an_older_release_is_no_upgrade(house):
    house.choose(NEW)
    ran = await house.opencode_command("upgrade", "--to", OLD)
    assert ran.code == 1
    assert "rollback" in ran.text


async def test_what_runs_already_is_left_alone(house):
    ran = await house.opencode_command("upgrade", "--to", OLD)
    assert ran.code == 0
    assert "runs already" in ran.text
    unchanged(house)


async def test_sessions_in_json_files_are_not_left_behind(house):
    (house.opencode / "opencode.db").unlink()
    folder = house.opencode / "storage/session/project"
    folder.mkdir(parents=True)
    (folder / "ses_1.json").write_text("{}")
    ran = await house.opencode_command("upgrade")
    assert ran.code == 1
    assert "JSON files" in ran.text
    assert str(house.opencode / "storage") in ran.text
    unchanged(house)
    status = await house.opencode_command("status")
    assert "would be refused" in status.text


async def test_a_disk_without_room_is_found_before_anything_is_held_back(house, monkeypatch):
    monkeypatch.setattr(prepare, "SPARE_BYTES", 10**18)
    engine = ManagedEngine(house.settings, house.environ, None)
    with pytest.raises(prepare.UpgradeError, match="Make space first"):
        await prepare.upgrade_to(NEW, engine, house.settings, int, print, force=False)
    unchanged(house)


async def test_a_release_that_cannot_be_installed_changes_nothing(house):
    ran = await house.opencode_command("upgrade", "--to", "1.17.18", PATH="/nowhere")
    assert ran.code == 1
    unchanged(house)


async def test_one_command_at_a_time(house):
    with (house.folders.root / "upgrade.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = await house.opencode_command("upgrade")
    assert ran.code == 1
    assert "under way" in ran.text
    unchanged(house)


def running_turn(house):
    """Have our store know of a turn that OpenCode is at."""
    with sqlite3.connect(house.data / "bot.db") as database:
        database.execute(
            "INSERT INTO turns (message, chat, sender, kind, text, quote, attachments, language,"
            " forced, bubble, epoch, state, prompt_state, created_at, fence, session)"
            " SELECT 'm0', key, 'zhang', 'prompt', 'x', '', '[]', 'zh', 0, 0, 0, 'running',"
            " 'accepted', 1, 1, 'ses_zhang' FROM chats LIMIT 1"
        )


async def test_turns_that_run_are_named_and_interrupted_only_with_leave(house):
    running_turn(house)
    ran = await house.opencode_command("upgrade", "--drain-for", "0", "--non-interactive")
    assert ran.code == 1
    assert "would be interrupted" in ran.text
    assert "nobody" in ran.text.casefold()
    assert house.chosen == OLD
    assert not house.folders.hold.exists()
    assert house.journal.outcome == "undone"
    ran = await house.opencode_command("upgrade", "--drain-for", "0", "--yes")
    assert ran.code == 0, ran.text
    assert house.chosen == NEW


async def test_status_changes_nothing_and_tells_where_all_stands(house):
    ran = await house.opencode_command("status")
    assert ran.code == 0, ran.text
    for words in (
        *(f"version     {OLD}", f"chosen      {OLD}", f"installed   {OLD}, {NEW}"),
        *("4 sessions of 4 chats", "hold        none", "no upgrade so far"),
        *(f"would switch to {NEW}", "does not run"),
    ):
        assert words in ran.text
    await house.opencode_command("upgrade")
    ran = await house.opencode_command("status")
    assert f"way back    to {OLD}" in ran.text
    assert ": done at" in ran.text
    assert "would do nothing" in ran.text


async def test_status_names_what_takes_room_and_how_to_remove_what_nobody_needs(house):
    house.install("1.15.13")
    await house.opencode_command("upgrade")
    way_back = house.backups[0]
    unneeded = house.data / "backups/opencode-1.15.13-1.14.41-20260101-000000"
    unneeded.mkdir()
    (unneeded / "data").write_bytes(b"x" * 3_000_000)
    ran = await house.opencode_command("status")
    assert "3 releases with" in ran.text
    assert "2 backups of upgrades with 3." in ran.text
    removal = ran.text.split("rm -r ")[1].splitlines()[0].split()
    assert removal == [str(house.folders.releases / "1.15.13"), str(unneeded)]
    assert way_back in ran.text
    await house.opencode_command("rollback", "--yes", TEST_CRASHPOINT="upgrade.save")
    ran = await house.opencode_command("status")
    assert "rm -r" not in ran.text


async def test_a_chosen_release_that_is_gone_is_installed_again_by_an_upgrade(house):
    tools, release = house.folder / "tools", house.folders.releases / OLD
    tools.mkdir()
    (house.folder / "kept").mkdir()
    release.rename(house.folder / "kept" / OLD)
    npm = tools / "npm"  # brings what is kept beside it
    npm.write_text(f'#!/bin/sh\ncp -r "{house.folder}/kept/{OLD}/." "$3"\n')
    npm.chmod(0o755)
    release.mkdir()  # as a removal leaves it that was cut off
    ran = await house.opencode_command("upgrade", PATH=f"{tools}:{house.environ['PATH']}")
    assert ran.code == 0, ran.text
    assert f"OpenCode {OLD} is chosen and is not there any more" in ran.text
    assert house.chosen == NEW
    assert house.opened == [OLD, NEW]


async def test_a_hold_that_nobody_owns_is_shown_and_ended_by_a_rollback(house):
    await house.opencode_command("upgrade", TEST_CRASHPOINT="upgrade.freeze")
    ran = await house.opencode_command("status")
    assert "is over" in ran.text
    assert "would go on" in ran.text
    house.folders.journal.unlink()
    ran = await house.opencode_command("rollback")
    assert ran.code == 0
    assert not house.folders.hold.exists()


async def test_a_damaged_backup_is_not_put_back(house):
    await house.opencode_command("upgrade")
    (house.data / "backups" / house.backups[0] / "data/opencode.db").write_bytes(b"rot")
    ran = await house.opencode_command("rollback", "--yes")
    assert ran.code == 1
    assert "is damaged" in ran.text
    assert house.chosen == NEW
    assert not house.folders.hold.exists()


async def test_a_journal_that_cannot_be_read_is_named(house):
    house.folders.root.mkdir(exist_ok=True)
    house.folders.journal.write_text("{")
    ran = await house.opencode_command("upgrade")
    assert ran.code == 1
    assert str(house.folders.journal) in ran.text


async def test_a_release_off_the_path_is_installed_beside_when_the_path_has_changed(house):
    """The way back must start the very release that ran, wherever that came from."""
    engine = ManagedEngine(house.settings, house.environ | {"PATH": "/usr/bin:/bin"}, None)
    engine._runtime = house.folder / "none"
    assert await engine.resort(Release(""), OLD) == Release(OLD)


def test_installed_releases_are_listed_in_the_order_of_versions(house):
    house.install("1.9.0")
    (house.folders.releases / "1.20.0").mkdir()
    assert installed(house.folders.releases) == ["1.9.0", OLD, NEW]
    assert number_of("none") < number_of("1.0.0")
