"""Requests of OpenCode: kept, shown by a code, decided once, and ended when nobody decides."""

import asyncio
from dataclasses import replace

import pytest

from bot.asks import pending_of, pendings
from bot.errors import OpenCodeUnavailable, UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import PermissionRequest
from bot.texts import asks as texts
from store import open_store
from tests.asking import CHAT, Desk, refused, until
from tests.fakes.opencode_turns import ask, question, say, subagent, tool


@pytest.fixture
async def desk(fake, tmp_path):
    async with (
        OpenCode(fake.url, fake.username, fake.password) as client,
        await open_store(f"sqlite:///{tmp_path}/bot.db") as store,
    ):
        yield Desk(fake, client, store, tmp_path)


async def test_a_request_gets_a_code_and_is_seen_once(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    assert (one.kind, one.turn, one.expires_at) == ("permission", desk.turn.n, 1_900_000)
    assert await desk.look() == []
    assert await desk.asks.open(CHAT) == [one]
    assert pending_of(one).request.patterns == ("ls",)


async def test_allowing_lets_the_tool_run_this_once(desk):
    await desk.begin(ask("bash", ["ls"]), say("done"))
    (one,) = await desk.asked()
    await desk.asks.allow(CHAT, one.code, by="zhangsan", role="member")
    assert "done" in await desk.answer()
    assert desk.fake.replies == [(one.id, {"reply": "once"})]
    assert await desk.asks.open(CHAT) == []
    assert await desk.look() == []


async def test_denying_always_sends_words_so_that_the_turn_goes_on(desk):
    await desk.begin(ask("bash", ["ls"]), ask("bash", ["rm"]), say("then not"))
    (one,) = await desk.asked()
    await desk.asks.deny(CHAT, one.code, "", by="lead", role="maintainer")
    (two,) = await desk.asked()
    await desk.asks.deny(CHAT, two.code, " too risky ", by="boss", role="admin")
    assert "then not" in await desk.answer()
    assert [body["message"] for _, body in desk.fake.replies] == [
        "The person denied this request.",
        "The person denied this request: too risky",
    ]


async def test_a_question_is_answered_by_number(desk):
    await desk.begin(question("Which?", "Red", "Blue"), say("painted"))
    (one,) = await desk.asked()
    assert one.expires_at is None
    await desk.asks.answer(CHAT, one.code, "2", by="zhangsan", role="member")
    assert "painted" in await desk.answer()
    assert desk.fake.replies == [(one.id, [["Blue"]])]


async def test_a_denied_question_is_answered_with_a_refusal(desk):
    await desk.begin(question("Which?"), question("And?"), say("as you like"))
    (one,) = await desk.asked()
    await desk.asks.deny(CHAT, one.code, "not now", by="zhangsan", role="member")
    (two,) = await desk.asked()
    await desk.asks.deny(CHAT, two.code, "", by="zhangsan", role="member")
    assert "as you like" in await desk.answer()
    assert desk.fake.replies[0][1] == [
        ["The person would rather not answer; go on without: not now"]
    ]


async def test_only_the_requester_maintainers_and_admins_decide(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    with refused(texts.NOT_YOURS):
        await desk.asks.allow(CHAT, one.code, by="lisi", role="member")
    assert desk.fake.replies == []
    assert await desk.asks.open(CHAT) == [one]


async def test_a_code_of_another_chat_or_none_is_unknown(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    for chat, code in [(CHAT, "zzz"), ("wecom:direct:zhangsan", one.code)]:
        with refused(texts.UNKNOWN_CODE):
            await desk.asks.allow(chat, code, by="boss", role="admin")


async def test_the_first_decision_wins_and_later_ones_hear_whose_it_was(desk):
    await desk.begin(ask("bash", ["ls"]), question("Which?"))
    (one,) = await desk.asked()
    results = []

    async def decide(by):
        try:
            await desk.asks.allow(CHAT, one.code, by=by, role="admin")
            results.append("won")
        except UserError as exc:
            results.append(exc.text)

    async with asyncio.TaskGroup() as group:
        for by in ("boss", "lead", "zhangsan"):
            group.create_task(decide(by))
    assert sorted(results, key=str).count("won") == 1
    assert results.count(texts.DECIDED_BEFORE["allow"]) == 2
    assert len(desk.fake.replies) == 1
    with pytest.raises(UserError) as late:
        await desk.asks.deny(CHAT, one.code, "", by="boss", role="admin")
    assert late.value.facts["by"] in {"boss", "lead", "zhangsan"}


async def test_a_permission_is_not_answered_and_a_question_not_allowed(desk):
    await desk.begin(ask("bash", ["ls"]), question("Which?"))
    (permission,) = await desk.asked()
    with refused(texts.IS_PERMISSION):
        await desk.asks.answer(CHAT, permission.code, "1", by="boss", role="admin")
    await desk.asks.allow(CHAT, permission.code, by="boss", role="admin")
    (asked,) = await desk.asked()
    with refused(texts.IS_QUESTION):
        await desk.asks.allow(CHAT, asked.code, by="boss", role="admin")


async def test_a_decision_on_a_request_that_is_gone_says_so(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    desk.fake.waiting.clear()
    with refused(texts.GONE):
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    with refused(texts.GONE):
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")


async def test_a_decision_that_did_not_get_through_leaves_the_request_open(desk):
    await desk.begin(ask("bash", ["ls"]), say("done"))
    (one,) = await desk.asked()
    desk.fake.fault("/reply", "refuse")
    with refused(texts.NOT_REACHED):
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    assert await desk.asks.open(CHAT) == [one]
    await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    assert "done" in await desk.answer()


async def test_a_decision_lost_by_a_restart_is_asked_for_again(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    await desk.store.asks.decide(one.id, "allow", "boss", desk.now)
    desk.asks = desk.renewed()
    assert await desk.look() == [one]
    assert await desk.look() == []


async def test_a_request_that_is_listed_a_moment_after_its_decision_stays_decided(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    listed = dict(desk.fake.waiting)
    await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    desk.fake.waiting = listed
    assert await desk.look() == []
    assert (await desk.store.asks.by_code(CHAT, one.code)).state == "answered"


async def test_a_request_is_ended_once_however_many_try(desk):
    await desk.begin(ask("bash", ["ls"]), ask("bash", ["rm"]), say("without"))
    (one,) = await desk.asked()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(desk.asks.expire(one.expires_at))
    await desk.asked()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(desk.asks.clear(desk.turn))
    assert "without" in await desk.answer()
    assert len(desk.fake.replies) == 2


async def test_a_request_that_the_server_lists_no_more_is_closed(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    desk.fake.waiting.clear()
    assert await desk.look() == []
    assert (await desk.store.asks.by_code(CHAT, one.code)).state == "gone"


async def test_a_request_decided_elsewhere_is_closed_and_ours_is_not(desk):
    await desk.begin(ask("bash", ["ls"]), ask("bash", ["rm"]))
    (one,) = await desk.asked()
    await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    await desk.asks.settled(one.id)
    assert (await desk.store.asks.by_code(CHAT, one.code)).state == "answered"
    (two,) = await desk.asked()
    await desk.asks.settled(two.id)
    assert (await desk.store.asks.by_code(CHAT, two.code)).state == "gone"


async def test_equal_requests_share_a_code_and_a_decision(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    request = replace(pending_of(one).request, id="per_other")
    assert await desk.asks.seen(desk.turn, request, desk.directory) is None
    different = replace(request, id="per_third", patterns=("rm",))
    assert await desk.asks.seen(desk.turn, different, desk.directory) is not None
    for turn, session in [(replace(desk.turn, n=99), one.session), (desk.turn, "ses_child")]:
        other = replace(request, id=f"per_{turn.n}", session=session)
        assert await desk.asks.seen(turn, other, desk.directory) is not None
        await desk.asks.settled(other.id)
    waiting = await desk.store.asks.open(CHAT)
    assert [a.code == one.code for a in waiting] == [True, True, False]
    assert len(await desk.asks.open(CHAT)) == 2
    assert [(p.code == one.code, p.count) for p in pendings(waiting)] == [(True, 2), (False, 1)]
    await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    assert [a.id for a in await desk.asks.open(CHAT)] == ["per_third"]


async def test_questions_are_never_taken_for_equal(desk):
    await desk.begin(question("Which?"))
    (one,) = await desk.asked()
    same = replace(pending_of(one).request, id="que_other")
    assert await desk.asks.seen(desk.turn, same, desk.directory) is not None
    assert len(await desk.asks.open(CHAT)) == 2


async def test_a_sub_agents_request_says_whose_it_is(desk):
    await desk.begin(subagent(ask("bash", ["ls"])))
    (one,) = await desk.asked()
    assert one.session != desk.session
    assert pending_of(one, desk.session).of_child
    assert not pending_of(one, one.session).of_child
    assert not pending_of(one).of_child


async def test_requests_of_other_sessions_are_left_alone(desk):
    await desk.begin(ask("bash", ["ls"]))
    await until(lambda: desk.fake.waiting)
    assert await desk.look({"ses_other"}) == []
    assert await desk.asks.open(CHAT) == []


async def test_an_expired_permission_is_refused_with_words_for_the_model(desk):
    await desk.begin(ask("bash", ["ls"]), say("without it"))
    (one,) = await desk.asked()
    assert await desk.asks.expire(one.expires_at - 1) == []
    assert [a.id for a in await desk.asks.expire(one.expires_at)] == [one.id]
    assert "without it" in await desk.answer()
    assert desk.fake.replies[0][1] == {"reply": "reject", "message": texts.EXPIRED_TO_MODEL}
    with refused(texts.EXPIRED):
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")


async def test_an_expiry_that_did_not_get_through_is_said_at_the_next_look(desk):
    await desk.begin(ask("bash", ["ls"]), say("without it"))
    (one,) = await desk.asked()
    desk.fake.fault("/reply", "refuse")
    await desk.asks.expire(one.expires_at)
    assert desk.fake.replies == []
    assert await desk.look() == []
    assert "without it" in await desk.answer()


async def test_a_decision_that_failed_does_not_keep_an_expiry_from_being_told(desk):
    await desk.begin(ask("bash", ["ls"]), say("without it"))
    (one,) = await desk.asked()
    desk.fake.fault("/reply", "refuse", times=2)
    with refused(texts.NOT_REACHED):
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    await desk.asks.expire(one.expires_at)
    await desk.look()
    assert "without it" in await desk.answer()


async def test_a_question_does_not_expire_but_is_answered_before_the_time_limit(desk):
    await desk.begin(question("Which?"), say("I chose"))
    (one,) = await desk.asked()
    assert await desk.asks.expire(desk.now + 10**9) == []
    assert [a.id for a in await desk.asks.unanswered(desk.turn)] == [one.id]
    assert "I chose" in await desk.answer()
    assert desk.fake.replies == [(one.id, [[texts.UNANSWERED_TO_MODEL]])]
    with refused(texts.DECIDED_BEFORE["answer"]):
        await desk.asks.answer(CHAT, one.code, "1", by="boss", role="admin")


async def test_an_unreachable_server_keeps_the_question_for_the_next_look(desk):
    await desk.begin(ask("bash", ["ls"]), question("Which?"))
    (permission,) = await desk.asked()
    assert await desk.asks.unanswered(desk.turn) == []
    await desk.asks.allow(CHAT, permission.code, by="boss", role="admin")
    (one,) = await desk.asked()
    desk.fake.fault("/reply", "refuse")
    assert await desk.asks.unanswered(desk.turn) == []
    assert [a.id for a in await desk.asks.unanswered(desk.turn)] == [one.id]


async def test_what_an_aborted_turn_still_asks_is_ended(desk):
    await desk.begin(question("Which?"))
    (one,) = await desk.asked()
    extra = PermissionRequest("per_gone", desk.session, "bash", ("x",))
    await desk.asks.seen(desk.turn, extra, desk.directory)
    await desk.asks.clear(desk.turn)
    assert desk.fake.waiting == {}
    assert desk.fake.replies == [(one.id, None)]
    assert await desk.asks.open(CHAT) == []


async def test_a_look_at_a_server_that_is_away_says_so(desk):
    await desk.begin(tool("bash", {"command": "ls"}))
    desk.fake.fault("/permission", "refuse", times=3)
    with pytest.raises(OpenCodeUnavailable):
        await desk.look()


async def test_only_the_newest_decisions_are_remembered(desk, monkeypatch):
    monkeypatch.setattr("bot.asks.decisions.REMEMBERED", 1)
    await desk.begin(ask("bash", ["a"]), ask("bash", ["b"]), say("done"))
    for _ in range(2):
        (one,) = await desk.asked()
        await desk.asks.allow(CHAT, one.code, by="boss", role="admin")
    assert "done" in await desk.answer()
    assert len(desk.asks._decisions._handed) == 1
