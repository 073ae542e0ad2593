"""The door that is open while the wizard waits: it answers WeCom as the service will, and keeps nothing."""

import asyncio

import pytest

from bot.setup.listening import Heard, PortTaken, opened_door, wait_verified
from bot.setup.live import find_live
from bot.setup.seen import PROVED, Seen
from config.settings import load_settings
from tests.opencode_fixtures import until
from tests.service_fixtures import environment, free_port
from tests.wecom_fixtures import BOT_ID


@pytest.fixture
async def standin(make_standin):
    return await make_standin()


@pytest.fixture
def settings(tmp_path, standin):
    port = free_port()
    standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
    return load_settings(None, environment(tmp_path, standin, port=port))


async def test_who_writes_is_heard_and_told_that_nothing_runs_yet(settings, standin, tmp_path):
    heard = Heard()
    async with opened_door(settings, heard):
        assert "你好" in await standin.enter("zhangsan")
        first = await standin.say("zhangsan", "你好")
        second = await standin.say("lisi", "hello", group="wrTEAM")
    assert heard.visitor.sender == "zhangsan"
    assert not heard.visitor.in_group
    assert heard.words == "a direct message, a group message"
    assert "zhangsan" in first.text
    assert "is not given to OpenCode" in second.text
    assert standin.violations == []
    assert not (tmp_path / "data").exists()


async def test_a_repeated_message_gets_the_same_answer(settings, standin):
    async with opened_door(settings, Heard()):
        talk = await standin.say("zhangsan", "你好", copies=3)
    assert "zhangsan" in talk.text
    assert standin.violations == []


async def test_what_a_request_fails_of_is_said_once_each(settings, standin, make_standin):
    other = await make_standin(standin.callback_url, bot_id=f"{BOT_ID}x")
    heard, said = Heard(), []
    async with opened_door(settings, heard) as door, asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_verified(door, Seen(), heard, said.append, 30))
        for _ in range(2):
            await other.say("zhangsan", "hello there")
            await standin.send_raw(query={})
        await until(lambda: len(said) == 2)
        assert not heard.verified
        assert await standin.verify_url()
        await waiting
    assert heard.verified
    assert said.pop().strip() == PROVED["wecom.bot"]
    assert [("another bot's" in one, "parameters" in one) for one in sorted(said)] == [
        (True, False),
        (False, True),
    ]


async def test_the_way_to_us_is_told_from_any_other(settings, standin, fake):
    async with opened_door(settings, Heard()) as door:
        assert await door.reached_by(door.url) == ""
        assert "no answer" in await door.reached_by(f"http://127.0.0.1:{free_port()}")
        assert "something else answers there" in await door.reached_by(fake.url)


async def test_a_port_has_one_listener(settings):
    async with opened_door(settings, Heard()):
        with pytest.raises(PortTaken, match="something else listens there"):
            async with opened_door(settings, Heard()):
                pass


async def test_a_service_is_ours_if_it_knows_our_token(make_bot, tmp_path):
    bot = await make_bot()
    settings = load_settings(None, bot.environ)
    live = await find_live(settings)
    assert live.url == bot.url
    assert live.before == Seen({"wecom.bot": 0})
    assert await bot.wecom.verify_url()
    assert await live.look() == Seen({"wecom.bot": 1}, {"verified": 1})
    stranger = load_settings(None, bot.environ | {"BOT_ADMIN_TOKEN": "another-admin-token"})
    assert await find_live(stranger) is None
    everywhere = load_settings(None, bot.environ | {"BOT_HOST": "0.0.0.0"})
    assert (await find_live(everywhere)).url == bot.url
    await bot.stop()
    assert await live.look() == Seen()
    nothing = {"BOT_DATA_DIR": str(tmp_path / "nothing"), "BOT_PORT": bot.environ["BOT_PORT"]}
    assert await find_live(load_settings(None, nothing)) is None
