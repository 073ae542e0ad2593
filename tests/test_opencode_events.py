"""Bytes become frames, frames become events, in whatever pieces they come."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.opencode.events import (
    Compacted,
    Connected,
    Disposed,
    Heartbeat,
    MessageRemoved,
    MessageUpdated,
    Other,
    PartDelta,
    PartRemoved,
    PartUpdated,
    PermissionAsked,
    PermissionReplied,
    QuestionAsked,
    QuestionClosed,
    SessionCreated,
    SessionDeleted,
    SessionFailed,
    SessionIdle,
    SessionRetitled,
    StatusChanged,
    TodosUpdated,
    is_duplicate,
    parse,
)
from bot.opencode.model import (
    Message,
    PermissionRequest,
    QuestionRequest,
    ServerError,
    Session,
    Status,
    TextPart,
    Todo,
)
from bot.opencode.stream import Splitter


def frame(kind, properties, **outer):
    payload = {"id": "evt_1", "type": kind, "properties": properties}
    return orjson.dumps({"directory": "/w", "project": "p", **outer, "payload": payload})


def fed(splitter, data, sizes):
    """Feed data in pieces of the given sizes, over and over."""
    frames, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        frames += splitter.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return frames


TEXTS = st.lists(st.text(max_size=30), max_size=6)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@given(TEXTS, SIZES, st.sampled_from([b"\n", b"\r\n"]))
def test_frames_are_the_same_however_the_bytes_are_cut(texts, sizes, newline):
    frames = [json.dumps(text, ensure_ascii=False).encode() for text in texts]
    data = b"".join(b"data: " + f + newline + newline for f in frames)
    assert fed(Splitter(), data, sizes) == frames


BLOCKS = st.lists(st.sampled_from([b"data: ", b"x", b"\n", b"\n\n", b"\r", b"yy", b":", b"data:z"]))


@given(BLOCKS, SIZES)
def test_what_is_dropped_does_not_depend_on_the_cuts_either(blocks, sizes):
    data = b"".join(blocks) + b"\n\n"
    whole, cut = Splitter(limit=9), Splitter(limit=9)
    assert fed(cut, data, sizes) == whole.feed(data)
    assert cut.dropped == whole.dropped


def test_comments_other_fields_and_empty_frames_bring_nothing():
    splitter = Splitter()
    assert splitter.feed(b": hello\n\nid: 1\nretry: 5\n\n\n\n\nevent: x\ndata:{}\n\n") == [b"{}"]


def test_several_data_lines_are_one_frame():
    assert Splitter().feed(b"data: {\ndata: }\n\n") == [b"{\n}"]


def test_a_frame_at_the_limit_passes_and_one_above_is_left_out():
    splitter = Splitter(limit=10)
    assert splitter.feed(b"data: 1234\n\n") == [b"1234"]
    assert splitter.feed(b"data: 12345\n\ndata: 1\n\n") == [b"1"]
    assert splitter.dropped == 1


def test_an_endless_frame_takes_no_memory_and_is_left_out_once():
    splitter = Splitter(limit=1000)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
    assert sum(map(len, splitter._pieces)) <= 1001
    assert splitter.feed(b"\n\ndata: 1\n\n") == [b"1"]
    assert splitter.dropped == 1


def test_a_frame_of_five_megabytes_in_small_pieces_comes_whole():
    text = "长" * (5 * 1024 * 1024 // 3)
    data = b"data: " + orjson.dumps({"type": "x", "text": text}) + b"\n\n"
    (only,) = fed(Splitter(), data, [64 * 1024])
    assert orjson.loads(only)["text"] == text


def test_half_a_frame_of_a_broken_connection_is_forgotten():
    splitter = Splitter()
    splitter.feed(b'data: {"type": "hal')
    splitter.restart()
    assert splitter.feed(b"data: 1\n\n") == [b"1"]


SESSION = {"id": "ses_1", "title": "T", "directory": "/w", "parentID": "ses_0"}
INFO = {"id": "msg_1", "sessionID": "ses_1", "role": "user"}
TEXT = {"id": "prt_1", "sessionID": "ses_1", "messageID": "msg_1", "type": "text", "text": "Hi"}
ASKED = {"id": "per_1", "sessionID": "ses_1", "permission": "bash"}
QUESTION = {"id": "que_1", "sessionID": "ses_1", "questions": []}
OF = {"sessionID": "ses_1"}

KNOWN = [
    ("session.created", {**OF, "info": SESSION}, SessionCreated(Session.parse(SESSION))),
    ("session.created", {"info": SESSION}, SessionCreated(Session.parse(SESSION))),
    ("session.updated", {"info": SESSION}, SessionRetitled("ses_1", "T")),
    ("session.deleted", {**OF, "info": SESSION}, SessionDeleted("ses_1")),
    ("session.status", {**OF, "status": {"type": "busy"}}, StatusChanged("ses_1", Status("busy"))),
    ("session.idle", OF, SessionIdle("ses_1")),
    ("session.compacted", OF, Compacted("ses_1")),
    (
        "session.error",
        {**OF, "error": {"name": "E", "data": {"message": "m"}}},
        SessionFailed("ses_1", ServerError("E", "m")),
    ),
    ("session.error", {}, SessionFailed("", ServerError("UnknownError"))),
    ("message.updated", {"info": INFO}, MessageUpdated("ses_1", Message.parse_info(INFO))),
    ("message.removed", {**OF, "messageID": "msg_1"}, MessageRemoved("ses_1", "msg_1")),
    (
        "message.part.updated",
        {**OF, "part": TEXT, "time": 5},
        PartUpdated("ses_1", "msg_1", TextPart("prt_1", "Hi")),
    ),
    (
        "message.part.updated",
        {"part": TEXT, "delta": "i"},
        PartUpdated("ses_1", "msg_1", TextPart("prt_1", "Hi"), "i"),
    ),
    (
        "message.part.delta",
        {**OF, "messageID": "msg_1", "partID": "prt_1", "field": "text", "delta": "H"},
        PartDelta("ses_1", "msg_1", "prt_1", "text", "H"),
    ),
    (
        "message.part.removed",
        {**OF, "messageID": "msg_1", "partID": "prt_1"},
        PartRemoved("ses_1", "msg_1", "prt_1"),
    ),
    ("todo.updated", {**OF, "todos": [{"content": "c"}]}, TodosUpdated("ses_1", (Todo("c"),))),
    ("permission.asked", ASKED, PermissionAsked(PermissionRequest.parse(ASKED))),
    ("permission.updated", ASKED, PermissionAsked(PermissionRequest.parse(ASKED))),
    ("permission.replied", {**OF, "requestID": "per_1"}, PermissionReplied("ses_1", "per_1")),
    ("permission.replied", {**OF, "permissionID": "per_1"}, PermissionReplied("ses_1", "per_1")),
    ("question.asked", QUESTION, QuestionAsked(QuestionRequest.parse(QUESTION))),
    ("question.replied", {**OF, "requestID": "que_1"}, QuestionClosed("ses_1", "que_1")),
    ("question.rejected", {**OF, "requestID": "que_1"}, QuestionClosed("ses_1", "que_1")),
    ("file.edited", {"file": "/w/a"}, Other("file.edited")),
    ("server.connected", {}, Connected()),
    ("server.heartbeat", {}, Heartbeat()),
    ("server.instance.disposed", {"directory": "/w"}, Disposed("/w")),
    ("global.disposed", {}, Disposed("")),
    ("session.diff", {**OF, "diff": []}, Other("session.diff", "ses_1")),
    ("plugin.added", {}, Other("plugin.added")),
]


@pytest.mark.parametrize(("kind", "properties", "event"), KNOWN)
def test_an_event_is_what_its_type_says(kind, properties, event):
    assert parse(frame(kind, properties)) == event


@pytest.mark.parametrize(("kind", "properties", "event"), KNOWN)
def test_every_event_tells_its_session_or_that_it_has_none(kind, properties, event):
    of_session = kind.split(".")[0] not in ("server", "global", "file", "plugin") and properties
    assert event.session == ("ses_1" if of_session else "")


def test_a_frame_without_the_outer_shell_is_read_too():
    assert parse(b'{"type":"session.idle","properties":{"sessionID":"ses_1"}}') == SessionIdle(
        "ses_1"
    )


def sync(**outer):
    inner = {"id": "evt_1", "type": "message.updated.1", "seq": 1, "data": {"info": INFO}}
    payload = {"type": "sync", "syncEvent": inner, "id": "evt_1"}
    return orjson.dumps({**outer, "payload": payload})


def test_a_duplicate_is_known_without_decoding_it():
    duplicate = sync(directory="/w", project="p")
    assert is_duplicate(duplicate)
    assert is_duplicate(duplicate[:90])
    assert parse(duplicate) is None


def test_a_duplicate_in_a_folder_with_a_brace_in_its_name_is_known_all_the_same():
    duplicate = sync(directory="/w{1}", project="p")
    assert not is_duplicate(duplicate)
    assert parse(duplicate) is None


def test_an_event_that_only_speaks_of_a_duplicate_is_none():
    part = {**TEXT, "text": '"payload":{"type":"sync"', "metadata": {"payload": {"type": "sync"}}}
    for event in (frame("message.part.updated", {"part": part}), frame("x", {"type": "sync"})):
        assert not is_duplicate(event)
        assert parse(event) is not None


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"type": 5}',
        frame("session.idle", {}),
        frame("message.part.updated", {"part": {}}),
        frame("message.part.delta", {**OF, "messageID": "msg_1"}),
    ],
)
def test_what_nobody_can_read_is_a_value_error(rubbish):
    with pytest.raises(ValueError):  # noqa: PT011  # orjson's error has words of its own
        parse(rubbish)


@given(st.binary(max_size=300))
def test_rubbish_never_raises_anything_else(rubbish):
    for candidate in (rubbish, b'{"payload":' + rubbish + b"}"):
        try:
            parse(candidate)
        except ValueError:
            continue
