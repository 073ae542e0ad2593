"""The callback held against WeCom's own package, which knows nothing of our code."""

import asyncio

import pytest

from bot.clock import now_ms
from bot.messages import Answer
from tests.fakes.edge import Clock, Edge, until
from tests.fakes.envelope import AES_KEY, TOKEN

pytestmark = pytest.mark.peer


async def work(edge):
    """Be the engine: show something, then finish."""
    await until(lambda: edge.desk.accepted)
    msgid = edge.desk.accepted[0][0].id
    await until(lambda: edge.edge.counts["message"])
    reply = await edge.reply(msgid)
    for done in range(1, 4):
        reply.update(f"第 {done} 步")
        await until(lambda done=done: edge.edge.counts["poll"] > done)
    await edge.end(msgid, "答案")
    await reply.finish(Answer("答案", "✅ done"))


async def test_wecoms_own_package_converses_with_the_callback(tmp_path, wecom_peer):
    async with Edge(tmp_path, clock=Clock(now_ms())) as edge, asyncio.TaskGroup() as group:
        edge.desk.welcome = "你好"
        group.create_task(work(edge))
        seen = await wecom_peer(edge.url, token=TOKEN, aes_key=AES_KEY, text="做一个网页", every=20)
    assert seen["verify"] == {"status": 200, "exact": True, "spoilt": 403}
    sealed = [
        seen["text"],
        seen["retry"],
        seen["unknown"],
        seen["enter_chat"],
        seen["polls"]["last"],
    ]
    for answer in sealed:
        assert answer["status"] == 200
        assert (answer["signed"], answer["nonce_kept"], answer["receiver"]) == (True, True, "")
    assert seen["retry"]["body"]["stream"]["id"] == seen["text"]["body"]["stream"]["id"]
    last = seen["polls"]["last"]["body"]["stream"]
    assert (last["content"], last["finish"]) == ("答案\n\n✅ done", True)
    assert seen["polls"]["after"]["body"]["stream"] == last
    assert seen["unknown"]["body"]["stream"]["finish"] is True
    assert seen["enter_chat"]["body"] == {"msgtype": "text", "text": {"content": "你好"}}
    assert (seen["feedback"]["status"], seen["feedback"]["raw"]) == (200, 0)
    assert (seen["spoilt"]["status"], seen["spoilt"]["raw"]) == (403, 0)
    assert [message.text for message, _ in edge.desk.accepted] == ["做一个网页"]
