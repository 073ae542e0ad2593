"""What becomes of a message: refused, carried out, queued or begun, and always told in a sentence."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bot.messages import Chat, InboundMessage
from commands.registry import Commands, Parsed, command
from handlers.intake import Arrival, Intake
from handlers.verbs import Verbs
from store.records import NewChat, NewDelivery, NewInbound, NewTurn
from tests.fakes.edge import until
from tests.fakes.opencode_turns import hang, say
from tests.store.samples import on_its_way

CHAT = "wecom:direct:zhangsan"


@pytest.fixture
async def start(make_bot, fake):
    """Start services that are ready: ``await start(BOT_CHAT_BUSY="reject")``."""

    async def begin(**overrides):
        bot = await make_bot(fake, **overrides)
        await bot.ready()
        return bot

    return begin


async def busy(bot, fake):
    """Let a turn run until the returned event is set."""
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("First."))
    count = len(fake.prompts)
    await bot.wecom.say("zhangsan", "first")
    await until(lambda: len(fake.prompts) > count)
    return go_on


async def keep(bot, message, *, kind="prompt", turn=None, shown=""):
    """Put a message into the store as a service did that then went down."""
    chat = NewChat(CHAT, "wecom", "direct", "zhangsan", "", "zh", 1)
    inbound = NewInbound(
        message=message,
        chat=CHAT,
        sender="zhangsan",
        kind=kind,
        name="",
        body="",
        stream=bot.service.edge.channels[0]._bubbles.stream_of(message),
        shown=shown,
        finished=bool(shown),
        reply_url="",
        received_at=bot.service.services.clock(),
    )
    return await bot.store.inbox.accept(inbound, chat, turn)


def turn_of(message, *, bubble, at):
    return NewTurn(
        message=message,
        chat=CHAT,
        sender="zhangsan",
        kind="prompt",
        text="kept",
        quote="",
        attachments="[]",
        language="zh",
        forced=False,
        bubble=bubble,
        retry_of=None,
        created_at=at,
    )


async def told(bot, words, **facts):
    return await (await bot.wecom.say("zhangsan", words, **facts)).done()


async def test_a_busy_chat_may_refuse_and_says_so_again_to_a_copy(start, fake):
    bot = await start(BOT_CHAT_BUSY="reject")
    go_on = await busy(bot, fake)
    refused = await bot.wecom.say("zhangsan", "second")
    assert "E-BUSY" in await refused.done()
    assert "first" in refused.text
    await keep(bot, "unheard", kind="refused")
    assert "E-BUSY" in await told(bot, "second", msgid="unheard")
    go_on.set()
    await until(lambda: bot.turns.ended["answered"])
    assert [prompt.text for prompt in fake.prompts] == ["first"]


async def test_a_message_that_was_refused_and_never_told_is_not_called_received(start, fake):
    bot = await start()
    await keep(bot, "unheard", kind="refused")
    assert "没有执行" in await told(bot, "你好", msgid="unheard")
    await keep(bot, "heard", kind="refused", shown="as before")
    assert "as before" in await told(bot, "", msgid="heard")
    assert fake.prompts == []


async def test_a_full_queue_takes_neither_message_nor_retry_but_always_a_forced_one(start, fake):
    bot = await start(BOT_CHAT_QUEUE_LIMIT="1")
    go_on = await busy(bot, fake)
    assert "/force 2" in await told(bot, "second")
    assert "E-QUEUE-FULL" in await told(bot, "third")
    assert "E-QUEUE-FULL" in await told(bot, "/init")
    forced = await bot.wecom.say("zhangsan", "/force now")
    assert "OK" in await forced.done()
    go_on.set()
    assert [prompt.text for prompt in fake.prompts][:2] == ["first", "now"]


async def test_two_messages_at_once_are_one_after_the_other(start, fake):
    bot = await start()
    async with asyncio.TaskGroup() as group:
        talks = [group.create_task(bot.wecom.say("zhangsan", f"m{n}")) for n in range(2)]
    shown = [await talk.result().done() for talk in talks]
    assert sum("/force" in text for text in shown) == 1
    await until(lambda: bot.turns.ended["answered"] == 2)


async def test_a_mention_without_words_is_asked_for_some_unless_it_quotes(start, fake):
    bot = await start()
    asked = await bot.wecom.say("zhangsan", "", group="wrTEAM")
    assert "/help" in await asked.done()
    assert fake.prompts == []
    quoting = await bot.wecom.say("zhangsan", "", group="wrTEAM", quote="/new what another wrote")
    assert "OK" in await quoting.done()
    assert fake.prompts[0].text.strip() == "/new what another wrote"


async def test_strangers_are_told_once_a_chat_and_may_ask_who_they_are(start):
    bot = await start()
    first = await bot.wecom.say("stranger", "hello")
    assert "BOT_MEMBERS" in await first.done()
    assert "stranger" in await (await bot.wecom.say("stranger", "/whoami")).done()
    assert (await bot.wecom.say("stranger", "/status")).text == ""
    elsewhere = await bot.wecom.say("stranger", "hello", group="wrTEAM")
    assert "BOT_MEMBERS" in await elsewhere.done()
    assert (await bot.wecom.say("stranger", "hello?", group="wrTEAM")).text == ""
    await bot.restart()
    again = await bot.wecom.say("stranger", "hello", msgid=first.msgid)
    assert set(again.streams) == {first.stream}
    assert "stranger" in await bot.wecom.enter("stranger")


async def test_who_enters_is_welcomed_in_the_language_of_the_chat(start):
    bot = await start()
    assert "你好" in await bot.wecom.enter("lisi")
    await (await bot.wecom.say("zhangsan", "/lang en")).done()
    assert "Hello" in await bot.wecom.enter("zhangsan")
    assert await bot.wecom.event("", "enter_chat") is not None
    assert await bot.wecom.event("lisi", "feedback_event", {"id": "f", "type": 1}) is None
    english = await start(BOT_CHAT_LANGUAGE="en", BOT_DATA_DIR=bot.environ["BOT_DATA_DIR"] + "2")
    assert "Hello" in await english.wecom.enter("lisi")
    assert "idle" in (await told(english, "/状态")).lower()


async def test_unknown_commands_get_the_nearest_word_and_reach_no_model(start, fake):
    bot = await start()
    assert "/status" in await told(bot, "/statsu")
    assert "/help" in await told(bot, "/xyzzyq")
    fake.fault("/command", "error", times=5)
    assert "/help" in await told(bot, "/init")
    fake._faults.clear()
    assert "#1" in await told(bot, "/init now")
    assert (await bot.store.turns.get(1)).kind == "command"


async def test_a_command_that_takes_long_is_brought_afterwards(start, fake, monkeypatch):
    bot = await start()
    monkeypatch.setattr("handlers.verbs.COMMAND_S", 0)
    talk = await bot.wecom.say("zhangsan", "/queue")
    assert "/queue" in await talk.done()
    assert "稍后送达" in talk.text
    assert "没有" in await talk.late_reply()


async def test_a_turn_of_a_command_that_took_long_does_not_answer_in_a_closed_bubble(
    start, fake, monkeypatch
):
    bot = await start()
    go_on = asyncio.Event()
    fake.script(hang(go_on), say("Initialised."))
    monkeypatch.setattr("handlers.verbs.COMMAND_S", 0)
    talk = await bot.wecom.say("zhangsan", "/init")
    assert "稍后送达" in await talk.done()
    assert "#1" in await talk.late_reply()
    assert not (await bot.store.turns.get(1)).bubble
    go_on.set()
    await until(lambda: bot.turns.ended["answered"] and not len(bot.turns))
    monkeypatch.undo()
    assert "Initialised." in await told(bot, "/status")


async def test_the_log_tells_of_each_message_who_wrote_it_and_what_became_of_it(start, fake):
    bot = await start()
    with capture_logs() as logged:
        go_on = await busy(bot, fake)
        second = await bot.wecom.say("zhangsan", "second")
        await told(bot, "/queue")
        await told(bot, "/secret words")
        go_on.set()
        assert "OK" in await second.late_reply()
    taken = [one for one in logged if one["event"] == "message.accepted"]
    assert {one["sender"] for one in taken} == {"zhangsan"}
    assert [(one["kind"], one.get("turn"), one.get("name")) for one in taken] == [
        ("prompt", 1, None),
        ("prompt", 2, None),
        ("command", None, "queue"),
        ("command", None, "unknown"),
    ]
    waited = [one for one in logged if one["event"] == "turn.queued"]
    assert [(one["turn"], one["position"]) for one in waited] == [(2, 1)]
    assert "secret" not in str([one for one in logged if one["event"] != "job.failed"])


async def test_the_log_tells_who_ended_a_turn_and_by_which_wish(start, fake):
    bot = await start()
    with capture_logs() as logged:
        await busy(bot, fake)
        await told(bot, "/stop")
        await until(lambda: not bot.turns.busy(CHAT))
        await busy(bot, fake)
        assert "OK" in await told(bot, "/force now")
    ended = [one for one in logged if one["event"] == "turn.halted"]
    assert [(one["turn"], one["why"], one["by"]) for one in ended] == [
        (1, "stop", "zhangsan"),
        (2, "force", "zhangsan"),
    ]
    assert {one["chat"] for one in ended} == {CHAT}


async def test_a_command_that_breaks_says_so_and_breaks_nothing_else(start):
    bot = await start()

    @command("break", alias=(), topic="people", about=None)
    async def breaking(_):
        raise ZeroDivisionError

    edge = bot.service.edge.channels[0]
    services = bot.service.services
    intake = Intake(services, edge._callback._dispatch._intake._outbox)
    outlets = bot.service.outlets
    verbs = Verbs(services, Commands(breaking), intake, outlets, bot.service.background)
    message = await _inbound(bot)
    arrival = Arrival(message, "s", "zh", may_stay_open=True)
    opening = await verbs.answer(arrival, Parsed("break", ""), "member")
    assert opening.finished
    assert "E-COMMAND" in opening.markdown
    assert "OK" in await told(bot, "still there?")


async def _inbound(bot):
    chat = Chat("wecom", "direct", "zhangsan")
    return InboundMessage("b1", chat, "zhangsan", "/break", bot.service.services.clock())


async def test_a_copy_after_a_crash_is_answered_as_the_first_would_have_been(start, fake):
    bot = await start()
    now = bot.service.services.clock()
    go_on = await busy(bot, fake)
    await keep(bot, "open", turn=turn_of("open", bubble=True, at=now))
    await keep(bot, "closed", turn=turn_of("closed", bubble=False, at=now))
    opened = await bot.wecom.say("zhangsan", "kept", msgid="open")
    assert ("#2" in opened.text, opened.finished) == (True, False)
    closed = await bot.wecom.say("zhangsan", "kept", msgid="closed")
    assert ("#3" in closed.text, closed.finished) == (True, True)
    await keep(bot, "verb", kind="command")
    assert "#1" in await told(bot, "/status", msgid="verb")
    await keep(bot, "done", kind="command", shown="as before")
    assert "as before" in (await bot.wecom.say("zhangsan", "/new", msgid="done")).text
    go_on.set()
    assert "OK" in await opened.done()
    await until(lambda: bot.turns.ended["answered"] == 3)


async def test_a_forced_message_whose_turn_is_there_already_makes_no_second_one(start, fake):
    bot = await start()
    go_on = await busy(bot, fake)
    await bot.store.turns.add(turn_of("twice", bubble=True, at=bot.service.services.clock()))
    talk = await bot.wecom.say("zhangsan", "/force other", msgid="twice")
    assert "#2" in talk.text
    go_on.set()
    await talk.done()
    assert await bot.store.turns.get(3) is None


async def test_to_force_stops_nothing_when_the_lane_has_come_to_the_turn_by_itself(start, fake):
    bot = await start()
    verbs = bot.service.edge.channels[0]._callback._dispatch._verbs
    await told(bot, "first")
    turn = await bot.store.turns.get(1)
    await verbs._force(turn)
    go_on = await busy(bot, fake)
    await verbs._force(await bot.store.turns.get(2))
    await verbs._force(replace(turn, n=99, sender="lisi"))  # whoever runs now is another's
    assert bot.turns.running(CHAT).record.n == 2
    go_on.set()
    await until(lambda: bot.turns.ended["answered"] == 2)


async def test_what_was_on_its_way_when_the_service_went_down_is_told_at_the_next_contact(start):
    bot = await start()
    now = bot.service.services.clock()
    await told(bot, "hello")
    turn = await bot.store.turns.add(turn_of("x", bubble=False, at=now))
    await bot.store.turns.drop(turn.n, "zhangsan", now)
    await bot.store.deliveries.add(NewDelivery(CHAT, None, "y", "Waited.", "", "", now))
    doubtful = await bot.store.deliveries.add(NewDelivery(CHAT, turn.n, "x", "?", "", "", now))
    await on_its_way(bot.store, doubtful.id, at=0)
    await bot.restart()
    async with asyncio.timeout(10):
        while not (await bot.store.deliveries.counts()).get("unknown"):  # noqa: ASYNC110 - rows ring no bell
            await asyncio.sleep(0.01)
    way_out = bot.service.edge.channels[0]._replies.way_out
    await until(lambda: not way_out._busy)  # else it may use the address of what is said next
    text = await told(bot, "/status")
    assert "Waited." in text
    assert f"/result {turn.n}" in text
    text = await told(bot, "/status")
    assert "Waited." not in text
    assert f"/result {turn.n}" not in text


async def test_answers_that_are_too_long_for_one_contact_come_one_after_the_other(start):
    bot = await start()
    await told(bot, "hello")
    for n in range(5):
        body = f"Number {n}. " + "word " * 700
        delivery = NewDelivery(CHAT, None, f"d{n}", body, "", "", bot.service.services.clock())
        await bot.store.deliveries.add(delivery)
    first, second, third = [await told(bot, "/status") for _ in range(3)]
    assert [n for n in range(5) if f"Number {n}." in first] == [0, 1]
    assert [n for n in range(5) if f"Number {n}." in second] == [2, 3]
    assert [n for n in range(5) if f"Number {n}." in third] == [4]
