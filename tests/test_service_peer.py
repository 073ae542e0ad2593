"""WeCom's own npm package plays WeCom against the whole service, with the real OpenCode behind it."""

import pytest

from bot.sandbox.script import say
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

pytestmark = [pytest.mark.peer, pytest.mark.opencode]


async def test_wecoms_own_package_converses_with_the_service(bot, opencode, wecom_peer):
    opencode.model.script("做一个网页", say("做好了，", chunks=1) + say("请看。", 1, 0.5))
    seen = await wecom_peer(
        f"{bot.url}/wecom/bot",
        token=TOKEN,
        aes_key=AES_KEY,
        bot=BOT_ID,
        text="做一个网页",
        every=50,
    )
    assert seen["verify"] == {"status": 200, "exact": True, "spoilt": 403}
    polls = seen["polls"]
    answers = [seen[name] for name in ("text", "retry", "unknown", "enter_chat")]
    for answer in (*answers, *polls["shown"], polls["after"]):
        assert answer["status"] == 200
        assert (answer["signed"], answer["nonce_kept"], answer["receiver"]) == (True, True, "")
    first, last = seen["text"]["body"]["stream"], polls["last"]["body"]["stream"]
    assert (first["finish"], "#1" in first["content"]) == (False, True)
    assert seen["retry"]["body"]["stream"]["id"] == first["id"] == last["id"]
    assert last["finish"] is True
    assert "做好了，请看。" in last["content"]
    assert polls["after"]["body"]["stream"] == last
    assert seen["unknown"]["body"]["stream"]["finish"] is True
    assert seen["unknown"]["body"]["stream"]["content"].strip()
    assert "OpenCode" in seen["enter_chat"]["body"]["text"]["content"]
    assert (seen["feedback"]["status"], seen["feedback"]["raw"]) == (200, 0)
    assert (seen["spoilt"]["status"], seen["spoilt"]["raw"]) == (403, 0)
    assert len(opencode.model.asked("做一个网页")) == 1
    assert opencode.model.asked("never run") == []
    assert (await bot.store.turns.get(1)).outcome == "answered"
    assert await bot.store.turns.get(2) is None
