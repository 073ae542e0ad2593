"""The application's edge for each test, and an independent WeCom around it."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.app.edge import AGENT_ID, CORP_ID, AppEdge
from tests.fakes.envelope import AES_KEY, TOKEN

SCRIPT = Path(__file__).parent.parent / "peers" / "app.mjs"
RUN_S = 120


@pytest.fixture
async def edge(tmp_path):
    async with AppEdge(tmp_path) as edge:
        yield edge


@pytest.fixture
def app_peer(peers):
    """Have WeCom's own package play WeCom: ``await app_peer(url, text=…)``."""

    async def play(url, **options):
        secrets = {"WECOM_TOKEN": TOKEN, "WECOM_AES_KEY": AES_KEY, "PEERS": str(peers)}
        process = await asyncio.create_subprocess_exec(
            "node",
            str(SCRIPT),
            url,
            json.dumps({"corp": CORP_ID, "agent": AGENT_ID} | options),
            env=os.environ | secrets,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(RUN_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    return play
