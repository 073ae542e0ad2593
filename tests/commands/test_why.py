"""/why: what a turn went through, for administrators."""

import pytest

from tests.commands.room import DIRECT, GROUP
from tests.store.samples import an_ask, in_doubt, on_its_way


async def test_an_administrator_reads_every_step_and_no_word_of_it(room):
    turn = await room.ended("修复登录的密码问题", answer="密码是 12345")
    await in_doubt(room.store, 1, "ReadTimeout")
    said = await room.say(f"/why {turn.n}", sender="boss")
    assert "12345" not in said
    lines = said.splitlines()
    assert lines[0].startswith(f"🔎 #{turn.n} ")
    assert lines[0].endswith("done answered")
    assert "zhang" in lines[1]
    steps = [line.split()[1] for line in lines if line.startswith("+")]
    assert steps == ["已存", "认领", "答复已存", "正在送出", "不确定是否送达"]
    assert "unknown url" in said
    assert "ReadTimeout" in said
    assert f"/admin/turns/{turn.n}" in lines[-1]


async def test_asks_are_told_with_who_decided(room):
    turn = (await room.running("写文件")).record
    await room.store.asks.add(an_ask(chat=GROUP.key, turn=turn.n))
    await room.store.asks.decide("per_1", "allow", "lead", room.now)
    said = await room.say(f"/why {turn.n}", sender="boss")
    assert "allow lead" in said


async def test_a_long_life_is_told_by_its_beginning_and_its_end(room):
    turn = await room.ended()
    for _ in range(20):
        await on_its_way(room.store, 1)
        await room.store.deliveries.release(1, "ConnectError", 0)
    lines = (await room.say(f"/why {turn.n}", sender="boss")).splitlines()
    assert any("略去 19 步" in line for line in lines)
    assert sum(line.startswith("+") for line in lines) == 24


@pytest.mark.parametrize("sender", ["zhang", "lead"])
async def test_nobody_but_an_administrator_may_ask_why(room, sender):
    turn = await room.ended()
    assert "🔎" not in await room.say(f"/why {turn.n}", sender=sender)


async def test_a_turn_of_another_chat_is_unknown(room):
    turn = await room.ended()
    said = await room.say(f"/why {turn.n}", sender="boss", chat=DIRECT)
    assert "🔎" not in said
