"""The application's callback held against WeCom's own package, which knows nothing of our code."""

import pytest

from bot.clock import now_ms
from tests.app.edge import CORP_ID, AppEdge
from tests.fakes.edge import Clock

pytestmark = pytest.mark.peer


async def test_wecoms_own_package_converses_with_the_application(tmp_path, app_peer):
    async with AppEdge(tmp_path, clock=Clock(now_ms())) as edge:
        edge.desk.welcome = "你好"
        seen = await app_peer(edge.url, text="/做一个网页 <!DOCTYPE x>")
        assert seen["verify"] == {"status": 200, "exact": True, "spoilt": 403, "foreign": 403}
        for name, words in {"text": "done", "retry": "done", "enter": "你好"}.items():
            answer = seen[name]
            assert (answer["status"], answer["signed"], answer["receiver"]) == (200, True, CORP_ID)
            assert (answer["to"], answer["from"]) == ("zhangsan", CORP_ID)
            assert (answer["type"], answer["content"]) == ("text", words)
        assert seen["left"] == {"status": 200, "raw": 0}
        assert seen["spoilt"] == seen["foreign"] == {"status": 403, "raw": 0}
        assert len(edge.desk.accepted) == 1
