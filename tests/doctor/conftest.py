"""What the doctor's tests begin with."""

import pytest

from store import open_store
from tests.doctor.scenes import scene_in


@pytest.fixture
async def store(tmp_path):
    """The database of the scenes in ``tmp_path``, while the service has it open."""
    scene = scene_in(tmp_path)
    async with await open_store(scene.settings.store.url) as store:
        yield store
