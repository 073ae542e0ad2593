"""The newest release holds the whole contract; `make contract` proves the others."""

import os

import pytest

from bot.contract import prove
from bot.contract.prove import SCENES
from bot.opencode.binaries import look
from tests.opencode_fixtures import skip_without_opencode

pytestmark = pytest.mark.opencode


@pytest.mark.timeout(900)  # forty conversations and four starts, beside other tests
async def test_the_newest_release_holds_the_whole_contract(tmp_path):
    skip_without_opencode(tmp_path / "look")
    program = look(os.environ).choose(tmp_path / "look").opencode
    outcomes = await prove(program, tmp_path / "room", say=print)
    assert [f"{one.scene}: {one.words}" for one in outcomes if not one.held] == []
    assert len(outcomes) == len(SCENES) + 1
