"""The command is killed behind each step; done again, it goes on or goes back."""

import signal
from pathlib import Path

import pytest

from tests.upgrade.house import NEW, OLD

KILLED = -signal.SIGKILL
STEPS = ("freeze", "drain", "hold", "save", "try", "switch", "start", "check", "lift")
BACK = ("hold", "restore", "switch", "start", "check")


def settled(house, version, before):
    assert house.chosen == version
    assert house.sessions == before
    assert not house.folders.hold.exists()
    assert not house.folders.canary.exists()
    assert house.journal.over
    assert house.left_running() == []


@pytest.mark.parametrize("step", STEPS)
async def test_an_upgrade_that_was_killed_goes_on_when_it_is_done_again(house, step):
    before = house.sessions
    ran = await house.opencode_command("upgrade", TEST_CRASHPOINT=f"upgrade.{step}")
    assert ran.code == KILLED, ran.text
    assert house.folders.hold.exists() is (step != "lift")
    ran = await house.opencode_command("upgrade")
    assert ran.code == 0, ran.text
    assert f"unfinished upgrade from {OLD} to {NEW} goes on" in ran.text
    settled(house, NEW, before)
    assert len(house.backups) == 1


@pytest.mark.parametrize("step", ["freeze", "save", "check"])
async def test_an_upgrade_that_was_killed_is_undone_by_a_rollback(house, step):
    before = house.sessions
    await house.opencode_command("upgrade", TEST_CRASHPOINT=f"upgrade.{step}")
    ran = await house.opencode_command("rollback", "--non-interactive")
    assert ran.code == 0, ran.text
    settled(house, OLD, before)


async def test_an_upgrade_cut_off_behind_its_end_is_rolled_back_only_with_leave(house):
    await house.opencode_command("upgrade", TEST_CRASHPOINT="upgrade.lift")
    house.add_session("ses_since")
    ran = await house.opencode_command("rollback", "--non-interactive")
    assert ran.code == 1, ran.text
    assert "Lost with that" in ran.text
    assert house.chosen == NEW
    assert "ses_since" in house.sessions
    ran = await house.opencode_command("rollback", "--yes")
    assert ran.code == 0, ran.text
    assert house.chosen == OLD
    assert "ses_since" not in house.sessions


async def test_an_upgrade_that_is_undone_leaves_no_half_a_backup(house):
    await house.opencode_command("upgrade", TEST_CRASHPOINT="upgrade.hold")
    draft = house.data / "backups" / f".{Path(house.journal.backup).name}.new"
    draft.mkdir(parents=True)
    ran = await house.opencode_command("rollback", "--non-interactive")
    assert ran.code == 0, ran.text
    assert house.backups == []


@pytest.mark.parametrize("step", BACK)
async def test_a_way_back_that_was_killed_goes_on_when_it_is_done_again(house, step):
    before = house.sessions
    house.spoil(NEW, "deaf", live=True)
    ran = await house.opencode_command("upgrade", TEST_CRASHPOINT=f"upgrade.back.{step}")
    assert ran.code == KILLED, ran.text
    ran = await house.opencode_command("upgrade")
    assert ran.code == 1, ran.text
    assert "event stream" in ran.text
    settled(house, OLD, before)
    assert NEW not in house.opened


@pytest.mark.parametrize("step", ["save", "restore", "switch", "start"])
async def test_a_rollback_that_was_killed_goes_on_when_it_is_done_again(house, step):
    before = house.sessions
    await house.opencode_command("upgrade")
    house.add_session("ses_since")
    ran = await house.opencode_command("rollback", "--yes", TEST_CRASHPOINT=f"upgrade.{step}")
    assert ran.code == KILLED, ran.text
    ran = await house.opencode_command("rollback", "--yes")
    assert ran.code == 0, ran.text
    settled(house, OLD, before)
    assert NEW not in house.opened


async def test_another_release_is_not_begun_while_an_upgrade_is_unfinished(house):
    await house.opencode_command("upgrade", TEST_CRASHPOINT="upgrade.freeze")
    ran = await house.opencode_command("upgrade", "--to", "1.17.18")
    assert ran.code == 1
    assert "unfinished" in ran.text
    assert house.journal.target == NEW
