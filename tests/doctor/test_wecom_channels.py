"""Faults of the long connection, the application and the webhook: each is named with its mend."""

from dataclasses import replace

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.doctor.callback import PATH
from bot.doctor.credentials import NotReached, code_of, subscribed
from bot.doctor.scene import look_around
from bot.doctor.wecom_codes import MENDS, mend_of
from bot.sandbox.webhook import KEY
from config.settings import load_settings
from handlers.wecom.app.codes import RULES
from tests.doctor.scenes import HOUR, MINUTE, NOW, live, only, scene_in, seen, seen_in, stand_in
from tests.fakes.opencode import FakeOpenCode
from tests.pages import ROOT, text_of
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

SECRET, CORP, AGENT = "a-secret-of-tests", "wwSANDBOX", 1000002
CONNECTION = {
    "WECOM_BOT_TOKEN": None,
    "WECOM_BOT_AES_KEY": None,
    "WECOM_BOT_ID": BOT_ID,
    "WECOM_BOT_SECRET": SECRET,
}
APP = {
    "WECOM_CORP_ID": CORP,
    "WECOM_AGENT_ID": str(AGENT),
    "WECOM_SECRET": SECRET,
    "WECOM_TOKEN": TOKEN,
    "WECOM_AES_KEY": AES_KEY,
}
UP = {
    "on": True,
    "state": "up",
    "since": NOW - HOUR,
    "cause": "",
    "trouble": "",
    "kicks_24h": 0,
    "ping_ms": 21,
    "last_direct_at": NOW - 2 * MINUTE,
    "last_group_at": 0,
}


@pytest.fixture
async def standin(make_standin):
    return await make_standin(channel="connection", secret=SECRET)


@pytest.fixture
async def corp(make_standin):
    return await make_standin(channel="app", secret=SECRET, corp_id=CORP, agent_id=AGENT)


def connected(folder, *, deep=False, url=None, **told):
    """Return the scene of a bot with a long connection; ``told``: what its service says of it."""
    facts = live(platforms={"wecom.connection": UP | told}) if told or url is None else None
    environ = CONNECTION | ({"WECOM_WS_URL": url} if url else {})
    return scene_in(folder, deep=deep, told=facts, **environ)


# The long connection


async def test_a_connection_that_is_up_is_fine_with_its_facts(tmp_path):
    found = await only(connected(tmp_path), "wecom.connection")
    assert found.grade == "fine"
    assert found.evidence == "up for 1 h, ping 21 ms, direct 2 min ago, group never"
    assert {one.check for one in await seen_in(connected(tmp_path), "wecom")} >= {"wecom.settings"}


@pytest.mark.parametrize(
    ("told", "grade", "words", "mend"),
    [
        ({"state": "kicked", "kicks_24h": 2}, "error", "kicked", "one service alone"),
        ({"state": "refused", "trouble": "errcode 853000"}, "error", "853000", "长连接"),
        ({"state": "down", "since": NOW - HOUR}, "error", "down for 1 h", "let this machine"),
        ({"state": "connecting", "since": NOW - 1000}, "warning", "connecting", "in a minute"),
        ({"kicks_24h": 3}, "warning", "cut off by another connection 3 times", "one service alone"),
        ({"trouble": "groups are deaf"}, "warning", "groups are deaf", "look at"),
        ({"on": False}, "error", "holds no long connection", "start the service anew"),
    ],
)
async def test_a_connection_that_does_not_stand_well_is_named(tmp_path, told, grade, words, mend):
    found = await only(connected(tmp_path, **told), "wecom.connection")
    assert (found.grade, words in found.evidence, mend in found.mend) == (grade, True, True), found


async def test_before_the_first_heartbeat_there_is_no_ping(tmp_path):
    found = await only(connected(tmp_path, ping_ms=None), "wecom.connection")
    assert "no ping yet" in found.evidence


async def test_without_the_service_the_address_is_reached_and_nobody_is_cut_off(tmp_path, standin):
    found = await only(connected(tmp_path, url=standin.gateway_url), "wecom.connection")
    assert (found.grade, "was not tried" in found.evidence) == ("fine", True)
    assert standin.gateway.subscribed == 0
    assert standin.violations == []


async def test_deep_subscribes_once(tmp_path, standin):
    scene = connected(tmp_path, url=standin.gateway_url, deep=True)
    found = await only(scene, "wecom.connection")
    assert (found.grade, "lets the bot in" in found.evidence) == ("fine", True)
    assert standin.gateway.subscribed == 1
    slow = await only(replace(scene, slow=True), "wecom.connection")
    assert "was not tried" in slow.evidence
    assert standin.gateway.subscribed == 1


async def test_deep_names_credentials_that_wecom_does_not_take(tmp_path, make_standin):
    other = await make_standin(channel="connection", secret="another")
    found = await only(connected(tmp_path, url=other.gateway_url, deep=True), "wecom.connection")
    assert (found.grade, "errcode 853000" in found.evidence) == ("error", True)
    assert found.mend == mend_of(853000)
    assert SECRET not in found.evidence + found.mend


@pytest.mark.parametrize("deep", [True, False])
async def test_an_address_that_nobody_answers_or_that_is_no_gateway_is_named(tmp_path, deep):
    away = connected(tmp_path, url=f"ws://127.0.0.1:{unused_port()}", deep=deep)
    found = await only(away, "wecom.connection")
    assert (found.grade, "is not reached" in found.evidence) == ("error", True)
    async with stand_in() as url:
        page = connected(tmp_path, url=url.replace("http", "ws", 1), deep=deep)
        found = await only(page, "wecom.connection")
    assert (found.grade, "it answers 200" in found.evidence) == ("error", True)


async def test_a_gateway_that_closes_without_a_word_is_named(tmp_path, standin):
    standin.gateway.faults.next("aibot_subscribe", "cut")
    scene = connected(tmp_path, url=standin.gateway_url, deep=True)
    found = await only(scene, "wecom.connection")
    assert (found.grade, "is not reached" in found.evidence) == ("error", True)


async def test_what_else_a_gateway_says_is_passed_over():
    async def serve(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        frame = await socket.receive_json()
        await socket.send_str("no frame")
        await socket.send_json([])
        await socket.send_json({"cmd": "aibot_msg_callback", "headers": frame["headers"]})
        await socket.send_json({"headers": {"req_id": "another"}, "errcode": 1})
        await socket.send_json({"headers": frame["headers"], "errcode": "1"})
        await socket.send_json({"headers": frame["headers"]})
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).replace("http", "ws", 1)
        assert await subscribed(url, BOT_ID, SECRET) == 0


@pytest.mark.parametrize("body", [b"[]", b'{"errcode": "0"}', b"{}", b"\xff"])
def test_what_is_no_answer_of_the_api_is_not_taken_for_one(body):
    with pytest.raises(NotReached, match="not as WeCom's API does"):
        code_of(httpx.Response(200, content=body))


# The application


async def of_app(folder, corp, told=None, **environ):
    environ = APP | {"WECOM_API_URL": corp.base_url} | environ
    facts = None if told is None else live(platforms={"wecom.app": {"on": True} | told})
    return await only(scene_in(folder, told=facts, **environ), "wecom.app")


async def test_an_application_that_gets_a_token_is_fine(tmp_path, corp):
    found = await of_app(tmp_path, corp)
    assert (found.grade, "gives a token to application 1000002" in found.evidence) == ("fine", True)
    assert corp.violations == []


@pytest.mark.parametrize("code", [40013, 50003, 60020, -1, 45009])
async def test_each_refusal_is_told_with_what_to_set(tmp_path, corp, code):
    corp.corp.api.faults.tokens.append(code)
    found = await of_app(tmp_path, corp)
    assert (found.grade, f"errcode {code}" in found.evidence) == ("error", True)
    assert found.mend == MENDS[code]


async def test_a_wrong_secret_is_asked_once(tmp_path, corp):
    found = await of_app(tmp_path, corp, WECOM_SECRET="another-secret-of-tests")
    assert (found.grade, "errcode 40001" in found.evidence) == ("error", True)
    assert "try once" in found.mend
    assert corp.corp.api.calls["gettoken"] == 1


async def test_what_the_service_has_met_is_told_though_there_is_a_token(tmp_path, corp):
    told = {"trouble": "errcode 60020: this machine's address is not trusted"}
    found = await of_app(tmp_path, corp, told)
    assert (found.grade, "not trusted" in found.evidence) == ("error", True)
    assert found.mend == MENDS[60020]
    found = await of_app(tmp_path, corp, {"on": False})
    assert "serves no application" in found.evidence


async def test_an_api_that_is_none_or_away_is_named(tmp_path, corp):
    async with stand_in() as url:
        found = await of_app(tmp_path, corp, WECOM_API_URL=url)
    assert "not as WeCom's API does" in found.evidence
    found = await of_app(tmp_path, corp, WECOM_API_URL=f"http://127.0.0.1:{unused_port()}")
    assert (found.grade, "is not reached" in found.evidence) == ("error", True)


async def test_the_applications_callback_is_verified_with_the_corps_id(make_bot):
    async with FakeOpenCode() as fake:
        bot = await make_bot(fake, **APP)
        for corp_id, grade in ((CORP, "fine"), ("wwOTHER", "error")):
            environ = bot.environ | {"WECOM_CORP_ID": corp_id}
            scene = await look_around(load_settings(None, environ), None, environ)
            found = await only(scene, "wecom.app_callback")
            assert found.grade == grade, found
        assert (
            f"{bot.url}/wecom/app" in (await only(await look(bot), "wecom.app_callback")).evidence
        )
        assert PATH in (await only(await look(bot), "wecom.callback")).evidence


async def look(bot):
    return await look_around(load_settings(None, bot.environ), None, bot.environ)


# Every code has its words


@pytest.mark.parametrize("code", sorted(c for c, rule in RULES.items() if rule.reaction == "stop"))
def test_each_code_that_stops_the_application_stands_in_the_troubleshooting(code):
    page = text_of(ROOT / "docs/howto/troubleshoot.md")
    assert f"`{code}`" in page


@pytest.mark.parametrize("code", sorted(MENDS))
def test_each_code_that_the_doctor_knows_stands_in_the_troubleshooting(code):
    assert f"`{code}`" in text_of(ROOT / "docs/howto/troubleshoot.md")


# The webhook


async def of_webhook(folder, standin, told=None, *, deep=False, key=KEY):
    environ = {"WECOM_WEBHOOK_KEY": key, "WECOM_API_URL": standin.base_url}
    facts = None if told is None else live(platforms={"wecom.webhook": told})
    return await only(scene_in(folder, deep=deep, told=facts, **environ), "wecom.webhook")


async def test_a_webhook_is_looked_at_and_tried_only_with_deep(tmp_path, standin):
    told = {"on": True, "sent": 3, "waiting": 0, "refused": False, "problem": ""}
    found = await of_webhook(tmp_path, standin, told)
    assert (found.grade, found.evidence) == ("fine", "3 notices sent since the start, 0 wait")
    assert "a key is set" in (await of_webhook(tmp_path, standin)).evidence
    assert standin.webhook.calls == 0
    found = await of_webhook(tmp_path, standin, told, deep=True)
    assert (found.grade, len(standin.webhook.said)) == ("fine", 1)


async def test_a_webhook_that_does_not_work_is_named(tmp_path, standin):
    told = {"on": True, "sent": 0, "waiting": 2, "refused": True, "problem": "errcode 93000"}
    found = await of_webhook(tmp_path, standin, told)
    assert (found.grade, found.mend) == ("error", MENDS[93000])
    found = await of_webhook(
        tmp_path, standin, told | {"refused": False, "problem": "errcode 45009"}
    )
    assert (found.grade, found.mend) == ("warning", MENDS[45009])
    found = await of_webhook(tmp_path, standin, deep=True, key="another-key")
    assert (found.grade, "errcode 93000" in found.evidence) == ("error", True)
    async with stand_in() as url:
        standin.base_url = url
        found = await of_webhook(tmp_path, standin, deep=True)
    assert "not as WeCom's API does" in found.evidence
    standin.base_url = f"http://127.0.0.1:{unused_port()}"
    found = await of_webhook(tmp_path, standin, deep=True)
    assert (found.grade, "is not reached" in found.evidence) == ("error", True)


async def test_what_is_not_set_is_not_looked_at(tmp_path):
    scene = scene_in(tmp_path)
    for name in ("connection", "app", "app_callback", "webhook"):
        assert await seen(scene, f"wecom.{name}") == []
