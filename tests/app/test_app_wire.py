"""What the application's callback says, as our own messages and events."""

import orjson
import pytest

from bot.errors import BadEnvelope
from bot.messages import Attachment, Chat, InboundMessage
from bot.sandbox import corp_xml
from handlers.wecom.app.app_wire import AppWire
from handlers.wecom.wire import Ignored
from tests.app.edge import AGENT_ID, CORP_ID

WIRE = AppWire(corp_id=CORP_ID, agent_id=AGENT_ID)
AT = 1_760_000_000_000
HEAD = {
    "ToUserName": CORP_ID,
    "FromUserName": "ZhangSan",
    "CreateTime": 1_700_000_000,
    "AgentID": AGENT_ID,
}


def said(**elements):
    return WIRE.parse(corp_xml.xml(HEAD | {"MsgId": 42} | elements), AT)


def happened(event, **elements):
    return WIRE.parse(corp_xml.xml(HEAD | {"MsgType": "event", "Event": event} | elements), AT)


def test_a_text_is_a_message_of_the_members_direct_chat():
    assert said(MsgType="text", Content="fix it") == InboundMessage(
        id="app-42",
        chat=Chat("wecom", "direct", "ZhangSan"),
        sender="ZhangSan",
        text="fix it",
        received_at=AT,
        channel="app",
    )


@pytest.mark.parametrize(
    ("elements", "attachment"),
    [
        ({"MsgType": "image", "PicUrl": "http://x", "MediaId": "M"}, Attachment("image", "M")),
        ({"MsgType": "voice", "MediaId": "M", "Format": "amr"}, Attachment("voice", "M")),
        ({"MsgType": "video", "MediaId": "M", "ThumbMediaId": "T"}, Attachment("video", "M")),
        ({"MsgType": "shortvideo", "MediaId": "M"}, Attachment("video", "M")),
        (
            {"MsgType": "file", "MediaId": "M", "FileName": "a b.txt"},
            Attachment("file", "M", "a b.txt"),
        ),
    ],
)
def test_a_medium_is_an_attachment_by_its_id(elements, attachment):
    message = said(**elements)
    assert message.attachments == (attachment,)
    assert message.text == ""


def test_a_voice_that_wecom_heard_is_its_words():
    message = said(MsgType="voice", MediaId="M", Recognition="/stop 一下")
    assert message.text == " /stop 一下"  # the blank keeps it no command
    assert message.attachments == ()


def test_a_place_and_a_link_are_words_that_are_no_command():
    place = said(MsgType="location", Location_X=23.1, Location_Y=113.3, Scale=20, Label="/new 广州")
    assert place.text == " 📍 /new 广州 (23.1, 113.3)"
    link = said(MsgType="link", Title="/stop", Description="about", Url="https://a", PicUrl="p")
    assert link.text == " /stop\nhttps://a\nabout"


def test_a_kind_that_nobody_knows_is_an_event_that_says_so():
    event = said(MsgType="hologram", Depth=3)
    assert (event.kind, event.id, event.sender) == ("message.hologram", "app-42", "ZhangSan")


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"ToUserName": "ww-another"}, "corp id"),
        ({"AgentID": 7}, "agent id"),
        ({"FromUserName": "a\tb"}, "sender"),
        ({"FromUserName": "x" * 300}, "sender"),
        ({"MsgId": ""}, "MsgId"),
        ({"MsgId": "1; drop"}, "MsgId"),
        ({"MsgId": "9" * 300}, "MsgId"),
    ],
)
def test_what_cannot_be_ours_is_refused(wrong, what):
    with pytest.raises(BadEnvelope, match=what):
        said(MsgType="text", Content="x", **wrong)


@pytest.mark.parametrize("sender", ["", "sys"])
def test_what_no_person_said_is_ignored(sender):
    assert said(MsgType="text", Content="x", FromUserName=sender) == Ignored()


def test_an_empty_text_is_still_a_message():
    assert said(MsgType="text", Content="").text == ""


@pytest.mark.parametrize("event", ["enter_agent", "subscribe"])
def test_who_opens_the_application_is_greeted_as_in_the_bots_chat(event):
    found = happened(event, EventKey="")
    assert (found.kind, found.chat.key) == ("enter_chat", "wecom:direct:ZhangSan")
    assert orjson.loads(found.body)["event"]["eventtype"] == event


def test_entering_is_one_event_a_day_in_china():
    noon = 1_700_020_800 // 86_400 * 86_400 - 8 * 3600  # midnight there
    same = [happened("enter_agent", CreateTime=noon + plus).id for plus in (0, 5, 86_399)]
    assert len(set(same)) == 1
    assert happened("enter_agent", CreateTime=noon + 86_400).id not in same
    assert happened("enter_agent", CreateTime=noon, FromUserName="lisi").id not in same


def test_a_position_that_comes_all_the_time_is_ignored():
    assert happened("LOCATION", Latitude=1, Longitude=2) == Ignored()


CLICK = {
    "EventKey": "allow",
    "TaskId": "T1",
    "CardType": "button_interaction",
    "ResponseCode": "RC",
}


def test_two_events_within_a_second_are_two_and_a_copy_is_the_same():
    clicks = [
        happened("template_card_event", **CLICK | change)
        for change in ({}, {}, {"EventKey": "deny"}, {"TaskId": "T2"}, {"FromUserName": "lisi"})
    ]
    ids = [click.id for click in clicks]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("ticked", [["a"], ["a", "b"], []])
def test_a_click_has_the_shape_of_the_bots_own(ticked):
    chosen = {"SelectedItem": [{"QuestionKey": "q1", "OptionIds": {"OptionId": ticked}}]}
    event = happened("template_card_event", **CLICK, SelectedItems=chosen)
    assert event.kind == "template_card_event"
    assert orjson.loads(event.body)["event"]["template_card_event"] == {
        "card_type": "button_interaction",
        "event_key": "allow",
        "task_id": "T1",
        "response_code": "RC",
        "selected_items": {
            "selected_item": [{"question_key": "q1", "option_ids": {"option_id": ticked}}]
        },
    }


@pytest.mark.parametrize("wrong", [{"CreateTime": "soon"}, {"Event": "x" * 300}, {"Event": "\t"}])
def test_an_event_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadEnvelope):
        WIRE.parse(corp_xml.xml(HEAD | {"MsgType": "event", "Event": "click"} | wrong), AT)
