"""WeCom's own client and ours, put through the same: what they send is compared field by field."""

import pytest

from bot.sandbox import payloads
from tests.differential.actors import PATIENCE_S, ours, theirs
from tests.differential.script import differences, normal, play
from tests.sandbox.client import SECRET
from tests.standin import codes

pytestmark = pytest.mark.peer

GUESS = "ours says whether a chat is a member's or a group's; theirs leaves WeCom to guess"
EXPLAINED = {  # command, place, what theirs sends there, what ours sends
    ("aibot_send_msg", ".body.chat_type", "None", "1"): GUESS,
    ("aibot_send_msg", ".body.chat_type", "None", "2"): GUESS,
}


async def played(make_standin, peers, who):
    """Return what a client sent, what it made of it, and the stand-in."""
    wecom = await make_standin(channel="connection", secret=SECRET)
    tape = wecom.gateway.record()
    async with who(peers) as actor:
        result = await play(wecom, actor, SECRET)
    return normal(tape), result, wecom


@pytest.mark.parametrize("who", [theirs, ours])
async def test_a_client_goes_through_everything_without_a_violation(make_standin, peers, who):
    sent, result, wecom = await played(make_standin, peers, who)
    assert result["codes"] == [0] * 18 + [846607, 0, 93006, 846608] + [0, 0]
    assert result["file"] == "报告 (1).pdf"
    assert result["kicked"] == 1
    assert codes(wecom) == []
    assert sent[0]["cmd"] == "aibot_subscribe"


async def test_ours_sends_what_theirs_sends_but_for_what_is_named_here(make_standin, peers):
    one, _, _ = await played(make_standin, peers, theirs)
    other, _, _ = await played(make_standin, peers, ours)
    assert [frame["cmd"] for frame in one] == [frame["cmd"] for frame in other]
    found = {
        (left["cmd"], path, str(a), str(b))
        for left, right in zip(one, other, strict=True)
        for path, a, b in differences(left, right)
    }
    assert found == set(EXPLAINED)


@pytest.mark.parametrize("who", [theirs, ours])
async def test_a_client_that_is_not_let_in_stops(make_standin, peers, who):
    wecom = await make_standin(channel="connection", secret=SECRET)
    tape = wecom.gateway.record()
    async with who(peers) as actor:
        await actor.refused(wecom.gateway_url, "another-secret")
    assert [frame["cmd"] for frame in normal(tape)] == ["aibot_subscribe"]
    assert codes(wecom) == ["bad_secret"]


@pytest.mark.parametrize("who", [theirs, ours])
async def test_a_client_beats_and_notices_that_nothing_passes_any_more(make_standin, peers, who):
    wecom = await make_standin(channel="connection", secret=SECRET)
    gateway = wecom.gateway
    tape = gateway.record()
    async with who(peers) as actor:
        await actor.connect(wecom.gateway_url, SECRET, beat_s=0.05, patience_s=0.2)
        await wecom.book.until(lambda: gateway.pings >= 2, PATIENCE_S)
        gateway.freeze()
        await wecom.book.until(lambda: gateway.subscribed == 2, PATIENCE_S)
        await actor.back()
        talk = wecom.begin("zhangsan", payloads.text("still there?"))
        frame = await actor.heard(talk.msgid)
        assert await actor.stream(frame, "S1", "yes", finish=True) == 0
    first, beat = normal(tape)[:2]
    assert beat == {"cmd": "ping", "headers": {"req_id": "<own ping>"}}
    assert first["headers"] == {"req_id": "<own aibot_subscribe>"}
    assert codes(wecom) == []


@pytest.mark.parametrize("who", [theirs, ours])
async def test_a_client_comes_back_when_it_was_cut_off(make_standin, peers, who):
    wecom = await make_standin(channel="connection", secret=SECRET)
    async with who(peers) as actor:
        await actor.connect(wecom.gateway_url, SECRET)
        talk = wecom.begin("zhangsan", payloads.text("hello"))
        frame = await actor.heard(talk.msgid)
        assert await actor.stream(frame, "S1", "1", finish=False) == 0
        wecom.gateway.cut()
        await wecom.book.until(lambda: wecom.gateway.subscribed == 2, PATIENCE_S)
        await actor.back()
        assert await actor.stream(frame, "S1", "12", finish=True) == 0
    assert talk.bubble.history == ["1", "12"]
    assert codes(wecom) == []


@pytest.mark.parametrize("who", [theirs, ours])
async def test_a_client_goes_on_after_an_answer_that_never_came(make_standin, peers, who):
    wecom = await make_standin(channel="connection", secret=SECRET)
    async with who(peers) as actor:
        await actor.connect(wecom.gateway_url, SECRET, patience_s=0.1)
        talk = wecom.begin("zhangsan", payloads.text("hello"))
        frame = await actor.heard(talk.msgid)
        wecom.gateway.faults.next("aibot_respond_msg", "drop", "lose")
        assert await actor.stream(frame, "S1", "1", finish=False) is None
        assert await actor.stream(frame, "S1", "12", finish=False) is None
        assert await actor.stream(frame, "S1", "123", finish=True) == 0
    assert talk.bubble.history == ["1", "123"]
    assert codes(wecom) == []
