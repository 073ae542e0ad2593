"""The person at the terminal: asked, and heard when they interrupt."""

import argparse
import asyncio
import os
import signal
import sys

import pytest

from bot.opencode.hold import read_hold
from bot.upgrade import command
from tests.opencode_fixtures import until
from tests.upgrade.house import OLD
from tests.upgrade.test_refusals import running_turn


@pytest.fixture
def terminal(monkeypatch):
    """A terminal: what is written to the returned end is typed."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


def options(**changes):
    return argparse.Namespace(**{"yes": False, "non_interactive": False} | changes)


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y", True), ("YES", True), ("n", False), ("", False)]
)
async def test_only_a_yes_agrees(terminal, typed, agreed, capsys):
    os.write(terminal, f"{typed}\n".encode())
    assert await command._agreed(options(), "Go back?") is agreed
    assert "Go back? [y/N]" in capsys.readouterr().out


async def test_who_is_not_to_be_asked_is_not_asked(terminal, capsys):
    assert await command._agreed(options(yes=True), "Go back?")
    assert not await command._agreed(options(non_interactive=True), "Go back?")
    assert "[y/N]" not in capsys.readouterr().out


async def test_an_interrupt_at_the_terminal_goes_back(house):
    before = house.sessions
    running_turn(house)
    async with asyncio.TaskGroup() as group:
        job = group.create_task(house.opencode_command("upgrade", "--drain-for", "60"))
        await until(lambda: "Waiting for 1 turn" in house.output)
        os.kill(read_hold(house.folders.hold).owner.pid, signal.SIGINT)
    ran = job.result()
    assert ran.code == 1, ran.text
    assert "Interrupted." in ran.text
    assert house.chosen == OLD
    assert house.sessions == before
    assert not house.folders.hold.exists()
    assert house.left_running() == []
