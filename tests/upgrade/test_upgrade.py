"""An upgrade and its way back, with the service down; and what makes it go back by itself."""

import json

import pytest

from tests.upgrade.house import NEW, OLD


def untouched(house, before):
    """Assert that all is as it was before an upgrade that failed."""
    assert house.chosen == OLD
    assert house.sessions == before
    assert NEW not in house.opened
    assert not house.folders.hold.exists()
    assert not house.folders.canary.exists()
    assert house.left_running() == []


async def test_an_upgrade_switches_and_keeps_every_session(house):
    before = house.sessions
    ran = await house.opencode_command("upgrade", "--to", NEW)
    assert ran.code == 0, ran.text
    assert house.chosen == NEW
    assert house.sessions == before
    assert house.opened == [OLD, NEW]
    assert house.journal.outcome == "done"
    assert not house.folders.hold.exists()
    assert not house.folders.canary.exists()
    assert house.left_running() == []
    assert f"Done: OpenCode {NEW}" in ran.text


async def test_a_rollback_brings_release_and_data_of_before_and_says_what_is_lost(house):
    before = house.sessions
    await house.opencode_command("upgrade", "--to", NEW)
    house.add_session("ses_since", at=house.journal.ended_at + 60_000)
    ran = await house.opencode_command("rollback", "--yes")
    assert ran.code == 0, ran.text
    assert house.chosen == OLD
    assert house.sessions == before
    assert house.opened == [OLD, OLD]
    assert len(house.backups) == 2
    assert house.backups[1] in ran.text
    assert house.left_running() == []


async def test_without_an_answer_a_rollback_changes_nothing(house):
    await house.opencode_command("upgrade", "--to", NEW)
    ran = await house.opencode_command("rollback")
    assert ran.code == 1
    assert "--yes" in ran.text
    assert house.chosen == NEW
    assert house.journal.command == "upgrade"


async def test_a_second_rollback_finds_nothing_to_go_back_to(house):
    await house.opencode_command("upgrade", "--to", NEW)
    await house.opencode_command("rollback", "--yes")
    ran = await house.opencode_command("rollback", "--yes")
    assert ran.code == 1
    assert "nothing to go back to" in ran.text


@pytest.mark.parametrize("fault", ["dies", "forgets", "shortens", "lies"])
async def test_a_release_that_fails_on_a_copy_never_gets_the_data(house, fault):
    before = house.sessions
    house.spoil(NEW, fault)
    ran = await house.opencode_command("upgrade", "--to", NEW)
    assert ran.code == 1, ran.text
    assert "FAILED" in ran.text
    untouched(house, before)
    assert house.journal.outcome == "undone"


async def test_a_release_that_breaks_the_contract_never_gets_the_data(house):
    before = house.sessions
    broken = json.dumps([[["abort", False, "the turn went on"]]] * 2)
    ran = await house.opencode_command("upgrade", "--to", NEW, TEST_CONTRACT=broken)
    assert ran.code == 1
    assert "abort: the turn went on" in ran.text
    untouched(house, before)


async def test_what_breaks_once_on_a_busy_machine_is_looked_at_once_more(house):
    broken = json.dumps([[["abort", False, "it took too long"]], []])
    ran = await house.opencode_command("upgrade", "--to", NEW, TEST_CONTRACT=broken)
    assert ran.code == 0, ran.text
    assert "once more: abort (it took too long)" in ran.text
    assert house.chosen == NEW


@pytest.mark.parametrize("fault", ["dies", "forgets", "deaf", "rude"])
async def test_a_release_that_fails_with_the_data_is_taken_back_and_so_are_they(house, fault):
    before = house.sessions
    house.spoil(NEW, fault, live=True)
    ran = await house.opencode_command("upgrade", "--to", NEW)
    assert ran.code == 1, ran.text
    assert f"OpenCode {OLD} runs as before" in ran.text
    untouched(house, before)


async def test_a_way_back_that_fails_too_holds_all_back_until_it_succeeds(house):
    before = house.sessions
    house.spoil(NEW, "deaf", live=True)
    house.spoil(OLD, "rude")
    ran = await house.opencode_command("upgrade", "--to", NEW)
    assert ran.code == 1
    assert "still held back" in ran.text
    assert house.folders.hold.exists()
    status = await house.opencode_command("status")
    assert "unfinished (on its way back" in status.text
    house.mend(OLD)
    ran = await house.opencode_command("upgrade", "--to", NEW)
    assert ran.code == 1
    untouched(house, before)
