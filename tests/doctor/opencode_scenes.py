"""Scenes for the checks of OpenCode: a user's home, a server that is scripted or real, a look at it."""

import asyncio
import contextlib
from pathlib import Path

import orjson

from bot.clock import now_ms
from bot.doctor.scene import Scene, address_of
from bot.opencode.environment import Folders
from config.settings import load_settings
from tests.fakes.opencode import FakeOpenCode

SECRET = "sk-that-nobody-may-read"
PROVIDER = {
    "npm": "@ai-sdk/openai-compatible",
    "options": {"baseURL": "http://127.0.0.1:1/v1", "apiKey": SECRET},
    "models": {"one": {}},
}


def write(file: Path, content) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else orjson.dumps(content).decode())
    return file


def user_folder(tmp_path) -> Path:
    """Where this user keeps OpenCode's configuration."""
    return tmp_path / "user/.config/opencode"


def scene_in(tmp_path, *, deep=False, toml="", **environ) -> Scene:
    """A service with its data and its user's home in a folder, as doctor finds it."""
    (tmp_path / "user").mkdir(exist_ok=True)
    file = write(tmp_path / "bot.toml", toml) if toml else None
    home = {"HOME": str(tmp_path / "user"), "BOT_DATA_DIR": str(tmp_path / "data"), **environ}
    settings = load_settings(file, home)
    return Scene(settings, file, home, deep, now_ms(), address_of(settings))


def as_ours(tmp_path, fake) -> None:
    """Let a scripted server be the one that the service started."""
    folders = Folders.under(tmp_path / "data")
    folders.make()
    kept = {"port": fake.port, "password": fake.password, "mark": "m"}
    folders.identity.write_bytes(orjson.dumps(kept))


@contextlib.asynccontextmanager
async def scripted(tmp_path, **more):
    """A scripted server in the place of the service's own."""
    async with FakeOpenCode(**more) as fake:
        as_ours(tmp_path, fake)
        yield fake


async def look(check, scene):
    """What one check finds, within its own limit."""
    async with asyncio.timeout(check.limit_s):
        return list(await check.look(scene))


async def only(check, scene):
    """The one finding of a check."""
    [finding] = await look(check, scene)
    return finding
