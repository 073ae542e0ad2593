"""WeCom's limits: none of ours is wider, and what would go one over is fitted, waits or stays away."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards import NoticeCard, Update
from bot.errors import WeComError
from bot.media import fetching
from bot.messages import Answer, Medium
from bot.turns import sending
from handlers import clicks
from handlers.wecom import budget, callback, cards, replies, timing, webhook, wire
from handlers.wecom.app import app_callback, parts
from handlers.wecom.app import media as app_media
from handlers.wecom.connection import pace, reception, uploads
from tests.connection.stage import BRISK, until
from tests.fakes.opencode_turns import say, tool
from tests.media.pictures import GIF, PNG

KIB, MIB = 1024, 1024 * 1024
MINUTE, HOUR = 60_000, 3_600_000
DIRECT = "wecom:direct:zhangsan"
FACE = NoticeCard("Decided", "", "", (), "https://example.com/x", task="ask@12345678")
SHORT = timing.Timing()
STEADY = pace.STEADY
LIMITS = budget.Limits()
UPLOADED = uploads.MOST_BYTES

AT_MOST = {
    "a bubble, a late answer, a push: bytes": (wire.STREAM_BYTES, 20_480),
    "a bubble of the callback: its window": (SHORT.window_ms, 6 * MINUTE),
    "a stream of the long connection: its hand-over": (SHORT.hand_over_ms, 6 * MINUTE - 1),
    "open bubbles of one person, with the next": (callback.MAX_OPEN + 1, 3),
    "open streams of one person, with the next": (reception.MAX_OPEN + 1, 3),
    "an answer to a callback": (SHORT.store_s, 4.9),
    "an answer to the application's callback": (app_callback.ACCEPT_S, 4.9),
    "a card's new face": (clicks.DECIDE_S, 4.9),
    "a greeting on the long connection": (STEADY.reply_s, 4.9),
    "a late answer: the age of its address": (SHORT.late_ms, HOUR - 1),
    "a medium: the age of its address": (fetching.LIFE_MS, 5 * MINUTE),
    "a reply to a message of the long connection: its age": (STEADY.handle_ms, 24 * HOUR - 1),
    "pictures of one reply": (replies.PICTURES, 10),
    "files of one turn": (sending.SENT_AT_ONCE, 10),
    "pictures of one reply: bytes": (replies.PICTURE_BYTES, 10 * MIB),
    "messages to one conversation in a minute": (LIMITS.per_minute, 30),
    "messages to one conversation in an hour": (LIMITS.per_hour, 1000),
    "between two pings": (STEADY.ping_every_s, 30),
    "unanswered pings": (STEADY.missed_pings, 2),
    "a piece of an upload": (uploads.CHUNK_BYTES, 512 * KIB),
    "pieces of an upload": (-(-max(UPLOADED.values()) // uploads.CHUNK_BYTES), uploads.CHUNKS),
    "pieces that WeCom takes": (uploads.CHUNKS, 100),
    "the name of an upload": (uploads.NAME_BYTES, 256),
    "the time of an upload": (STEADY.upload_s, 1800),
    "an uploaded image": (UPLOADED["image"], 2 * MIB),
    "an uploaded file": (UPLOADED["file"], 20 * MIB),
    "a message of the application": (parts.CONTENT_BYTES, 2048),
    "a card's title in the application": (parts.TITLE_CHARS, 128),
    "a card's words in the application": (parts.DESCRIPTION_CHARS, 512),
    "a card's address": (parts.URL_BYTES, 2048),
    "an image of the application": (app_media.MOST_BYTES["image"], 5 * MIB),
    "a file of the application": (app_media.MOST_BYTES["file"], 20 * MIB),
    "a piece of a medium of the application": (app_media.PIECE_BYTES, 20 * MIB),
    "a notice of the webhook": (webhook.MARKDOWN_BYTES, 4096),
    "notices of the webhook in a minute": (webhook.PER_MINUTE, 20),
    "buttons of a card": (cards.BUTTONS, 6),
    "answers of a card": (cards.CHOICES, 20),
    "facts of a card": (cards.FACTS, 6),
    "the key of a button": (cards.KEY_BYTES, 1024),
}
AT_LEAST = {
    "a rest when the long connection was told that it was too much": (STEADY.rest_s, 30),
    "a rest when the webhook was told so": (webhook.REST_MS, MINUTE),
    "between two updates": (STEADY.update_every_s, 2.5),
    "the least file of an upload": (uploads.LEAST_BYTES, 5),
    "the least file of the application": (app_media.LEAST_BYTES, 6),
    "finals that updates leave room for": (LIMITS.minute_reserve, 6),
    "what a kicked connection waits": (STEADY.slow_s, 60),
}


@pytest.mark.parametrize(("ours", "wecoms"), AT_MOST.values(), ids=AT_MOST)
def test_no_limit_of_ours_is_wider_than_wecoms(ours, wecoms):
    assert 0 < ours <= wecoms


@pytest.mark.parametrize(("ours", "wecoms"), AT_LEAST.values(), ids=AT_LEAST)
def test_nothing_of_ours_is_shorter_than_wecom_asks_for(ours, wecoms):
    assert ours >= wecoms


# The callback


def drawing(files):
    """Return what an agent does that puts files into its outbox."""

    async def act(run):
        outbox = Path(run.directory) / "outbox"
        outbox.mkdir(exist_ok=True)
        for name, content in files.items():
            (outbox / name).write_bytes(content)
        await tool("bash", {"command": "python plot.py"}, "done", title="plot")(run)

    return act


async def test_of_eleven_pictures_ten_are_shown_and_the_eleventh_is_told_of(faked, fake):
    pictures = {f"{n:02}.png": PNG + bytes([n]) for n in range(11)}
    fake.script(drawing(pictures), say("Drawn."))
    talk = await faked.wecom.say("zhangsan", "draw")
    text = await talk.done()
    assert len(talk.bubble.images) == 10
    assert "11" in text
    assert faked.wecom.violations == []


async def test_a_picture_of_another_kind_than_a_reply_takes_is_named(faked, fake):
    fake.script(drawing({"a.gif": GIF, "b.png": PNG}), say("Drawn."))
    talk = await faked.wecom.say("zhangsan", "draw")
    assert "a.gif" in await talk.done()
    assert len(talk.bubble.images) == 1
    assert faked.wecom.violations == []


@pytest.mark.parametrize("channel", ["callback", "app"])
async def test_the_url_is_verified_at_once_whatever_the_store_does(make_faked, channel):
    bot = await make_faked(channel=channel)
    async with bot.store.database.transaction():
        assert await bot.wecom.verify_url()


# The long connection


async def test_a_push_is_never_over_the_limit(stage, wecom):
    talk = await stage.say("hello", "M1")
    reply = await stage.reply("M1")
    wecom.gateway.expire(talk.bubble)
    await stage.end("M1", "字" * 6_827)
    await reply.finish(Answer("字" * 6_827, "✅ done", "/result"))
    await stage.delivered("M1")
    await stage.edge.replies.pushes.notice(DIRECT, "M1", "字" * 6_827)
    await until(lambda: len(talk.late) == 2)
    sizes = [len(item.content.encode()) for item in talk.late]
    assert all(20_000 < size <= wire.STREAM_BYTES for size in sizes)
    assert stage.codes == []


async def test_the_thirty_first_upload_of_a_minute_waits(stage, wecom):
    brief = uploads.Uploads(stage.connection, stage.clock, BRISK)
    for number in range(30):
        await brief.upload("file", f"{number}.txt", b"content")
    tape = wecom.gateway.record()
    brief._pace = replace(BRISK, upload_s=0.3)
    with pytest.raises(WeComError):
        await brief.upload("file", "31.txt", b"content")
    announced = [frame for who, frame in tape if frame.get("cmd") == "aibot_upload_media_init"]
    assert announced == []
    assert stage.codes == []


async def test_a_greeting_and_a_new_face_that_come_too_late_are_not_sent(stage, wecom, hands):
    async def slow(event):
        hands.after(5_000)
        return Update(FACE) if event.click else "welcome!"

    stage.desk.event = stage.desk.click = slow
    tape = wecom.gateway.record()
    facts = {"card_type": "button_interaction", "event_key": "allow", "task_id": FACE.task}
    async with asyncio.TaskGroup() as group:
        entered = group.create_task(wecom.event("zhangsan", "enter_chat"))
        pressed = group.create_task(wecom.event("zhangsan", "template_card_event", facts))
        await until(lambda: stage.edge.counts["event"] and stage.edge.counts["click"])
        entered.cancel()
        pressed.cancel()
    said = [frame["cmd"] for who, frame in tape if who == "client" and frame["cmd"] != "ping"]
    assert said == []
    assert stage.codes == []


async def test_a_message_of_yesterday_is_answered_by_a_push(stage, wecom, hands):
    talk = await stage.say("later", "M1")
    assert await stage.finished(talk) == "已排队 #1"
    hands.after(24 * HOUR)
    tape = wecom.gateway.record()
    reply = await stage.reply("M1")
    reply.update("now it runs")
    await until(lambda: stage.edge.parts.bubbles.find("M1").loaded)
    await stage.end("M1")
    await reply.finish(Answer("the answer", "✅ done", "/result"))
    await stage.delivered("M1")
    said = [frame["cmd"] for who, frame in tape if who == "client" and frame["cmd"] != "ping"]
    assert said == ["aibot_send_msg"]
    assert stage.codes == []


# The application


async def test_a_member_has_a_thousand_messages_an_hour_and_the_next_one_waits(edge):
    outlet, now = edge.channel.replies.outlet, edge.clock.now
    for n in range(1000):
        outlet._budget.spend("zhangsan", now + n * 3_000)
    edge.clock.now = now + 3_100_000
    _, turn, reply = await edge.asked()
    await edge.end(turn)
    await reply.finish(Answer("the answer"))
    await edge.settled()
    assert edge.said() == []
    assert (await edge.delivery(turn)).state == "due"
    edge.clock.now = now + HOUR + MINUTE
    await edge.retry()
    assert len(edge.said()) == 1


async def test_a_file_of_one_byte_too_many_stays_here(edge):
    too_large = Medium("a.bin", "file", bytes(app_media.MOST_BYTES["file"] + 1))
    assert await edge.channel.replies.send_medium(DIRECT, too_large) == "refused"
    assert edge.corp_api.calls["media/upload"] == 0
