"""WeCom's API: one token for all, and for each error code the one thing that helps (L1, L2)."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.corp_rules import Wrong
from handlers.wecom.app.api import Call, CorpApi, _read_json
from handlers.wecom.app.codes import RULES, rule_of
from handlers.wecom.app.outlet import _reached
from handlers.wecom.app.parts import markdown
from handlers.wecom.app.said import Said
from tests.app.edge import CORP_ID, SECRET, within
from tests.fakes.edge import until

MINUTE = 60_000
DOCUMENTED = {
    *(-1, 40001, 40003, 40056, 40004, 40006, 40007, 40008, 40009, 40011, 40013, 40014, 41001),
    *(42001, 41004, 44001, 44004, 45002, 50003, 301002, 45009, 45033, 48002, 60011, 60020),
    *(80001, 85005, 81013, 93000, 93004, 93008, 830002),
}


@pytest.fixture
async def edge(edge):
    await until(lambda: edge.api.token_until or edge.api.trouble)
    return edge


def tokens(edge):
    return edge.corp_api.calls["gettoken"]


async def send(edge, words="hello", member="zhangsan"):
    return await edge.channel.replies.outlet.send(member, markdown(words))


def test_every_documented_code_has_its_reaction():
    assert set(RULES) == DOCUMENTED
    for rule in RULES.values():
        assert bool(rule.mend) == (rule.reaction == "stop")
        assert bool(rule.pause_s) == (rule.reaction in {"stop", "rest", "renew"})


async def test_the_token_is_had_at_the_start_and_used_for_every_call(edge):
    for number in range(3):
        assert (await send(edge, f"hello {number}")).taken
    assert tokens(edge) == 1
    assert edge.said() == ["hello 0", "hello 1", "hello 2"]
    assert edge.channel.facts["api"] == "ok"


async def test_a_token_is_renewed_a_minute_before_it_ends(edge):
    edge.clock.now = edge.api.token_until - MINUTE - 1
    await send(edge, "one")
    assert tokens(edge) == 1
    edge.corp_api.expire()
    edge.clock.now += 1
    await send(edge, "two")
    assert tokens(edge) == 2
    assert edge.said() == ["one", "two"]


async def test_l2_fifty_calls_that_find_the_token_expired_fetch_one(edge):
    edge.corp_api.expire()
    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(send(edge, f"{n}", f"member{n}")) for n in range(50)]
    assert all(one.result().taken for one in sent)
    assert tokens(edge) == 2


async def test_l2_fifty_calls_that_wait_for_a_token_in_vain_ask_once(edge):
    edge.clock.now += 2 * 3600 * 1000
    edge.corp_api.faults.tokens.append("refuse_503")
    edge.corp_api.faults.tokens.extend(["refuse_503"] * 50)
    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(send(edge, f"{n}", f"member{n}")) for n in range(50)]
    assert {one.result().outcome.kind for one in sent} == {"unsent"}
    assert tokens(edge) == 2


async def test_who_is_cancelled_while_it_fetches_leaves_the_token_to_the_next(edge):
    edge.clock.now += 2 * 3600 * 1000
    edge.corp_api.faults.tokens.append("hang")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(send(edge, "one"))
        await until(lambda: tokens(edge) == 2)
        second = group.create_task(send(edge, "two"))
        first.cancel()
    assert second.result().taken
    assert tokens(edge) == 3


@pytest.mark.parametrize("code", [40014, 42001])
async def test_a_token_that_is_refused_is_renewed_once_and_the_call_repeated_once(edge, code):
    edge.corp_api.faults.calls.append(code)
    assert (await send(edge)).taken
    assert (tokens(edge), edge.corp_api.calls["message/send"]) == (2, 2)
    edge.corp_api.faults.calls.extend([code, code])
    said = await send(edge, "two")
    assert said.outcome.kind == "unsent"
    assert (tokens(edge), edge.corp_api.calls["message/send"]) == (3, 4)
    assert not edge.api.up
    edge.clock.now += MINUTE
    assert (await send(edge, "two")).taken
    assert edge.api.trouble is None


async def test_a_busy_wecom_is_asked_again_three_times(edge, monkeypatch):
    monkeypatch.setattr("handlers.wecom.app.api.BUSY_PAUSES_S", (0, 0, 0))
    edge.corp_api.faults.calls.extend([-1, -1, -1])
    assert (await send(edge)).taken
    assert edge.corp_api.calls["message/send"] == 4
    edge.corp_api.faults.calls.extend([-1] * 4)
    assert (await send(edge, "two")).outcome.kind == "unsent"
    assert edge.corp_api.calls["message/send"] == 8
    assert edge.api.up


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.reaction == "stop"])
async def test_l1_what_only_an_operator_can_mend_stops_every_call_and_says_what_to_set(edge, code):
    tries = 2 if code == 40001 else 1  # it may mean the token, so that a new one is tried
    edge.corp_api.faults.calls.extend([code] * tries)
    assert (await send(edge)).outcome.kind == "unsent"
    assert not edge.api.up
    for _ in range(5):
        assert (await send(edge)).how == "unsent"
    assert edge.corp_api.calls["message/send"] == tries
    assert tokens(edge) == tries
    facts = edge.channel.facts
    assert (facts["api"], facts["code"]) == ("stopped", code)
    assert facts["trouble"].endswith(rule_of(code).mend)
    edge.clock.now += rule_of(code).pause_s * 1000
    assert (await send(edge)).taken
    assert edge.channel.facts["api"] == "ok"
    assert "trouble" not in edge.channel.facts


@pytest.mark.parametrize("code", [45009, 45033])
async def test_l1_too_many_calls_rest_for_a_minute(edge, code):
    edge.corp_api.faults.calls.append(code)
    assert (await send(edge)).outcome.kind == "limited"
    assert edge.channel.facts["api"] == "waiting"
    assert "trouble" not in edge.channel.facts
    edge.clock.now += MINUTE - 1
    assert (await send(edge)).how == "unsent"
    edge.clock.now += 1
    assert (await send(edge)).taken


@pytest.mark.parametrize("code", [40003, 81013, 44004, 45002, 99999])
async def test_what_no_repeat_would_change_is_given_up_and_nothing_else_stops(edge, code):
    edge.corp_api.faults.calls.append(code)
    assert (await send(edge)).outcome.kind == "barred"
    assert edge.api.up
    assert (await send(edge)).taken


async def test_a_wrong_secret_is_never_asked_with_again_and_again(edge):
    api = CorpApi(edge.wecom.base_url, CORP_ID, "a wrong secret", edge.clock)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(api.call(Call("/cgi-bin/message/send", body={})))
        before = tokens(edge)
        said = await api.call(Call("/cgi-bin/message/send", body={}))
        assert (said.how, said.code) == ("unsent", 40001)
        edge.clock.now += 59 * MINUTE
        await api.prove()
        assert tokens(edge) == before == 2
        assert edge.violations == []
    finally:
        await api.close()


@pytest.mark.parametrize(("corp", "code"), [("ww-another", 40013), ("", 40013)])
async def test_a_wrong_corp_is_told(edge, corp, code):
    api = CorpApi(edge.wecom.base_url, corp, SECRET, edge.clock)
    try:
        await api.prove()
        assert api.trouble.code == code
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("refuse_503", "doubtful"), ("no_json", "doubtful"), ("lose_answer", "doubtful")],
)
async def test_what_nobody_can_tell_is_doubtful(edge, fault, kind):
    edge.corp_api.faults.calls.append(fault)
    assert (await send(edge)).outcome.kind == kind


async def test_an_answer_that_does_not_come_is_doubtful(edge, monkeypatch):
    monkeypatch.setattr(edge.api._http, "timeout", 0.2)
    edge.corp_api.faults.calls.append("hang")
    call = Call("/cgi-bin/message/send", body={}, timeout_s=0.2)
    assert (await within(edge.api.call(call))).outcome.kind == "doubtful"
    edge.corp_api.faults.going_on.set()


async def test_what_never_left_is_unsent(edge):
    api = CorpApi("http://127.0.0.1:9", CORP_ID, SECRET, edge.clock)
    try:
        assert (await api.call(Call("/cgi-bin/message/send", body={}))).how == "unsent"
        assert api.up
    finally:
        await api.close()


async def test_an_address_without_the_api_stops_and_says_so(edge):
    api = CorpApi(f"{edge.wecom.base_url}/nowhere", CORP_ID, SECRET, edge.clock)
    try:
        await api.call(Call("/cgi-bin/message/send", body={}))
        assert api.trouble.code == -404
        assert "wecom.api_url" in api.trouble.rule.mend
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("status", "reaction"), [(404, "stop"), (302, "stop"), (429, "rest"), (413, "give up")]
)
def test_a_bare_status_is_told_from_an_answer_of_the_api(status, reaction):
    assert rule_of(-status).reaction == reaction


async def test_the_token_goes_into_the_query_and_nowhere_else(edge, caplog):
    await send(edge)
    token = edge.corp_api.token
    assert token
    with pytest.raises(Wrong, match="query"):
        edge.corp_api._check_token(type("Request", (), {"query": {}}))
    assert token not in caplog.text
    assert SECRET not in caplog.text
    assert edge.violations == []


async def test_a_member_without_a_licence_was_not_reached_for_all_that_it_is_a_success(edge):
    edge.corp_api.unlicensed.add("LiSi")
    assert (await send(edge, member="LiSi")).outcome.kind == "barred"
    assert (await send(edge, member="zhangsan")).taken
    assert edge.said("LiSi") == []


async def test_a_member_who_is_not_there_is_given_up_alone(edge):
    edge.corp_api.absent.add("LiSi")
    assert (await send(edge, member="LiSi")).outcome.kind == "barred"
    assert edge.api.up


def test_wecom_names_those_whom_it_missed_in_small_letters():
    missed = Said("answered", body={"errcode": 0, "invaliduser": "wangwu|lisi"})
    assert _reached(missed, "LiSi").outcome.kind == "barred"
    assert _reached(missed, "LiSiMa").taken


@pytest.mark.parametrize("member", ["@all", "zhangsan|lisi"])
async def test_nobody_else_is_reached_by_a_strange_id(edge, member):
    assert (await send(edge, member=member)).outcome.kind == "barred"
    assert edge.corp_api.calls["message/send"] == 0


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"errcode":"0"}', b"<html>"])
def test_an_answer_without_a_code_says_nothing(answer):
    assert _read_json(answer, "errcode").how == "doubtful"


def test_an_answer_may_leave_the_code_out_where_it_holds_what_was_wanted():
    assert _read_json(b'{"media_id":"M"}', "media_id").taken


async def test_a_clock_that_was_set_back_does_not_make_a_pause_longer(edge):
    edge.corp_api.faults.calls.append(60020)
    assert (await send(edge)).outcome.kind == "unsent"
    assert not edge.api.up
    edge.clock.now -= 24 * 60 * MINUTE
    assert edge.api.up


async def test_an_answer_that_cannot_be_unpacked_is_a_doubt():
    async def broken(_):
        return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})

    async def token(_):
        return web.json_response({"access_token": "t", "expires_in": 7200})

    app = web.Application()
    app.router.add_post("/cgi-bin/message/send", broken)
    app.router.add_get("/cgi-bin/gettoken", token)
    async with TestServer(app) as server:
        api = CorpApi(str(server.make_url("")), CORP_ID, SECRET, lambda: 1000)
        said = await api.call(Call("/cgi-bin/message/send", body={}))
        await api.close()
    assert (said.how, said.cause) == ("doubtful", "DecodingError")
