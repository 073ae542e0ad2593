"""A service with the real server as its own, and a scripted model."""

import asyncio
import json

import pytest

from bot.sandbox.model import ScriptedModel, provider_config


@pytest.fixture
async def home_model(tmp_path, monkeypatch):
    """A model that the user's own OpenCode configuration names."""
    model = ScriptedModel()
    url = await model.start()
    config = tmp_path / "home/.config/opencode"
    config.mkdir(parents=True)
    (config / "opencode.json").write_text(json.dumps(provider_config(url)))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield model
    await model.stop()


@pytest.fixture
async def managed(make_bot, home_model):
    """A service that is ready; its server is gone with it."""
    assert home_model.url
    bot = await make_bot()
    assert await bot.service.services.server.wait_ready(60)
    async with asyncio.timeout(20):
        await bot.service.services.feed.wait_connected()
    yield bot
    await bot.stop()
