"""The calls to OpenCode: what is sent, what is read, and what each failure becomes."""

import asyncio
import socket

import pytest

from bot.errors import OpenCodeError, OpenCodeUnavailable, SessionGone
from bot.opencode.client import OpenCode
from bot.opencode.ids import MessageIds
from bot.opencode.model import Agent, Command, FileDiff, Paths, Status, TextPart, Todo
from tests.fakes.events import Script
from tests.fakes.opencode_turns import ask, fail, hang, question, say, subagent, swallow, todos

WAIT_S = 10
GONE = "ses_dfda58e2fffeXb2a40FSBUXXXX"


@pytest.fixture
async def client(fake):
    async with OpenCode(fake.url, fake.username, fake.password) as calls:
        yield calls


@pytest.fixture
def prompt(client):
    async def send(session, text="hi", **more):
        message = MessageIds().next()
        given = {"agent": "build", "model": "fake/one", **more}
        parts = [{"type": "text", "text": text}]
        await client.prompt(session, message=message, parts=parts, **given)
        return message

    return send


@pytest.fixture
async def session(client, tmp_path):
    return await client.create_session(tmp_path, title="T", metadata={"chat": "c"})


async def over(fake, client, session):
    """Return the session's messages once its turn is over."""
    await fake.settled(session.id)
    return await client.messages(session.id)


async def waiting(read):
    """Return the requests that are waited for, once there are any."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if requests := await read():
                return requests
            await asyncio.sleep(0.01)


async def test_the_server_tells_its_version_paths_agents_commands_and_models(
    fake, client, tmp_path
):
    (tmp_path / ".git").mkdir()
    assert await client.health() == "1.18.33"
    assert await client.path(tmp_path) == Paths(str(tmp_path), str(tmp_path))
    assert Agent("title", "primary", hidden=True) in await client.agents(tmp_path)
    assert await client.commands(tmp_path) == [Command("init", "guided setup")]
    assert await client.models(tmp_path) == ("fake/one", "fake/two")
    assert await client.default_models(tmp_path) == {"fake": "one"}
    assert (await client.config(tmp_path))["model"] == "fake/one"


async def test_a_session_is_opened_with_what_we_give_it_and_found_again(client, tmp_path):
    rules = [{"permission": "bash", "pattern": "*", "action": "ask"}]
    opened = await client.create_session(
        tmp_path, title="T", metadata={"chat": "c"}, permission=rules
    )
    assert (opened.title, opened.metadata, opened.directory) == ("T", {"chat": "c"}, str(tmp_path))
    renamed = await client.rename(opened.id, "新名字")
    assert renamed.title == "新名字"
    assert await client.session(opened.id) == renamed
    assert await client.sessions(tmp_path, 5) == [renamed]
    assert await client.sessions(tmp_path / "other", 5) == []


async def test_a_prompt_carries_its_id_agent_model_and_system(fake, client, session, prompt):
    message = await prompt(session.id, "do it", agent="plan", model="fake/a/b", system="be brief")
    (sent,) = fake.prompts
    assert (sent.message, sent.text, sent.agent, sent.model) == (
        message,
        "do it",
        "plan",
        "fake/a/b",
    )
    answer = (await over(fake, client, session))[-1]
    assert answer.parent == message
    assert answer.finish == "stop"
    assert [p.text for p in answer.parts if isinstance(p, TextPart)] == ["OK"]


async def test_only_the_newest_messages_come_when_asked_for(fake, client, session, prompt):
    await prompt(session.id)
    everything = await over(fake, client, session)
    assert await client.messages(session.id, limit=1) == everything[-1:]


async def test_a_message_is_deleted_and_not_while_the_session_is_busy(
    fake, client, session, prompt
):
    fake.script(hang())
    message = await prompt(session.id)
    with pytest.raises(OpenCodeError) as busy:
        await client.delete_message(session.id, message)
    assert (busy.value.status, busy.value.name) == (409, "SessionBusyError")
    await client.abort(session.id)
    await client.delete_message(session.id, message)
    assert message not in [m.id for m in await client.messages(session.id)]


async def test_abort_answers_when_the_turn_is_cleaned_up(fake, client, session, prompt):
    gate = asyncio.Event()
    fake.script(say("half ", gate, "whole"))
    await prompt(session.id)
    await client.abort(session.id)
    answer = (await client.messages(session.id))[-1]
    assert answer.error.name == "MessageAbortedError"
    assert answer.completed_at is not None
    assert [p.text for p in answer.parts if isinstance(p, TextPart)] == ["half "]
    assert await client.status(session.directory) == {}


async def test_a_command_runs_to_its_end(fake, client, session):
    await client.run_command(
        session.id,
        message=MessageIds().next(),
        command="init",
        arguments="now",
        agent="build",
        model="fake/two",
    )
    assert (fake.prompts[0].text, fake.prompts[0].model) == ("init now", "fake/two")
    assert (await client.messages(session.id))[-1].finish == "stop"


async def test_todos_diffs_and_sub_agents_sessions_are_read(fake, client, session, prompt):
    fake.script(todos(("one", "completed")), subagent(say("inner")))
    fake.diffs = [{"file": "a", "additions": 1, "deletions": 0}]
    message = await prompt(session.id)
    await over(fake, client, session)
    assert await client.todos(session.id) == [Todo("one", "completed", "medium")]
    assert await client.diff(session.id, message) == [FileDiff("a", "", 1, 0)]
    (child,) = await client.children(session.id)
    assert child.parent == session.id
    assert await client.sessions(session.directory, 5) == [await client.session(session.id)]


async def test_a_permission_is_listed_and_decided_once(fake, client, session, prompt):
    fake.script(ask(patterns=["ls -l"]), say("done"))
    await prompt(session.id)
    (request,) = await waiting(lambda: client.permissions(session.directory))
    assert (request.permission, request.patterns, request.always) == ("bash", ("ls -l",), ("ls *",))
    assert (await client.status(session.directory))[session.id] == Status("busy")
    await client.reply_permission(session.directory, request.id, "once")
    with pytest.raises(OpenCodeError) as again:
        await client.reply_permission(session.directory, request.id, "reject", "too late")
    assert (again.value.status, again.value.name) == (404, "PermissionNotFoundError")
    assert not isinstance(again.value, SessionGone)
    await over(fake, client, session)
    assert fake.replies == [(request.id, {"reply": "once"})]


async def test_a_rejection_can_say_why(fake, client, session, prompt):
    fake.script(ask(), say("I see"))
    await prompt(session.id)
    (request,) = await waiting(lambda: client.permissions(session.directory))
    await client.reply_permission(session.directory, request.id, "reject", "not here")
    assert fake.replies == [(request.id, {"reply": "reject", "message": "not here"})]
    assert (await over(fake, client, session))[-1].finish == "stop"


async def test_questions_are_answered_or_dismissed(fake, client, session, prompt):
    fake.script(question("Which?", "Red", "Blue"), say("Red it is"))
    fake.script(question())
    await prompt(session.id)
    (request,) = await waiting(lambda: client.questions(session.directory))
    assert [option.label for option in request.questions[0].options] == ["Red", "Blue"]
    await client.reply_question(session.directory, request.id, [["Red"]])
    await over(fake, client, session)
    await prompt(session.id)
    (second,) = await waiting(lambda: client.questions(session.directory))
    await client.reject_question(session.directory, second.id)
    assert (await over(fake, client, session))[-1].finish == "tool-calls"
    assert fake.replies == [(request.id, [["Red"]]), (second.id, None)]


async def test_disposing_ends_every_turn(fake, client, session, prompt):
    fake.script(hang())
    await prompt(session.id)
    await client.dispose()
    assert (await client.messages(session.id))[-1].error.name == "MessageAbortedError"


async def test_a_turn_that_fails_tells_the_error(fake, client, session, prompt):
    fake.script(fail("no quota", status=402))
    await prompt(session.id)
    error = (await over(fake, client, session))[-1].error
    assert (error.name, error.message, error.status) == ("APIError", "no quota", 402)


async def test_a_swallowed_prompt_is_kept_and_never_answered(fake, client, session, prompt):
    fake.script(swallow())
    message = await prompt(session.id)
    assert [m.id for m in await over(fake, client, session)] == [message]


async def test_a_session_that_is_gone_is_told_apart(client, prompt):
    for call in (client.session(GONE), client.messages(GONE), client.children(GONE)):
        with pytest.raises(SessionGone) as gone:
            await call
        assert gone.value.status == 404
    with pytest.raises(SessionGone):
        await prompt(GONE)


async def test_a_wrong_password_is_an_error_with_its_status(fake):
    async with OpenCode(fake.url, fake.username, "wrong") as stranger:
        with pytest.raises(OpenCodeError) as refused:
            await stranger.health()
    assert (refused.value.status, refused.value.name, refused.value.message) == (401, "", "")


async def test_a_refusal_keeps_the_servers_name_and_words(fake, client, session):
    with pytest.raises(OpenCodeError) as refused:
        await client.run_command(
            session.id, message="msg_1", command="nope", arguments="", agent="build", model="f/o"
        )
    assert (refused.value.status, refused.value.name) == (500, "UnknownError")
    assert refused.value.message == "Unexpected server error."


@pytest.mark.parametrize("kind", ["html", "proxy", "refuse", "drop"])
async def test_an_answer_that_is_none_is_unavailable_and_may_have_been_sent(fake, client, kind):
    fake.fault("/global/health", kind)
    with pytest.raises(OpenCodeUnavailable) as lost:
        await client.health()
    assert lost.value.sent
    assert await client.health() == "1.18.33"


async def test_a_dropped_answer_to_a_prompt_leaves_the_prompt_there(fake, client, session, prompt):
    fake.fault("/prompt_async", "drop")
    with pytest.raises(OpenCodeUnavailable) as doubt:
        await prompt(session.id)
    assert doubt.value.sent
    assert len(fake.prompts) == 1


async def test_a_web_page_instead_of_a_prompts_204_is_no_success(fake, client, session, prompt):
    fake.fault("/prompt_async", "html")
    with pytest.raises(OpenCodeUnavailable):
        await prompt(session.id)


async def test_a_read_that_is_not_answered_is_asked_for_once_more(fake):
    """Whoever asks in the moment the server's port opens is never answered."""
    fake.fault("/global/health", "hang")
    async with OpenCode(fake.url, fake.username, fake.password, timeout_s=0.5) as hasty:
        assert await hasty.health()
    assert fake.calls == ["GET /global/health"] * 2


async def test_a_server_that_does_not_answer_is_given_up_in_time(fake, session, prompt):
    fake.fault("/global/health", "hang", times=2)
    async with OpenCode(fake.url, fake.username, fake.password, timeout_s=0.05) as hasty:
        with pytest.raises(OpenCodeUnavailable) as late:
            await hasty.health()
    assert late.value.sent


async def test_a_server_that_is_not_there_has_certainly_got_nothing():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with OpenCode(f"http://127.0.0.1:{port}", "u", "p") as nobody:
        with pytest.raises(OpenCodeUnavailable) as down:
            await nobody.health()
    assert not down.value.sent


def http(body, status="200 OK", kind="application/json", length=None):
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        http(b"not json"),
        http(b"[]"),
        http(b'{"healthy":true}'),
        http(b'{"version":"1', length=500),
        http(b"", status="302 Found"),
        http(b'{"version":"1"}', kind="text/plain"),
        http(b"<html>", status="503 Service Unavailable", kind="text/html"),
    ],
    ids=["nothing", "ssh", "no json", "list", "no version", "cut", "redirect", "text", "503"],
)
async def test_whatever_is_no_answer_of_opencodes_is_unavailable(answer):
    async with Script([answer]) as server, OpenCode(server.url, "u", "") as client:
        with pytest.raises(OpenCodeUnavailable):
            await client.health()


async def test_a_list_that_is_none_is_unavailable_too():
    async with Script([http(b'{"a": 1}')]) as server, OpenCode(server.url, "u", "p") as client:
        with pytest.raises(OpenCodeUnavailable):
            await client.sessions("/w", 1)


async def test_an_object_that_is_none_is_unavailable_too():
    async with Script([http(b"[1]")]) as server, OpenCode(server.url, "u", "p") as client:
        with pytest.raises(OpenCodeUnavailable):
            await client.session("ses_1")


async def test_an_error_page_of_no_shape_is_an_error_with_its_status():
    async with (
        Script([http(b"<h1>no</h1>", status="500 Oops", kind="text/html")]) as server,
        OpenCode(server.url, "u", "p") as client,
    ):
        with pytest.raises(OpenCodeError) as refused:
            await client.health()
    assert (refused.value.status, refused.value.name) == (500, "")


async def test_a_server_that_drips_is_given_up_as_a_whole():
    dripping = [http(b"", length=10_000), *[b" ", 0.02] * 500]
    async with (
        Script(dripping) as server,
        OpenCode(server.url, "u", "p", timeout_s=0.1) as client,
    ):
        with pytest.raises(OpenCodeUnavailable):
            await client.health()
