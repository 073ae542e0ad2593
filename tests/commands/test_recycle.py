"""/stop!: end what will not stop, with the server that runs it."""

import sys

import pytest
from structlog.testing import capture_logs

from commands import COMMANDS
from tests.commands.room import DIRECT, GROUP, OTHER


@pytest.mark.parametrize(
    "typed",
    ["/stop!", "/stop！", "／STOP！", "/停止！", "／停止!", "强制停止", "强制停止！", "/强制停止!"],
)
def test_the_full_width_mark_counts(typed):
    assert COMMANDS.find(COMMANDS.parse(typed).name).name == "stop!"


@pytest.mark.parametrize("typed", ["停止！", "停止!", "停止"])
def test_without_a_slash_an_exclamation_makes_no_stop_a_forced_one(typed):
    assert COMMANDS.find(COMMANDS.parse(typed).name).name == "stop"


def test_an_exclamation_before_other_words_is_ordinary_text():
    assert COMMANDS.parse("停止！别删数据库") is None
    assert COMMANDS.parse("停止！ 别删数据库") is None


async def test_the_chinese_stop_with_slash_and_mark_restarts_the_server(room):
    await room.running()
    assert "打断了 1 个任务" in await room.say("/停止！", sender="boss")
    assert room.server.recycled == 1


@pytest.mark.parametrize("sender", ["zhang", "boss"])
async def test_the_chinese_stop_with_a_mark_and_no_slash_ends_the_task_alone(room, sender):
    await room.running(sender="zhang")
    assert "已停止 #1" in await room.say("停止！", sender=sender)
    assert room.server.recycled == 0


@pytest.mark.parametrize("sender", ["zhang", "lead"])
async def test_only_administrators_may_restart_the_server(room, sender):
    await room.running(sender=sender)
    assert "E-ROLE" in await room.say("/stop!", sender=sender)
    assert "E-ROLE" in await room.say("/停止!", sender=sender)
    assert room.server.recycled == 0
    assert "stop!" not in await room.say("/help", sender=sender)
    assert "/stop!" in await room.say("/help", sender="boss")


async def test_with_no_other_chat_at_work_the_server_is_restarted_at_once(room):
    running = await room.running()
    with capture_logs() as logged:
        said = await room.say("/stop!", sender="boss")
    assert "打断了 1 个任务" in said
    assert [(one["event"], one["by"], one["turns"]) for one in logged] == [
        ("opencode.recycled", "boss", 1)
    ]
    assert room.engine.stops == [(running.record.n, "boss", "recycle")]
    assert room.server.recycled == 1


async def test_other_chats_at_work_are_counted_and_named_and_none_of_their_words(room):
    await room.running("机密的任务", chat=OTHER, sender="li")
    await room.running("私下的任务", chat=DIRECT, sender="zhang")
    said = await room.say("/stop!", sender="boss")
    assert "2 个任务：#1 li（群聊） · #2 zhang（单聊）" in said
    assert "任务" in said
    assert "机密" not in said
    assert "/stop! yes" in said
    assert (room.server.recycled, room.engine.stops) == (0, [])


async def test_confirmed_it_interrupts_every_chat(room):
    await room.running(chat=OTHER, sender="li")
    await room.running(chat=GROUP)
    said = await room.say("/stop! yes", sender="boss")
    assert "打断了 2 个任务" in said
    assert len(room.engine.stops) == 2
    assert room.server.recycled == 1


async def test_a_long_list_of_others_is_cut(room, monkeypatch):
    monkeypatch.setattr(sys.modules["commands.recycle"], "NAMED", 1)
    await room.running(chat=OTHER)
    await room.running(chat=DIRECT)
    assert "#1 zhang (group) · and 1 more" in await room.say("/stop!", sender="boss", language="en")


async def test_a_server_that_does_not_come_again_is_told(room):
    room.server.comes = False
    assert "E-OC-DOWN" in await room.say("/stop!", sender="boss")


@pytest.mark.parametrize(("obeys", "told"), [(True, "已停止 #1"), (False, "再次请求停止 #1")])
async def test_a_server_that_is_not_ours_stays_and_the_chats_own_turn_is_left(room, obeys, told):
    room.server.managed = False
    room.engine.obeys = obeys
    await room.running()
    await room.running(chat=OTHER)
    said = await room.say("/stop!", sender="boss")
    assert "不能重启" in said
    assert told in said
    assert room.engine.stops == [(1, "boss", "leave")]
    assert room.server.recycled == 0


async def test_with_nothing_to_leave_it_says_that_the_server_is_not_ours(room):
    room.server.managed = False
    said = await room.say("/stop!", sender="boss")
    assert "不能重启" in said
    assert "没有正在跑的任务" in said


async def test_during_an_upgrade_the_server_is_left_to_it_and_nothing_is_interrupted(room):
    await room.running()
    room.server.gate.shut = True
    assert "OpenCode 正在升级" in await room.say("/stop!", sender="boss")
    assert room.engine.stops == []
    assert room.server.recycled == 0
