"""Fixtures of an installation that is upgraded."""

import pytest

from bot.opencode import process
from tests.upgrade.house import NEW, OLD, House, operating


@pytest.fixture(scope="session")
def operator():
    """Whoever runs the commands."""
    with operating() as operator:
        yield operator


@pytest.fixture
async def house(tmp_path, operator):
    """An installation on the old release, the new one installed beside it."""
    house = House(tmp_path, operator)
    house.install(OLD, NEW)
    house.choose(OLD)
    await house.map_chats()
    yield house
    process.end(house.left_running(), 1.0)
