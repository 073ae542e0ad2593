"""The sandbox as a newcomer starts it: a process of its own, with the demo model and the real OpenCode."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parent.parent
HARMLESS = ("PATH", "LANG", "TMPDIR", "COVERAGE_FILE", "COVERAGE_PROCESS_CONFIG")
PATIENCE_S = 90


class Sandbox:
    """A running ``python -m bot sandbox`` and the browser's side of its page."""

    def __init__(self, process, printed):
        self.process = process
        self.printed = printed
        self.url, self.token = re.search(r"(http://\S+/sandbox/)\?token=(\S+)", printed).groups()
        self.origin = {"Origin": self.url.removesuffix("/sandbox/")}
        self.http = aiohttp.ClientSession(
            headers=self.origin, cookie_jar=aiohttp.CookieJar(unsafe=True)
        )

    async def enter(self):
        async with self.http.get(self.url, params={"token": self.token}) as response:
            assert response.status == 200

    async def say(self, text):
        body = {"member": "zhangsan", "group": None, "text": text}
        async with self.http.post(self.url + "say", json=body) as response:
            assert response.status == 200

    async def until(self, true):
        """Follow the events until an item is as a test wants it."""
        async with asyncio.timeout(PATIENCE_S), self.http.get(self.url + "events") as response:
            while True:
                line = await response.content.readline()
                assert line, "the sandbox has ended"
                if line.startswith(b"data: "):
                    for item in json.loads(line[6:])["items"]:
                        assert item["kind"] != "violation", item
                        if true(item):
                            return item

    async def end(self):
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@pytest.fixture
async def start(tmp_path):
    """Start sandboxes, each with a home of its own: ``await start(BOT_PORT="0")``."""
    running = []

    async def begin(*arguments, **environ):
        kept = {name: os.environ[name] for name in HARMLESS if name in os.environ}
        home = {"HOME": str(tmp_path / "home"), "BOT_DATA_DIR": str(tmp_path / "data")}
        with (tmp_path / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "sandbox", *arguments),
                cwd=ROOT,
                env=kept | home | environ,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        printed = ""
        async with asyncio.timeout(PATIENCE_S):
            while "Ctrl+C" not in printed:
                line = await process.stdout.readline()
                assert line, (tmp_path / "log").read_text()
                printed += line.decode()
        running.append(Sandbox(process, printed))
        return running[-1]

    yield begin
    for sandbox in running:
        await sandbox.http.close()
        if sandbox.process.returncode is None:
            await sandbox.end()


@pytest.mark.opencode
async def test_a_newcomer_has_a_page_made_and_opens_it(start, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sandbox = await start(BOT_PORT=str(port))
    assert f"Port {port} is taken" in sandbox.printed
    assert "scripted demo model" in sandbox.printed
    await sandbox.enter()
    await sandbox.say("Make a small page with a button")
    answer = await sandbox.until(lambda i: i["kind"] == "bubble" and i["state"] == "finished")
    link = re.search(r'href="([^"]+/t/\d+/[^"/]+/)"', answer["html"])[1]
    for path, words in (("index.html", "./style.css"), ("style.css", "font-family")):
        async with sandbox.http.get(f"{link}raw/{path}") as response:
            assert words in await response.text()
    assert await sandbox.end() == 0
    assert sandbox.token not in (tmp_path / "log").read_text()


@pytest.mark.opencode
@pytest.mark.parametrize("channel", ["connection", "app"])
async def test_another_channel_is_tried_just_so(start, channel):
    sandbox = await start("--channel", channel, BOT_PORT="0")
    assert f"渠道   {channel} " in sandbox.printed
    await sandbox.enter()
    await sandbox.say("/whoami")
    answer = await sandbox.until(lambda i: i["kind"] == "bubble" and i["state"] == "finished")
    assert "zhangsan" in answer["html"]
    assert await sandbox.end() == 0


@pytest.mark.opencode
async def test_a_chosen_model_takes_the_demo_models_place(start):
    sandbox = await start("--model", "demo/other", BOT_PORT="0")
    assert "demo/other" in sandbox.printed
    await sandbox.enter()
    async with sandbox.http.get(sandbox.url + "scene") as response:
        assert (await response.json())["demo"] is False
    assert await sandbox.end() == 0
