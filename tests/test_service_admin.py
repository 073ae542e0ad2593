"""What administrators read of turns and of answers on their way, and what they may have sent again."""

import asyncio

import aiohttp
import orjson
import pytest

from handlers.guard import Guard
from store.database import Statement
from store.records import NewDelivery
from tests.fakes.edge import until
from tests.fakes.opencode import FakeOpenCode
from tests.fakes.opencode_turns import say
from tests.service_fixtures import ADMIN_TOKEN
from tests.store.samples import an_ask, in_doubt

CHAT = "wecom:direct:zhangsan"
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BASIC = {"Authorization": aiohttp.encode_basic_auth("admin", ADMIN_TOKEN)}
BROWSER = BASIC | {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PATHS = ("/admin/", "/admin/health", "/admin/turns", "/admin/turns/1", "/admin/outbox")


@pytest.fixture
async def bot(make_bot):
    async with FakeOpenCode() as fake:
        bot = await make_bot(fake)
        await bot.ready()
        fake.script(say("The answer is secret-7."))
        talk = await bot.wecom.say("zhangsan", "my password is hunter2")
        await talk.done()
        await until(lambda: not len(bot.turns))
        yield bot
        await bot.stop()


async def read(http, bot, path, **headers):
    async with http.get(bot.url + path, headers=BEARER | headers) as answer:
        return answer.status, await answer.json()


async def page(http, bot, path, status=200):
    async with http.get(bot.url + path, headers=BROWSER) as answer:
        assert answer.status == status
        assert answer.content_type == "text/html"
        return answer, await answer.text()


async def retry(http, bot, delivery, **options):
    options = {"headers": BEARER} | options
    url = f"{bot.url}/admin/outbox/{delivery}/retry"
    async with http.post(url, allow_redirects=False, **options) as answer:
        return answer.status, await answer.text()


async def stuck(bot, body="waits", *, turn=None):
    """Keep an answer that failed; its address is gone."""
    new = NewDelivery(CHAT, turn, "gone", body, "", "", bot.service.services.clock())
    delivery = await bot.store.deliveries.add(new)
    await bot.store.deliveries.settle(delivery.id, "failed", "errcode 93004")
    return delivery


async def test_turns_are_listed_newest_first(http, bot):
    await (await bot.wecom.say("lisi", "hello")).done()
    _, told = await read(http, bot, "/admin/turns")
    assert [(one["turn"], one["sender"]) for one in told["turns"]] == [(2, "lisi"), (1, "zhangsan")]
    assert told["turns"][1]["delivery"]["via"] == "bubble"
    _, told = await read(http, bot, "/admin/turns?limit=1")
    assert [one["turn"] for one in told["turns"]] == [2]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1e3", "999999999999999999999", ""])
async def test_a_limit_that_is_none_is_refused(http, bot, limit):
    assert await read(http, bot, f"/admin/turns?limit={limit}") == (
        400,
        {"error": "limit", "most": 200},
    )


async def test_the_life_of_a_turn_is_told_step_by_step_without_a_word_of_it(http, bot):
    status, told = await read(http, bot, "/admin/turns/1")
    assert status == 200
    edges = [one["edge"] for one in told["edges"]]
    assert edges == [
        "received", "stored", "claimed", "session_known", "prompt_sent", "accepted", "answered",
        "final_stored", "shown",
    ]  # fmt: skip
    assert all(one["at"] for one in told["edges"])
    assert told["versions"]["service"]
    assert told["versions"]["opencode"]
    assert (told["delivery"]["state"], told["delivery"]["via"]) == ("sent", "bubble")
    assert (told["sender"], told["state"], told["outcome"]) == ("zhangsan", "done", "answered")
    assert "hunter2" not in str(told)
    assert "secret-7" not in str(told)
    assert "response_code" not in str(told)
    _, told = await read(http, bot, "/admin/turns/1?text=1")
    assert told["text"]["question"] == "my password is hunter2"
    assert told["text"]["answer"] == "The answer is secret-7."


async def test_who_decided_what_a_turn_asked_for_is_told(http, bot):
    await bot.store.asks.add(an_ask(chat=CHAT, body='{"command": "rm -rf"}'))
    await bot.store.asks.decide("per_1", "allow", "lead", 7)
    _, told = await read(http, bot, "/admin/turns/1")
    (asked,) = told["asks"]
    assert (asked["decision"], asked["decided_by"], asked["decided_at"]) == ("allow", "lead", 7)
    assert "rm -rf" not in str(told)
    _, told = await read(http, bot, "/admin/turns/1?text=1")
    assert told["text"]["asks"] == {"k7": {"command": "rm -rf"}}
    assert told["text"]["attachments"] == []
    _, text = await page(http, bot, "/admin/turns/1?text=1")
    assert "lead" in text
    assert "{\n  &#34;k7&#34;: {\n    &#34;command&#34;: &#34;rm -rf&#34;\n  }\n}" in text


async def test_a_turn_of_an_older_version_has_no_time_of_storing(http, bot):
    await bot.store.database.write(Statement("UPDATE turns SET stored_at = 0"))
    await bot.store.inbox.purge(bot.service.services.clock() + 1)
    _, told = await read(http, bot, "/admin/turns/1")
    assert [one["edge"] for one in told["edges"]][:2] == ["received", "claimed"]
    assert told["edges"][0]["at"] == told["created_at"]


@pytest.mark.parametrize("number", ["99", "abc", "1" * 19, "١"])
async def test_a_turn_that_is_not_there_is_not_found_in_a_browser_too(http, bot, number):
    assert await read(http, bot, f"/admin/turns/{number}") == (404, {"error": "not_found"})
    _, text = await page(http, bot, f"/admin/turns/{number}", 404)
    assert "There is none of this number" in text
    assert 'href="../turns"' in text


async def test_what_is_not_delivered_is_listed_with_its_cause(http, bot):
    assert (await read(http, bot, "/admin/outbox"))[1]["outbox"] == []
    dead = await stuck(bot, turn=1_000)
    due = await bot.store.deliveries.add(NewDelivery(CHAT, None, "x", "news", "", "", 0))
    _, told = await read(http, bot, "/admin/outbox")
    assert [one["id"] for one in told["outbox"]] == [due.id, dead.id]
    assert told["counts"] == {"due": 1, "sending": 0, "unknown": 0, "failed": 1}
    _, told = await read(http, bot, "/admin/outbox?state=failed")
    (one,) = told["outbox"]
    assert (one["turn"], one["chat"], one["cause"]) == (1_000, CHAT, "errcode 93004")
    assert one["age_s"] >= 0
    assert "waits" not in str(told)


async def test_a_state_that_is_none_is_refused(http, bot):
    status, told = await read(http, bot, "/admin/outbox?state=sent")
    assert (status, told["error"]) == (400, "state")


async def test_a_dead_letter_that_is_sent_again_leaves_by_a_fresh_address(http, bot):
    dead = await stuck(bot, "here at last", turn=1_000)
    await bot.wecom.say("zhangsan", "/whoami")  # brings an address
    status, told = await retry(http, bot, dead.id)
    assert (status, orjson.loads(told)) == (
        200,
        {"delivery": dead.id, "turn": 1_000, "state": "due"},
    )
    async with asyncio.timeout(10):
        while (await bot.store.deliveries.get(dead.id)).state != "sent":  # noqa: ASYNC110 - rows ring no bell
            await asyncio.sleep(0.01)


async def test_only_what_failed_or_is_in_doubt_can_be_sent_again(http, bot):
    delivery = await bot.store.deliveries.of_turn(1)
    assert await retry(http, bot, delivery.id) == (409, '{"error":"not_retryable","state":"sent"}')
    assert await retry(http, bot, 999) == (404, '{"error":"not_found"}')


async def test_what_is_in_doubt_may_be_sent_again_by_an_explicit_wish(http, bot):
    new = NewDelivery("wecom:group:none", None, "gone", "?", "", "", 0)
    doubtful = await bot.store.deliveries.add(new)
    await in_doubt(bot.store, doubtful.id)
    assert (await retry(http, bot, doubtful.id))[0] == 200
    assert (await bot.store.deliveries.get(doubtful.id)).state == "due"


async def test_the_cause_of_what_is_sent_again_stays_in_the_steps_of_its_turn(http, bot):
    delivery = await bot.store.deliveries.of_turn(1)
    await bot.store.database.write(Statement("UPDATE deliveries SET state = 'due'"))
    await bot.store.deliveries.settle(delivery.id, "failed", "errcode 93004")
    await retry(http, bot, delivery.id)
    _, text = await page(http, bot, f"/admin/outbox?again={delivery.id}")
    assert 'stay at turn <a href="turns/1">#1</a>' in text
    _, text = await page(http, bot, "/admin/turns/1")
    assert "cause=errcode 93004" in text
    assert "<strong>retried</strong> sent again by an administrator&#39;s wish" in text


async def test_what_was_sent_again_and_is_brought_by_now_is_told_so(http, bot):
    delivery = await bot.store.deliveries.of_turn(1)
    _, text = await page(http, bot, f"/admin/outbox?again={delivery.id}")
    assert "<strong>sent</strong> by now" in text
    await page(http, bot, "/admin/outbox?again=x", 404)
    _, text = await page(http, bot, "/admin/outbox?again=999")
    assert "status" not in text.partition("<main>")[2]


async def test_the_start_names_what_there_is_to_read(http, bot):
    _, told = await read(http, bot, "/admin/")
    for path in told["paths"]:
        assert (await read(http, bot, path))[0] == 200
    await stuck(bot)
    _, text = await page(http, bot, "/admin/")
    for path in told["paths"]:
        assert f'href="{path.removeprefix("/admin/")}"' in text
    assert "done 1." in text
    assert "failed 1, sent 1." in text


async def test_health_is_readable_in_a_browser_with_the_same_facts(http, bot):
    _, told = await read(http, bot, "/admin/health")
    _, text = await page(http, bot, "/admin/health")
    for name in told.keys() - {"warnings"}:
        assert f">{name}</" in text
    assert told["opencode"]["url"] in text
    for warning in told["warnings"]:
        assert warning.replace("'", "&#39;") in text


@pytest.mark.parametrize("width", [390, 768, 961])
async def test_nothing_of_a_page_is_off_a_small_screen(http, bot, chromium, width):
    doubtful = await bot.store.deliveries.add(NewDelivery(CHAT, None, "gone", "?", "", "", 1))
    await in_doubt(bot.store, doubtful.id)
    await stuck(bot, turn=1_000)
    page = await chromium.new_page(
        viewport={"width": width, "height": 844},
        http_credentials={"username": "admin", "password": ADMIN_TOKEN},
    )
    for path in (*PATHS, "/admin/turns/1?text=1", "/admin/turns/abc"):
        await page.goto(bot.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
    await page.goto(f"{bot.url}/admin/outbox")
    for button in await page.locator("button").all():
        box = await button.bounding_box()
        assert box["x"] + box["width"] <= width
    assert await page.locator("td", has_text="errcode 93004").is_visible()


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_gets_a_page_that_runs_and_loads_nothing(http, bot, path):
    await stuck(bot)
    answer, text = await page(http, bot, path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<script" not in text
    assert "hunter2" not in text


async def test_a_page_shows_what_was_said_as_text_and_on_demand(http, bot):
    await (await bot.wecom.say("zhangsan", "<script>alert(1)</script>")).done()
    _, text = await page(http, bot, "/admin/turns/2")
    assert "alert" not in text
    _, text = await page(http, bot, "/admin/turns/2?text=1")
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text


async def test_the_button_of_the_page_sends_again_and_a_form_of_another_site_does_not(http, bot):
    dead = await stuck(bot)
    _, text = await page(http, bot, "/admin/outbox")
    assert f'action="outbox/{dead.id}/retry"' in text
    for form in ({}, {"key": "x"}, {"key": Guard("another token").form_key}):
        status, told = await retry(http, bot, dead.id, headers=BASIC, data=form)
        assert (status, told) == (403, '{"error":"form"}')
        status, told = await retry(http, bot, dead.id, headers=BROWSER, data=form)
        assert (status, "Nothing was sent" in told) == (403, True)
    assert (await bot.store.deliveries.get(dead.id)).state == "failed"
    file = aiohttp.FormData()
    file.add_field("key", b"x", filename="key")
    assert (await retry(http, bot, dead.id, headers=BROWSER, data=file))[0] == 403
    form = {"key": Guard(ADMIN_TOKEN).form_key}
    assert form["key"] in text
    async with http.post(
        f"{bot.url}/admin/outbox/{dead.id}/retry", headers=BROWSER, data=form
    ) as answer:
        assert answer.url.path == "/admin/outbox"
        assert "is due again: it leaves by an address if one is left" in await answer.text()
    assert (await bot.store.deliveries.get(dead.id)).state == "due"
    status, told = await retry(http, bot, dead.id, headers=BROWSER, data=form)
    assert (status, "Nothing was sent" in told) == (409, True)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer wrong",
        f"Basic {ADMIN_TOKEN}",
        "Basic !!!",
        aiohttp.encode_basic_auth("admin", "wrong"),
        aiohttp.encode_basic_auth("boss", ADMIN_TOKEN),
        BASIC["Authorization"].replace("Basic", "Bearer"),
    ],
)
async def test_x8_without_the_token_nothing_is_told_and_both_ways_to_show_it_are_named(
    http, bot, shown
):
    for path in PATHS:
        async with http.get(bot.url + path, headers={"Authorization": shown}) as answer:
            assert answer.status == 401
            challenges = answer.headers.getall("WWW-Authenticate")
            assert [one.split()[0] for one in challenges] == ["Bearer", "Basic"]
            assert (await answer.json())["error"] == "unauthorized"
            assert "zhangsan" not in await answer.text()
    assert (await retry(http, bot, 1, headers={"Authorization": shown}))[0] == 401


async def test_the_token_is_a_password_in_a_browser_too(http, bot):
    async with http.get(f"{bot.url}/admin/health", headers=BASIC) as answer:
        assert answer.status == 200


async def test_a_store_that_cannot_answer_is_told(http, bot):
    await bot.store.close()
    assert await read(http, bot, "/admin/outbox") == (503, {"error": "store", "why": "StoreError"})


async def test_health_says_since_when_answers_wait_and_why(http, bot):
    _, told = await read(http, bot, "/admin/health")
    assert (told["deliveries"]["oldest_due_s"], told["deliveries"]["last_causes"]) == (None, [])
    dead = await stuck(bot)
    now = bot.service.services.clock()
    await bot.store.deliveries.add(NewDelivery(CHAT, None, "x", "news", "", "", now - 60_000))
    _, told = await read(http, bot, "/admin/health")
    assert told["deliveries"]["oldest_due_s"] >= 60
    (cause,) = told["deliveries"]["last_causes"]
    assert (cause["delivery"], cause["cause"]) == (dead.id, "errcode 93004")
