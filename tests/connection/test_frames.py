"""Frames: what we send is what WeCom's page shows, and nothing that comes can hurt."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadEnvelope
from handlers.wecom.connection import frames
from handlers.wecom.connection.frames import Ack, Told

CODES = {
    0: "done",
    -1: "again",
    45009: "wait",
    45033: "wait",
    846605: "elsewhere",
    846607: "wait",
    846608: "expired",
    846609: "subscribe",
    853000: "stop",
    40001: "stop",
    93004: "barred",
    93006: "barred",
    93008: "barred",
    123456: "unclear",
}


def decoded(request):
    return orjson.loads(request.encode())


def test_a_subscription_names_the_bot_and_its_secret():
    frame = decoded(frames.subscribe("aibX", "S3cret", 1700000000000))
    assert frame["cmd"] == "aibot_subscribe"
    assert frame["body"] == {"bot_id": "aibX", "secret": "S3cret"}
    assert frame["headers"]["req_id"].startswith("aibot_subscribe_1700000000000_")


def test_a_ping_has_no_body():
    frame = decoded(frames.ping(5))
    assert set(frame) == {"cmd", "headers"}
    assert frame["headers"]["req_id"].startswith("ping_5_")


def test_a_reply_copies_the_id_of_its_message():
    assert decoded(frames.stream("REQ", "S1", "text", finished=True)) == {
        "cmd": "aibot_respond_msg",
        "headers": {"req_id": "REQ"},
        "body": {"msgtype": "stream", "stream": {"id": "S1", "finish": True, "content": "text"}},
    }


def test_a_push_says_which_kind_of_chat_it_is_for():
    group = decoded(frames.send("wrX", group=True, body=frames.markdown("x"), now=1))
    assert group["body"] == {
        "chatid": "wrX",
        "chat_type": 2,
        "msgtype": "markdown",
        "markdown": {"content": "x"},
    }
    assert group["headers"]["req_id"].startswith("aibot_send_msg_1_")
    assert decoded(frames.send("li", group=False, body={}, now=1))["body"]["chat_type"] == 1


def test_a_greeting_and_a_new_face_of_a_card():
    assert decoded(frames.welcome("E1", "hi"))["body"] == {
        "msgtype": "text",
        "text": {"content": "hi"},
    }
    card = {"card_type": "text_notice", "task_id": "T1"}
    assert decoded(frames.update_card("E2", card, ("li",))) == {
        "cmd": "aibot_respond_update_msg",
        "headers": {"req_id": "E2"},
        "body": {
            "response_type": "update_template_card",
            "template_card": card,
            "userids": ["li"],
        },
    }
    assert "userids" not in frames.update_card("E2", card).body


def test_two_ids_are_never_the_same():
    assert frames.new_id("ping", 1) != frames.new_id("ping", 1)


def test_an_answer_is_known_by_having_no_command():
    ack = frames.parse(b'{"headers":{"req_id":"R"},"errcode":846608,"errmsg":"expired"}')
    assert ack == Ack("R", 846608, "expired")
    assert ack.reaction == "expired"
    upload = frames.parse('{"headers":{"req_id":"R"},"errcode":0,"body":{"upload_id":"U"}}')
    assert upload.body == {"upload_id": "U"}
    strange = b'{"headers":{"req_id":"R"},"errcode":0,"errmsg":7}'
    assert frames.parse(strange) == Ack("R", 0)


def test_a_callback_tells_its_event():
    raw = {"cmd": "aibot_event_callback", "headers": {"req_id": "R"}}
    told = frames.parse(orjson.dumps(raw | {"body": {"event": {"eventtype": "enter_chat"}}}))
    assert told == Told("aibot_event_callback", "R", {"event": {"eventtype": "enter_chat"}})
    assert told.event == "enter_chat"
    message = {"cmd": "aibot_msg_callback", "headers": {"req_id": "R"}, "body": {"msgid": "M"}}
    assert frames.parse(orjson.dumps(message)).event == ""
    assert frames.parse(orjson.dumps(raw | {"body": {"event": {"eventtype": 7}}})).event == ""


@pytest.mark.parametrize(("code", "reaction"), CODES.items())
def test_each_code_asks_for_something(code, reaction):
    assert frames.reaction(code) == reaction


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "7",
        "{",
        "{}",
        '{"headers":{},"errcode":0}',
        '{"headers":{"req_id":""},"errcode":0}',
        '{"headers":{"req_id":"R"}}',
        '{"headers":{"req_id":7}}',
        '{"headers":{"req_id":"a\\nb"}}',
        '{"headers":{"req_id":"%s"}}' % ("x" * 300),
        '{"headers":{"req_id":"R"},"cmd":7}',
        '{"headers":{"req_id":"R"},"errcode":"0"}',
        '{"headers":{"req_id":"R"},"cmd":"x","body":[]}',
    ],
)
def test_what_is_no_frame_is_refused(raw):
    with pytest.raises(BadEnvelope):
        frames.parse(raw)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_rubbish_is_a_bad_envelope_and_nothing_else(rubbish):
    with pytest.raises(BadEnvelope):
        frames.parse(rubbish)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(["cmd", "headers", "body", "errcode", "errmsg"])


@given(st.dictionaries(KEYS, JSON | st.fixed_dictionaries({"req_id": JSON})))
def test_any_object_is_a_frame_or_refused(frame):
    try:
        parsed = frames.parse(orjson.dumps(frame))
    except BadEnvelope:
        return
    assert isinstance(parsed, Ack | Told)
