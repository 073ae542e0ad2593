"""The stand-in's corp is as strict as WeCom, and keeps whatever it refuses."""

import io

import aiohttp
import pytest

from bot.sandbox.cipher import Refused
from bot.sandbox.corp_rules import CONTENT_BYTES, Wrong, read_post
from bot.sandbox.corp_xml import read_text
from tests.app.edge import AGENT_ID, CORP_ID, SECRET

TEXT = {"touser": "z", "agentid": AGENT_ID, "msgtype": "text", "text": {"content": "hello"}}
CARD = {"title": "t", "description": "d", "url": "https://a.example/x", "btntxt": "打开"}


def card(**changed):
    return TEXT | {"msgtype": "textcard", "textcard": CARD | changed}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (TEXT | {"agentid": 7}, 301002),
        (TEXT | {"agentid": str(AGENT_ID)}, 301002),
        (TEXT | {"touser": ""}, 81013),
        (TEXT | {"touser": "@all"}, 81013),
        (TEXT | {"markdown": {"content": "two kinds"}}, 40008),
        (TEXT | {"msgtype": "markdown_v2"}, 40008),
        (TEXT | {"text": "hello"}, 40008),
        (TEXT | {"text": {"content": " "}}, 44004),
        (TEXT | {"text": {"content": "字" * (CONTENT_BYTES // 3 + 1)}}, 45002),
        (TEXT | {"enable_duplicate_check": 2}, 40008),
        (TEXT | {"duplicate_check_interval": 4 * 3600 + 1}, 40008),
        (TEXT | {"msgtype": "file", "file": {}}, 40007),
        (card(title="x" * 129), 45002),
        (card(description="x" * 513), 45002),
        (card(btntxt="x" * 5), 45002),
        (card(url="javascript:1"), 40008),
        (card(url="https://a.example/" + "x" * 2048), 40008),
    ],
)
def test_what_wecom_would_not_take_is_refused_with_its_code(body, errcode):
    body = {key: value for key, value in body.items() if key != "text" or body["msgtype"] == "text"}
    with pytest.raises(Wrong) as caught:
        read_post(body, AGENT_ID)
    assert caught.value.errcode == errcode


def test_a_card_keeps_the_rules_of_cards():
    wrong = TEXT | {
        "msgtype": "template_card",
        "template_card": {"card_type": "button_interaction"},
    }
    del wrong["text"]
    with pytest.raises(Refused):
        read_post(wrong, AGENT_ID)


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        TEXT | {"text": {"content": "x" * CONTENT_BYTES}},
        {key: value for key, value in card().items() if key != "text"},
    ],
)
def test_what_wecom_takes_is_taken(body):
    assert read_post(body, AGENT_ID).to == ("z",)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"no xml", "answer_not_xml"),
        (b"<xml><ToUserName>lisi</ToUserName></xml>", "answer_names"),
        (b"<xml>%b<MsgType>markdown</MsgType></xml>", "msgtype"),
        (b"<xml>%b<MsgType>text</MsgType></xml>", "blank"),
        (
            b"<xml>%b<MsgType>text</MsgType><Content>" + b"x" * 2049 + b"</Content></xml>",
            "content_too_long",
        ),
    ],
)
def test_an_answer_that_wecom_would_not_show_is_refused(reply, code):
    head = b"<ToUserName>z</ToUserName><FromUserName>ww</FromUserName><CreateTime>1</CreateTime>"
    with pytest.raises(Refused) as caught:
        read_text(reply.replace(b"%b", head), to="z", corp_id="ww")
    assert caught.value.code == code


@pytest.fixture
async def call(edge):
    """Call the stand-in's API as a careless application would."""
    async with aiohttp.ClientSession() as http:

        async def call(path, *, body=None, **query):
            url = f"{edge.wecom.base_url}/cgi-bin/{path}"
            method = "GET" if body is None else "POST"
            async with http.request(method, url, params=query, json=body) as answer:
                return await answer.json()

        yield call


async def test_a_token_is_the_same_while_it_is_good(call):
    first = await call("gettoken", corpid=CORP_ID, corpsecret=SECRET)
    second = await call("gettoken", corpid=CORP_ID, corpsecret=SECRET)
    assert first["access_token"] == second["access_token"]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [({}, 41004), ({"corpsecret": SECRET}, 40013), ({"corpid": CORP_ID, "corpsecret": "x"}, 40001)],
)
async def test_a_token_is_for_who_knows_the_secret(call, query, errcode):
    assert (await call("gettoken", **query))["errcode"] == errcode


async def test_who_goes_on_with_a_wrong_secret_or_asks_all_the_time_is_told(edge, call):
    for _ in range(4):
        await call("gettoken", corpid=CORP_ID, corpsecret="wrong")
    for _ in range(10):
        await call("gettoken", corpid=CORP_ID, corpsecret=SECRET)
    assert set(edge.violations) == {"secret_loop", "token_too_often"}


async def test_a_call_without_its_token_is_refused(edge, call):
    assert (await call("message/send", body=TEXT))["errcode"] == 41001
    assert (await call("message/send", body=TEXT, access_token="x"))["errcode"] == 40014
    assert edge.violations == ["access_token"]


@pytest.fixture
async def token(call):
    return (await call("gettoken", corpid=CORP_ID, corpsecret=SECRET))["access_token"]


async def test_what_is_too_much_for_a_member_is_dropped_without_a_word(edge, call, token):
    for number in range(31):
        body = TEXT | {"text": {"content": f"{number}"}}
        assert (await call("message/send", body=body, access_token=token))["errcode"] == 0
    assert len(edge.said("z")) == 30
    assert edge.violations == ["dropped"]


async def test_a_copy_within_the_interval_is_not_shown_again(edge, call, token):
    body = TEXT | {"enable_duplicate_check": 1, "duplicate_check_interval": 60}
    for _ in range(2):
        assert (await call("message/send", body=body, access_token=token))["errcode"] == 0
    edge.clock.now += 60_000
    await call("message/send", body=body, access_token=token)
    await call("message/send", body=TEXT, access_token=token)
    assert edge.said("z") == ["hello"] * 3


NOTICE = {
    "card_type": "text_notice",
    "main_title": {"title": "done"},
    "card_action": {"type": 1, "url": "https://a.example"},
    "task_id": "T1",
}


async def test_a_card_is_updated_once_by_the_code_that_came_with_it(edge, call, token):
    body = {"touser": "z", "agentid": AGENT_ID, "msgtype": "template_card"}
    sent = await call("message/send", body=body | {"template_card": NOTICE}, access_token=token)
    update = {
        "userids": ["z"],
        "agentid": AGENT_ID,
        "response_code": sent["response_code"],
        "template_card": NOTICE | {"main_title": {"title": "decided"}},
    }
    path = "message/update_template_card"
    assert (await call(path, body=update, access_token=token))["errcode"] == 0
    (item,) = edge.wecom.transcript("z")
    assert item.card_of("z")["main_title"]["title"] == "decided"
    assert (await call(path, body=update, access_token=token))["errcode"] == 40008
    assert edge.violations == ["response_code"]


@pytest.mark.parametrize(
    "wrong", [{"agentid": 7}, {"response_code": "x"}, {"userids": []}, {"template_card": {}}]
)
async def test_an_update_that_names_nothing_is_refused(edge, call, token, wrong):
    item = edge.wecom.book.add("z", "late", "", "card")
    update = {"userids": ["z"], "agentid": AGENT_ID, "template_card": NOTICE}
    body = update | {"response_code": edge.corp_api.code_for(item)} | wrong
    found = await call("message/update_template_card", body=body, access_token=token)
    assert found["errcode"] != 0
    assert len(edge.violations) == 1


@pytest.mark.parametrize(
    ("kind", "content", "errcode"),
    [
        ("file", b"12345", 40006),
        ("image", b"GIF89a...", 40004),
        ("voice", b"x" * (2 * 1024 * 1024 + 1), 40006),
        ("folder", b"content", 40004),
    ],
)
async def test_a_medium_that_wecom_would_not_take_is_refused(edge, token, kind, content, errcode):
    form = aiohttp.FormData()
    form.add_field(
        "media", io.BytesIO(content), filename="a", content_type="application/octet-stream"
    )
    url = f"{edge.wecom.base_url}/cgi-bin/media/upload"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params={"type": kind, "access_token": token}, data=form) as answer,
    ):
        assert (await answer.json())["errcode"] == errcode


@pytest.mark.parametrize("field", ["file", "media"])
async def test_an_upload_is_a_form_with_media_and_a_name(edge, token, field):
    form = aiohttp.FormData({field: "content"})
    url = f"{edge.wecom.base_url}/cgi-bin/media/upload"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params={"type": "file", "access_token": token}, data=form) as answer,
    ):
        assert (await answer.json())["errcode"] == 44001
