"""/new, /sessions, /switch, /rename."""

from tests.commands.room import GROUP, MINUTE, OTHER


async def chat_of(room, chat=GROUP):
    return await room.store.chats.get(chat.key)


async def opened(room, title, *, chat=GROUP):
    """Run a turn in a new session of the chat, as its lane would begin it."""
    room.now += MINUTE
    await room.say(f"/new {title}", chat=chat)
    turn = await room.queued(title, chat=chat)
    session = await room.services.sessions.open_for(turn, await chat_of(room, chat))
    await room.store.turns.drop(turn.n, "", room.now)
    return session.session


async def test_new_takes_effect_for_the_next_turn(room):
    before = await room.queued()
    said = await room.say("/new 修复登录")
    after = await room.queued()
    assert after.epoch == before.epoch + 1
    assert "修复登录" in said
    assert "仍留在原会话" in said
    current = await room.services.sessions.current(await chat_of(room))
    assert (current.session, current.title) == ("", "修复登录")


async def test_new_with_nothing_to_wait_for_is_short(room):
    said = await room.say("新会话")
    assert said == "🆕 下一条消息开新会话。\n/sessions 可找回旧会话。"


async def test_new_while_a_turn_runs_says_that_it_stays(room):
    await room.running()
    assert "仍留在原会话" in await room.say("/new")


async def test_sessions_of_a_chat_without_any_says_so(room):
    await opened(room, "别处", chat=OTHER)
    assert "还没有会话" in await room.say("/sessions")


async def test_sessions_are_listed_newest_first_with_the_current_one_marked(room):
    await opened(room, "一")
    await opened(room, "二")
    room.now += MINUTE
    assert (await room.say("会话")).splitlines() == [
        "本聊天的会话：",
        "- 2 ▸ 二 · 1m00s 前（当前）",
        "- 1 · 一 · 2m00s 前",
        "",
        "/switch 编号 切换",
    ]


async def test_a_session_that_is_about_to_open_is_shown_on_top(room):
    await opened(room, "一")
    await room.say("/new")
    assert (await room.say("/sessions")).splitlines()[1] == "- ▸ 新会话（下一条消息打开）"


async def test_a_session_keeps_its_number_whatever_is_opened_or_switched_to(room):
    for title in ("一", "二", "三"):
        await opened(room, title)
    await room.say("/switch 1")
    await opened(room, "四")
    listed = [line[2:7] for line in (await room.say("/sessions")).splitlines()]
    assert listed[1:5] == ["4 ▸ 四", "3 · 三", "2 · 二", "1 · 一"]


async def test_of_many_sessions_the_older_ones_are_counted(room):
    for number in range(14):
        await opened(room, f"s{number}")
    said = await room.say("/sessions")
    assert "另有更早的 2 个" in said
    assert "\n- 2 " not in said


async def test_switch_goes_back_from_the_next_turn_on(room):
    first = await opened(room, "一")
    await opened(room, "二")
    await room.queued()
    said = await room.say("/switch 1")
    assert "下一条消息在这个会话里：一" in said
    assert "仍留在原会话" in said
    turn = await room.queued()
    session = await room.services.sessions.open_for(turn, await chat_of(room))
    assert session.session == first


async def test_switch_to_where_one_is_already_changes_nothing(room):
    await opened(room, "一")
    before = await chat_of(room)
    assert "已经在这个会话里" in await room.say("/切换 1")
    assert (await chat_of(room)).epoch == before.epoch


async def test_switch_with_a_number_that_is_not_listed_is_refused(room):
    await opened(room, "一")
    assert "E-SESSION" in await room.say("/switch 2")
    assert "E-USAGE" in await room.say("/switch 一")
    assert "E-USAGE" in await room.say("/switch")


async def test_switch_with_nothing_waiting_is_one_line(room):
    await opened(room, "一")
    await opened(room, "二")
    assert len((await room.say("/switch 1")).splitlines()) == 1


async def test_rename_changes_the_title_here_and_on_the_server(room, opencode):
    session = await opened(room, "一")
    assert "登录与注册" in await room.say("/rename 登录与注册")
    assert opencode.sessions[session]["title"] == "登录与注册"
    assert "1 ▸ 登录与注册" in await room.say("/sessions")


async def test_rename_before_the_first_turn_names_the_session_to_come(room, opencode):
    await room.say("/rename 登录")
    await room.services.sessions.open_for(await room.queued(), await chat_of(room))
    assert [session["title"] for session in opencode.sessions.values()] == ["登录"]


async def test_rename_without_a_title_says_how_to_use_it(room):
    assert "E-USAGE" in await room.say("/改名")


async def test_rename_while_opencode_is_away_changes_nothing_and_says_so(room, opencode):
    session = await opened(room, "一")
    opencode.fault(session, "refuse")
    assert "E-OC-DOWN" in await room.say("/rename 二")
    assert "1 ▸ 一" in await room.say("/sessions")
