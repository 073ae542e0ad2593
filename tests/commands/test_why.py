"""/why: what a turn went through, for administrators."""

import pytest

from tests.commands.room import DIRECT, GROUP
from tests.store.samples import an_ask, in_doubt, on_its_way


async def test_an_administrator_reads_every_step_and_no_word_of_it(room):
    turn = await room.ended("修复登录的密码问题", answer="密码是 12345")
    await in_doubt(room.store, 1, "ReadTimeout")
    said = await room.say(f"/why {turn.n}", sender="boss")
    assert "12345" not in said
    assert "修复" not in said
    lines = said.splitlines()
    assert lines[0] == f"🔎 #{turn.n} · ✅ 完成"
    assert "zhang" in lines[1]
    steps = [line.split()[1] for line in lines if line.startswith("+")]
    assert steps == ["已存", "认领", "答复已存", "正在送出", "不确定是否送达"]
    assert lines[-2] == "答复：unknown · url · 尝试 1 次 · ReadTimeout"
    assert lines[-1].endswith(f"管理页 /admin/turns/{turn.n}")


async def test_with_a_public_address_it_ends_with_a_link(make_room):
    room = await make_room(public_url="https://bot.example.com")
    turn = await room.ended()
    last = (await room.say(f"/why {turn.n}", sender="boss")).splitlines()[-1]
    assert last.endswith(f"(https://bot.example.com/admin/turns/{turn.n})")


async def test_an_answer_that_nobody_tried_to_bring_counts_no_attempts(room):
    turn = await room.ended()
    assert "答复：due\n" in await room.say(f"/why {turn.n}", sender="boss")


async def test_a_stopped_turn_is_told_as_stopped_and_not_as_answered(room):
    held = (await room.running()).record
    await room.store.turns.set_session(held, "ses_1", "/w")
    await room.store.turns.answered(held, "aborted")
    said = await room.say(f"/why {held.n}", sender="boss")
    assert said.startswith(f"🔎 #{held.n} · ⏳ 进行中 aborted\n")
    assert " OpenCode 已结束 outcome=aborted" in said
    turn = await room.ended(state="stopped", chat=DIRECT, outcome="stop")
    said = await room.say(f"/why {turn.n}", sender="boss", chat=DIRECT, language="en")
    assert said.startswith(f"🔎 #{turn.n} · ⛔ Stopped stop\n")


async def test_a_refusal_is_told_from_what_is_tried_again(room):
    turn = await room.ended()
    await on_its_way(room.store, 1)
    await room.store.deliveries.release(1, "ConnectError", 0)
    await on_its_way(room.store, 1)
    await room.store.deliveries.refuse(1, "errcode 1", last=False)
    said = await room.say(f"/why {turn.n}", sender="boss")
    assert " 没有送出，稍后再送 cause=ConnectError\n" in said
    assert " 这个地址拒收 cause=errcode 1\n" in said


async def test_asks_are_told_with_who_decided(room):
    turn = (await room.running("写文件")).record
    await room.store.asks.add(an_ask(chat=GROUP.key, turn=turn.n))
    await room.store.asks.decide("per_1", "allow", "lead", room.now)
    said = await room.say(f"/why {turn.n}", sender="boss")
    assert "\n审批 k7：answered allow lead\n" in said


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
