"""Whatever a client sends, the gateway takes it or names the rule that it broke; nothing else."""

import contextlib
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import now_ms
from bot.sandbox.cipher import Refused
from bot.sandbox.gateway_bodies import (
    credentials,
    push_target,
    read_card_update,
    read_push,
    read_response,
    read_welcome,
)
from bot.sandbox.gateway_frames import Frame, errcode_of, read_frame
from bot.sandbox.gateway_handles import Handles
from bot.sandbox.timing import Timing
from bot.sandbox.uploads import Uploads

KEYS = st.sampled_from(
    [
        "msgtype", "stream", "id", "finish", "content", "markdown", "template_card", "card_type",
        "task_id", "chatid", "chat_type", "file", "video", "media_id", "title", "response_type",
        "userids", "upload_id", "chunk_index", "base64_data", "type", "filename", "total_size",
        "total_chunks", "md5", "main_title", "button_list", "text", "bot_id", "secret",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [*("stream", "markdown", "file", "video", "text", "template_card", "text_notice"), ""]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6)
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=8)


@given(st.text() | st.binary() | VALUES.map(json.dumps))
def test_any_frame_is_read_or_refused(raw):
    with contextlib.suppress(Refused):
        assert read_frame(raw).req_id


@given(BODIES)
def test_any_body_is_read_or_refused(body):
    uploads = Uploads(Timing(), now_ms)
    for read in (
        read_response,
        push_target,
        lambda body: read_push(body, 1),
        lambda body: read_push(body, 2),
        read_welcome,
        lambda body: read_card_update(body, "T1"),
        lambda body: credentials(Frame("aibot_subscribe", "1", body)),
        uploads.begin,
        uploads.take,
        uploads.finish,
    ):
        with contextlib.suppress(Refused):
            read(body)


CARDS = [
    {
        "card_type": "text_notice",
        "main_title": {"title": "Done"},
        "card_action": {"type": 1, "url": "https://example.com"},
        "horizontal_content_list": [{"keyname": "who", "value": "me", "type": 0}],
        "jump_list": [{"title": "look", "type": 1, "url": "https://example.com"}],
        "quote_area": {"type": 0},
        "task_id": "T1",
    },
    {
        "card_type": "vote_interaction",
        "main_title": {"title": "Which?"},
        "checkbox": {"question_key": "q", "mode": 0, "option_list": [{"id": "1", "text": "a"}]},
        "submit_button": {"text": "Go", "key": "go"},
        "task_id": "T1",
    },
]


@given(st.sampled_from(CARDS), st.integers(0, 30), VALUES)
def test_any_spoilt_card_is_read_or_refused(card, place, value):
    places = itertools.count()

    def spoilt(one):
        if next(places) == place:
            return value
        if isinstance(one, dict):
            return {key: spoilt(each) for key, each in one.items()}
        return [spoilt(each) for each in one] if isinstance(one, list) else one

    with contextlib.suppress(Refused):
        read_welcome({"msgtype": "template_card", "template_card": spoilt(card)})


@given(st.text(max_size=300))
def test_an_id_that_was_never_given_out_is_good_for_nothing(req_id):
    handles = Handles(Timing(), now_ms)
    for find in (handles.of_message, lambda one: handles.of_event(one, "enter_chat")):
        with pytest.raises(Refused) as refused:
            find(req_id)
        assert errcode_of(refused.value) == 846605
