"""What the running service is asked: how it stands, and what it means when it does not say so."""

import asyncio

import pytest
from aiohttp import web

from bot.errors import UpgradeError
from bot.upgrade import service
from bot.upgrade.service import RunningService
from config.settings import load_settings
from tests.opencode_fixtures import free_port
from tests.service_fixtures import ADMIN_TOKEN


def asked(tmp_path, port, **environ):
    facts = {"BOT_DATA_DIR": str(tmp_path), "BOT_PORT": str(port), "BOT_HOST": "0.0.0.0"}
    return RunningService(load_settings(None, facts | environ))


async def answering(aiohttp_server, answer):
    app = web.Application()
    app.router.add_get("/admin/health", answer)
    return (await aiohttp_server(app)).port


async def test_a_service_tells_how_it_obeys_and_what_opencode_is_at(make_bot, fake):
    bot = await make_bot(fake)
    port = int(bot.url.rpartition(":")[2])
    data_dir = bot.service.settings.server.data_dir
    told = await asked(data_dir, port, BOT_ADMIN_TOKEN=ADMIN_TOKEN).told()
    assert (told.hold, told.owner, told.at_work) == ("", 0, ())


async def test_the_token_of_the_data_folder_is_used_and_another_refused(tmp_path, aiohttp_server):
    async def answer(request):
        well = request.headers.get("Authorization") == "Bearer from-the-file"
        now = [
            {"turn": 3, "chat": "c", "age_s": 9, "prompted": True},
            {"turn": 4, "chat": "d", "note": "waits"},
            {"turn": 5, "chat": "e", "age_s": 0},
        ]
        hold = {"state": "held", "owner": 7}
        opencode = {"state": "held", "version": "1.18.33", "refused": None, "hold": hold}
        facts = {"opencode": opencode, "turns": {"now": now}}
        return web.json_response(facts, status=200 if well else 401)

    port = await answering(aiohttp_server, answer)
    with pytest.raises(UpgradeError, match="admin token"):
        await asked(tmp_path, port).told()
    (tmp_path / "admin.token").write_text("from-the-file\n")
    told = await asked(tmp_path, port).told()
    assert (told.state, told.hold, told.owner) == ("held", "held", 7)
    assert told.at_work == ((3, "c", 9), (5, "e", 0))


async def test_nobody_there_is_a_service_that_is_down(tmp_path):
    assert await asked(tmp_path, free_port()).told() is None


@pytest.mark.parametrize(
    ("status", "words"), [(500, "answers 500"), (404, "answers 404"), (200, "answers 200")]
)
async def test_who_does_not_say_how_it_stands_is_not_taken_for_one_that_is_down(
    tmp_path, aiohttp_server, status, words
):
    async def answer(_):
        return web.Response(status=status, text="[1")

    with pytest.raises(UpgradeError, match=words):
        await asked(tmp_path, await answering(aiohttp_server, answer)).told()


async def test_a_service_that_hangs_is_not_taken_for_one_that_is_down(
    tmp_path, aiohttp_server, monkeypatch
):
    monkeypatch.setattr(service, "LIMIT_S", 0.05)
    done = asyncio.Event()

    async def answer(_):
        await done.wait()
        return web.Response()

    with pytest.raises(UpgradeError, match="does not answer"):
        await asked(tmp_path, await answering(aiohttp_server, answer)).told()
    done.set()
