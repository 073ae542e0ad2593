"""Which OpenCode session a chat is in."""

import shutil

import pytest

from bot.errors import OpenCodeUnavailable, UserError
from bot.opencode.client import OpenCode
from bot.opencode.workspace import Workspaces, folder_name
from bot.sessions import RECAP_BYTES, Sessions, recap_of, shortened, title_for
from bot.texts import sessions as texts
from bot.texts.workspace import TOO_WIDE
from config.settings import load_settings
from store import open_store
from store.records import NewChat, NewInbound, NewTurn
from tests.fakes.opencode import FakeOpenCode

START = 1_800_000_000_000
CHAT = "wecom:group:g1"
OTHER = "wecom:group:g2"


@pytest.fixture
async def opencode():
    async with FakeOpenCode() as fake:
        yield fake


@pytest.fixture
async def store(tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as store:
        for key in (CHAT, OTHER):
            _, kind, name = key.split(":")
            chat = NewChat(key, "wecom", kind, name, "", "zh", START)
            first = NewInbound(key, key, "zhang", "command", "", "", None, "", True, "", START)
            await store.inbox.accept(first, chat, None)
        yield store


@pytest.fixture
async def client(opencode):
    async with OpenCode(opencode.url, "opencode", "secret", timeout_s=5) as client:
        yield client


@pytest.fixture
def make_sessions(store, client, tmp_path):
    def make(service="svc", protected=tmp_path / "data", **environ):
        settings = load_settings(None, environ)
        folders = Workspaces(tmp_path / "workspaces", None, (protected,))
        return Sessions(store, client, folders, settings, lambda: START, service)

    return make


@pytest.fixture
def sessions(make_sessions):
    return make_sessions()


@pytest.fixture
def turn(store):
    """Accept turns: ``await turn("fix it")``."""
    count = 0

    async def accept(text="修复登录", *, chat=CHAT, kind="prompt", quote="", language="zh"):
        nonlocal count
        count += 1
        new = NewTurn(
            f"m{count}", chat, "zhang", kind, text, quote, "[]", language, False, False, None, START
        )
        return await store.turns.add(new)

    return accept


@pytest.fixture
def ran(store, turn):
    """Run turns in a session to their end: ``await ran("fix it", "done", "ses_1")``."""

    async def run(text, answer, session, *, state="done"):
        record = await turn(text)
        held = await store.turns.claim(CHAT, START)
        assert held.n == record.n
        await store.turns.set_session(held, session, "/srv")
        await store.turns.end(
            held, state=state, outcome="answered", reason="", stopped_by="", answer=answer,
            footer="", at=START, delivery=None,
        )  # fmt: skip
        return await store.turns.get(record.n)

    return run


async def chat(store, key=CHAT):
    return await store.chats.get(key)


async def test_the_first_turn_opens_a_session_that_says_whose_it_is(
    sessions, store, turn, opencode
):
    first = await turn("  修复登录\n并写测试 ")
    opened = await sessions.open_for(first, await chat(store))
    session = opencode.sessions[opened.session]
    assert session["title"] == "修复登录 并写测试"
    assert session["directory"] == str(opened.directory)
    assert session["metadata"] == {"service": "svc", "chat": CHAT, "epoch": 0, "turn": first.n}
    assert "permission" not in session
    assert (opened.recap, opened.note) == ("", None)
    record = await sessions.current(await chat(store))
    assert (record.session, record.title) == (opened.session, "修复登录 并写测试")


async def test_the_next_turn_runs_in_the_same_session(sessions, store, turn, opencode):
    first = await sessions.open_for(await turn(), await chat(store))
    second = await sessions.open_for(await turn(), await chat(store))
    assert second == first
    assert len(opencode.sessions) == 1


async def test_two_chats_never_share_a_session(sessions, store, turn):
    one = await sessions.open_for(await turn(), await chat(store))
    two = await sessions.open_for(await turn(chat=OTHER), await chat(store, OTHER))
    assert one.session != two.session
    assert one.directory != two.directory


async def test_a_new_session_gets_the_rules_of_the_settings(make_sessions, store, turn, opencode):
    rules = '[{"permission": "bash", "pattern": "rm *", "action": "deny"}]'
    sessions = make_sessions(BOT_OPENCODE_PERMISSION=rules)
    opened = await sessions.open_for(await turn(), await chat(store))
    assert opencode.sessions[opened.session]["permission"] == [
        {"permission": "bash", "pattern": "rm *", "action": "deny"}
    ]


async def test_a_turn_runs_in_the_session_of_the_time_when_it_was_accepted(sessions, store, turn):
    before = await turn()
    await sessions.fresh(await chat(store), "  新的   开始 ")
    after = await turn()
    late = await sessions.open_for(after, await chat(store))
    early = await sessions.open_for(before, await chat(store))
    assert early.session != late.session
    assert [record.session for record in await sessions.known(await chat(store))] == [
        late.session,
        early.session,
    ]
    assert (await sessions.current(await chat(store))).title == "新的 开始"


async def test_a_session_opened_by_a_try_that_fell_over_is_found_again(
    make_sessions, store, turn, opencode
):
    again = await turn()
    first = await make_sessions().open_for(again, await chat(store))
    await store.sessions.put(CHAT, 0, "", "", "", START)  # as if it had not been recorded
    found = await make_sessions().open_for(again, await chat(store))
    assert found.session == first.session
    assert len(opencode.sessions) == 1


async def test_a_session_whose_opening_was_cut_off_is_found_by_the_next_try(
    sessions, store, turn, opencode
):
    once = await turn()
    opencode.fault("/session", "refuse")  # the search comes first
    with pytest.raises(OpenCodeUnavailable):
        await sessions.open_for(once, await chat(store))
    await sessions.open_for(once, await chat(store))
    assert len(opencode.sessions) == 1


async def test_a_session_of_the_same_epoch_that_a_restored_backup_does_not_know_is_not_continued(
    sessions, store, turn, opencode
):
    directory = await sessions.directory(await chat(store))
    marks = {"service": "svc", "chat": CHAT, "epoch": 0, "turn": 7}  # numbers go on above it
    later = opencode.open_session(str(directory), "after the backup", metadata=marks)
    opened = await sessions.open_for(await turn(), await chat(store))
    assert opened.session != later


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"service": "another", "chat": CHAT, "epoch": 0},
        {"service": "svc", "chat": OTHER, "epoch": 0},
        {"service": "svc", "chat": CHAT, "epoch": 1},
        {"service": "svc", "chat": CHAT, "epoch": 0},
    ],
)
async def test_nobody_elses_session_is_taken_for_ours(sessions, store, turn, opencode, metadata):
    directory = await sessions.directory(await chat(store))
    foreign = opencode.open_session(str(directory), "foreign", metadata=metadata)
    opened = await sessions.open_for(await turn(), await chat(store))
    assert opened.session != foreign


async def test_a_session_that_is_gone_is_replaced_with_a_recap_and_the_chat_is_told(
    sessions, store, turn, ran, opencode
):
    lost = (await sessions.open_for(await turn("第一件"), await chat(store))).session
    await store.turns.drop_all(CHAT, "", START)
    await ran("修复登录", "找到原因了", lost)
    await ran("写测试", "", lost, state="failed")
    del opencode.sessions[lost]
    opened = await sessions.open_for(await turn("继续"), await chat(store))
    assert opened.session in opencode.sessions
    assert opened.note is texts.LOST_RECAPPED
    assert opened.recap.splitlines()[2:] == [
        "要求：修复登录", "", "答复：找到原因了", "", "要求：写测试",
    ]  # fmt: skip
    again = await sessions.open_for(await turn("再继续"), await chat(store))
    assert (again.session, again.recap, again.note) == (opened.session, "", None)


async def test_the_new_session_keeps_the_title_of_the_lost_one(sessions, store, turn, opencode):
    lost = (await sessions.open_for(await turn("修复登录"), await chat(store))).session
    del opencode.sessions[lost]
    opened = await sessions.open_for(await turn("继续"), await chat(store))
    assert opencode.sessions[opened.session]["title"] == "修复登录"


async def test_a_recap_holds_nothing_of_other_sessions_or_later_turns(
    sessions, store, turn, ran, opencode
):
    await ran("别的会话", "x", "ses_other")
    await sessions.fresh(await chat(store), "")
    lost = (await sessions.open_for(await turn("一"), await chat(store))).session
    await store.turns.drop_all(CHAT, "", START)
    now = await turn("现在")
    await store.turns.drop_all(CHAT, "", START)
    await ran("之后", "y", lost)
    del opencode.sessions[lost]
    opened = await sessions.open_for(now, await chat(store))
    assert (opened.recap, opened.note) == ("", texts.LOST)


async def test_no_session_is_opened_where_the_agent_would_find_our_data(
    make_sessions, store, turn, opencode, tmp_path
):
    within = tmp_path / "workspaces" / folder_name(CHAT) / "data"
    with pytest.raises(UserError) as refused:
        await make_sessions(protected=within).open_for(await turn(), await chat(store))
    assert refused.value.text is TOO_WIDE
    assert opencode.sessions == {}


async def test_a_session_that_works_where_our_data_is_runs_nothing_more(
    sessions, store, turn, tmp_path
):
    opened = await sessions.open_for(await turn(), await chat(store))
    await store.sessions.put(CHAT, 0, opened.session, "", str(tmp_path), START)
    with pytest.raises(UserError) as refused:
        await sessions.open_for(await turn(), await chat(store))
    assert refused.value.text is TOO_WIDE


async def test_a_folder_that_an_agent_removed_is_made_anew(sessions, store, turn):
    opened = await sessions.open_for(await turn(), await chat(store))
    shutil.rmtree(opened.directory)
    assert await sessions.open_for(await turn(), await chat(store)) == opened
    assert (opened.directory / ".git").is_dir()


async def test_a_switch_takes_effect_for_the_next_turn_and_keeps_the_folder(sessions, store, turn):
    first = await sessions.open_for(await turn(), await chat(store))
    await sessions.fresh(await chat(store), "")
    waiting = await turn()
    back = await sessions.switch(await chat(store), first.session)
    assert back.session == first.session
    assert (await sessions.open_for(await turn(), await chat(store))) == first
    assert (await sessions.open_for(waiting, await chat(store))).session != first.session


async def test_a_switch_to_another_chats_session_is_refused(sessions, store, turn):
    theirs = await sessions.open_for(await turn(chat=OTHER), await chat(store, OTHER))
    with pytest.raises(UserError) as refused:
        await sessions.switch(await chat(store), theirs.session)
    assert refused.value.text is texts.NO_SUCH_SESSION
    assert (await chat(store)).epoch == 0


async def test_renaming_a_session_that_is_gone_renames_our_record(sessions, store, turn, opencode):
    lost = (await sessions.open_for(await turn(), await chat(store))).session
    del opencode.sessions[lost]
    assert (await sessions.rename(await chat(store), "新名")).title == "新名"
    assert (await sessions.current(await chat(store))).title == "新名"


async def test_renaming_what_is_not_open_yet_names_the_session_to_come(sessions, store, turn):
    await sessions.fresh(await chat(store), "旧名")
    assert (await sessions.rename(await chat(store), "新名")).session == ""
    assert (await sessions.current(await chat(store))).title == "新名"


async def test_the_title_of_a_session_is_never_empty_or_long(turn):
    assert title_for(await turn("", quote="引用")) == "任务 #1"
    assert title_for(await turn("", language="en")) == "Task #2"
    assert title_for(await turn("init web", kind="command")) == "/init web"
    long = title_for(await turn("字" * 100))
    assert (len(long), long[-1]) == (40, "…")
    assert shortened("a" * 40) == "a" * 40


async def test_a_recap_is_the_last_five_turns_that_ran_within_four_kilobytes(turn, ran, store):
    for number in range(8):
        await ran(f"要求{number} " + "长" * 400, f"答复{number} " + "😀" * 500, "ses_1")
    await turn("还在排队")
    turns = await store.turns.recent(CHAT, 20)
    recap = recap_of(turns, turns[0])
    assert len(recap.encode()) <= RECAP_BYTES
    assert [f"要求{n}" in recap for n in range(8)] == [False] * 3 + [True] * 5
    assert "�" not in recap
    assert "还在排队" not in recap
    assert recap.index("要求3") < recap.index("要求7")


async def test_a_recap_of_nothing_is_empty(turn):
    only = await turn("在排队")
    assert recap_of([only], only) == ""


async def test_a_recap_of_a_quote_alone_holds_the_quote(turn, ran, store):
    await ran("x", "y", "ses_1")
    turns = await store.turns.recent(CHAT, 5)
    assert "Asked: x" in recap_of(turns, await turn("go on", language="en"))
