"""The edges of two channels, each with WeCom at its other end."""

import asyncio

import pytest

from tests.app.edge import AppEdge
from tests.connection.stage import SECRET, Clock, Stage


@pytest.fixture
def hands():
    """The hands of the clock on the long connection, which a test may move on."""
    return Clock()


@pytest.fixture
async def wecom(make_standin, hands):
    return await make_standin(channel="connection", secret=SECRET, clock=hands)


@pytest.fixture
async def stage(tmp_path, wecom, hands):
    """The long connection's edge."""
    async with asyncio.timeout(60), Stage(tmp_path, wecom, hands) as stage:
        yield stage


@pytest.fixture
async def edge(tmp_path):
    """The application's edge."""
    async with AppEdge(tmp_path) as edge:
        yield edge
