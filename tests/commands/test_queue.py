"""/force, /queue, /drop, /retry: what runs next."""

from commands.registry import Submit
from tests.commands.room import GROUP, MINUTE, OTHER


async def test_force_with_nothing_running_simply_runs(room):
    assert await room.say("/force 先修登录") == Submit("先修登录", forced=True)


async def test_force_keeps_the_text_as_it_is_written(room):
    said = await room.say("/force fix\n  - one\n  - two")
    assert said.text == "fix\n  - one\n  - two"


async def test_force_by_the_starter_or_a_maintainer_interrupts(room):
    await room.running(sender="zhang")
    for sender in ("zhang", "lead", "boss"):
        assert await room.say("插队", sender=sender, quote="引用") == Submit("", forced=True)


async def test_force_on_somebody_elses_run_is_refused(room):
    running = await room.running(sender="zhang")
    said = await room.say("/force 我的更急", sender="li")
    assert f"#{running.record.n} 是 zhang 发起的" in said
    assert "E-ROLE" in said


async def test_force_without_a_word_says_how_to_use_it(room):
    assert "E-USAGE" in await room.say("/force")


async def test_force_with_a_number_moves_that_turn_to_the_front_and_stops_what_runs(room):
    running = await room.running()
    await room.queued()
    urgent = await room.queued()
    said = await room.say(f"/force {urgent.n}")
    assert f"#{urgent.n} 排到最前；#{running.record.n} 停下后" in said
    assert room.engine.stops == [(running.record.n, "zhang", "force")]
    assert room.engine.woken == [GROUP.key]
    assert (await room.store.turns.queued(GROUP.key))[0].n == urgent.n


async def test_force_with_a_number_and_nothing_running_just_wakes_the_lane(room):
    waiting = await room.queued()
    assert f"#{waiting.n} 排到最前，马上执行" in await room.say(f"/force #{waiting.n}")
    assert room.engine.woken == [GROUP.key]
    assert room.engine.stops == []


async def test_force_of_a_turn_that_the_lane_took_meanwhile_stops_nothing(room):
    running = await room.running()
    waiting = await room.queued()
    running.record = waiting  # its lane has just begun with it
    assert "马上执行" in await room.say(f"/force {waiting.n}")
    assert room.engine.stops == []


async def test_force_of_what_runs_or_has_ended_changes_nothing(room):
    ended = await room.ended()
    running = await room.running()
    assert "/retry" in await room.say(f"/force {ended.n}")
    assert "已经在跑" in await room.say(f"/force {running.record.n}")
    assert room.engine.stops == []


async def test_a_number_of_another_chat_is_as_unknown_as_one_that_never_was(room):
    elsewhere = await room.queued(chat=OTHER)
    for verb in ("force", "drop", "result", "retry", "files", "diff"):
        there = await room.say(f"/{verb} {elsewhere.n}")
        never = await room.say(f"/{verb} 999")
        assert there.replace(str(elsewhere.n), "N") == never.replace("999", "N")
        assert "E-TURN" in there
    assert (await room.store.turns.get(elsewhere.n)).state == "queued"


async def test_queue_shows_what_runs_and_what_waits_in_order(room):
    running = await room.running("写登录页")
    first = await room.queued("写测试", sender="li")
    second = await room.queued("写 **文档**", forced=True)
    room.now += 2 * MINUTE
    lines = (await room.say("/queue")).splitlines()
    assert lines[0] == f"▸ 正在跑 #{running.record.n} 写登录页 · 2m00s"
    assert lines[1] == f"1. #{second.n} 写 文档 · zhang · 等了 2m00s · ⏩ 插队"
    assert lines[2] == f"2. #{first.n} 写测试 · li · 等了 2m00s"
    assert lines[3] == ""  # else the hint belongs to the list's last item
    assert lines[4] == "/force n 立即执行 · /drop n 取消"


async def test_queue_offers_what_the_asker_may_do_and_no_more(room):
    await room.running(sender="li")
    await room.queued(sender="li")
    assert "/force" not in (said := await room.say("/queue"))
    assert "/drop" not in said
    await room.queued()
    assert (await room.say("/queue")).splitlines()[-1] == "/drop n 取消"
    for sender in ("li", "lead", "boss"):
        assert "/force n 立即执行 · /drop n" in await room.say("/queue", sender=sender)


async def test_with_nothing_running_everybody_may_go_first(room):
    await room.queued(sender="li")
    assert (await room.say("/queue")).splitlines()[-1] == "/force n 立即执行"


async def test_whoever_is_refused_is_told_who_can(room):
    running = await room.running(sender="li")
    said = await room.say("/force 先做这个")
    assert f"#{running.record.n} 是 li 发起的" in said
    assert "可请 li 或管理员操作" in said


async def test_an_empty_queue_is_said_to_be_empty(room):
    assert await room.say("队列") == "没有正在跑的任务。\n没有排队的任务。"


async def test_drop_takes_ones_own_turn_out(room):
    waiting = await room.queued()
    assert f"已取消 #{waiting.n}" in await room.say(f"/drop {waiting.n}")
    dropped = await room.store.turns.get(waiting.n)
    assert (dropped.state, dropped.stopped_by) == ("dropped", "zhang")


async def test_drop_of_somebody_elses_turn_needs_a_maintainer(room):
    waiting = await room.queued(sender="zhang")
    assert "E-ROLE" in await room.say(f"/drop {waiting.n}", sender="li")
    assert (await room.store.turns.get(waiting.n)).state == "queued"
    assert "已取消" in await room.say(f"/取消 {waiting.n}", sender="lead")


async def test_drop_of_what_does_not_wait_points_to_stop(room):
    running = await room.running()
    said = await room.say(f"/drop {running.record.n}")
    assert "/stop" in said
    assert "E-TURN" in said


async def test_drop_without_a_number_says_how_to_use_it(room):
    assert "/drop n" in await room.say("/drop")
    assert "/drop n" in await room.say("/drop 第一个")


async def test_retry_runs_the_words_of_a_turn_again(room):
    ended = await room.ended("修复登录", state="failed")
    assert await room.say(f"/retry {ended.n}") == Submit("修复登录", retry_of=ended.n)


async def test_retry_keeps_what_kind_of_turn_it_was(room):
    ended = await room.ended("init web", kind="command")
    assert await room.say("重试") == Submit("init web", kind="command", retry_of=ended.n)


async def test_retry_of_a_dropped_turn_runs_it_at_last(room):
    waiting = await room.queued("修复登录")
    await room.say(f"/drop {waiting.n}")
    assert (await room.say(f"/retry {waiting.n}")).retry_of == waiting.n


async def test_retry_of_what_has_not_ended_is_refused(room):
    waiting = await room.queued()
    assert "E-TURN" in await room.say(f"/retry {waiting.n}")


async def test_retry_where_nothing_ever_ended_says_so(room):
    await room.running()
    assert "还没有完成的任务" in await room.say("/retry")
