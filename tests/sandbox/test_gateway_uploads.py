"""Files that a bot uploads over the gateway, and those that people send to it."""

import base64
import hashlib

import aiohttp
import pytest
from Crypto.Cipher import AES

from tests.sandbox.client import markdown
from tests.standin import PNG, codes

INIT, CHUNK, FINISH = (f"aibot_upload_media_{step}" for step in ("init", "chunk", "finish"))
PIECE = 512 * 1024
MP4 = b"\0\0\0\x18ftypmp42" + b"\0" * 16


def announce(content, kind="file", **more):
    pieces = -(-len(content) // PIECE)
    facts = {"type": kind, "filename": "a.bin", "total_size": len(content), "total_chunks": pieces}
    return facts | {"md5": hashlib.md5(content).hexdigest()} | more


def piece(upload, number, content):
    data = base64.b64encode(content).decode()
    return {"upload_id": upload, "chunk_index": number, "base64_data": data}


async def begin(client, content, **more):
    return (await client.ask(INIT, announce(content, **more)))["body"]["upload_id"]


async def upload(client, content, first=0, **more):
    """Upload a file in pieces that are counted from ``first``; return the last answer."""
    upload = await begin(client, content, **more)
    for number, start in enumerate(range(0, len(content), PIECE), first):
        await client.code(CHUNK, piece(upload, number, content[start : start + PIECE]))
    return await client.ask(FINISH, {"upload_id": upload})


@pytest.mark.parametrize("first", [0, 1])
async def test_a_file_is_put_together_and_sent(wecom, client, heard, first):
    talk, req_id = heard
    content = bytes(range(256)) * 4_100
    answer = await upload(client, content, first)
    assert (answer["errcode"], answer["body"]["type"]) == (0, "file")
    media = answer["body"]["media_id"]
    body = {"msgtype": "file", "file": {"media_id": media}}
    assert await client.code("aibot_respond_msg", body, req_id) == 0
    assert wecom.gateway.uploads.done[media].content == content
    assert talk.late[0].medium == "a.bin"
    assert codes(wecom) == []


async def test_pieces_come_in_any_order_twice_and_by_another_connection(wecom, client, connect):
    content = bytes(range(256)) * 4_100
    upload = await begin(client, content)
    parts = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
    await client.code(CHUNK, piece(upload, 2, parts[2]))
    await client.code(CHUNK, piece(upload, 0, parts[0]))
    await client.close()
    other = await connect()
    await other.subscribe()
    await other.code(CHUNK, piece(upload, 0, b"ignored"))
    await other.code(CHUNK, piece(upload, 1, parts[1]))
    assert (await other.ask(FINISH, {"upload_id": upload}))["errcode"] == 0
    assert codes(wecom) == []


async def test_an_image_is_shown(wecom, client, heard):
    talk, _ = heard
    media = (await upload(client, PNG, kind="image"))["body"]["media_id"]
    body = {"chatid": "zhangsan", "msgtype": "image", "image": {"media_id": media}}
    assert await client.code("aibot_send_msg", body) == 0
    assert talk.late[0].images[0].startswith("data:image/png;base64,")
    wrong = {"chatid": "zhangsan", "msgtype": "file", "file": {"media_id": media}}
    assert await client.code("aibot_send_msg", wrong) == 860104
    assert codes(wecom) == ["media_id"]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"type": "sound"}, "upload_type"),
        ({"filename": ""}, "upload_name"),
        ({"filename": "界" * 86}, "upload_name"),
        ({"total_size": 4}, "upload_total_size"),
        ({"total_size": 20 * 1024 * 1024 + 1}, "upload_total_size"),
        ({"total_size": "7"}, "upload_total_size"),
        ({"total_chunks": 0}, "upload_total_chunks"),
        ({"total_chunks": 101}, "upload_total_chunks"),
        ({"total_size": PIECE + 1}, "upload_chunks"),
        ({"total_chunks": 11}, "upload_chunks"),
        ({"md5": "no"}, "upload_md5"),
        ({"type": "image", "total_size": 2 * 1024 * 1024 + 1}, "upload_total_size"),
    ],
)
async def test_an_upload_is_announced_rightly(wecom, client, facts, code):
    assert await client.code(INIT, announce(b"0123456789") | facts) == 860104
    assert codes(wecom) == [code]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"upload_id": "another"}, "upload_id"),
        ({"chunk_index": -1}, "upload_chunk_index"),
        ({"chunk_index": 2}, "upload_chunk_index"),
        ({"chunk_index": True}, "upload_chunk_index"),
        ({"base64_data": "?"}, "upload_base64"),
        ({"base64_data": ""}, "upload_piece"),
        ({"base64_data": base64.b64encode(b"x" * (PIECE + 1)).decode()}, "upload_piece"),
    ],
)
async def test_a_piece_is_brought_rightly(wecom, client, facts, code):
    upload = await begin(client, b"0123456789")
    assert await client.code(CHUNK, piece(upload, 0, b"0123456789") | facts) == 860104
    assert codes(wecom) == [code]


@pytest.mark.parametrize(
    ("content", "facts", "code"),
    [
        (b"0123456789", {"md5": "0" * 32}, "upload_md5"),
        (b"0123456789", {"total_size": 11}, "upload_size"),
        (b"0123456789", {"total_size": 11, "total_chunks": 2}, "upload_incomplete"),
        (b"0123456789", {"type": "image"}, "upload_format"),
        (b"0123456789", {"type": "voice"}, "upload_format"),
        (b"0123456789", {"type": "video"}, "upload_format"),
    ],
)
async def test_a_file_must_be_what_was_announced(wecom, client, content, facts, code):
    assert (await upload(client, content, **facts))["errcode"] == 860104
    assert codes(wecom) == [code]


@pytest.mark.parametrize(("kind", "content"), [("video", MP4), ("voice", b"#!AMR\nxx")])
async def test_what_is_of_its_kind_is_taken(client, kind, content):
    assert (await upload(client, content, kind=kind))["errcode"] == 0


async def test_an_upload_has_half_an_hour_and_its_file_three_days(wecom, client, heard, hands):
    upload_id = await begin(client, b"0123456789")
    hands.after(1800)
    assert await client.code(CHUNK, piece(upload_id, 0, b"0123456789")) == 860104
    media = (await upload(client, b"0123456789"))["body"]["media_id"]
    hands.after(259_200)
    body = {"chatid": "zhangsan", "msgtype": "file", "file": {"media_id": media}}
    assert await client.code("aibot_send_msg", body) == 860104
    assert codes(wecom) == ["upload_id", "media_id"]


async def test_thirty_uploads_a_minute(wecom, client, hands):
    for _ in range(30):
        await begin(client, b"0123456789")
    assert await client.code(INIT, announce(b"0123456789")) == 846607
    hands.after(60)
    assert await client.code(INIT, announce(b"0123456789")) == 0
    assert codes(wecom) == ["upload_frequency"]


async def test_what_people_send_has_a_key_of_its_own(wecom, client):
    keys = []
    for content in (b"first", b"second"):
        wecom.begin("zhangsan", wecom.keep_medium("file", "报告.pdf", content))
        medium = (await client.told())["body"]["file"]
        async with aiohttp.ClientSession() as http, http.get(medium["url"]) as response:
            sealed = await response.read()
            assert "filename*=UTF-8''%E6%8A%A5" in response.headers["Content-Disposition"]
        key = base64.b64decode(medium["aeskey"] + "=")
        plain = AES.new(key, AES.MODE_CBC, key[:16]).decrypt(sealed)
        assert plain == content + bytes([32 - len(content)] * (32 - len(content)))
        keys.append(key)
    assert keys[0] != keys[1]


async def test_an_upload_leaves_the_chats_quota_alone(wecom, client, heard):
    for _ in range(30):
        await begin(client, b"0123456789")
    body = {"chatid": "zhangsan"} | markdown("still")
    assert await client.code("aibot_send_msg", body) == 0
