"""The short rehearsal: one upgrade and one rollback of real releases under the real service."""

from pathlib import Path

import pytest

from bot.opencode.releases import program_of
from tests.rehearse.plays import table, there_and_back
from tests.rehearse.theatre import place_of

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(300)]

RELEASES = Path(__file__).parents[2] / ".runtime/releases"
OLD, NEW = "1.14.41", "1.18.33"


async def test_an_upgrade_and_a_rollback_of_real_releases_lose_no_answer(tmp_path):
    for version in (OLD, NEW):
        if not program_of(".", place_of(version, RELEASES)).exists():
            pytest.skip(f"OpenCode {version} is not installed; `make test` does that where npm can")
    rows = await table(there_and_back(tmp_path, RELEASES, OLD, NEW, contract=False))
    assert [row.result for row in rows if row.seconds] == [
        "done, all answered",
        "done, losses told",
    ]
