"""Our prompt ids are the server's kind of ids, and always ascend."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import now_ms
from bot.opencode.client import OpenCode
from bot.opencode.ids import MessageIds
from bot.sandbox.script import say
from tests.opencode_talk import Talk

FORM = re.compile(r"msg_[0-9a-f]{12}[0-9A-Za-z]{14}")
WRAP_MS = 1 << 36


def ticking(times):
    """Return a clock that shows these times, one a look."""
    left = iter(times)
    return lambda: next(left)


@given(st.lists(st.integers(1_700_000_000_000, 1_700_000_000_050), min_size=2, max_size=50))
def test_ids_ascend_whatever_the_clock_does(times):
    ids = MessageIds(ticking(times))
    given_ids = [ids.next() for _ in times]
    assert given_ids == sorted(set(given_ids))
    assert all(FORM.fullmatch(identifier) for identifier in given_ids)


def test_an_id_tells_its_millisecond():
    assert MessageIds(lambda: 1795335811587).next().startswith("msg_2025a7203001")


def test_after_a_restart_with_a_clock_set_back_ids_go_on_from_the_last():
    last = MessageIds(lambda: 1795335811587).next()
    assert MessageIds(lambda: 1795335800000, last=last).next().startswith("msg_2025a7203002")


def test_a_millisecond_has_room_for_more_than_4096_ids():
    ids = MessageIds(lambda: 1795335811587)
    given_ids = [ids.next() for _ in range(5000)]
    assert given_ids == sorted(set(given_ids))


@pytest.mark.parametrize(
    "last", ["", "msg_", "msg_2025a72030", "msg_zzzzzzzzzzzzAAAA", "ses_2025a7203001"]
)
def test_a_last_id_of_another_format_is_no_hindrance(last):
    assert FORM.fullmatch(MessageIds(now_ms, last=last).next())


def test_when_the_servers_format_starts_over_so_do_we():
    before, after = 27 * WRAP_MS - 1, 27 * WRAP_MS
    ids = MessageIds(ticking([before, after, after]))
    assert ids.next().startswith("msg_fffffffff001")
    assert ids.next().startswith("msg_000000000001")
    assert ids.next().startswith("msg_000000000002")


@pytest.mark.opencode
async def test_the_server_makes_ids_of_the_same_form_and_from_the_same_clock(opencode):
    opencode.model.script("hi", say("Hello"))
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        talk = Talk(client, opencode.directory(), "demo/demo")
        session = await talk.session()
        body = {"parts": [{"type": "text", "text": "hi"}]}
        await client._transport.post(f"/session/{session.id}/prompt_async", body)
        messages = await talk.until_over(session)
    assert len(messages) == 2
    for message in messages:
        assert FORM.fullmatch(message.id)
        assert abs(int(message.id[4:13], 16) - message.created_at % WRAP_MS) < 1000
        assert message.id < MessageIds().next()
