"""One subscription: handed out by session, watched, made again, and honest about what it missed."""

import asyncio
import itertools

import orjson
import pytest
import structlog

from bot.opencode import feed as feed_module
from bot.opencode.events import PartDelta, PartUpdated, SessionIdle
from bot.opencode.feed import Following, Gap
from tests.fakes.events import BEAT, HEAD, HELLO, Script, chunk, idle
from tests.fakes.opencode import FakeOpenCode
from tests.opencode_talk import running, taken, until


async def test_it_sends_the_password_and_asks_for_events_uncompressed():
    async with Script() as server, running(server.url, "bot", "secret") as feed:
        await feed.wait_connected()
    (request,) = server.requests
    assert request.startswith("GET /global/event HTTP/1.1\r\n")
    assert "Basic Ym90OnNlY3JldA==\r\n" in request
    assert "accept-encoding: identity" in request.lower()


async def test_without_a_password_it_sends_none():
    async with Script() as server, running(server.url, "bot", "") as feed:
        await feed.wait_connected()
    assert "authorization" not in server.requests[0].lower()


async def test_a_follower_gets_its_sessions_events_in_order_and_nobody_elses():
    data = b"".join(idle(f"ses_{n % 2}", n=n) for n in range(6))
    connection = [HEAD, chunk(HELLO), "more", chunk(data), chunk(idle("ses_end")), "stay"]
    async with Script(connection) as server, running(server.url) as feed:
        await feed.wait_connected()
        with (
            feed.follow("ses_0") as zero,
            feed.follow("ses_1") as one,
            feed.follow("ses_end") as end,
        ):
            server.more.set()
            assert await taken(end, 1) == [SessionIdle("ses_end")]
            assert await taken(zero, 3) == [SessionIdle("ses_0")] * 3
            assert await taken(one, 3) == [SessionIdle("ses_1")] * 3
            assert await zero.next(0) is None
            assert await zero.next(0.01) is None
        assert feed.events == 8


async def test_bytes_cut_anywhere_and_crlf_and_comments_do_no_harm():
    text = "长城".encode()
    delta = (
        b'data: {"payload":{"type":"message.part.delta","properties":{"sessionID":"s",'
        b'"messageID":"m","partID":"p","field":"text","delta":"' + text + b'"}}}\r\n\r\n'
    )
    data = HELLO + b": comment\r\n\r\n" + delta
    pieces = [chunk(data[n : n + 1]) for n in range(len(data))]
    async with Script([HEAD, "more", *pieces, "stay"]) as server, running(server.url) as feed:
        with feed.follow("s") as following:
            server.more.set()
            heard = {*await taken(following, 2)}
    assert heard == {Gap("reconnected"), PartDelta("s", "m", "p", "text", "长城")}


async def test_rubbish_is_skipped_and_counted_and_the_stream_goes_on():
    rubbish = b"data: {oops\n\n" + b"data: \xff\xfe\n\n" + b'data: {"type":"session.idle"}\n\n'
    connection = [HEAD, chunk(HELLO + rubbish + idle("s")), "stay"]
    async with Script(connection) as server, running(server.url) as feed:
        with feed.follow("s") as following:
            assert {*await taken(following, 2)} == {SessionIdle("s"), Gap("reconnected")}
        assert feed.skipped == 3


async def test_a_frame_of_five_megabytes_arrives_and_one_above_the_limit_is_skipped():
    def part(size):
        text = {"id": "p", "messageID": "m", "sessionID": "s", "type": "text", "text": "x" * size}
        payload = {"type": "message.part.updated", "properties": {"part": text}}
        return b"data: " + orjson.dumps({"payload": payload}) + b"\n\n"

    big, huge = part(5_000_000), part(9_000_000)
    connection = [HEAD, chunk(HELLO), chunk(huge), chunk(big), chunk(idle("s")), "stay"]
    async with Script(connection) as server, running(server.url) as feed:
        with feed.follow("s") as following:
            items = await taken(following, 3)
        (size,) = [len(item.part.text) for item in items if isinstance(item, PartUpdated)]
        assert size == 5_000_000
        assert SessionIdle("s") in items
        assert feed.skipped == 1


async def test_duplicates_are_counted_and_handed_to_nobody():
    inner = {"id": "e", "type": "session.idle.1", "data": {"sessionID": "s"}}
    duplicate = {"directory": "/w", "payload": {"type": "sync", "syncEvent": inner}}
    data = HELLO + b"data: " + orjson.dumps(duplicate) + b"\n\n" + idle("s")
    async with Script([HEAD, chunk(data), "stay"]) as server, running(server.url) as feed:
        with feed.follow("s") as following:
            assert {*await taken(following, 2)} == {SessionIdle("s"), Gap("reconnected")}
        assert (feed.duplicates, feed.skipped) == (1, 0)


BROKEN = {
    "end": [b"0\r\n\r\n"],
    "end without a word": [],
    "reset": ["reset"],
    "cut in a frame": [chunk(b'data: {"payload":{"type":"ses'), "reset"],
    "cut in a chunk": [b"400\r\nhalf", "reset"],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_after_a_broken_connection_it_connects_again_and_followers_find_a_gap(broken):
    first = [HEAD, chunk(HELLO), "more", chunk(idle("s")), *broken]
    second = [HEAD, chunk(HELLO + idle("s")), "stay"]
    async with Script(first, second) as server, running(server.url) as feed:
        await feed.wait_connected()
        with feed.follow("s") as following:
            server.more.set()
            items = await taken(following, 3)
        assert items[0] == SessionIdle("s")
        assert {*items[1:]} == {Gap("reconnected"), SessionIdle("s")}
        assert (feed.connected, feed.reconnects) == (True, 1)


REFUSALS = {
    "status 401": b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    "status 500": b"HTTP/1.1 500 Oops\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n",
    "no events": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nhtml",
    "broken": b"220 smtp ready\r\n\r\n",
    "broken at once": b"",
}


@pytest.mark.parametrize(("word", "refusal"), REFUSALS.items(), ids=REFUSALS.keys())
async def test_a_refusal_is_no_connection_and_is_said_once(word, refusal):
    refusals = [[refusal]] * 4
    with structlog.testing.capture_logs() as logs:
        async with Script(*refusals) as server, running(server.url) as feed:
            with feed.follow("s") as following:
                assert not feed.connected
                assert await taken(following, 1) == [Gap("reconnected")]
            assert (feed.connected, feed.reconnects) == (True, 0)
    assert logs[0]["reason"] == word.removesuffix(" at once")
    first, *more, last = [(entry["event"], entry["log_level"]) for entry in logs]
    assert first == ("feed.lost", "warning")
    assert set(more) == {("feed.lost", "debug")}
    assert last == ("feed.connected", "info")


async def test_a_server_that_is_not_there_is_tried_until_it_is():
    async with FakeOpenCode() as fake:
        await fake.stop()
        with structlog.testing.capture_logs() as logs:
            async with running(fake.url, fake.username, fake.password) as feed:
                await until(lambda: len(logs) > 2)
                await fake.start()
                await feed.wait_connected()
    lost = [(e["reason"], e["log_level"]) for e in logs if e["event"] == "feed.lost"]
    assert lost[:2] == [("refused", "info"), ("refused", "debug")]


async def test_what_happens_while_the_server_only_greets_lies_before_the_gap():
    """It greets before it listens to itself, so a reading at once could miss what comes next."""
    connection = [HEAD, chunk(HELLO), "more", chunk(idle("s")), "stay"]
    async with Script(connection) as server, running(server.url, settle_s=0.1) as feed:
        with feed.follow("s") as following:
            await until(lambda: feed.events)
            assert not feed.connected
            server.more.set()
            assert await taken(following, 2) == [SessionIdle("s"), Gap("reconnected")]


async def test_a_connection_that_breaks_while_it_settles_was_none():
    greeting = [[HEAD, chunk(HELLO), "reset"]] * 3
    async with Script(*greeting) as server, running(server.url, settle_s=0.1) as feed:
        await feed.wait_connected()
        assert feed.reconnects == 0


async def test_a_silent_connection_that_never_beat_is_dead_after_the_quiet_time():
    first = [HEAD, chunk(HELLO), "stay"]
    async with Script(first) as server, running(server.url, beat_s=60, quiet_s=0.05) as feed:
        with feed.follow("s") as following:
            assert await taken(following, 2) == [Gap("reconnected")] * 2


MUTE = {"no headers": ["stay"], "no first frame": [HEAD, "stay"]}


@pytest.mark.parametrize("mute", MUTE.values(), ids=MUTE.keys())
async def test_a_server_that_takes_the_request_but_never_greets_is_asked_again(mute):
    """So it does with whoever asks in the moment its port opens."""
    with structlog.testing.capture_logs() as logs:
        async with Script(mute) as server, running(server.url, greeting_s=0.05, quiet_s=60) as feed:
            await feed.wait_connected()
            assert len(server.requests) == 2
    assert (logs[0]["event"], logs[0]["reason"], logs[0]["log_level"]) == (
        *("feed.lost", "silent"),
        "info",
    )


async def test_one_that_has_greeted_may_be_quiet_for_longer():
    connection = [HEAD, chunk(HELLO), 0.2, chunk(idle("s")), "stay"]
    async with Script(connection) as server, running(server.url, greeting_s=0.05) as feed:
        with feed.follow("s") as following:
            assert {*await taken(following, 2)} == {Gap("reconnected"), SessionIdle("s")}
        assert feed.reconnects == 0


async def test_before_each_attempt_the_server_is_waited_for():
    gate = asyncio.Event()
    waits = []

    async def ready():
        waits.append(len(server.requests))
        await gate.wait()

    first = [HEAD, chunk(HELLO), "more", "reset"]
    async with Script(first) as server, running(server.url, ready=ready) as feed:
        await until(lambda: waits == [0])
        gate.set()
        await feed.wait_connected()
        gate.clear()
        server.more.set()
        await until(lambda: waits == [0, 1])
        assert not feed.connected
        gate.set()
        await feed.wait_connected()
        assert len(server.requests) == 2


async def test_heartbeats_keep_a_connection_without_events_alive():
    beating, mute = [HEAD, chunk(HELLO + BEAT), "stay"], [HEAD, chunk(HELLO), "stay"]
    times = {"beat_s": 60, "quiet_s": 0.05}
    async with Script(beating) as server, running(server.url, **times) as alive:
        await alive.wait_connected()
        async with Script(*[mute] * 9) as other, running(other.url, **times) as dying:
            await until(lambda: dying.reconnects > 2)
        assert (alive.connected, alive.reconnects) == (True, 0)
        assert alive.last_event_at > 0


def test_the_pauses_between_attempts_double_up_to_five_seconds():
    pauses = list(itertools.islice(feed_module.delays(), 12))
    assert 0.1 <= pauses[0] <= 0.2
    assert 0.2 <= pauses[1] <= 0.4
    assert all(2.5 <= seconds <= 5 for seconds in pauses[5:])


@pytest.mark.parametrize(("said", "begun"), [(HELLO, 1), (HELLO + BEAT, 4)])
async def test_only_after_a_connection_that_lived_the_pauses_begin_anew(said, begun):
    """One that hangs up at once would be asked for ever faster otherwise."""
    series = []

    def delays():
        series.append("begun")
        return itertools.repeat(0.001)

    short = [[HEAD, chunk(said), b"0\r\n\r\n"]] * 3
    async with Script(*short) as server, running(server.url, delays=delays):
        await until(lambda: len(server.requests) > 3)
    assert len(series) == begun


async def test_a_follower_that_lags_loses_its_queue_and_gets_one_gap(monkeypatch):
    monkeypatch.setattr(feed_module, "QUEUE_LIMIT", 10)
    data = b"".join(idle("slow") for _ in range(13)) + idle("end")
    connection = [HEAD, chunk(HELLO), "more", chunk(data), "stay"]
    async with Script(connection) as server, running(server.url) as feed:
        await feed.wait_connected()
        with feed.follow("slow") as slow, feed.follow("end") as end:
            server.more.set()
            assert await taken(end, 1) == [SessionIdle("end")]
            assert slow.overflows == 1
            assert await taken(slow, 4) == [Gap("overflow"), *[SessionIdle("slow")] * 3]
            assert await slow.next(0) is None


async def test_who_has_left_gets_nothing_and_leaves_nothing_behind():
    async with Script() as server, running(server.url) as feed:
        await feed.wait_connected()
        with feed.follow("s") as first:
            with feed.follow("s") as second:
                second.adopt("child")
            assert feed._index == {"s": [first]}
        assert feed._index == {}


async def test_a_follower_of_no_feed_hears_nothing():
    assert await Following("s").next(0.01) is None
