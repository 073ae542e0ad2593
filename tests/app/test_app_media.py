"""Media of the application: fetched by their ids, brought to WeCom before they are sent."""

import contextlib

import pytest

from bot.errors import WeComError
from bot.messages import Medium
from handlers.wecom.app import media
from handlers.wecom.app.fetcher import AT_ONCE, AppMedia
from handlers.wecom.app.media import fetch, kind_for, upload
from store.records import AttachmentRecord

MIB = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
MEMBER, CHAT = "zhangsan", "wecom:direct:zhangsan"


@pytest.fixture
def kept(edge):
    return edge.corp_api.media.keep


@pytest.mark.parametrize("name", ["report.pdf", "报告 (1).pdf", 'a"b;c.txt'])
async def test_a_medium_is_fetched_with_its_name(edge, kept, name):
    fetched = await fetch(edge.api, kept("file", name, b"content"), MIB)
    assert (fetched.name, fetched.content) == (name, b"content")


async def test_a_json_file_is_a_file_and_no_answer(edge, kept):
    content = b'{"errcode": 40007}'
    assert (await fetch(edge.api, kept("file", "a.json", content), MIB)).content == content


async def test_a_large_medium_is_had_by_pieces(edge, kept):
    content = bytes(range(256)) * (84 * 1024)  # 21 MB
    fetched = await fetch(edge.api, kept("file", "a.bin", content), 50 * MIB)
    assert fetched.content == content
    assert fetched.name == "a.bin"
    assert edge.corp_api.calls["media/get"] == 3


@pytest.mark.parametrize("size", [2 * MIB, 21 * MIB])
async def test_what_is_too_large_is_not_fetched_to_its_end(edge, kept, size):
    with pytest.raises(WeComError, match="too large"):
        await fetch(edge.api, kept("file", "a.bin", b"x" * size), MIB)


async def test_a_medium_that_is_gone_is_an_error_with_its_code(edge, kept):
    medium = kept("file", "a.txt", b"content")
    edge.clock.now += 4 * 24 * 3600 * 1000
    with pytest.raises(WeComError) as caught:
        await fetch(edge.api, medium, MIB)
    assert caught.value.code == 40007


async def test_an_expired_token_costs_a_fetch_nothing_but_another_token(edge, kept):
    edge.corp_api.expire()
    assert (await fetch(edge.api, kept("file", "a.txt", b"content"), MIB)).content == b"content"


async def test_no_more_are_in_memory_at_once_than_it_holds(edge, kept):
    media_id = kept("file", "a.txt", b"content")
    facts = ("", "", "", 0, "", "", "due", "", 1)
    one = AttachmentRecord(1, "m", "m", 0, "app", "file", media_id, *facts)
    source = AppMedia(edge.api)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(AT_ONCE):
            assert not source._at_once.locked()
            await stack.enter_async_context(source.fetch(one, MIB))
        assert source._at_once.locked()
    async with source.fetch(one, MIB) as again:
        assert [piece async for piece in again.pieces] == [b"content"]


@pytest.mark.parametrize("fault", ["refuse_503", "no_json", "lose_answer"])
async def test_a_fetch_that_fails_is_an_error(edge, kept, fault):
    edge.corp_api.faults.calls.append(fault)
    with pytest.raises(WeComError):
        await fetch(edge.api, kept("file", "a.txt", b"content"), MIB)


async def test_a_file_is_brought_with_its_name_also_after_the_token_expired(edge):
    edge.corp_api.expire()
    said = await upload(edge.api, "file", "报告.pdf", b"content")
    found = edge.corp_api.media.of(said.body["media_id"], "file")
    assert (found.name, found.content) == ("报告.pdf", b"content")
    assert edge.violations == []


@pytest.mark.parametrize(("kind", "size"), [("file", 5), ("voice", 3 * MIB), ("file", 21 * MIB)])
async def test_what_wecom_would_not_take_is_not_brought(edge, kind, size):
    assert (await upload(edge.api, kind, "a", b"x" * size)).outcome.kind == "barred"
    assert edge.corp_api.calls["media/upload"] == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image"),
        (b"\xff\xd8\xff" + b"\0" * 9, "image"),
        (b"GIF89a", "file"),
        (PNG + b"0" * 6 * MIB, "file"),
    ],
)
def test_an_image_that_wecom_would_not_show_goes_as_a_file(content, kind):
    assert kind_for("image", content) == kind


async def test_a_file_is_sent_as_a_message_of_its_own(edge):
    replies = edge.channel.replies
    image = Medium("图.png", "image", PNG)
    assert await replies.send_medium(CHAT, image) == "sent"
    (item,) = edge.wecom.transcript(MEMBER)
    assert item.medium == "图.png"
    assert await replies.send_medium("wecom:group:g", image) == "refused"
    edge.corp_api.faults.calls.append(40006)
    assert await replies.send_medium(CHAT, image) == "refused"
    edge.corp_api.faults.going_on.set()
    edge.corp_api.faults.calls.extend(["hang", "lose_answer"])
    assert await replies.send_medium(CHAT, image) == "doubtful"
    assert edge.violations == []


async def test_what_a_person_sends_comes_as_an_id_that_can_be_fetched(edge):
    talk = await edge.wecom.upload("zhangsan", "image", "a.png", PNG)
    assert talk.attempts == ["ok"]
    (attachment,) = edge.desk.accepted[0][0].attachments
    assert attachment.kind == "image"
    assert (await fetch(edge.api, attachment.url, MIB)).content == PNG


def test_pieces_fit_into_what_wecom_gives_at_once():
    assert media.PIECE_BYTES < 20 * MIB


async def test_a_file_that_is_asked_for_is_refused_where_there_is_no_room_for_it(edge):
    outlet, replies = edge.channel.replies.outlet, edge.channel.replies
    for _ in range(30):
        outlet._budget.spend(MEMBER, edge.clock())
    medium = Medium("a.txt", "file", b"content")
    assert await replies.send_medium(CHAT, medium) == "unsent"
    assert edge.corp_api.calls["media/upload"] == 0
    edge.clock.now += 62_000
    assert await replies.send_medium(CHAT, medium) == "sent"
