"""What several tests of reliability begin with."""

import pytest

from bot.backup import Places


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "data", tmp_path / "data" / "bot.db")
