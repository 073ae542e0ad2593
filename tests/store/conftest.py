"""A store of its own for each test."""

import pytest

from store import open_store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "bot.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
async def store(url):
    async with await open_store(url) as opened:
        yield opened
