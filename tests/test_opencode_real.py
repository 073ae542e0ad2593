"""The client and the feed against the real OpenCode: what we count on holds."""

import orjson
import pytest

from bot.errors import OpenCodeError, OpenCodeUnavailable, SessionGone
from bot.opencode.client import OpenCode
from bot.opencode.events import (
    Other,
    PartDelta,
    PartUpdated,
    SessionCreated,
    SessionFailed,
    SessionIdle,
    SessionRetitled,
    StatusChanged,
    is_duplicate,
    parse,
)
from bot.opencode.feed import Gap
from bot.opencode.ids import MessageIds
from bot.opencode.model import Status, TextPart, ToolPart
from bot.sandbox.script import hang, hold, http_error, say, tool
from tests.fakes.wire import Wire
from tests.opencode_talk import Talk, following, heard_until, overheard, read_until, spoken

pytestmark = pytest.mark.opencode

GONE = "ses_dfda58e2fffeXb2a40FSBUXXXX"
ASK_BASH = [{"permission": "bash", "pattern": "*", "action": "ask"}]
SH = {"command": "echo hi", "description": "say hi"}
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}


@pytest.fixture
async def talk(opencode):
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        yield Talk(client, opencode.directory(), "demo/demo")


def listening(opencode, session):
    return following(opencode.url, opencode.username, opencode.password, session)


async def test_it_tells_its_paths_agents_models_and_commands(talk):
    where = await talk.client.path(talk.directory)
    assert where.worktree == where.directory == str(talk.directory.resolve())
    agents = {agent.name: agent for agent in await talk.client.agents(talk.directory)}
    assert agents["build"].mode == "primary"
    assert agents["general"].mode == "subagent"
    assert agents["title"].hidden
    assert "demo/demo" in await talk.client.models(talk.directory)
    assert "demo" in await talk.client.default_models(talk.directory)
    assert "init" in [command.name for command in await talk.client.commands(talk.directory)]
    assert (await talk.client.config(talk.directory))["model"] == "demo/demo"


async def test_a_session_keeps_title_and_metadata_and_is_listed_by_its_folder(talk, opencode):
    session = await talk.client.create_session(
        talk.directory, title="修登录", metadata={"chat": "wecom:direct:x"}, permission=ASK_BASH
    )
    assert session.metadata == {"chat": "wecom:direct:x"}
    await talk.client.rename(session.id, "renamed")
    assert (await talk.client.session(session.id)).title == "renamed"
    assert [s.id for s in await talk.client.sessions(talk.directory, 5)] == [session.id]
    assert await talk.client.sessions(opencode.directory("empty"), 5) == []


async def test_a_prompt_is_stored_under_our_id_and_answered_as_its_child(talk, opencode):
    opencode.model.script("hi", say("Hello there"))
    session = await talk.session()
    prompt = await talk.prompt(session, "hi")
    user, answer = await talk.until_over(session, prompt)
    assert (user.id, user.role, user.agent, user.model) == (prompt, "user", "build", "demo/demo")
    assert (answer.parent, answer.finish, spoken(answer)) == (prompt, "stop", "Hello there")
    assert answer.model == "demo/demo"
    assert answer.tokens > 0
    assert [m.id for m in await talk.client.messages(session.id, limit=1)] == [answer.id]


@pytest.mark.parametrize("stamp", ["000000000001", "ffffffffffff"])
async def test_an_id_of_another_time_is_answered_once_all_the_same(talk, opencode, stamp):
    message = f"msg_{stamp}{MessageIds().next()[-14:]}"  # ids must be new to the whole server
    opencode.model.script("before", say("One"))
    opencode.model.script("now", say("Two"))
    session = await talk.session()
    await talk.answer(session, "before")
    assert spoken(await talk.answer(session, "now", message=message)) == "Two"
    assert len(opencode.model.asked("now")) == 1
    assert [m.role for m in await talk.client.messages(session.id)] == ["user", "assistant"] * 2


async def test_the_same_id_sent_again_grows_the_prompt_and_may_run_again(talk, opencode):
    opencode.model.script("hi", say("Hello"))
    session = await talk.session()
    prompt = await talk.prompt(session, "hi")
    await talk.until_over(session, prompt)
    async with listening(opencode, session) as follower:
        await talk.prompt(session, "hi", message=prompt)
        await heard_until(follower, lambda e: e == SessionIdle(session.id))
    user, *answers = await talk.client.messages(session.id)
    assert (user.id, spoken(user), len(answers)) == (prompt, "hihi", 1)
    await talk.answer(session, "hi once more")
    await talk.prompt(session, "hi", message=prompt)
    await opencode.model.wait_asked("hi", 3)


async def test_partial_text_is_not_to_be_read_but_an_abort_keeps_it(talk, opencode):
    opencode.model.script("long", say("so far ") + hang("mid"))
    session = await talk.session()
    async with listening(opencode, session) as follower:
        prompt = await talk.prompt(session, "long")
        await heard_until(follower, lambda e: isinstance(e, PartDelta))
        assert (await talk.client.status(talk.directory))[session.id] == Status("busy")
        (part,) = [p for p in (await talk.client.messages(session.id))[-1].parts if _is_text(p)]
        assert (part.text, part.done) == ("", False)
        await talk.client.abort(session.id)
    answer = (await talk.client.messages(session.id))[-1]
    assert (answer.parent, answer.error.name) == (prompt, "MessageAbortedError")
    assert answer.completed_at is not None
    assert spoken(answer).startswith("so ")
    assert session.id not in await talk.client.status(talk.directory)


def _is_text(part):
    return isinstance(part, TextPart)


async def test_an_unknown_agent_is_taken_and_fails_without_an_idle(talk, opencode):
    session = await talk.session()
    async with listening(opencode, session) as follower:
        await talk.prompt(session, "hi", agent="nope")
        events = await heard_until(follower, lambda e: isinstance(e, SessionFailed))
    assert "nope" in events[-1].error.message
    assert not [e for e in events if isinstance(e, SessionIdle | StatusChanged)]
    assert await talk.client.messages(session.id) == []


async def test_an_unknown_session_is_told_apart_and_a_malformed_one_is_an_error(talk):
    for call in (
        talk.client.session(GONE),
        talk.client.messages(GONE),
        talk.client.children(GONE),
        talk.client.rename(GONE, "x"),
        talk.client.prompt(GONE, message="msg_1", parts=[], agent="build", model="demo/demo"),
    ):
        with pytest.raises(SessionGone):
            await call
    with pytest.raises(OpenCodeError) as malformed:
        await talk.client.session("abc")
    assert malformed.value.status == 500
    await talk.client.abort(GONE)


async def test_a_path_that_it_does_not_know_is_no_answer(talk):
    with pytest.raises(OpenCodeUnavailable):
        await talk.client._transport.get("/session/status/nope", list)


async def test_a_wrong_password_is_refused_everywhere(opencode):
    async with OpenCode(opencode.url, opencode.username, "wrong") as stranger:
        with pytest.raises(OpenCodeError) as refused:
            await stranger.health()
    assert refused.value.status == 401


async def test_a_message_is_deleted_but_not_while_the_session_is_busy(talk, opencode):
    opencode.model.script("wait", hold())
    session = await talk.session()
    prompt = await talk.prompt(session, "wait")
    await opencode.model.wait_asked("wait")
    with pytest.raises(OpenCodeError) as busy:
        await talk.client.delete_message(session.id, prompt)
    assert (busy.value.status, busy.value.name) == (409, "SessionBusyError")
    opencode.model.release()
    await talk.until_over(session, prompt)
    await talk.client.delete_message(session.id, prompt)
    # The server's late note of what the prompt changed may bring it back, but empty.
    left = [m for m in await talk.client.messages(session.id) if m.id == prompt]
    assert not any(message.parts for message in left)
    await talk.client.delete_message(session.id, prompt)  # twice does no harm


async def test_a_permission_is_listed_in_its_folder_only_and_decided_once(talk, opencode):
    opencode.model.script("run", tool("bash", SH), say("done"))
    session = await talk.session(permission=ASK_BASH)
    prompt = await talk.prompt(session, "run")
    (request,) = await talk.requests(talk.client.permissions)
    assert (request.session, request.permission) == (session.id, "bash")
    assert request.patterns == ("echo hi",)
    assert request.call
    elsewhere = opencode.directory("elsewhere")
    assert await talk.client.permissions(elsewhere) == []
    with pytest.raises(OpenCodeError):
        await talk.client.reply_permission(elsewhere, request.id, "once")
    await talk.client.reply_permission(talk.directory, request.id, "once")
    with pytest.raises(OpenCodeError) as again:
        await talk.client.reply_permission(talk.directory, request.id, "once")
    assert (again.value.status, again.value.name) == (404, "PermissionNotFoundError")
    messages = await talk.until_over(session, prompt)
    (used,) = [p for m in messages for p in m.parts if isinstance(p, ToolPart)]
    assert (used.tool, used.status, used.output, used.input) == ("bash", "completed", "hi\n", SH)
    assert used.ended_at >= used.started_at


@pytest.mark.parametrize(("why", "finish"), [("not here", "stop"), (None, "tool-calls")])
async def test_only_a_rejection_with_a_message_lets_the_turn_go_on(talk, opencode, why, finish):
    opencode.model.script("run", tool("bash", SH), say("I see"))
    session = await talk.session(permission=ASK_BASH)
    prompt = await talk.prompt(session, "run")
    (request,) = await talk.requests(talk.client.permissions)
    await talk.client.reply_permission(talk.directory, request.id, "reject", why)
    assert (await talk.until_over(session, prompt))[-1].finish == finish


async def test_a_question_is_answered_with_own_words_or_dismissed(talk, opencode):
    opencode.model.script("ask", tool("question", {"questions": [QUESTION]}), say("Green then"))
    session = await talk.session()
    prompt = await talk.prompt(session, "ask")
    (request,) = await talk.requests(talk.client.questions)
    assert [option.label for option in request.questions[0].options] == ["Red", "Blue"]
    await talk.client.reply_question(talk.directory, request.id, [["Green"]])
    assert spoken((await talk.until_over(session, prompt))[-1]) == "Green then"
    again = await talk.prompt(session, "ask again")
    (second,) = await talk.requests(talk.client.questions)
    await talk.client.reject_question(talk.directory, second.id)
    assert (await talk.until_over(session, again))[-1].finish == "tool-calls"


async def test_todos_and_a_prompts_diff_are_read(talk, opencode):
    todos = [{"content": "one", "status": "in_progress", "priority": "high"}]
    page = {"filePath": str(talk.directory / "a.txt"), "content": "hi\n"}
    steps = tool("todowrite", {"todos": todos}), tool("write", page), say("done")
    opencode.model.script("write", *steps)
    session = await talk.session()
    prompt = await talk.prompt(session, "write")
    await talk.until_over(session, prompt)
    (todo,) = await talk.client.todos(session.id)
    assert (todo.content, todo.status) == ("one", "in_progress")
    (diff,) = await read_until(lambda: talk.client.diff(session.id, prompt), bool)
    assert (diff.file, diff.additions, diff.deletions, diff.status) == ("a.txt", 1, 0, "added")


async def test_a_command_of_its_own_is_run_and_an_unknown_one_refused(talk, opencode):
    opencode.model.script(lambda request: "AGENTS.md" in request.user, say("Written."))
    session = await talk.session()
    given = {"arguments": "briefly", "agent": "build", "model": "demo/demo"}
    message = MessageIds().next()
    await talk.client.run_command(session.id, message=message, command="init", **given)
    user, answer = await talk.client.messages(session.id)
    assert (user.id, answer.parent, spoken(answer)) == (message, message, "Written.")
    with pytest.raises(OpenCodeError):
        await talk.client.run_command(session.id, message="msg_2", command="nope", **given)


async def test_a_failed_turn_names_its_error_and_a_retried_one_its_wait(talk, opencode):
    opencode.model.script("broken", http_error(400, message="no such thing"))
    opencode.model.script("later", http_error(429, {"retry-after": "1"}), say("now"))
    session = await talk.session()
    error = (await talk.answer(session, "broken")).error
    assert (error.name, error.status, error.retryable) == ("APIError", 400, False)
    async with listening(opencode, session) as follower:
        prompt = await talk.prompt(session, "later")
        events = await heard_until(follower, _retries)
        assert events[-1].status.next_at > 0
        assert spoken((await talk.until_over(session, prompt))[-1]) == "now"


def _retries(event):
    return isinstance(event, StatusChanged) and event.status.kind == "retry"


async def test_disposing_ends_what_runs(talk, opencode):
    opencode.model.script("wait", hang())
    session = await talk.session()
    prompt = await talk.prompt(session, "wait")
    await opencode.model.wait_asked("wait")
    await talk.client.dispose()
    answer = (await talk.until_over(session, prompt))[-1]
    assert answer.error.name == "MessageAbortedError"


async def test_a_sub_agents_words_are_heard_by_who_follows_its_parent(talk, opencode):
    job = {"description": "look", "prompt": "inner job", "subagent_type": "general"}
    opencode.model.script("outer", tool("task", job), say("outer words"))
    opencode.model.script("inner job", say("inner words"))
    session = await talk.session()
    async with listening(opencode, session) as follower:
        await talk.prompt(session, "outer")
        events = await heard_until(follower, lambda e: e == SessionIdle(session.id))
    (child,) = [e.info for e in events if isinstance(e, SessionCreated) and e.info.parent]
    assert child.parent == session.id
    assert [c.id for c in await talk.client.children(session.id)] == [child.id]
    heard = "".join(e.delta for e in events if isinstance(e, PartDelta) and e.session == child.id)
    assert heard == "inner words"
    assert child.id not in [s.id for s in await talk.client.sessions(talk.directory, 9)]


async def test_every_frame_is_read_and_duplicates_are_known_undecoded(talk, opencode):
    opencode.model.script("run", tool("bash", SH), say("done", chunks=4))
    session = await talk.session()
    frames = []
    async with overheard(opencode, frames.append):
        prompt = await talk.prompt(session, "run")
        await talk.until_over(session, prompt)
        await read_until(
            _now(lambda: frames), lambda seen: any(b'"session.idle"' in f for f in seen)
        )
    duplicates = [frame for frame in frames if orjson.loads(frame)["payload"]["type"] == "sync"]
    assert duplicates
    assert [frame for frame in frames if is_duplicate(frame)] == duplicates
    events = [event for frame in frames if (event := parse(frame)) is not None]
    assert len(events) == len(frames) - len(duplicates)
    kinds = {type(event).__name__ for event in events}
    assert kinds >= {"MessageUpdated", "PartUpdated", "PartDelta", "StatusChanged", "SessionIdle"}
    known = {"message.", "todo.", "permission.", "question.", "session.status", "session.error"}
    others = {event.type for event in events if isinstance(event, Other)}
    assert not [kind for kind in others if kind.startswith(tuple(known))]


def _now(value):
    async def read():
        return value()

    return read


async def test_once_the_feed_says_connected_nothing_is_missed(talk, opencode):
    session = await talk.session()
    for number in range(20):
        async with listening(opencode, session) as follower:
            await talk.client.rename(session.id, f"title {number}")
            await heard_until(
                follower, lambda e, n=number: e == SessionRetitled(session.id, f"title {n}")
            )


async def test_what_a_broken_stream_missed_is_a_gap_and_can_be_read(talk, opencode):
    opencode.model.script("long", say("first ") + hold() + say("second"))
    session = await talk.session()
    async with Wire(opencode.url) as wire:
        away = following(wire.url, opencode.username, opencode.password, session)
        async with away as follower:
            prompt = await talk.prompt(session, "long")
            await heard_until(follower, lambda e: isinstance(e, PartDelta))
            await wire.cut()
            opencode.model.release()
            messages = await talk.until_over(session, prompt)
            await wire.open()
            events = await heard_until(follower, lambda e: isinstance(e, Gap))
    assert events[-1] == Gap("reconnected")
    assert SessionIdle(session.id) not in events
    assert not [e for e in events if isinstance(e, PartUpdated) and getattr(e.part, "done", 0)]
    assert spoken(messages[-1]) == "first second"
