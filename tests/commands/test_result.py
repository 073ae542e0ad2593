"""/result: an answer once more."""

import pytest

from bot.fitting import PART_BYTES
from tests.store.samples import in_doubt, on_its_way


async def state_of(room, turn):
    delivery = await room.store.deliveries.of_turn(turn.n)
    return delivery.state, delivery.via


async def test_result_shows_the_answer_with_its_footer_and_counts_as_its_delivery(room):
    turn = await room.ended("写登录页", answer="**好了**")
    assert await room.say(f"/result {turn.n}") == f"📄 #{turn.n} 写登录页\n\n**好了**\n\n✅ 完成"
    assert await state_of(room, turn) == ("sent", "result")


async def test_result_alone_is_the_newest_that_ended(room):
    await room.ended("旧", answer="旧的")
    await room.ended("新", answer="新的")
    await room.queued()
    assert "新的" in await room.say("结果")


async def test_a_long_answer_is_read_on_part_by_part(room):
    text = "\n\n".join(f"第 {i} 段 " + "字" * 500 for i in range(30))
    turn = await room.ended(answer=text)
    first = await room.say(f"/result {turn.n}")
    last = await room.say(f"/result {turn.n} 3")
    assert "（1/3）" in first
    assert f"下一段：/result {turn.n} 2" in first
    assert "✅ 完成" not in first
    assert "第 29 段" in last
    assert last.endswith("✅ 完成")
    assert "下一段" not in last
    assert len(first.encode()) < PART_BYTES + 500


@pytest.mark.parametrize("part", ["0", "2", "99"])
async def test_a_part_that_is_not_there_is_refused(room, part):
    turn = await room.ended()
    assert "共 1 段" in await room.say(f"/result {turn.n} {part}")
    assert await state_of(room, turn) == ("due", "")


async def test_a_part_that_is_no_number_says_how_to_use_it(room):
    turn = await room.ended()
    assert "E-USAGE" in await room.say(f"/result {turn.n} 末段")
    assert "E-USAGE" in await room.say("/result 登录")


async def test_reading_makes_good_what_was_not_certain_to_have_arrived(room):
    turn = await room.ended()
    delivery = await room.store.deliveries.of_turn(turn.n)
    await in_doubt(room.store, delivery.id)
    assert "好了" in await room.say(f"/result {turn.n}")
    assert await state_of(room, turn) == ("sent", "result")


async def test_reading_makes_good_what_could_not_be_delivered(room):
    turn = await room.ended()
    delivery = await room.store.deliveries.of_turn(turn.n)
    await room.store.deliveries.settle(delivery.id, "failed", "errcode 45002")
    assert "好了" in await room.say(f"/result {turn.n}")
    assert await state_of(room, turn) == ("sent", "result")


async def test_an_answer_that_is_on_its_way_is_shown_and_left_alone(room):
    turn = await room.ended()
    delivery = await room.store.deliveries.of_turn(turn.n)
    await on_its_way(room.store, delivery.id)
    assert "好了" in await room.say(f"/result {turn.n}")
    assert await state_of(room, turn) == ("sending", "url")


async def test_an_answer_that_was_read_is_shown_again_and_again(room):
    turn = await room.ended()
    assert await room.say(f"/result {turn.n}") == await room.say(f"/result #{turn.n}")


async def test_a_turn_without_a_delivery_shows_what_the_turn_kept(room):
    turn = (await room.running()).record
    await room.store.turns.end(
        turn, state="failed", outcome="failed", reason="", stopped_by="", answer="", footer="❌",
        at=room.now, delivery=None,
    )  # fmt: skip
    assert await room.say(f"/result {turn.n}") == f"📄 #{turn.n} 修复登录\n\n（没有文字答复）\n\n❌"


async def test_a_turn_without_an_answer_yet_says_how_it_stands(room):
    running = await room.running()
    waiting = await room.queued()
    assert "还在跑" in await room.say(f"/result {running.record.n}")
    assert "还在排队" in await room.say(f"/result {waiting.n}")
    await room.store.turns.drop(waiting.n, "zhang", room.now)
    assert "被取消" in await room.say(f"/result {waiting.n}")
