"""Whoever asks how the service is gets the truth, and no more of it than they may know."""

import asyncio
import contextlib
import stat

import pytest

from tests.fakes.edge import until
from tests.fakes.opencode_turns import hang, say
from tests.service_fixtures import ADMIN_TOKEN

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def parts(http, bot, status=200):
    async with http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == status
        return (await answer.json())["parts"]


async def health(http, bot):
    async with http.get(f"{bot.url}/admin/health", headers=ADMIN) as answer:
        assert answer.status == 200
        return await answer.json()


async def metrics(http, bot):
    async with http.get(f"{bot.url}/metrics") as answer:
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


async def counted(bot, state):
    """Wait until a delivery is in this state."""
    async with asyncio.timeout(20):
        while not (await bot.store.deliveries.counts()).get(state):  # noqa: ASYNC110 - rows ring no bell
            await asyncio.sleep(0.01)


async def test_the_process_says_that_it_lives_to_anybody(http, make_bot, fake):
    bot = await make_bot(fake)
    async with http.get(f"{bot.url}/healthz", headers={"X-Forwarded-For": "9.9.9.9"}) as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_every_part_is_listed_and_an_absent_opencode_is_no_reason_to_refuse(
    http, make_bot, fake
):
    bot = await make_bot(fake)
    await bot.ready()
    assert await parts(http, bot) == {
        "service": "ok",
        "store": "ok",
        "opencode": "ok",
        "wecom.bot": "ok",
        "wecom.connection": "off",
        "wecom.app": "off",
    }
    await fake.stop()
    away = await make_bot(fake, BOT_DATA_DIR=bot.environ["BOT_DATA_DIR"] + "2")
    await until(lambda: away.service.services.server.state != "starting")
    assert (await parts(http, away))["opencode"] == "degraded: down"
    await fake.start()


async def test_a_version_that_was_never_tried_and_a_server_elsewhere_are_told(http, make_bot, fake):
    fake.version = "9.9.9"
    bot = await make_bot(fake)
    await bot.ready()
    assert "9.9.9" in (await parts(http, bot))["opencode_version"]
    assert "9.9.9" in " ".join((await health(http, bot))["warnings"])
    fake.elsewhere = True
    other = await make_bot(fake, BOT_DATA_DIR=bot.environ["BOT_DATA_DIR"] + "2")
    server = other.service.services.server
    await until(lambda: server.refused)
    assert (await parts(http, other))["opencode"] == "degraded: refused"
    assert "does not see the folder" in " ".join((await health(http, other))["warnings"])


async def test_a_service_that_goes_down_takes_nothing_new_and_says_so(http, make_bot, fake):
    bot = await make_bot(fake, BOT_TURN_GRACE="10s")
    await bot.ready()
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Done."))
    talk = await bot.wecom.say("zhangsan", "work")
    await until(lambda: fake.prompts)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        stopping = group.create_task(bot.stop())
        await until(lambda: bot.service.closing)
        assert (await parts(http, bot, status=503))["service"] == "closing"
        go_on.set()
        assert "Done." in await talk.done()
        await stopping


async def test_metrics_count_every_callback_once_and_what_happens_to_turns(http, make_bot, fake):
    bot = await make_bot(fake)
    await bot.ready()
    talk = await bot.wecom.say("zhangsan", "hello")
    await talk.done()
    await bot.wecom.say("zhangsan", "hello", msgid=talk.msgid)
    await bot.wecom.enter("lisi")
    await bot.wecom.send_raw(query={})
    await until(lambda: not len(bot.turns) and bot.service.services.feed.connected)
    seen = await metrics(http, bot)
    counted = {
        name.split('"')[1]: int(float(value))
        for name, value in seen.items()
        if name.startswith("bot_callbacks_total")
    }
    assert counted.pop("poll") == talk.polls
    assert counted == {"message": 1, "repeat": 1, "event": 1, "refused query": 1}
    assert seen['bot_turns_total{outcome="answered"}'] == "1.0"
    assert seen["bot_turns_running"] == seen["bot_turns_queued"] == "0.0"
    assert seen["bot_opencode_up"] == seen["bot_feed_connected"] == "1.0"
    assert float(seen["bot_database_bytes"]) > 0
    assert float(seen["bot_memory_bytes"]) > float(seen["bot_memory_blocks"]) > 10_000


async def test_a_delivery_that_left_is_not_counted_as_waiting_for_ever(http, make_bot, fake):
    bot = await make_bot(fake)
    await bot.ready()
    bot.wecom.polling = False
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Done."))
    await bot.wecom.say("zhangsan", "work")
    go_on.set()
    await counted(bot, "due")
    assert (await metrics(http, bot))['bot_deliveries{state="due"}'] == "1.0"
    bot.wecom.polling = True
    await counted(bot, "sent")
    seen = await metrics(http, bot)
    assert seen['bot_deliveries{state="due"}'] == "0.0"
    assert seen['bot_deliveries{state="sent"}'] == "1.0"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"Authorization": "Bearer wrong", "X-Forwarded-For": "127.0.0.1"},
    ],
)
async def test_metrics_are_for_this_machine_or_for_an_administrator(http, make_bot, fake, headers):
    bot = await make_bot(fake)
    async with http.get(f"{bot.url}/metrics", headers=headers) as answer:
        assert answer.status == 401
        assert "bot_" not in await answer.text()
    async with http.get(f"{bot.url}/metrics", headers=headers | ADMIN) as answer:
        assert answer.status == 200


WRONG = (
    None,
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer wrong",
    f"Basic {ADMIN_TOKEN}".encode(),
    ADMIN_TOKEN.encode(),
    f"Bearer {ADMIN_TOKEN}x".encode(),
    b"Bearer \xff\xfe",
    "Bearer 口令".encode(),
)


@pytest.mark.parametrize("path", ["/admin/health", "/api/task/1", "/api/task/1/files"])
async def test_without_the_admin_token_nobody_learns_anything(make_bot, fake, path):
    bot = await make_bot(fake)
    for shown in WRONG:
        line = b"" if shown is None else b"Authorization: " + shown + b"\r\n"
        answer = await ask(bot, b"GET %b HTTP/1.1\r\n%b" % (path.encode(), line))
        assert answer.startswith(b"HTTP/1.1 401 "), shown
        assert b"version" not in answer


async def ask(bot, head):
    """Send a request as it is, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(bot.url.rpartition(":")[2]))
    writer.write(head + b"Host: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_the_admin_token_is_made_once_and_kept_for_its_owner_alone(
    http, make_bot, fake, tmp_path
):
    bot = await make_bot(fake, BOT_ADMIN_TOKEN="")
    file = tmp_path / "data/admin.token"
    token = file.read_text()
    assert len(token) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    await bot.restart()
    assert file.read_text() == token
    headers = {"Authorization": f"bearer  {token}"}
    async with http.get(f"{bot.url}/admin/health", headers=headers) as answer:
        assert answer.status == 200


async def test_an_administrator_is_told_what_an_older_release_cannot_do(http, make_bot, fake):
    fake.version = "1.14.41"
    bot = await make_bot(fake)
    await bot.ready()
    told = (await health(http, bot))["opencode"]
    assert not told["capabilities"]["metadata"]
    assert told["capabilities"]["deltas"]
    (words,) = told["lacks"]
    assert words.startswith("A session does not keep whose it is")


async def test_an_administrator_is_told_everything(http, make_bot, fake):
    bot = await make_bot(fake, BOT_PUBLIC_URL="", BOT_ADMINS="*", OPENCODE_AGENT="plan")
    await bot.ready()
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Done."))
    talk = await bot.wecom.say("zhangsan", "work")
    await until(lambda: fake.prompts)
    await until(lambda: bot.service.services.feed.connected)
    truth = await health(http, bot)
    assert truth["opencode"]["state"] == "ready"
    assert (truth["opencode"]["managed"], truth["opencode"]["follow"]) == (False, "events")
    assert truth["opencode"]["feed"]["connected"]
    assert truth["opencode"]["agents"] == ["build", "plan", "general", "title"]
    assert truth["opencode"]["models"] == ["fake/one", "fake/two"]
    assert truth["opencode"]["agent"] == "plan"
    assert "OPENCODE_AGENT" in truth["opencode"]["agent_why"]
    assert (truth["opencode"]["model"], truth["opencode"]["model_why"]) == (
        "fake/one",
        "model of the server's /config",
    )
    (running,) = truth["turns"]["now"]
    assert (running["turn"], running["chat"]) == (1, "wecom:direct:zhangsan")
    assert {"age_s", "last_event_s", "steps", "note", "session"} <= running.keys()
    assert truth["turns"]["running"] == 1
    assert truth["platforms"]["wecom.bot"]["callbacks"]["message"] == 1
    assert truth["platforms"]["wecom.bot"]["last_callback_at"] > 0
    assert truth["platforms"]["wecom.bot"]["open_bubbles"] == 1
    assert truth["database"]["schema"] >= 1
    assert truth["disk"]["free"] > 0
    warnings = " ".join(truth["warnings"])
    assert "access.admins" in warnings
    assert "server.public_url" in warnings
    assert ADMIN_TOKEN not in str(truth)
    assert fake.password not in str(truth)
    go_on.set()
    await talk.done()


async def test_without_a_usable_opencode_the_rest_of_the_truth_is_told(http, make_bot, fake):
    bot = await make_bot(fake, OPENCODE_FOLLOW="poll", OPENCODE_MODEL="fake/none")
    truth = await health(http, bot)
    assert "agents" not in truth["opencode"] or truth["opencode"]["state"] == "ready"
    await bot.ready()
    truth = await health(http, bot)
    assert truth["opencode"]["follow"] == "poll"
    assert "fake/none" in truth["opencode"]["error"]
    assert "bot_feed_connected" in await metrics(http, bot)
    fake.fault("/agent", "error", times=3)
    bot.service.services.choices._offers.clear()
    assert "500" in (await health(http, bot))["opencode"]["error"]


async def test_a_platform_that_is_not_configured_is_off(http, make_bot, fake):
    unset = {"WECOM_BOT_TOKEN": "", "WECOM_BOT_AES_KEY": ""}
    bot = await make_bot(fake)
    await bot.wecom.say("zhangsan", "hello")
    await bot.stop()
    bot = await make_bot(fake, **unset)
    assert (await parts(http, bot))["wecom.bot"] == "off"
    platforms = (await health(http, bot))["platforms"]
    assert {name: facts["on"] for name, facts in platforms.items()} == {
        "wecom.bot": False,
        "wecom.connection": False,
        "wecom.app": False,
    }
    assert (await metrics(http, bot))["bot_turns_running"] == "0.0"
    async with http.post(f"{bot.url}/wecom/bot", data=b"{}") as answer:
        assert answer.status == 404


async def test_a_store_that_cannot_write_or_be_read_is_told_and_hides_nothing_else(
    http, make_bot, fake, monkeypatch
):
    monkeypatch.setattr("handlers.health.STORE_S", 0.2)
    monkeypatch.setattr("handlers.health.DISK_LOW_BYTES", 2**80)
    bot = await make_bot(fake)
    async with bot.store.database.transaction():  # the one writer is taken
        assert "no write ended" in (await parts(http, bot, status=503))["store"]
        warnings = (await health(http, bot))["warnings"]
    assert any("cannot store messages" in one for one in warnings)
    assert any("disk space" in one for one in warnings)
    bot.service.settings.server.data_dir.chmod(0o755)
    assert any("data folder" in one for one in (await health(http, bot))["warnings"])
    assert (await parts(http, bot))["store"] == "ok"
    await bot.store.close()
    truth = await health(http, bot)
    assert truth["turns"] == {"error": "The store is closed.", "now": []}
    assert truth["deliveries"] == {"error": "The store is closed."}
    assert "bot_turns_running" in await metrics(http, bot)
    with contextlib.suppress(Exception):
        await bot.stop()


@pytest.mark.opencode
async def test_of_the_real_opencode_it_tells_what_is_in_force_and_why(http, bot, opencode):
    truth = (await health(http, bot))["opencode"]
    assert (truth["state"], truth["url"]) == ("ready", opencode.url)
    assert (truth["agent"], truth["agent_why"]) == ("build", "the server's default agent")
    assert truth["model"] in truth["models"]
    assert truth["model_why"] == "model of the server's /config"
    assert {"build", "plan"} <= set(truth["agents"])
    assert truth["version"]


async def test_what_opencode_has_is_not_waited_for_longer_than_the_rest_is_worth(
    http, make_bot, fake
):
    bot = await make_bot(fake)
    await bot.ready()
    fake.fault("/agent", "hang")
    told = (await health(http, bot))["opencode"]
    assert told["state"] == "ready"
    assert told["error"] == "OpenCode has not said within 2 s which agents it has"
