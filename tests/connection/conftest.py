"""The edge under test."""

import asyncio

import pytest

from tests.connection.stage import SECRET, Clock, Stage


@pytest.fixture
async def clock():
    return Clock()


@pytest.fixture
async def wecom(make_standin, clock):
    return await make_standin(channel="connection", secret=SECRET, clock=clock)


@pytest.fixture
async def stage(tmp_path, wecom, clock):
    async with asyncio.timeout(60), Stage(tmp_path, wecom, clock) as stage:
        yield stage
