"""O4: rubbish on the event stream is skipped and counted, the stream goes on, memory stays bounded."""

import asyncio
import itertools
import tracemalloc
from json import dumps

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.opencode.events import Other, SessionIdle, parse
from bot.opencode.feed import Gap
from bot.opencode.stream import FRAME_LIMIT, Splitter
from tests.fakes.events import HEAD, HELLO, Script, chunk, idle
from tests.opencode_talk import running
from tests.recordings import NAMES, RECORDINGS, frames_of

each_recording = pytest.mark.parametrize("recorded", RECORDINGS.values(), ids=NAMES)
BEHIND_S = 30


def framed(data):
    return b"data: " + data + b"\n\n"


DEEP = b'{"a":"\\ud83d","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BROKEN = {  # each is one frame that nobody can read
    "invalid JSON": framed(b"{oops"),
    "half an event": framed(b'{"payload":{"type":"message.part.delta","properties":{"sess'),
    "half a character": framed(b'{"payload":{"type":"x","properties":{"a":"\xe9\x95"}}}'),
    "no UTF-8 at all": framed(b"\xff\xfe\x00\x01"),
    "a list": framed(b"[1,2,3]"),
    "null": framed(b"null"),
    "no type": framed(b'{"payload":{"properties":{}}}'),
    "a delta of nothing": framed(b'{"payload":{"type":"message.part.delta","properties":{}}}'),
    "a part without an id": framed(
        b'{"payload":{"type":"message.part.updated","properties":{"part":{"type":"text"}}}}'
    ),
    "nested too deep": framed(DEEP),
    "two events in one": framed(b'{"payload":{"type":"session.idle"}}\ndata: {"type":"x"}'),
}
IDLE_TALK = {  # each is to be passed over without a word
    "a comment": b": still here\n\n",
    "comments in a row": b": one\n: two\n\n",
    "fields that we do not use": b"event: note\nid: 7\nretry: 10\n\n",
    "empty lines": b"\n\n\n\n",
    "an unknown type": framed(b'{"payload":{"type":"brand.new","properties":{"sessionID":5}}}'),
    "a large unknown type": framed(
        orjson.dumps({"payload": {"type": "brand.new", "properties": {"x": "y" * 500_000}}})
    ),
}


def wrapped(recorded):
    """Return the frames of a recording as they came, each with its end."""
    return [framed(frame) for frame in frames_of(recorded.stream)]


async def heard(recorded, stream):
    """Let a feed hear the stream; the session's follower must get the turn, to the last event."""
    last = idle(recorded.session)
    connection = [HEAD, chunk(HELLO), "more", chunk(stream), chunk(b"\n\n" + last), "stay"]
    wanted = [event for event in recorded.events if event.session in recorded.family]
    wanted.append(SessionIdle(recorded.session))
    got = []
    async with Script(connection) as server, running(server.url) as feed:
        await feed.wait_connected()
        with feed.follow(recorded.session) as following:
            server.more.set()
            async with asyncio.timeout(BEHIND_S):
                while len(got) < len(wanted):
                    item = await following.next(BEHIND_S)
                    if not isinstance(item, Gap):
                        got.append(item)
    assert got == wanted
    return feed


@each_recording
async def test_the_feed_hands_a_recorded_turn_over_in_whole(recorded):
    feed = await heard(recorded, recorded.stream)
    assert feed.skipped == recorded.torn
    assert feed.duplicates == len(frames_of(recorded.stream)) - len(recorded.events)


@each_recording
async def test_o4_rubbish_between_all_events_is_skipped_and_counted(recorded):
    frames = wrapped(recorded)
    rubbish = list(itertools.islice(itertools.cycle((*BROKEN, *IDLE_TALK)), len(frames)))
    pieces = [(BROKEN | IDLE_TALK)[name] for name in rubbish]
    stream = b"".join(itertools.chain(*zip(pieces, frames, strict=True)))
    feed = await heard(recorded, stream)
    assert feed.skipped == sum(name in BROKEN for name in rubbish)


@each_recording
async def test_o4_line_ends_of_another_system_make_no_difference(recorded):
    feed = await heard(recorded, recorded.stream.replace(b"\n", b"\r\n"))
    assert feed.skipped == recorded.torn


@pytest.mark.parametrize("rubbish", BROKEN.values(), ids=BROKEN.keys())
def test_o4_what_cannot_be_read_is_refused_and_nothing_else(rubbish):
    (frame,) = frames_of(rubbish)
    with pytest.raises(ValueError):  # noqa: PT011  # whatever its words: the feed counts it
        parse(frame)


@each_recording
def test_o4_one_broken_frame_at_any_place_costs_that_frame_alone(recorded):
    good, frames = frames_of(recorded.stream), wrapped(recorded)
    rubbish = itertools.cycle(BROKEN.values())
    for place in range(len(frames) + 1):
        broken = next(rubbish)
        stream = b"".join((*frames[:place], broken, *frames[place:]))
        assert frames_of(stream) == [*good[:place], *frames_of(broken), *good[place:]]


async def test_o4_an_event_of_five_megabytes_is_taken_and_one_above_the_limit_is_counted():
    recorded = RECORDINGS["plain"]
    frames = wrapped(recorded)
    large = {"payload": {"type": "brand.new", "properties": {"x": "y" * 5_000_000}}}
    huge = framed(b'{"payload":"' + b"x" * (FRAME_LIMIT + 1) + b'"}')
    stream = b"".join((*frames[:20], framed(orjson.dumps(large)), huge, *frames[20:]))
    feed = await heard(recorded, stream)
    assert feed.skipped == 1


@given(
    st.lists(st.integers(0, 3_000), max_size=20),
    st.lists(st.integers(1, 2_000), min_size=1, max_size=20),
    st.integers(10, 2_500),
)
def test_o4_frames_up_to_the_limit_are_taken_and_others_counted_in_any_chunking(
    sizes, pieces, limit
):
    datas = [b"x" * size for size in sizes]
    stream, splitter, got, at = b"".join(map(framed, datas)), Splitter(limit), [], 0
    for piece in itertools.cycle(pieces):
        got += splitter.feed(stream[at : at + piece])
        at += piece
        assert sum(map(len, splitter._pieces)) <= limit + 1
        if at >= len(stream):
            break
    fitting = [data for data in datas if len(b"data: ") + len(data) <= limit]
    assert got == fitting
    assert splitter.dropped == len(datas) - len(fitting)


def test_o4_the_lines_of_an_event_that_is_too_large_are_no_events_of_their_own():
    splitter = Splitter(limit=100)
    pieces = (b"data: " + b"x" * 200, b"\ndata: {}\ndata: {}", b"\n\n" + framed(b"good"))
    assert frames_of(*pieces, splitter=splitter) == [b"good"]
    assert splitter.dropped == 1


def test_o4_a_stream_without_an_end_of_line_takes_no_more_memory_than_the_limit():
    splitter, size = Splitter(limit=256 * 1024), 65_536
    tracemalloc.start()
    try:
        for _ in range(500):  # 32 MB
            splitter.feed(b"x" * size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 256 * 1024
    assert splitter.dropped == 1
    assert splitter.feed(b"\n\n" + HELLO) == [HELLO[6:-2]]


FRAMES = sorted({frame for r in RECORDINGS.values() for frame in frames_of(r.stream)})


@given(st.sampled_from(FRAMES), st.data())
def test_o4_a_real_frame_with_bytes_changed_is_read_or_refused_and_nothing_else(frame, data):
    spoilt = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not spoilt:
            break
    try:
        event = parse(bytes(spoilt))
    except ValueError:
        return
    assert event is None or isinstance(event.session, str)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _inside(value):
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _places(value, path=()):
    """Yield the way to everything inside a JSON value."""
    if path:
        yield path
    for key, inner in _inside(value):
        yield from _places(inner, (*path, key))


@settings(max_examples=300)
@given(st.sampled_from(FRAMES), VALUES, st.booleans(), st.data())
def test_o4_a_real_frame_with_any_field_of_another_kind_is_read_or_refused(
    frame, value, half, data
):
    json = orjson.loads(frame)
    *way, last = data.draw(st.sampled_from(sorted(_places(json), key=str)))
    inner = json
    for key in way:
        inner = inner[key]
    inner[last] = value
    if half:  # a cut emoji is decoded by another decoder, to which numbers have no end
        json["half"] = "\ud83d"
    try:
        event = parse(dumps(json).encode())
    except ValueError:
        return
    recorded = RECORDINGS["plain"]
    recorded.folded([event] if event and not isinstance(event, Other) else [], recorded.summary)


def _numbers(json):
    return [path for path in _places(json) if type(_at(json, path)) in (int, float)]


def _at(json, path):
    for key in path:
        json = json[key]
    return json


@pytest.mark.parametrize(
    "number",
    [10**400, -(10**400), float("inf"), float("nan")],
    ids=["huge", "deep", "endless", "none"],
)
def test_o4_numbers_that_have_no_end_are_no_numbers(number):
    """Beside a cut emoji, that is: without one the strict decoder refuses the whole frame."""
    shapes = {tuple(_numbers(json)): json for json in map(orjson.loads, FRAMES)}
    for numbers, json in shapes.items():
        spoilt = orjson.loads(orjson.dumps(json)) | {"half": "\ud83d"}
        for *way, last in numbers:
            _at(spoilt, way)[last] = number
        recorded = RECORDINGS["plain"]
        event = parse(dumps(spoilt).encode())
        recorded.folded([event] if event else [], recorded.summary)
