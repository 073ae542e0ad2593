"""One person who reaches the service by two ways of WeCom: one conversation, answers where asked."""

import asyncio
from dataclasses import dataclass

import pytest

from bot.sandbox.standin import StandIn
from handlers.wecom.timing import Timing
from store.database import Statement
from tests.fakes.edge import until
from tests.fakes.opencode_turns import ask, say
from tests.fault_fixtures import brought, prompted
from tests.media.pictures import PNG
from tests.service_fixtures import Bot
from tests.wecom_fixtures import AES_KEY, SECRET, TOKEN

CHAT = "wecom:direct:zhangsan"
OF_APP = ("WECOM_CORP_ID", "WECOM_AGENT_ID", "WECOM_SECRET", "WECOM_TOKEN", "WECOM_AES_KEY")
OF_BOT = ("WECOM_BOT_TOKEN", "WECOM_BOT_AES_KEY", "WECOM_BOT_SECRET")
NOT_TRUSTED = 60020


@dataclass
class Both:
    """A service, and WeCom on both of its sides: as the application's corp, and as the bot's."""

    service: Bot
    app: StandIn
    bot: StandIn

    def __post_init__(self):
        self.keys = dict(self.service.environ)

    def of(self, channel):
        return self.app if channel == "app" else self.bot

    @property
    def store(self):
        return self.service.store

    @property
    def violations(self):
        return [*self.app.violations, *self.bot.violations]

    async def restart(self, *, without=()):
        """Start the service anew, some of its keys left out of the settings."""
        await self.service.stop()
        self.service.environ = {
            key: value for key, value in self.keys.items() if key not in without
        }
        await self.service.start()
        await self._met()

    async def _met(self):
        self.bot.callback_url = f"{self.service.url}/wecom/bot"
        if self.bot.channel == "connection" and "WECOM_BOT_SECRET" in self.service.environ:
            await self.bot.gateway.until_connected()
        await self.service.ready()


@pytest.fixture
async def make_both(make_standin, make_faked):
    """Make a service that both reach: ``await make_both()``, or ``make_both("connection")``."""

    async def make(channel="callback", **more):
        bot = await make_standin(channel=channel)
        keys = {"WECOM_BOT_SECRET": SECRET, "WECOM_WS_URL": bot.gateway_url}
        if channel == "callback":
            keys = {"WECOM_BOT_TOKEN": TOKEN, "WECOM_BOT_AES_KEY": AES_KEY}
        service = await make_faked(channel="app", ready=False, **more, **keys)
        app = service.wecom
        if channel == "callback":  # late answers go to the one host that has WeCom's API
            bot.base_url, bot.book = app.base_url, app.book
            bot.ways_out, bot.shelf = app.ways_out, app.shelf
        both = Both(service, app, bot)
        await both._met()
        return both

    return make


@pytest.fixture
async def both(make_both):
    return await make_both()


async def answered(both, talk, words):
    """Wait until something said after a message has the words, by the way that it came."""
    await talk.book.until(
        lambda: any(words in text for text in [talk.text, *(one.content for one in talk.late)]), 30
    )


async def settled(both, n, state="sent"):
    """Wait until a turn's answer has come to its state; returns it."""

    async def reached():
        delivery = await both.store.deliveries.of_turn(n)
        return delivery is not None and delivery.state == state

    async with asyncio.timeout(20):
        while not await reached():  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    return await both.store.deliveries.of_turn(n)


@pytest.mark.parametrize("channel", ["callback", "connection"])
@pytest.mark.parametrize("first", ["app", "bot"])
async def test_a_session_and_a_line_are_shared_and_each_answer_leaves_where_it_was_asked(
    make_both, fake, channel, first
):
    both = await make_both(channel)
    second = "bot" if first == "app" else "app"
    gate = asyncio.Event()
    fake.script(say("One.", gate, " And more."))
    fake.script(say("Two."))
    one = await both.of(first).say("zhangsan", "the first")
    await prompted(fake, 1)
    two = await both.of(second).say("zhangsan", "the second")
    assert "#2" in two.text
    gate.set()
    await answered(both, one, "One. And more.")
    await answered(both, two, "Two.")
    await brought(both.service, 2)
    assert [prompt.text for prompt in fake.prompts] == ["the first", "the second"]
    turns = [await both.store.turns.get(n) for n in (1, 2)]
    assert len({(turn.chat, turn.session) for turn in turns}) == 1
    ways = {"app": "app", "bot": channel}
    left = [await settled(both, n) for n in (1, 2)]
    assert [one.channel for one in left] == [ways[first], ways[second]]
    said = both.app.transcript("zhangsan") + both.bot.transcript("zhangsan")
    for words in ("more.", "Two."):
        assert len({item.id for item in said if words in item.content}) == 1
    assert both.violations == []


async def test_after_a_restart_each_answer_still_leaves_where_it_was_asked(both, fake):
    gate = asyncio.Event()
    fake.script(say("One.", gate, " And more."))
    fake.script(say("Two."))
    one = await both.app.say("zhangsan", "the first")
    await prompted(fake, 1)
    two = await both.bot.say("zhangsan", "the second")
    await both.restart()
    gate.set()
    await answered(both, one, "One. And more.")
    await answered(both, two, "Two.")
    left = [await settled(both, n) for n in (1, 2)]
    assert [one.channel for one in left] == ["app", "callback"]
    assert both.violations == []


async def test_what_is_asked_by_one_way_is_decided_by_the_other(both, fake):
    fake.script(ask("bash", ("ls",)), say("Allowed."))
    talk = await both.bot.say("zhangsan", "look")
    await talk.shows("/allow")
    (request,) = await both.store.asks.open(CHAT)
    await both.app.say("zhangsan", f"/allow {request.code}")
    assert "Allowed." in await talk.done()
    assert both.violations == []


async def test_a_turn_is_stopped_and_fetched_by_the_other_way(both, fake):
    fake.script(say("So far", asyncio.Event()))
    talk = await both.app.say("zhangsan", "work")
    await prompted(fake, 1)
    await both.bot.say("zhangsan", "/stop")
    await answered(both, talk, "⛔")
    fake.script(say("It is done."))
    again = await both.app.say("zhangsan", "once more")
    await answered(both, again, "It is done.")
    await brought(both.service, 2)
    assert "It is done." in await (await both.bot.say("zhangsan", "/result 2")).done()
    assert both.violations == []


# A channel that was on at the last run and is off now


async def test_what_was_due_by_the_application_is_shown_by_the_bot(both, fake):
    both.app.corp.api.faults.calls.append(NOT_TRUSTED)
    fake.script(say("It is done."))
    await both.app.say("zhangsan", "work")
    await brought(both.service, 1)
    assert (await both.store.deliveries.of_turn(1)).state == "due"
    await both.restart(without=OF_APP)
    assert (await both.store.deliveries.of_turn(1)).channel == "callback"
    talk = await both.bot.say("zhangsan", "/queue")
    assert "It is done." in await talk.done()
    await settled(both, 1)


@pytest.mark.parametrize("channel", ["callback", "connection"])
async def test_what_was_due_by_the_bot_is_pushed_by_the_application(make_both, fake, channel):
    nowhere = {"timing": Timing(late_ms=0, patience_s=0.1)}
    both = await make_both(channel, options=nowhere)
    gate = asyncio.Event()
    fake.script(say("It is", gate, " done."))
    both.bot.polling = False
    await both.bot.say("zhangsan", "work")
    await prompted(fake, 1)
    both.bot.gateway.faults.away = True
    both.bot.gateway.cut()
    gate.set()
    await brought(both.service, 1)
    assert (await both.store.deliveries.of_turn(1)).state == "due"
    await both.restart(without=OF_BOT)
    await settled(both, 1)
    (item,) = (one for one in both.app.transcript("zhangsan") if one.kind == "late")
    assert "It is done." in item.content


async def test_a_turn_that_began_by_the_application_is_answered_by_the_bot(both, fake):
    gate = asyncio.Event()
    fake.script(say("It is", gate, " done."))
    await both.app.say("zhangsan", "work")
    await prompted(fake, 1)
    await both.restart(without=OF_APP)
    gate.set()
    await brought(both.service, 1)
    talk = await both.bot.say("zhangsan", "/queue")
    assert "It is done." in await talk.done()
    assert (await settled(both, 1)).channel == "callback"


async def test_a_line_that_began_by_the_bot_is_answered_by_the_application(both, fake):
    gate = asyncio.Event()
    fake.script(say("It is", gate, " done."))
    fake.script(say("Next."))
    await both.bot.say("zhangsan", "work")
    await prompted(fake, 1)
    await both.bot.say("zhangsan", "next")
    await both.restart(without=OF_BOT)
    gate.set()
    left = [await settled(both, n) for n in (1, 2)]
    assert [one.via for one in left] == ["app", "app"]
    said = [one.content for one in both.app.transcript("zhangsan") if one.kind == "late"]
    assert any("It is done." in words for words in said)
    assert any("Next." in words for words in said)


async def test_what_was_on_its_way_by_a_channel_that_is_off_is_in_doubt_and_holds_nothing_up(
    both, fake
):
    fake.script(say("Perhaps."))
    await both.app.say("zhangsan", "work")
    await settled(both, 1)
    await both.store.deliveries._database.write(
        Statement("UPDATE deliveries SET state = 'sending' WHERE turn = 1")
    )
    await both.restart(without=OF_APP)
    await settled(both, 1, "unknown")
    fake.script(say("Next."))
    talk = await both.bot.say("zhangsan", "next")
    assert "Next." in await talk.done()
    await settled(both, 2)


@pytest.mark.parametrize(
    ("state", "words"), [("due", "not sent: a.txt"), ("sending", "whether `a.txt` arrived")]
)
async def test_a_file_of_a_channel_that_is_off_is_told_of_by_another(both, fake, state, words):
    fake.script(say("Done."))
    await both.app.say("zhangsan", "work")
    await settled(both, 1)
    await both.store.database.write(
        Statement(
            """
            INSERT INTO deliveries (
                chat, message, body, footer, more, file, state, created_at, changed_at, channel,
                next_at
            )
            SELECT chat, message, 'not sent: a.txt', '', '', 'a.txt', $1, created_at, changed_at,
                channel, changed_at + 300000
            FROM deliveries WHERE turn = 1
            """,
            state,
        )
    )
    await both.restart(without=OF_APP)
    await both.bot.say("zhangsan", "/queue")  # on top of its reply, or by its address
    await until(lambda: any(words in item.content for item in both.bot.transcript("zhangsan")))


async def test_what_a_group_is_owed_waits_for_a_channel_that_has_groups(both, fake):
    gate = asyncio.Event()
    fake.script(say("It is", gate, " done."))
    both.bot.polling = False
    await both.bot.say("zhangsan", "work", group="wrTEAM")
    await prompted(fake, 1)
    await both.restart(without=OF_BOT)
    gate.set()
    await until(lambda: both.service.turns.ended["answered"])
    await brought(both.service, 1)
    assert (await both.store.deliveries.of_turn(1)).state == "due"
    await both.restart()
    await settled(both, 1)
    said = [item.content for item in both.bot.transcript("wrTEAM") if not item.who]
    assert "It is done." in said[-1]
    assert both.violations == []


async def test_a_request_that_the_application_showed_can_be_decided_by_the_bot(both, fake):
    fake.script(ask("bash", ("ls",)), say("Allowed."))
    talk = await both.app.say("zhangsan", "look")
    await talk.late_reply()
    await both.restart(without=OF_APP)
    status = await both.bot.say("zhangsan", "/status")
    (request,) = await both.store.asks.open(CHAT)
    assert request.code in await status.done()
    decided = await both.bot.say("zhangsan", f"/allow {request.code}")
    await answered(both, decided, "Allowed.")
    assert both.violations == []


# Files


async def test_a_picture_by_the_application_goes_with_a_sentence_to_the_bot(both, fake):
    await both.app.upload("zhangsan", "image", "", PNG)
    talk = await both.bot.say("zhangsan", "what is this?")
    assert "OK" in await talk.done()
    (prompt,) = fake.prompts
    assert [part["mime"] for part in prompt.parts if part["type"] == "file"] == ["image/png"]
    assert both.violations == []
