"""The desk: a fresh store and workspace; parametrise it with ``Limits`` of another size."""

import pytest

from bot.files import Files
from bot.snapshot import Limits
from store import open_store
from tests.desk import Desk


@pytest.fixture
async def desk(tmp_path, request):
    limits = getattr(request, "param", Limits())
    workspace = tmp_path / "workspaces" / "chat"
    workspace.mkdir(parents=True)
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as store:
        made = Desk(store, workspace, tmp_path / "data", files=None)  # type: ignore[arg-type]
        made.files = Files(store, made.data, limits, made.clock, sleep=made.sleep)
        yield made
