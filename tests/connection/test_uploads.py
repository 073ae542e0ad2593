"""Uploads: in pieces, within WeCom's limits, and whole whatever happens on the way."""

import asyncio
import hashlib
import random
from dataclasses import replace

import pytest

from bot.errors import WeComError
from handlers.wecom.connection.uploads import CHUNK_BYTES, MOST_BYTES, Uploads, kind_of
from tests.connection.stage import BRISK, until

CONTENT = random.Random(5).randbytes(1_200_000)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@pytest.fixture
async def uploads(stage):
    return Uploads(stage.connection, stage.clock, BRISK)


def uploaded(wecom, media_id):
    return wecom.gateway.uploads.done[media_id]


async def test_a_large_file_arrives_whole(stage, wecom, uploads):
    tape = wecom.gateway.record()
    media_id = await uploads.upload("file", "报告.bin", CONTENT)
    kept = uploaded(wecom, media_id)
    assert (kept.kind, kept.name) == ("file", "报告.bin")
    assert kept.content == CONTENT
    sent = [frame for who, frame in tape if who == "client"]
    chunks = [frame for frame in sent if frame["cmd"] == "aibot_upload_media_chunk"]
    assert sorted(frame["body"]["chunk_index"] for frame in chunks) == [0, 1, 2]
    begun = next(frame["body"] for frame in sent if frame["cmd"] == "aibot_upload_media_init")
    assert begun["md5"] == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert stage.codes == []


async def test_it_goes_on_after_the_connection_was_lost(stage, wecom, uploads):
    wecom.gateway.faults.next("aibot_upload_media_chunk", "cut")
    assert uploaded(wecom, await uploads.upload("file", "a", CONTENT)).content == CONTENT
    assert stage.connection.counts["opened"] == 2
    assert stage.codes == []


async def test_a_lost_answer_lets_a_piece_be_sent_again(stage, wecom, uploads):
    wecom.gateway.faults.next("aibot_upload_media_chunk", "drop")
    assert uploaded(wecom, await uploads.upload("file", "a", CONTENT)).content == CONTENT
    assert stage.codes == []


@pytest.mark.parametrize("code", [-1, 45009])
async def test_a_busy_wecom_is_asked_again(stage, wecom, uploads, code):
    wecom.gateway.faults.next("aibot_upload_media_chunk", code, code)
    assert uploaded(wecom, await uploads.upload("image", "a.png", PNG)).content == PNG


async def test_what_wecom_refuses_three_times_is_given_up(stage, wecom, uploads):
    wecom.gateway.faults.next("aibot_upload_media_init", -1, -1, -1)
    with pytest.raises(WeComError) as raised:
        await uploads.upload("file", "a", PNG)
    assert raised.value.code == -1


async def test_what_wecom_never_answers_is_given_up(stage, wecom, uploads):
    wecom.gateway.faults.next("aibot_upload_media_finish", "drop", "drop", "drop")
    with pytest.raises(WeComError):
        await uploads.upload("file", "a", PNG)


async def test_an_upload_has_an_end(stage, wecom):
    uploads = Uploads(stage.connection, stage.clock, replace(BRISK, upload_s=0.2))
    wecom.gateway.faults.away = True
    wecom.gateway.cut()
    await until(lambda: not stage.connection.up)
    with pytest.raises(WeComError):
        await uploads.upload("file", "a", PNG)


@pytest.mark.parametrize(
    ("kind", "size"),
    [("file", 4), ("image", MOST_BYTES["image"] + 1), ("file", MOST_BYTES["file"] + 1)],
)
async def test_what_wecom_would_not_take_is_refused_before(stage, wecom, uploads, kind, size):
    tape = wecom.gateway.record()
    with pytest.raises(WeComError):
        await uploads.upload(kind, "a", bytes(size))
    assert [frame for who, frame in tape if who == "client" and frame["cmd"] != "ping"] == []


async def test_many_pieces_are_brought_two_side_by_side(stage, wecom, uploads):
    content = random.Random(6).randbytes(11 * CHUNK_BYTES)
    waiting, most = set(), 0
    tape = wecom.gateway.record()
    media_id = await uploads.upload("file", "a", content)
    for who, frame in tape:
        req_id = frame["headers"]["req_id"]
        if who == "client" and frame["cmd"] == "aibot_upload_media_chunk":
            waiting.add(req_id)
            most = max(most, len(waiting))
        elif who == "server":
            waiting.discard(req_id)
    assert most <= 2
    assert uploaded(wecom, media_id).content == content
    assert stage.codes == []


async def test_a_name_that_is_too_long_is_cut_at_a_character(stage, wecom, uploads):
    name = "长" * 200 + ".txt"
    kept = uploaded(wecom, await uploads.upload("file", name, PNG))
    assert len(kept.name.encode()) <= 256
    assert name.startswith(kept.name)


async def test_uploads_side_by_side_do_not_meet(stage, wecom, uploads):
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(uploads.upload("file", f"{number}", bytes([number]) * 600_000))
            for number in range(4)
        ]
    for number, task in enumerate(tasks):
        assert uploaded(wecom, task.result()).content == bytes([number]) * 600_000
    assert stage.codes == []


def test_what_is_no_picture_for_wecom_is_a_file():
    assert kind_of("image", PNG) == "image"
    assert kind_of("image", b"<svg/>") == "file"
    assert kind_of("image", PNG + bytes(MOST_BYTES["image"])) == "file"
    assert kind_of("file", PNG) == "file"
