"""Notices to those who look after the service: each reaches their group, none holds anything up."""

import asyncio

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot import watchdogs
from bot.background import Background
from bot.caretakers import place_of, words_of
from bot.fitting import fit
from bot.sandbox.book import Book
from bot.sandbox.webhook import KEY, PATH, PER_MINUTE
from bot.sandbox.webhook import Webhook as Group
from bot.texts import caretakers as texts
from config.settings import load_settings
from handlers.wecom.webhook import (
    AGAIN_MS,
    MARKDOWN_BYTES,
    REST_MS,
    TRIES,
    WAITING,
    Batch,
    Webhook,
    build_webhook,
)

MINUTE = 62_000  # with the margin that is left for the way


@pytest.fixture
def now():
    """A clock that stands still until a test moves it."""
    return Standing()


class Standing:
    def __init__(self):
        self.at = 1_800_000_000_000

    def __call__(self):
        return self.at

    def leap(self, ms):
        self.at += ms


@pytest.fixture
async def group(now):
    """The group in WeCom, with its webhook on a server of its own."""
    group = Group(Book(now), now)
    app = web.Application()
    app.add_routes([web.post(PATH, group.serve)])
    async with TestServer(app) as server:
        group.url = str(server.make_url("")).rstrip("/")
        yield group


@pytest.fixture
async def webhook(group, now):
    webhook = Webhook(KEY, group.url, now, "en")
    yield webhook
    await webhook.close()


def said(group):
    return [item.content for item in group.said]


async def test_a_notice_stands_in_the_group_as_it_was_told(webhook, group):
    webhook.tell("**the disk** is full")
    await webhook.bring()
    assert said(group) == ["**the disk** is full"]
    assert webhook.facts == {"sent": 1, "waiting": 0, "refused": False, "problem": ""}


async def test_a_long_notice_is_cut_to_what_wecom_takes(webhook, group):
    webhook.tell("很长" * MARKDOWN_BYTES)
    await webhook.bring()
    (content,) = said(group)
    assert MARKDOWN_BYTES - 100 < len(content.encode()) <= MARKDOWN_BYTES
    assert group._book.violations == []


async def test_no_more_than_twenty_a_minute_and_the_rest_in_one_with_a_line_for_each(
    webhook, group, now
):
    for n in range(50):
        webhook.tell(f"notice {n}\nwith facts")
    await webhook.bring()
    assert said(group) == [f"notice {n}\nwith facts" for n in range(PER_MINUTE)]
    now.leap(MINUTE)
    await webhook.bring()
    head, *lines = said(group)[-1].split("\n")
    assert len(said(group)) == PER_MINUTE + 1
    assert head == texts.DIGEST.en.format(count=30)
    assert lines == [f"> notice {n}" for n in range(PER_MINUTE, 50)]
    assert group._book.violations == []
    webhook.tell("and one by itself")
    await webhook.bring()
    assert said(group)[-1] == "and one by itself"


async def test_what_cannot_even_wait_is_counted(webhook, group, now):
    group.answers.append(45009)
    for n in range(WAITING + 7):
        webhook.tell(f"notice {n}")
    await webhook.bring()
    assert webhook.facts["problem"] == "errcode 45009"
    assert webhook.facts["waiting"] == WAITING + 7
    now.leap(REST_MS)
    await webhook.bring()
    (content,) = said(group)
    assert content.startswith(texts.DIGEST.en.format(count=WAITING + 7))
    assert "notice 6\n" not in content
    assert "> notice 7\n" in content
    assert len(content.encode()) <= MARKDOWN_BYTES


async def test_when_it_is_too_much_for_wecom_it_rests_for_a_minute_and_loses_nothing(
    webhook, group, now
):
    group.answers.append(45009)
    webhook.tell("one")
    await webhook.bring()
    webhook.tell("two")
    now.leap(REST_MS - 1)
    await webhook.bring()
    assert (group.calls, said(group)) == (1, [])
    now.leap(1)
    await webhook.bring()
    assert "> one\n> two" in said(group)[0]


async def test_a_key_that_is_good_no_more_ends_it_and_is_told_once(group, now):
    webhook = Webhook("another-key", group.url, now, "en")
    webhook.tell("one")
    webhook.tell("two")
    with capture_logs() as told:
        await webhook.bring()
        webhook.tell("three")
        await webhook.bring()
    await webhook.close()
    assert [entry["event"] for entry in told] == ["webhook.refused"]
    assert group.calls == 1
    assert webhook.facts == {"sent": 0, "waiting": 0, "refused": True, "problem": "errcode 93000"}


async def test_a_notice_that_wecom_does_not_take_is_told_in_the_log_and_holds_up_no_other(
    webhook, group
):
    group.answers.append(40008)
    webhook.tell("never taken")
    webhook.tell("taken")
    with capture_logs() as told:
        await webhook.bring()
    assert [(entry["event"], entry["cause"]) for entry in told] == [
        ("webhook.failed", "errcode 40008")
    ]
    assert said(group) == ["taken"]


async def test_a_wecom_that_is_away_is_tried_again_and_not_for_ever(now):
    webhook = Webhook(KEY, f"http://127.0.0.1:{unused_port()}", now, "en")
    webhook.tell("lost in the end")
    with capture_logs() as told:
        for _ in range(TRIES):
            await webhook.bring()
            now.leap(AGAIN_MS)
    await webhook.close()
    assert [entry["event"] for entry in told] == ["webhook.failed"]
    assert webhook.facts["waiting"] == 0


async def test_a_lost_answer_brings_the_notice_again_rather_than_not_at_all(webhook, group, now):
    group.answers.append(0)
    webhook.tell("once or twice")
    await webhook.bring()
    assert webhook.facts["waiting"] == 1
    now.leap(AGAIN_MS)
    await webhook.bring()
    assert said(group) == ["once or twice", "once or twice"]


async def test_telling_waits_for_nobody_and_a_job_brings_it(group, now):
    settings = load_settings(None, {"WECOM_WEBHOOK_KEY": KEY, "WECOM_API_URL": group.url})
    async with asyncio.timeout(10), Background() as background:
        webhook = build_webhook(settings, background, now)
        webhook.tell("first")
        await group._book.until(lambda: len(said(group)) == 1, 5)
        webhook.tell("second")
        await group._book.until(lambda: len(said(group)) == 2, 5)
        await webhook.close()


async def test_without_a_key_there_is_none(now):
    async with Background() as background:
        assert build_webhook(load_settings(None, {}), background, now) is None


async def test_the_log_knows_neither_key_nor_words(webhook, group, capsys):
    group.answers.extend([40008, 93000])
    webhook.tell("hunter2")
    webhook.tell("hunter2")
    with capture_logs() as told:
        await webhook.bring()
    assert "hunter2" not in str(told)
    assert KEY not in str(told)


@given(notices=st.lists(st.text(min_size=1, max_size=3000), min_size=1, max_size=60))
def test_however_many_are_told_together_wecom_takes_them(notices):
    fitted = tuple(fit(one, MARKDOWN_BYTES) for one in notices)
    for batch in (Batch(fitted, 0), Batch(fitted, 7)):
        assert len(batch.markdown("zh").encode()) <= MARKDOWN_BYTES
        assert batch.count == len(notices) + batch.left_out


# What the stand-in takes for WeCom


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"msgtype": "image"}, 40008),
        ({"msgtype": "text", "text": {"content": " "}}, 44004),
        ({"msgtype": "markdown", "markdown": {}}, 44004),
        ({"msgtype": "markdown", "markdown": {"content": "x" * 4097}}, 45002),
        ({"msgtype": "text", "text": {"content": "好" * 683}}, 45002),
    ],
)
async def test_the_stand_in_refuses_what_wecom_refuses_and_keeps_it(group, body, code):
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{group.url}{PATH}", params={"key": KEY}, json=body)
        assert answer.json()["errcode"] == code
        taken = {"msgtype": "text", "text": {"content": "好" * 682}}
        answer = await http.post(f"{group.url}{PATH}", params={"key": KEY}, json=taken)
        assert answer.json()["errcode"] == 0
    assert [one.code for one in group._book.violations] == ["webhook_body"]


async def test_the_stand_in_wants_json_and_its_own_key(group):
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{group.url}{PATH}"
        assert (await http.post(url, params={"key": KEY}, content=b"x")).json()["errcode"] == 40008
        headers = {"Content-Type": "application/json"}
        answer = await http.post(url, params={"key": KEY}, content=b"[", headers=headers)
        assert answer.json()["errcode"] == 40008
        assert (await http.post(url, json={})).json()["errcode"] == 93000
    assert [one.code for one in group._book.violations] == [
        *("webhook_body", "webhook_body", "webhook_key")
    ]


async def test_the_stand_in_takes_twenty_a_minute(group, now):
    body = {"msgtype": "text", "text": {"content": "again"}}
    async with httpx.AsyncClient(trust_env=False) as http:
        codes = [
            (await http.post(f"{group.url}{PATH}", params={"key": KEY}, json=body)).json()[
                "errcode"
            ]
            for _ in range(PER_MINUTE + 1)
        ]
        now.leap(60_000)
        answer = await http.post(f"{group.url}{PATH}", params={"key": KEY}, json=body)
    assert codes == [0] * PER_MINUTE + [45009]
    assert answer.json()["errcode"] == 0


# The words


def test_what_a_watchdog_sees_is_said_with_its_facts_and_that_it_is_over_without():
    assert "服务" in words_of("loop", {}, "zh", "here", well=True)
    trouble = words_of("channels", {"wecom.connection": "kicked"}, "en", "here", well=False)
    assert trouble.startswith("⚠️ **A channel of WeCom is down**\n> wecom.connection: kicked\n")
    assert "trouble seen by dreams" in words_of("dreams", {}, "en", "here", well=False)


def test_facts_are_short_and_in_one_line_each():
    facts = {"held_up": ["a", "b"], "cause": "x\ny" * 1000, "none": "", "inner": {"a": 1}}
    lines = words_of("outbox", facts, "en", "here", well=False).split("\n")
    assert lines[1] == "> held_up: a, b"
    assert lines[2].startswith("> cause: x y")
    assert len(lines[2]) < 320
    assert lines[3:5] == ["> none: –", "> inner: a: 1"]


def test_a_service_is_named_as_browsers_reach_it_or_by_its_machine():
    assert place_of("https://bot.example.com/x") == "opencode-wecom @ bot.example.com"
    assert len(place_of(None)) > len("opencode-wecom @ ")


# The whole service


async def test_what_a_watchdog_of_the_service_sees_reaches_the_group(make_faked, monkeypatch):
    monkeypatch.setattr(watchdogs, "LOOK_S", watchdogs.LAG_TICK_S)
    monkeypatch.setattr(watchdogs, "DISK_LOW_BYTES", 2**80)
    bot = await make_faked(WECOM_WEBHOOK_KEY=KEY)
    group = bot.wecom.webhook
    await bot.wecom.book.until(lambda: bool(group.said), 10)
    assert texts.TROUBLES["disk"].zh in group.said[0].content
    assert "> opencode-wecom @ 127.0.0.1" in group.said[0].content
    dogs = watchdogs.Watchdogs(bot.service.services, None)
    assert dogs.all.keys() == texts.TROUBLES.keys()
    (state,) = [one for one in bot.service.platforms() if one.name == "wecom.webhook"]
    assert (state.on, state.facts["refused"]) == (True, False)


async def test_a_bot_that_wecom_does_not_let_in_is_told_to_the_group(
    make_faked, make_standin, monkeypatch
):
    monkeypatch.setattr(watchdogs, "LOOK_S", watchdogs.LAG_TICK_S)
    gateway = await make_standin(channel="connection", secret="the right one")
    callback = {"WECOM_BOT_TOKEN": "", "WECOM_BOT_AES_KEY": ""}
    connection = {"WECOM_BOT_SECRET": "a-wrong-one", "WECOM_WS_URL": gateway.gateway_url}
    bot = await make_faked(WECOM_WEBHOOK_KEY=KEY, **callback, **connection)
    group = bot.wecom.webhook
    await bot.wecom.book.until(lambda: bool(group.said), 10)
    assert texts.TROUBLES["channels"].zh in group.said[0].content
    assert "> wecom.connection: WeCom does not let the bot in" in group.said[0].content
    assert "a-wrong-one" not in group.said[0].content
