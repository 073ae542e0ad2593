"""The scripted model: the protocol it speaks, the scripts it plays, the demo that people see."""

import asyncio
import gc

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.opencode.client import OpenCode
from bot.sandbox import demo
from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import (
    Request,
    Speech,
    cut,
    empty,
    finish,
    hang,
    hold,
    http_error,
    say,
    think,
    tokens,
    tool,
    tools,
)
from bot.texts import demo as texts
from tests.opencode_fixtures import until


@pytest.fixture
async def model():
    model = ScriptedModel(behaviour=lambda request: say(f"no script for {request.session}"))
    await model.start()
    yield model
    await model.stop()


def conversation(text, *results, system="", model="demo", stream=True):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    for result in results:
        messages += [{"role": "assistant"}, {"role": "tool", "content": result}]
    return {"model": model, "stream": stream, "messages": messages}


def request_of(text, *results):
    return Request.parse(conversation(text, *results), {})


async def ask(model, body, session="ses_1"):
    """Ask as OpenCode does; return the status, the text, the tools called and the finish reason."""
    headers = {"x-session-id": session}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{model.url}/chat/completions", json=body, headers=headers)
    if answer.is_error:
        return answer.status_code, answer.json()["error"]["message"], [], answer.headers
    return answer.status_code, *folded(answer.text)


def folded(stream):
    frames = [line.removeprefix("data: ") for line in stream.splitlines() if line]
    assert frames.pop() == "[DONE]"
    chunks = [orjson.loads(frame) for frame in frames]
    assert chunks.pop()["usage"]["total_tokens"] > 0
    choices = [chunk["choices"][0] for chunk in chunks]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    return text, calls, choices[-1]["finish_reason"]


async def test_an_answer_streams_in_chunks_and_ends(model):
    model.script("hi", say("Hello there", chunks=3))
    assert await ask(model, conversation("hi you")) == (200, "Hello there", [], "stop")


async def test_who_goes_away_leaves_no_request_behind_that_stands_still(model):
    before, complaints = asyncio.all_tasks(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    model.script("wait", hang("mid"))
    async with httpx.AsyncClient(trust_env=False) as http:
        url, body = f"{model.url}/chat/completions", conversation("wait")
        async with http.stream("POST", url, json=body) as answer:
            await anext(answer.aiter_lines())
    await until(lambda: not asyncio.all_tasks() - before)
    gc.collect()
    assert complaints == []


async def test_a_step_may_speak_and_call_several_tools(model):
    model.script(
        "go", say("Look.") + tools(("bash", {"command": "ls"}), ("read", {"filePath": "a"}))
    )
    _, text, calls, reason = await ask(model, conversation("go"))
    assert text == "Look."
    assert [call["function"]["name"] for call in calls] == ["bash", "read"]
    assert [call["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls}) == 2
    assert orjson.loads(calls[0]["function"]["arguments"]) == {"command": "ls"}
    assert reason == "tool_calls"


async def test_each_turn_of_each_session_begins_the_script_anew(model):
    model.script("go", tool("bash", {}), say("done"))
    for session in ("ses_1", "ses_2"):
        assert (await ask(model, conversation("go"), session))[3] == "tool_calls"
    assert (await ask(model, conversation("go", "r"), "ses_1"))[1] == "done"
    assert (await ask(model, conversation("go", "r"), "ses_2"))[1] == "done"
    later = conversation("go")
    later["messages"] += [
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "go"},
    ]
    assert (await ask(model, later, "ses_1"))[3] == "tool_calls"


async def test_a_request_that_is_repeated_gets_the_next_step(model):
    model.script("go", http_error(429, {"retry-after": "1"}), say("now"))
    status, message, _, headers = await ask(model, conversation("go"))
    assert (status, message, headers["retry-after"]) == (429, "scripted failure", "1")
    assert (await ask(model, conversation("go")))[1] == "now"


async def test_the_last_step_is_repeated_unless_it_calls_tools(model):
    model.script("odd", finish(None))
    for _ in range(3):
        assert (await ask(model, conversation("odd")))[3] is None
    model.script("tools", tool("bash", {}))
    await ask(model, conversation("tools"))
    assert (await ask(model, conversation("tools", "r")))[3] == "stop"


async def test_the_newest_script_wins_and_a_function_may_choose(model):
    model.script("go", say("old"))
    model.script(lambda request: request.session == "ses_9", say("chosen"))
    assert (await ask(model, conversation("go"), "ses_9"))[1] == "chosen"
    assert (await ask(model, conversation("go"), "ses_1"))[1] == "old"


async def test_a_queue_is_played_once_in_order(model):
    model.queue(tool("bash", {}), say("first"))
    model.queue(say("second"))
    assert (await ask(model, conversation("a"), "ses_1"))[3] == "tool_calls"
    assert (await ask(model, conversation("b"), "ses_2"))[1] == "second"
    assert (await ask(model, conversation("a", "r"), "ses_1"))[1] == "first"
    assert (await ask(model, conversation("c"), "ses_3"))[1] == "no script for ses_3"


async def test_a_title_is_answered_apart_and_eats_no_script(model):
    model.script("", say("mine"))
    body = conversation("Build me a shop", system="You are a title generator.")
    assert (await ask(model, body))[1] == "Build me a shop"
    assert (await ask(model, conversation("x", model="title")))[1] == "x"
    assert model.asked() == []
    assert len(model.requests) == 2


async def test_a_gate_holds_until_it_is_released(model):
    model.script("go", say("one") + hold() + say("two"))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answer = group.create_task(ask(model, conversation("go")))
        await model.wait_asked("go")
        assert not answer.done()
        model.release()
    assert answer.result()[1] == "onetwo"


async def test_a_reset_forgets_everything_and_frees_who_waits(model):
    model.script("go", hold("a") + say("free"))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answer = group.create_task(ask(model, conversation("go")))
        await model.wait_asked()
        model.reset()
    assert answer.result()[1] == "free"
    assert model.requests == []
    assert (await ask(model, conversation("go")))[1] == "no script for ses_1"


@pytest.mark.parametrize("step", [hang(), hang("mid")])
async def test_a_hang_never_ends(model, step):
    model.script("go", step)
    async with httpx.AsyncClient(trust_env=False, timeout=0.2) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post(f"{model.url}/chat/completions", json=conversation("go"))


async def test_a_client_that_went_away_is_no_failure(model, caplog):
    model.script("go", say("one") + hold() + say("two", chunks=2, delay_s=0.01) + say("three"))
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        http.stream("POST", f"{model.url}/chat/completions", json=conversation("go")) as answer,
    ):
        await anext(answer.aiter_bytes())
    model.release()
    model.script("next", say("fine"))
    assert (await ask(model, conversation("next")))[1] == "fine"
    await model.stop()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("text", ["", "so far"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_breaks_the_connection(model, text, stream):
    model.script("go", cut(text))
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(model, conversation("go", stream=stream))


async def test_the_special_ends(model):
    model.script("empty", empty())
    model.script("long", say("cut off") + finish("length"))
    assert await ask(model, conversation("empty")) == (200, "", [], "stop")
    assert (await ask(model, conversation("long")))[3] == "length"


async def test_without_a_stream_the_same_comes_in_one_body(model):
    step = think("hm") + say("yes") + tool("bash", {"command": "ls"}) + tokens(500)
    model.script("go", hold() + step)
    model.release()
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{model.url}/chat/completions"
        answer = (await http.post(url, json=conversation("go", stream=False))).json()
        model.script("bad", http_error(500))
        assert (await http.post(url, json=conversation("bad", stream=False))).status_code == 500
        model.script("short", empty())
        short = (await http.post(url, json=conversation("short", stream=False))).json()
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("yes", "hm")
    assert message["tool_calls"][0]["function"]["name"] == "bash"
    assert answer["usage"]["total_tokens"] == 500
    assert short["choices"][0]["message"]["content"] == ""


async def test_rubbish_is_refused_and_the_models_are_listed(model):
    async with httpx.AsyncClient(trust_env=False) as http:
        for body in ("{", "[]", "{}"):
            answer = await http.post(f"{model.url}/chat/completions", content=body)
            assert answer.status_code == 400
        listed = (await http.get(f"{model.url}/models")).json()["data"]
    configured = provider_config(model.url)["provider"]["demo"]["models"]
    assert {each["id"] for each in listed} == set(configured)


def test_no_models_but_those_of_the_demo_are_offered():
    assert provider_config("http://127.0.0.1:1/v1")["enabled_providers"] == ["demo"]


async def test_a_stop_without_a_start_is_nothing():
    await ScriptedModel().stop()


@given(st.text(), st.integers(0, 50))
def test_chunks_join_to_the_text_again(text, chunks):
    pieces = Speech(text, chunks, 0.0).pieces()
    assert "".join(pieces) == text
    assert len(pieces) <= max(1, chunks)
    assert all(pieces) or not text


def test_a_request_reads_all_shapes_of_text():
    body = conversation("")
    parts = [
        {"type": "text", "text": "one"},
        {"type": "image_url"},
        {"type": "text", "text": "two"},
    ]
    body["messages"][1]["content"] = parts
    body["tools"] = [{"type": "function", "function": {"name": "bash"}}]
    request = Request.parse(body, {"X-Session-Affinity": "ses_7"})
    assert request.user == "one\ntwo"
    assert request.session == "ses_7"
    assert request.tools == ("bash",)
    assert request_of("a", "r1", "r2").results == ("r1", "r2")


@pytest.mark.parametrize(
    ("text", "tool_name"),
    [
        ("做一个网页", "write"),
        ("make me a page", "write"),
        ("列个计划", "todowrite"),
        ("show your to-dos", "todowrite"),
        ("运行 ls", "bash"),
        ("please run it", "bash"),
        ("权限", "read"),
        ("read outside", "read"),
        ("问我一个问题", "question"),
        ("ask me something", "question"),
    ],
)
def test_the_demo_reaches_for_the_tool_that_it_was_asked_for(text, tool_name):
    first = demo.answer(request_of(text))
    assert {call.tool for call in first.calls} == {tool_name}
    results = ["done"] * len(texts.PLAN_ITEMS) + ["done"]
    last = demo.answer(request_of(text, *results))
    assert last.finish == "stop"
    assert label_of(text) in words(last)


@pytest.mark.parametrize(
    "text", ["你好，请问你是谁？", "hello", "想一想", "think", "慢慢说", "slowly"]
)
def test_the_demo_answers_in_the_language_of_the_question_and_says_what_it_is(text):
    assert label_of(text) in words(demo.answer(request_of(text)))
    assert not demo.answer(request_of(text)).calls


def test_the_demo_listens_to_a_persons_own_words_and_not_to_what_they_quote():
    quoted = "（引用的消息）\n> 做一个网页\n> 运行 ls\n\n想一想"
    assert not demo.answer(request_of(quoted)).calls
    assert any(piece.thought for piece in demo.answer(request_of(quoted)).pieces)
    assert demo.answer(request_of("> 运行 ls")).calls  # nothing but a quote


@pytest.mark.parametrize("text", ["长回答", "a long answer, please"])
def test_the_demo_can_say_more_than_one_message_holds(text):
    said = words(demo.answer(request_of(text)))
    assert len(said.encode()) > 20 * 1024
    assert label_of(text) in said


@pytest.mark.parametrize("text", ["plan", "think"])
def test_what_passes_is_there_long_enough_to_be_seen(text):
    first = demo.answer(request_of(text)).pieces[0]
    assert 2 <= first.delay_s * len(first.pieces()) <= 3


def test_the_demo_ticks_its_plan_off_item_by_item():
    states = [
        [
            todo["status"]
            for todo in demo.answer(request_of("plan", *["ok"] * n)).calls[0].arguments["todos"]
        ]
        for n in range(4)
    ]
    assert states[0] == ["in_progress", "pending", "pending"]
    assert states[1] == ["completed", "in_progress", "pending"]
    assert states[3] == ["completed"] * 3


def test_the_demo_page_names_its_files_in_the_answer():
    files = [call.arguments["filePath"] for call in demo.answer(request_of("网页")).calls]
    assert files == ["index.html", "style.css", "app.js"]
    answer = words(demo.answer(request_of("网页", "ok", "ok", "ok")))
    assert all(name in answer for name in files)


def test_the_demo_can_fail_and_can_claim_what_is_not_there():
    assert demo.answer(request_of("出错")).pieces[0].status == 400
    assert "report.html" in words(demo.answer(request_of("missing file")))
    assert not demo.answer(request_of("missing file")).calls


def test_what_a_tool_printed_cannot_leave_its_fence():
    assert words(demo.answer(request_of("run", "a\n```\nb"))).count("```") == 2


@given(st.text())
def test_a_title_is_never_empty(prompt):
    assert demo.title(prompt).strip()


def label_of(text):
    return texts.LABEL.zh if any(char > "\u3000" for char in text) else texts.LABEL.en


def words(step):
    return "".join(
        piece.text for piece in step.pieces if isinstance(piece, Speech) and not piece.thought
    )


@pytest.mark.opencode
async def test_the_real_opencode_plays_the_demo_to_its_end(opencode):
    folder = opencode.directory("页面")
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        session = await client.create_session(folder, title="", metadata={})
        part = {"type": "text", "text": "做一个网页"}
        await client.prompt(
            session.id, message="msg_1", parts=[part], agent="build", model="demo/demo"
        )
        await finished(client, session.id)
    assert {path.name for path in folder.iterdir()} == {".git", "index.html", "style.css", "app.js"}
    assert "点了 {n} 次" in (folder / "app.js").read_text()


async def finished(client, session):
    async with asyncio.timeout(60):
        while True:
            messages = await client.messages(session)
            if messages and messages[-1].finish == "stop" and messages[-1].completed_at:
                return
            await asyncio.sleep(0.05)
