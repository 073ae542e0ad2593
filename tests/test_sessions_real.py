"""Sessions, agents and models, held against the real OpenCode."""

import shutil

import pytest

from bot.choices import Choices
from bot.clock import now_ms
from bot.errors import UserError
from bot.opencode.client import OpenCode
from bot.opencode.workspace import Workspaces
from bot.sessions import Sessions
from bot.texts import sessions as texts
from config.settings import load_settings
from store import open_store
from store.records import NewChat, NewInbound, NewTurn

pytestmark = pytest.mark.opencode

CHAT = "wecom:group:g1"


@pytest.fixture
async def client(opencode):
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        yield client


@pytest.fixture
async def store(tmp_path):
    async with await open_store(f"sqlite:///{tmp_path}/bot.db") as store:
        chat = NewChat(CHAT, "wecom", "group", "g1", "", "zh", now_ms())
        first = NewInbound("m0", CHAT, "zhang", "command", "", "", None, "", True, "", now_ms())
        await store.inbox.accept(first, chat, None)
        yield store


@pytest.fixture
def sessions(store, client, tmp_path):
    rules = '[{"permission": "webfetch", "action": "deny"}]'
    settings = load_settings(None, {"BOT_OPENCODE_PERMISSION": rules})
    folders = Workspaces(tmp_path / "workspaces", None, (tmp_path / "data",))
    return Sessions(store, client, folders, settings, now_ms, "svc")


async def accepted(store, message, text="修复登录"):
    turn = NewTurn(
        message, CHAT, "zhang", "prompt", text, "", "[]", "zh", False, False, None, now_ms()
    )
    return await store.turns.add(turn)


async def test_a_session_keeps_our_title_and_marks_and_is_found_by_them(sessions, store, client):
    turn, chat = await accepted(store, "m1"), await store.chats.get(CHAT)
    opened = await sessions.open_for(turn, chat)
    kept = await client.session(opened.session)
    assert kept.title == "修复登录"
    assert kept.metadata == {"service": "svc", "chat": CHAT, "epoch": 0, "turn": turn.n}
    await store.sessions.put(CHAT, 0, "", "", "", now_ms())  # as if it had not been recorded
    assert (await sessions.open_for(turn, chat)).session == opened.session
    await sessions.rename(chat, "登录")
    assert (await client.session(opened.session)).title == "登录"


async def test_a_session_that_the_server_lost_is_replaced(sessions, store, client):
    turn, chat = await accepted(store, "m1"), await store.chats.get(CHAT)
    await sessions.open_for(turn, chat)
    await store.sessions.put(CHAT, 0, "ses_00000000000000AAAAAAAAAAAA", "登录", "", now_ms())
    first = await sessions.open_for(turn, chat)
    assert first.note is texts.LOST
    assert (await client.session(first.session)).id == first.session


async def test_the_worktree_of_a_chats_folder_is_that_folder(sessions, store, client):
    chat = await store.chats.get(CHAT)
    directory = await sessions.directory(chat)
    assert (await client.path(directory)).worktree == str(directory.resolve())
    shutil.rmtree(directory / ".git")
    assert (await sessions.directory(chat) / ".git").is_dir()


async def test_agent_and_model_are_those_that_the_server_reports(sessions, store, client):
    chat = await store.chats.get(CHAT)
    directory = await sessions.directory(chat)
    choices = Choices(client, load_settings(None, {}), now_ms)
    offer = await choices.offer(directory)
    assert {"build", "plan"} <= set(offer.selectable())
    assert not {"general", "explore", "title", "summary", "compaction"} & set(offer.selectable())
    choice = await choices.resolve(chat, directory)
    assert choice.agent == "build"
    assert choice.model in offer.models


async def test_an_agent_or_model_that_the_server_does_not_have_is_refused(sessions, store, client):
    chat = await store.chats.get(CHAT)
    directory = await sessions.directory(chat)
    for environ in ({"OPENCODE_AGENT": "nope"}, {"OPENCODE_MODEL": "fake/nope"}):
        with pytest.raises(UserError):
            await Choices(client, load_settings(None, environ), now_ms).resolve(chat, directory)
