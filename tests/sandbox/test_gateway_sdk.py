"""The gateway held against WeCom's own client, which knows nothing of it."""

import pytest

from tests.node.sdk import running_sdk
from tests.standin import codes
from tests.wecom_fixtures import BOT_ID, SECRET

pytestmark = pytest.mark.peer


@pytest.fixture
async def wecom(make_standin):
    return await make_standin(channel="connection", secret=SECRET)


@pytest.fixture
async def sdk(peers, wecom):
    async with running_sdk(peers) as sdk:
        yield sdk


async def test_wecoms_own_client_answers_a_message_in_a_stream(wecom, sdk):
    await sdk.connect(wecom.gateway_url, BOT_ID, SECRET)
    talk = wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}})
    frame = await sdk.heard(talk.msgid)
    await sdk.do("reply_stream", frame=frame, stream="S1", content="1", finish=False)
    await sdk.do("reply_stream", frame=frame, stream="S1", content="12", finish=False)
    await sdk.do("reply_stream", frame=frame, stream="S1", content="123", finish=True)
    assert await talk.done() == "123"
    assert talk.bubble.history == ["1", "12", "123"]
    assert talk.finished
    assert codes(wecom) == []


async def test_a_frame_that_is_in_no_hurry_is_skipped_while_another_waits(wecom, sdk):
    await sdk.connect(wecom.gateway_url, BOT_ID, SECRET)
    talk = wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}})
    frame = await sdk.heard(talk.msgid)
    first, second = await sdk.do("reply_twice", frame=frame, stream="S1", content="n")
    assert (first["errcode"], second) == (0, "skipped")
    assert talk.bubble.history == ["n1"]
    assert codes(wecom) == []


async def test_the_newest_client_keeps_the_bot_and_the_older_one_stays_out(wecom, sdk, peers):
    await sdk.connect(wecom.gateway_url, BOT_ID, SECRET)
    async with running_sdk(peers) as other:
        await other.connect(wecom.gateway_url, BOT_ID, SECRET)
        await sdk.heard_event("disconnected_event")
        await sdk.happened("disconnected")
        talk = wecom.begin("zhangsan", {"msgtype": "text", "text": {"content": "hello"}})
        assert (await other.heard(talk.msgid))["body"]["text"]["content"] == "hello"
    assert wecom.gateway.subscribed == 2
    assert sdk.of("message") == []
    assert codes(wecom) == []
