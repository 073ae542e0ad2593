"""/stop: end what runs, and with `all` what waits too."""

import pytest

from tests.commands.room import DIRECT, GROUP


async def test_stop_ends_what_runs_and_keeps_the_queue(room):
    running = await room.running()
    await room.queued("再写测试")
    said = await room.say("/stop")
    assert room.engine.stops == [(running.record.n, "zhang", "stop")]
    assert f"已停止 #{running.record.n}" in said
    assert "排队的 1 个接着执行" in said
    assert len(await room.store.turns.queued(GROUP.key)) == 1


async def test_stop_with_nothing_running_says_so(room):
    assert await room.say("停止") == "没有正在跑的任务。"
    assert await room.say("/stop", language="en") == "Nothing is running."


async def test_stop_that_is_not_confirmed_yet_does_not_claim_it(room):
    await room.running()
    room.engine.obeys = False
    assert "还没有确认" in await room.say("/stop")


async def test_stop_is_refused_to_others_and_says_whose_turn_it_is(room):
    await room.running(sender="zhang")
    said = await room.say("/stop", sender="li")
    assert "zhang 发起" in said
    assert "E-ROLE" in said
    assert room.engine.stops == []


@pytest.mark.parametrize("sender", ["lead", "boss"])
async def test_maintainers_and_admins_stop_anybodys_turn(room, sender):
    running = await room.running(sender="zhang")
    await room.say("/stop", sender=sender)
    assert room.engine.stops == [(running.record.n, sender, "stop")]


async def test_stop_takes_the_number_of_what_runs_and_no_other(room):
    running = await room.running()
    waiting = await room.queued()
    assert "/drop" in await room.say(f"/stop {waiting.n}")
    assert room.engine.stops == []
    await room.say(f"/stop #{running.record.n}")
    assert len(room.engine.stops) == 1


async def test_stop_with_a_number_and_nothing_running_stops_nothing(room):
    assert "没有在跑" in await room.say("/stop 7")


async def test_stop_in_a_hurry_gets_through_whatever_follows_it(room):
    await room.running()
    await room.say("/stop 快停下！")
    assert len(room.engine.stops) == 1


async def test_stop_all_asks_first_and_names_the_count(room):
    await room.running()
    await room.queued()
    await room.queued()
    said = await room.say("/stop all")
    assert "将停止正在跑的任务，并取消排队的 2 个" in said
    assert "/stop all yes" in said
    assert room.engine.stops == []
    assert len(await room.store.turns.queued(GROUP.key)) == 2


async def test_stop_all_names_only_what_there_is(room):
    running = await room.running()
    assert "没有排队的" in (said := await room.say("/stop all"))
    assert "0 个" not in said
    await room.say("/stop")
    await room.queued()
    assert "没有正在跑的任务；将取消排队的 1 个" in await room.say("/stop all")
    assert room.engine.stops == [(running.record.n, "zhang", "stop")]


async def test_a_stop_says_how_to_go_on(room):
    running = await room.running()
    assert f"/retry {running.record.n} 重新执行" in await room.say("/stop")


async def test_stop_all_yes_drops_the_queue_before_it_stops(room):
    running = await room.running()
    waiting = [(await room.queued()).n, (await room.queued()).n]
    said = await room.say("/stop all yes")
    assert room.engine.stops == [(running.record.n, "zhang", "stop")]
    assert await room.store.turns.queued(GROUP.key) == []
    assert f"#{waiting[0]} #{waiting[1]}" in said
    dropped = await room.store.turns.get(waiting[0])
    assert (dropped.state, dropped.stopped_by) == ("dropped", "zhang")


async def test_stop_all_leaves_other_chats_alone(room):
    waiting = await room.queued(chat=DIRECT)
    said = await room.say("/停止 全部 确认")
    assert "没有正在跑" in said
    assert "队列是空的" in said
    assert (await room.store.turns.get(waiting.n)).state == "queued"


async def test_stop_all_of_nothing_says_so(room):
    assert await room.say("/stop all") == "没有正在跑的任务，队列也是空的。"


async def test_stop_all_is_refused_when_any_turn_is_somebody_elses(room):
    await room.running(sender="li")
    await room.queued(sender="zhang")
    for words in ("/stop all", "/stop all yes"):
        assert "E-ROLE" in await room.say(words, sender="li")
    assert len(await room.store.turns.queued(GROUP.key)) == 1
    assert "已取消排队的 1 个" in await room.say("/stop all yes", sender="lead")
