"""/status and /whoami."""

import asyncio
from types import SimpleNamespace

from bot.asks import pending_of
from bot.opencode.events import PartUpdated, StatusChanged
from bot.opencode.model import Status, ToolPart
from bot.summary import fold
from config.sections import Project
from tests.commands.room import DIRECT, GROUP, MINUTE, OTHER
from tests.commands.test_approvals import PERMISSION, ask
from tests.store.samples import a_delivery, in_doubt


async def test_status_of_an_idle_chat_is_one_screen(room):
    folder = (await room.folders.folder(GROUP.key)).name
    assert (await room.say("/status")).splitlines() == [
        "▸ 空闲",
        "📥 没有排队",
        f"💬 会话 （下一条消息开新会话） · 工作区 {folder}",
        "🤖 智能体 build（OpenCode 的默认智能体）",
        "🧠 模型 fake/one（OpenCode 配置里的 model）",
        "🔗 文件链接：没有设置 server.public_url，只列文件名",
        "● OpenCode 1.18.33 正常",
    ]


async def test_status_shows_what_runs_how_far_and_when_it_last_moved(room):
    running = await room.running("修复登录")
    part = ToolPart(
        id="p", call="c", tool="bash", status="running", input={"command": "npm test"},
        started_at=room.now + MINUTE,
    )  # fmt: skip
    event = PartUpdated("ses_1", "msg_2", part, None)
    busy = fold(running.summary, StatusChanged("ses_1", Status("busy")), room.now)
    running.summary = fold(busy, event, room.now + MINUTE)
    running.note = "正在等待"
    await room.queued()
    room.now += 3 * MINUTE
    lines = (await room.say("状态")).splitlines()
    assert lines[0].startswith(f"▸ 正在跑 #{running.record.n} 修复登录 · 3m00s · 第 ")
    assert lines[1].endswith("最近动静 2m00s 前")
    assert lines[2].strip() == "正在等待"
    assert lines[3].startswith("📥 排队 1：#")


async def test_status_names_what_a_running_turn_waits_for(room):
    running = await room.running()
    room.decisions.waiting = [ask("a7k", PERMISSION)]
    running.asks = [pending_of(room.decisions.waiting[0])]
    said = await room.say("/status", language="en")
    assert "waiting for approval a7k" in said
    assert "Waiting for a decision: a7k" in said


async def test_status_is_silent_about_an_answer_that_stands_above_it(room):
    await room.ended()
    said = await room.say("/status")
    assert "/result" not in said
    assert "📭" not in said


async def test_status_names_answers_that_may_be_lost_and_a_few_of_many(room):
    turn = await room.ended()
    await in_doubt(room.store, (await room.store.deliveries.of_turn(turn.n)).id)
    assert f"📭 不确定是否送达：#{turn.n} · /result n" in await room.say("/status")
    for _ in range(9):
        await room.queued()
    assert "📥 排队 9：" in await room.say("/status")
    assert "…" in await room.say("/status")


async def failed(room, turn, cause="errcode 45002"):
    delivery = await room.store.deliveries.of_turn(turn.n)
    await room.store.deliveries.settle(delivery.id, "failed", cause)


async def test_status_names_answers_that_could_not_be_delivered(room):
    turn = await room.ended()
    await failed(room, turn)
    said = await room.say("/status")
    assert f"📪 没能送达：#{turn.n} · /result n" in said
    assert "45002" not in said


async def test_status_tells_an_administrator_how_old_each_answer_is_and_why_it_waits(room):
    dead, doubtful = await room.ended(), await room.ended()
    await failed(room, dead)
    await in_doubt(room.store, (await room.store.deliveries.of_turn(doubtful.n)).id)
    await room.store.deliveries.add(a_delivery(None, chat=OTHER.key, at=room.now))
    await room.store.deliveries.add(a_delivery(99, chat=OTHER.key, at=room.now - MINUTE))
    room.now += 2 * MINUTE
    lines = (await room.say("/status", sender="boss", language="en")).splitlines()
    assert f"  #{doubtful.n} unknown · 2m00s · ReadTimeout" in lines
    assert f"  #{dead.n} failed · 2m00s · errcode 45002" in lines
    assert not any("#99" in line for line in lines)
    (everywhere,) = [line for line in lines if line.startswith("📮")]
    assert "due 2 (the oldest for 3m00s) · unknown 1 " in everywhere
    assert "failed 1" in everywhere


async def test_status_lists_nothing_that_stands_on_top_of_it_to_an_administrator_either(room):
    turn = await room.ended()
    await room.store.deliveries.add(a_delivery(None, chat=GROUP.key, at=room.now))
    said = await room.say("/status", sender="boss")
    assert f"#{turn.n}" not in said
    assert "📮" not in said
    await room.store.deliveries.add(a_delivery(99, chat=OTHER.key, at=room.now))
    said = await room.say("/status", sender="boss")
    assert "📮 全部聊天未送达（不含本条顶部的）：due 1（" in said


async def test_status_names_a_few_of_many_answers_in_doubt_to_an_administrator(room):
    for n in range(7):
        one = await room.store.deliveries.add(a_delivery(n + 50, chat=GROUP.key, at=room.now))
        await in_doubt(room.store, one.id)
    said = await room.say("/status", sender="boss")
    assert "还有 2 条" in said
    assert "📮" not in await room.say("/status", sender="lead")


async def test_status_says_agent_and_model_in_force_and_why(make_room):
    room = await make_room(OPENCODE_AGENT="plan", OPENCODE_MODEL="fake/two")
    said = await room.say("/status", language="en")
    assert "Agent plan (set by OPENCODE_AGENT)" in said
    assert "OPENCODE_MODEL does not apply, since an agent was chosen" in said


async def test_status_says_what_is_wrong_with_a_choice(make_room):
    room = await make_room(OPENCODE_AGENT="nope")
    assert "没有智能体 nope" in await room.say("/status")


async def test_status_is_answered_while_opencode_is_away(room, opencode):
    opencode.fault("/agent", "refuse")
    room.server.state = "down"
    said = await room.say("/status")
    assert "暂时查不到" in said
    assert "○ OpenCode 连不上" in said
    room.server.state = "starting"
    assert "正在启动" in await room.say("/status")
    room.server.gate.shut = True
    assert "OpenCode 正在升级" in await room.say("/status")


async def test_status_says_what_is_true_when_it_is_said_however_slow_opencode_is(room, opencode):
    opencode.fault("/agent", "hang")
    first, second = await room.running("一"), await room.queued("二")
    reads = room.services.choices

    class Slow:
        """While agent and model are looked up, the first turn ends and the second begins."""

        async def resolve(self, chat, directory):
            del room.engine.runs[GROUP.key]
            room.engine.runs[GROUP.key] = SimpleNamespace(**vars(first) | {"record": second})
            return await reads.resolve(chat, directory)

    async with asyncio.timeout(10):
        lines = (await room.with_parts(choices=Slow()).say("/status")).splitlines()
    assert lines[0].startswith(f"▸ 正在跑 #{second.n} 二")
    assert lines[2] == "📥 没有排队"
    assert lines[4].endswith("OpenCode 还没有回答，稍后再发 /status")


async def test_status_shows_warnings_of_the_server_and_a_cut_event_stream(room):
    room.server.warning = "version 9"
    room.feed.connected = False
    said = await room.say("/status")
    assert "事件流断开" in said
    assert "⚠️ version 9" in said
    room.with_parts(feed=None)
    assert "事件流断开" not in await room.say("/status")


async def test_status_names_session_project_and_links(make_room, tmp_path):
    room = await make_room(public_url="https://bot.example.com")
    projects = {"shop": Project(path=tmp_path)}
    room.with_parts(settings=room.services.settings.model_copy(update={"projects": projects}))
    await room.say("/new 登录")
    said = await room.say("/status")
    assert "会话 登录 · 工作区 shop" in said
    assert "🔗 文件链接：可用" in said


async def test_whoami_shows_id_role_and_chat(room):
    assert await room.say("/whoami", sender="lead", chat=DIRECT) == (
        f"你的 ID：lead\n角色：维护者\n聊天：{DIRECT.key}"
    )


async def test_whoami_works_for_people_who_are_not_admitted_and_shows_the_line_to_add(room):
    said = await room.say("我是谁", sender="wang")
    assert "你的 ID：wang" in said
    assert 'members = ["wang"]' in said
    assert "BOT_MEMBERS=wang" in said
    assert GROUP.key in said
