"""What a bubble shows: never blank, never too long, the same after its end and after a restart."""

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StoreError
from bot.messages import Answer, Medium
from handlers.wecom.bubbles import Bubbles, stream_key
from handlers.wecom.markdown import PREFIX_BYTES, SEAM, answer_text, compose, split, visible
from handlers.wecom.wire import STREAM_BYTES, Wire
from tests.fakes.edge import MINUTE, Edge, Opening, until
from tests.fakes.envelope import AES_KEY


@pytest.fixture
async def edge(tmp_path):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        yield edge


async def begun(edge, msgid="M1"):
    """A message's bubble and the reply stream of its turn."""
    shown = await edge.say("hello", msgid)
    return shown["id"], await edge.reply(msgid)


def read(edge, body):
    """A message as the callback hands it on."""
    reader = Wire(bot_id="", name="", per_user=False)
    return reader.parse(orjson.dumps(body), edge.clock.now)


# What is shown


@given(st.text(max_size=40_000), st.text(max_size=40_000))
def test_a_content_is_never_over_the_limit(prefix, text):
    assert len(compose(prefix * 3, text * 3).encode()) <= STREAM_BYTES


@given(st.text(min_size=1, max_size=300), st.text(max_size=300))
def test_what_stays_on_top_is_told_apart_again(prefix, text):
    content = compose(prefix, text)
    if SEAM not in prefix + text:
        assert split(content)[1] == text
        assert split(content)[0].startswith(prefix.rstrip("\n"))
    assert split(text) == ("", text) or SEAM in text


def test_what_stays_on_top_leaves_room_for_the_turn():
    content = compose("旧" * 20_000, "new text")
    assert len(content.encode()) <= PREFIX_BYTES + len(SEAM.encode()) + 8
    assert content.endswith("new text")


@given(st.text(max_size=30_000), st.text(max_size=3000), st.text(max_size=300))
def test_an_answer_is_never_over_the_limit(body, footer, more):
    assert len(answer_text(Answer(body, footer, more), 9_000).encode()) <= 9_000


def test_a_cut_answer_says_how_to_read_on_and_keeps_its_footer():
    shown = answer_text(Answer("长" * 20_000, "✅ #31", "/result 31 2"))
    assert shown.endswith("/result 31 2\n\n✅ #31")
    whole = answer_text(Answer("short", "✅ #31", "/result 31 2"))
    assert whole == "short\n\n✅ #31"


def test_a_footer_is_never_inside_a_code_block():
    assert answer_text(Answer("```py\nx = 1", "✅ #31")) == "```py\nx = 1\n```\n\n✅ #31"


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200b", "\u3000", "\ufeff"])
def test_blank_is_what_nobody_can_see(text):
    assert not visible(text)
    assert visible(f"{text}字")


@pytest.mark.parametrize("text", ["", " \n", "\u200b"])
async def test_a_bubble_is_never_blank(edge, text):
    stream, reply = await begun(edge)
    reply.update(text)
    assert visible((await edge.poll(stream))["content"])
    await edge.end("M1", text, footer="", more="")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(Answer(text)))
        shown = await edge.poll_to_the_end(stream)
    assert visible(shown["content"])


async def test_a_poll_shows_the_latest_text_whole(edge):
    stream, reply = await begun(edge)
    assert (await edge.poll(stream))["content"] == "开始 #1"
    for text in ("1", "12", "123"):
        reply.update(text)
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == ("123", False)


async def test_an_over_long_text_is_cut_to_the_limit(edge):
    stream, reply = await begun(edge)
    reply.update("字" * 20_000)
    assert len((await edge.poll(stream))["content"].encode()) <= STREAM_BYTES


async def test_an_answer_that_had_waited_stays_on_top_to_the_end(edge):
    edge.desk.prefix = "#7 的结果"
    stream, reply = await begun(edge)
    reply.update("working")
    assert (await edge.poll(stream))["content"] == f"#7 的结果{SEAM}working"
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(Answer("the answer")))
        shown = await edge.poll_to_the_end(stream)
    assert shown["content"] == f"#7 的结果{SEAM}the answer\n\n✅ done"


async def test_polls_after_the_end_show_the_same_bytes(edge):
    stream, reply = await begun(edge)
    await edge.end("M1")
    async with asyncio.TaskGroup() as group:
        group.create_task(reply.finish(Answer("the answer")))
        last = await edge.poll_to_the_end(stream)
    reply.update("too late")
    assert [await edge.poll(stream) for _ in range(3)] == [last] * 3
    await edge.restart()
    assert await edge.poll(stream) == last


async def test_polls_that_pause_and_go_on_miss_nothing(edge):
    stream, reply = await begun(edge)
    await edge.poll(stream)
    edge.clock.now += 30_000
    reply.update("still there")
    assert (await edge.poll(stream))["content"] == "still there"


# Memory and store


async def test_the_bubbles_id_is_a_function_of_the_message(edge):
    key = stream_key(AES_KEY)
    ids = {Bubbles(None, key, None, None).stream_of("M1") for _ in range(2)}
    assert ids == {(await begun(edge))[0]}
    assert Bubbles(None, b"other", None, None).stream_of("M1") not in ids


async def test_what_is_shown_reaches_the_store_by_itself(edge):
    stream, reply = await begun(edge)
    reply.update("half of it")
    await until(lambda: edge.edge._bubbles.find(stream).kept)
    assert (await edge.store.inbox.by_stream(stream)).shown == "half of it"


async def test_after_a_restart_the_bubble_shows_what_it_showed_and_goes_on(edge):
    edge.desk.prefix = "on top"
    stream, reply = await begun(edge)
    reply.update("half of it")
    await edge.restart()
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == (f"on top{SEAM}half of it", False)
    reply = await edge.reply("M1")
    reply.update("more of it")
    assert (await edge.poll(stream))["content"] == f"on top{SEAM}more of it"


async def test_after_a_restart_a_turn_may_write_before_anybody_polls(edge):
    edge.desk.prefix = "on top"
    stream, _ = await begun(edge)
    await edge.restart()
    reply = await edge.reply("M1")
    reply.update("taken up")
    assert (await edge.poll(stream))["content"] == f"on top{SEAM}taken up"
    assert edge.edge.open_bubbles == 1
    assert edge.edge._bubbles.open_of("zhangsan") == 1


async def test_after_a_crash_before_anything_was_flushed_the_bubble_is_not_blank(edge):
    stream, _ = await begun(edge)
    await edge.crash()
    shown = await edge.poll(stream)
    assert shown["finish"] is False
    assert visible(shown["content"])


async def test_after_a_crash_a_commands_lost_reply_is_said_to_be_lost(edge):
    stream = edge.edge._bubbles.stream_of("M1")
    message = read(edge, edge.message("/help", "M1"))
    await edge.desk.accept(message, stream, may_stay_open=True)
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert "E-REPLY-LOST" in shown["content"]


async def test_after_a_crash_a_commands_kept_reply_is_shown(edge):
    stream = edge.edge._bubbles.stream_of("M1")
    message = read(edge, edge.message("/help", "M1"))
    await edge.desk.accept(message, stream, may_stay_open=True)
    await edge.store.inbox.show([(stream, "done", False)])
    shown = await edge.poll(stream)
    assert (shown["content"], shown["finish"]) == ("done", True)


async def test_a_bubble_that_nobody_knows_ends_with_a_sentence(edge):
    shown = await edge.poll("f" * 64)
    assert shown["finish"] is True
    assert "E-REPLY-GONE" in shown["content"]


async def test_a_finished_bubble_leaves_the_memory_and_is_still_answered(edge):
    shown = await edge.say("/help")
    edge.clock.now += 10 * MINUTE + 1
    await until(lambda: len(edge.edge._bubbles) == 0)
    again = await edge.poll(shown["id"])
    assert (again["content"], again["finish"]) == ("done", True)


async def test_pictures_are_kept_for_the_newest_bubbles_alone(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.bubbles.PICTURE_BYTES", 100)
    picture = Medium("x.png", "image", b"0" * 60)
    bubbles = edge.edge._bubbles
    first, second = [bubbles.expect(name, 0, "zh") for name in ("M1", "M2")]
    bubbles.picture(first, (picture,))
    bubbles.picture(first, (picture,))
    assert first.images == (picture,)
    bubbles.picture(second, (picture, picture))
    assert (first.images, second.images) == ((), (picture, picture))
    bubbles.picture(second, ())
    bubbles.picture(first, (picture,))
    assert (first.images, second.images) == ((picture,), ())


async def test_what_could_not_be_saved_is_not_forgotten(edge, monkeypatch):
    shown = await edge.say("/help")
    bubbles = edge.edge._bubbles

    async def full(rows):
        raise StoreError("busy")

    monkeypatch.setattr(edge.store.inbox, "show", full)
    bubble = bubbles.find(shown["id"])
    bubble.changed()
    bubbles._dirty[bubble.stream] = bubble
    edge.clock.now += 10 * MINUTE + 1
    bubbles._forget()
    assert bubbles.find(shown["id"]) is bubble
    assert not await bubbles.save(bubble)
    monkeypatch.undo()
    edge.clock.now += 10 * MINUTE + 1
    await until(lambda: len(bubbles) == 0)


async def test_an_end_is_told_only_when_it_is_kept(edge, monkeypatch):
    stream, _ = await begun(edge)
    bubbles = edge.edge._bubbles
    works = edge.store.inbox.show

    async def full(rows):
        raise StoreError("busy")

    monkeypatch.setattr(edge.store.inbox, "show", full)
    bubbles.finish(bubbles.find(stream), "the last word")
    first = await edge.poll(stream)
    assert (first["content"], first["finish"]) == ("the last word", False)
    assert (await edge.say("hello", "M1"))["finish"] is False
    monkeypatch.setattr(edge.store.inbox, "show", works)
    assert (await edge.say("hello", "M1"))["finish"] is True
    assert (await edge.poll(stream))["finish"] is True


async def test_a_text_that_comes_while_another_is_written_is_not_taken_for_saved(edge):
    stream, reply = await begun(edge)
    bubbles = edge.edge._bubbles
    bubble = bubbles.find(stream)
    works = edge.store.inbox.show

    async def slow(rows):
        reply.update("newer")
        await works(rows)

    reply.update("older")
    edge.store.inbox.show = slow
    assert await bubbles.save(bubble)
    edge.store.inbox.show = works
    assert not bubble.kept
    await bubbles.flush()
    assert (await edge.store.inbox.by_stream(stream)).shown == "newer"


async def test_a_store_that_cannot_be_read_stops_no_flush_for_good(edge, monkeypatch):
    await begun(edge)
    await edge.restart()

    async def broken(stream):
        raise StoreError("busy")

    works = edge.store.inbox.by_stream
    edge.store.inbox.by_stream = broken
    bubbles = edge.edge._bubbles
    bubble = bubbles.expect("M1", edge.clock.now, "zh")
    bubbles.show(bubble, "taken up")
    await bubbles.flush()
    assert not bubble.kept
    edge.store.inbox.by_stream = works
    await bubbles.flush()
    assert bubble.kept


async def test_a_bubble_that_the_store_never_knew_ends(edge):
    bubbles = edge.edge._bubbles
    bubble = bubbles.expect("never said", edge.clock.now, "zh")
    await bubbles.load(bubble)
    assert bubble.finished
    assert "E-REPLY-GONE" in bubble.content


async def test_many_bubbles_are_saved_in_slices(edge):
    for number in range(70):
        await edge.say(f"later {number}", sender=f"p{number}")
    await edge.edge._bubbles.flush()
    streams = [edge.edge._bubbles.stream_of(m.id) for m, _ in edge.desk.accepted]
    rows = [await edge.store.inbox.by_stream(stream) for stream in streams]
    assert all(row.shown and row.finished for row in rows)


async def test_a_turn_may_have_shown_something_before_its_message_is_answered(edge):
    bubbles = edge.edge._bubbles
    message = read(edge, edge.message("hello", "M1"))
    bubbles.show(bubbles.expect("M1", edge.clock.now, "zh"), "running already")
    bubble = bubbles.open(message, Opening("开始", finished=False))
    assert bubble.content == "running already"
    assert bubbles.open_of("zhangsan") == 1


async def test_a_turn_may_even_be_over_before_its_message_is_answered(edge):
    bubbles = edge.edge._bubbles
    bubbles.finish(bubbles.expect("M1", edge.clock.now, "zh"), "over already")
    bubble = bubbles.open(read(edge, edge.message("hi", "M1")), Opening("开始", finished=False))
    assert (bubble.content, bubble.finished) == ("over already", True)
    assert bubbles.open_of("zhangsan") == 0


async def test_a_bubble_that_was_finished_unseen_is_not_counted_twice(edge):
    stream, _ = await begun(edge)
    record = await edge.store.inbox.by_stream(stream)
    bubbles = edge.edge._bubbles
    bubbles.finish(bubbles.find(stream), "over")
    bubbles.find(stream).loaded = False
    assert bubbles.restore(record).content == "over"
    assert bubbles.open_of("zhangsan") == 0


async def test_what_the_store_has_never_replaces_what_memory_knows(edge):
    stream, reply = await begun(edge)
    reply.update("newer")
    record = await edge.store.inbox.by_stream(stream)
    assert edge.edge._bubbles.restore(record).content == "newer"


# Handing over


async def test_five_minutes_after_the_message_the_bubble_is_handed_over(edge):
    stream, reply = await begun(edge)
    reply.update("half of it")
    edge.clock.now += 5 * MINUTE - 1
    assert (await edge.poll(stream))["finish"] is False
    edge.clock.now += 1
    shown = await edge.poll(stream)
    assert shown["finish"] is True
    assert shown["content"].startswith("⏩")
    assert shown["content"].endswith("half of it")
    reply.update("no progress after that")
    assert await edge.poll(stream) == shown


async def test_a_bubble_is_handed_over_even_when_nobody_polls(edge):
    await begun(edge)
    edge.clock.now += 5 * MINUTE
    await until(lambda: edge.edge.open_bubbles == 0)


async def test_an_update_sees_the_deadline_too(edge):
    stream, reply = await begun(edge)
    edge.clock.now += 5 * MINUTE
    reply.update("half of it")
    assert edge.edge._bubbles.find(stream).finished


async def test_a_bubble_without_text_is_handed_over_with_words_alone(edge):
    stream, _ = await begun(edge)
    edge.edge._bubbles.show(edge.edge._bubbles.find(stream), " ")
    edge.clock.now += 5 * MINUTE
    assert (await edge.poll(stream))["content"].endswith("/stop 停止")
