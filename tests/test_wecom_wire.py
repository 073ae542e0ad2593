"""What WeCom says, in our words; what we say, in WeCom's."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadEnvelope
from bot.messages import Attachment, Chat, InboundMessage, PlatformEvent
from handlers.wecom import wire
from handlers.wecom.wire import Ignored, Poll, Wire

AT = 1_700_000_000_000
URL = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=C"
SINGLE = {
    "msgid": "M1",
    "aibotid": "aibX",
    "chattype": "single",
    "from": {"userid": "zhangsan"},
    "response_url": URL,
}
GROUP = SINGLE | {"chattype": "group", "chatid": "wrAbC"}


def parse(body, *, bot_id="aibX", name="RobotA", per_user=False):
    reader = Wire(bot_id=bot_id, name=name, per_user=per_user)
    return reader.parse(orjson.dumps(body), AT)


def text(content, base=SINGLE, **more):
    return base | {"msgtype": "text", "text": {"content": content}} | more


def test_a_text_of_a_direct_chat():
    assert parse(text("hello")) == InboundMessage(
        id="M1",
        chat=Chat("wecom", "direct", "zhangsan"),
        sender="zhangsan",
        text="hello",
        received_at=AT,
        reply_url=URL,
    )


def test_a_text_of_a_group_loses_its_mention_and_keeps_the_case_of_the_chat():
    message = parse(text("@RobotA hello", GROUP))
    assert message.text == "hello"
    assert message.chat == Chat("wecom", "group", "wrAbC")


def test_a_group_may_keep_a_session_a_person():
    assert parse(text("hi", GROUP), per_user=True).chat.member == "zhangsan"
    assert parse(text("hi"), per_user=True).chat.member == ""


def test_a_voice_message_is_its_transcript():
    assert parse(SINGLE | {"msgtype": "voice", "voice": {"content": "你好"}}).text == "你好"


@pytest.mark.parametrize("kind", ["image", "file", "video"])
def test_media_become_attachments(kind):
    message = parse(SINGLE | {"msgtype": kind, kind: {"url": "https://x/1"}})
    assert message.text == ""
    assert message.attachments == (Attachment(kind, "https://x/1"),)


def test_undocumented_members_of_media_are_understood():
    image = parse(SINGLE | {"msgtype": "image", "image": {"pic_url": "https://x/1"}})
    assert image.attachments == (Attachment("image", "https://x/1"),)
    named = {"url": "https://x/2", "filename": "报告.pdf"}
    assert parse(SINGLE | {"msgtype": "file", "file": named}).attachments == (
        Attachment("file", "https://x/2", "报告.pdf"),
    )


def test_a_medium_without_an_address_is_a_message_without_anything():
    message = parse(SINGLE | {"msgtype": "image", "image": {}})
    assert (message.text, message.attachments) == ("", ())


def test_a_mixed_message_keeps_its_order():
    items = [
        {"msgtype": "text", "text": {"content": "@RobotA look"}},
        {"msgtype": "image", "image": {"url": "U1"}},
        {"msgtype": "text", "text": {"content": "and here"}},
        {"msgtype": "file", "file": {"url": "U2"}},
        {"msgtype": "location"},
        {"msgtype": "mixed", "mixed": {"msg_item": []}},
        "rubbish",
    ]
    message = parse(GROUP | {"msgtype": "mixed", "mixed": {"msg_item": items}})
    assert message.text == "look\nand here"
    assert message.attachments == (Attachment("image", "U1"), Attachment("file", "U2"))


def test_a_mixed_message_without_items_is_empty():
    assert parse(SINGLE | {"msgtype": "mixed", "mixed": {"msg_item": "x"}}).text == ""


@pytest.mark.parametrize(
    ("quote", "words", "media"),
    [
        ({"msgtype": "text", "text": {"content": "earlier"}}, "earlier", ()),
        ({"msgtype": "voice", "voice": {"content": "said"}}, "said", ()),
        ({"msgtype": "image", "image": {"url": "U"}}, "", (Attachment("image", "U"),)),
        ({"msgtype": "file", "file": {"url": "U"}}, "", (Attachment("file", "U"),)),
        ({"msgtype": "video", "video": {"url": "U"}}, "", (Attachment("video", "U"),)),
        (
            {
                "msgtype": "mixed",
                "mixed": {
                    "msg_item": [
                        {"msgtype": "text", "text": {"content": "a"}},
                        {"msgtype": "image", "image": {"url": "U"}},
                    ]
                },
            },
            "a",
            (Attachment("image", "U"),),
        ),
        ({"msgtype": "poem"}, "", ()),
        ("rubbish", "", ()),
    ],
)
def test_a_quote_comes_along(quote, words, media):
    message = parse(text("@RobotA why?", GROUP, quote=quote))
    assert (message.text, message.quote, message.attachments) == ("why?", words, media)


def test_a_bare_mention_takes_the_quote_for_its_prompt():
    quote = {"msgtype": "text", "text": {"content": "fix the login"}}
    message = parse(text("@RobotA", GROUP, quote=quote))
    assert (message.text.strip(), message.quote) == ("fix the login", "")


def test_a_quoted_command_never_becomes_a_command_of_who_quotes_it():
    quote = {"msgtype": "text", "text": {"content": "/allow a7k"}}
    message = parse(text("@RobotA", GROUP, quote=quote))
    assert message.text == " /allow a7k"


def test_a_poll_names_its_bubble():
    body = {k: v for k, v in SINGLE.items() if k != "response_url"}
    assert parse(body | {"msgtype": "stream", "stream": {"id": "S1"}}) == Poll("S1")


def test_who_opens_the_chat_is_an_event_even_without_a_chat_type():
    body = {"msgid": "E1", "aibotid": "aibX", "from": {"userid": "zhangsan"}}
    event = parse(body | {"msgtype": "event", "event": {"eventtype": "enter_chat"}})
    assert isinstance(event, PlatformEvent)
    assert (event.id, event.kind, event.sender) == ("E1", "enter_chat", "zhangsan")
    assert event.chat == Chat("wecom", "direct", "zhangsan")
    assert event.received_at == AT


@pytest.mark.parametrize(
    "kind", ["feedback_event", "template_card_event", "auth_change_event", "x"]
)
def test_other_events_come_with_their_json(kind):
    body = GROUP | {"msgtype": "event", "event": {"eventtype": kind, kind: {"id": "F"}}}
    event = parse(body)
    assert event.kind == kind
    assert json.loads(event.body) == body


def test_an_event_may_have_no_sender():
    body = {"msgid": "E1", "aibotid": "aibX", "msgtype": "event"}
    event = parse(body | {"event": {"eventtype": "disconnected_event"}})
    assert (event.sender, event.chat) == ("", None)


def test_a_message_of_an_unknown_type_is_an_event_of_that_name():
    event = parse(SINGLE | {"msgtype": "location", "location": {}})
    assert event.kind == "message.location"
    assert event.kind.startswith(wire.UNSUPPORTED)


def test_what_the_system_writes_is_ignored():
    assert parse(text("x") | {"from": {"userid": "sys"}}) == Ignored()


def test_the_bots_id_is_checked_only_when_it_is_configured():
    assert parse(text("x") | {"aibotid": "aibY"}, bot_id="").text == "x"
    with pytest.raises(BadEnvelope, match="bot id"):
        parse(text("x") | {"aibotid": "aibY"})


@pytest.mark.parametrize(
    "change",
    [
        {"msgid": None},
        {"msgid": ""},
        {"msgid": 7},
        {"msgid": "m" * 300},
        {"msgid": "a\nb"},
        {"msgid": "a\0b"},
        {"from": None},
        {"from": {"userid": ""}},
        {"from": {"userid": 7}},
        {"chattype": "group"},
        {"chattype": "party"},
        {"chatid": ["x"]},
        {"msgtype": "stream"},
        {"msgtype": "stream", "stream": {"id": ""}},
        {"msgtype": "event"},
        {"msgtype": "event", "event": []},
    ],
)
def test_what_cannot_be_wecoms_is_a_bad_envelope(change):
    with pytest.raises(BadEnvelope):
        parse(text("x") | change)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_x1_what_is_no_json_object_is_a_bad_envelope(raw):
    with pytest.raises(BadEnvelope, match="json"):
        Wire(bot_id="", name="", per_user=False).parse(raw, AT)


def test_x1_huge_numbers_do_no_harm():
    assert parse(text("x") | {"create_time": 2**60}).text == "x"
    raw = orjson.dumps(text("x"))[:-1] + b',"create_time":' + b"9" * 400 + b"}"
    with pytest.raises(BadEnvelope, match="json"):
        Wire(bot_id="", name="", per_user=False).parse(raw, AT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
MEMBERS = ["msgid", "aibotid", "chatid", "chattype", "from", "msgtype", "text", "quote", "mixed"]


@given(st.sampled_from(MEMBERS), json_values, st.sampled_from(["text", "mixed", "image", "event"]))
def test_x1_any_member_of_any_shape_is_understood_or_refused(member, value, kind):
    try:
        parse(text("x", GROUP, msgtype=kind) | {member: value}, bot_id="")
    except BadEnvelope:
        return


def test_text_never_holds_a_nul():
    assert parse(text("a\0b")).text == "ab"


@pytest.mark.parametrize("member", ["encrypt", "Encrypt"])
def test_the_outer_member_is_found_in_both_cases(member):
    assert wire.ciphertext(orjson.dumps({member: "abc"})) == b"abc"


@pytest.mark.parametrize("body", [{}, {"encrypt": 7}, {"encrypt": None}, {"other": "x"}])
def test_a_body_without_a_ciphertext_is_a_bad_envelope(body):
    with pytest.raises(BadEnvelope, match="shape"):
        wire.ciphertext(orjson.dumps(body))


def test_the_bodies_of_our_answers():
    assert orjson.loads(wire.stream_body("S", "一", finished=False)) == {
        "msgtype": "stream",
        "stream": {"id": "S", "finish": False, "content": "一"},
    }
    assert orjson.loads(wire.text_body("hi")) == {"msgtype": "text", "text": {"content": "hi"}}
    assert orjson.loads(wire.markdown_body("# hi")) == {
        "msgtype": "markdown",
        "markdown": {"content": "# hi"},
    }
