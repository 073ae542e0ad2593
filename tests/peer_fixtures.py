"""The independent peer: WeCom played on WeCom's own npm package, in a process of its own."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "peers"
PEERS = Path(__file__).parent.parent / ".peers"
INSTALL_S = 180
RUN_S = 120


@pytest.fixture(scope="session")
def peers():
    """Return the folder in which the peers are installed, locked versions and nothing else."""
    folder = installed_peers()
    if folder is None:
        pytest.skip("the independent peer needs node and npm, which are not on the PATH")
    return folder


def installed_peers():
    """Install the peers once; None where there is no node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    PEERS.mkdir(exist_ok=True)
    with (PEERS / ".lock").open("w") as alone:  # several workers ask for it at once
        fcntl.flock(alone, fcntl.LOCK_EX)
        _install(npm)
    return PEERS


def _install(npm):
    lock = (HERE / "package-lock.json").read_bytes()
    ready = PEERS / ".ready"
    if ready.exists() and ready.read_bytes() == lock:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, PEERS)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run(
        [npm, "ci", "--prefix", str(PEERS), *quiet],
        check=True,
        capture_output=True,
        timeout=INSTALL_S,
    )
    ready.write_bytes(lock)


@pytest.fixture
def wecom_peer(peers):
    """Have the peer play WeCom: ``await wecom_peer(url, token=…, aes_key=…, text=…)``."""

    async def play(url, *, token, aes_key, **options):
        secrets = {"WECOM_BOT_TOKEN": token, "WECOM_BOT_AES_KEY": aes_key, "PEERS": str(peers)}
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "wecom.mjs"),
            url,
            json.dumps(options),
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
