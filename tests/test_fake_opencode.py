"""The scripted OpenCode answers in the shapes of the real one."""

from collections import defaultdict

import orjson
import pytest

from bot.opencode.client import OpenCode
from bot.opencode.model import TextPart
from bot.sandbox import script as real
from tests.fakes import opencode_turns as fakes
from tests.fakes.opencode import FakeOpenCode
from tests.opencode_talk import Talk, overheard, read_until, until

# What people and tools fill in as they like, and what only git and a real provider bring.
FREE = {"input", "metadata", "permission", "responseHeaders", "responseBody"}
MORE = {
    "info.model.variant",
    "info.permission",
    "info.summary",
    "info.summary.additions",
    "info.summary.deletions",
    "info.summary.files",
    "info.summary.diffs",
    "info.time.archived",
    "part.snapshot",
    "error.data.responseHeaders",
    "error.data.responseBody",
    "error.data.metadata",
    "info.error.data.responseHeaders",
    "info.error.data.responseBody",
    "info.error.data.metadata",
}
ASK_BASH = [{"permission": "bash", "pattern": "*", "action": "ask"}]
SH = {"command": "echo hi", "description": "say hi"}
QUESTION = {
    "question": "Which?",
    "header": "Choose",
    "options": [{"label": "Red", "description": ""}],
}


def paths(value, prefix=""):
    """Yield the names of everything inside a value."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, prefix)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            if key not in FREE:
                yield from paths(inner, f"{prefix}{key}.")


def kind_of(payload):
    """Return the type of an event with what makes its shape."""
    about = payload["properties"]
    match payload["type"]:
        case "message.updated":
            return f"message.updated {about['info']['role']}"
        case "message.part.updated":
            part = about["part"]
            return f"part {part['type']} {part.get('state', {}).get('status', '')}".strip()
        case "session.status":
            return f"session.status {about['status']['type']}"
        case "session.error":
            return f"session.error {about['error']['name']}"
        case kind:
            return kind


class Shapes:
    """What a server said, by kind: the names of its fields."""

    def __init__(self):
        self.of = defaultdict(set)
        self.frames = set()

    def take(self, frame):
        outer = orjson.loads(frame)
        payload = outer["payload"]
        if payload["type"] == "sync":
            inner = payload["syncEvent"]
            self.of["sync"] |= {*payload, *(f"syncEvent.{key}" for key in inner)}
            self.frames.add(inner["type"])
        else:
            self.of[kind_of(payload)] |= set(paths(payload["properties"])) - MORE
            self.frames.add(f"{payload['type']} {sorted(payload)} {sorted(outer)}")


async def converse(talk):
    """Let everything happen once that our client and feed ever see."""
    session = await talk.session(permission=ASK_BASH)
    await talk.answer(session, "plain")
    prompt = await talk.prompt(session, "permission")
    (request,) = await talk.requests(talk.client.permissions)
    await talk.client.reply_permission(talk.directory, request.id, "once")
    await talk.until_over(session, prompt)
    prompt = await talk.prompt(session, "question")
    (request,) = await talk.requests(talk.client.questions)
    await talk.client.reply_question(talk.directory, request.id, [["Red"]])
    await talk.until_over(session, prompt)
    prompt = await talk.prompt(session, "question")
    (request,) = await talk.requests(talk.client.questions)
    await talk.client.reject_question(talk.directory, request.id)
    await talk.until_over(session, prompt)
    for text in ("todos", "subagent", "fail", "retry"):
        await talk.answer(session, text)
    prompt = await talk.prompt(session, "hang")
    await read_until(
        lambda: talk.client.messages(session.id),
        lambda seen: any(isinstance(part, TextPart) for part in seen[-1].parts),
    )
    await talk.client.abort(session.id)
    await talk.until_over(session, prompt)
    await talk.client.rename(session.id, "other")
    await talk.client.delete_message(session.id, prompt)
    read = await _read(talk, session.id)
    await talk.client._transport.call("DELETE", f"/session/{session.id}", lambda _: None)
    return read


async def _read(talk, session):
    """Return the field names of what is read, not heard."""
    shapes = defaultdict(set)
    for path in ("", "/message", "/todo", "/children"):
        value = await talk.client._transport.get(f"/session/{session}{path}", lambda value: value)
        shapes[path] = set(paths(value))
    return shapes


def script_fake(fake):
    fake.script(fakes.say("Hello ", "there"))
    fake.script(fakes.ask(patterns=["echo hi"]), fakes.say("done"))
    fake.script(fakes.question("Which?", "Red"), fakes.say("Red"))
    fake.script(fakes.question("Which?", "Red"))
    fake.script(fakes.todos(("one", "pending")), fakes.say("done"))
    fake.script(fakes.subagent(fakes.say("inner")), fakes.say("outer"))
    fake.script(fakes.fail())
    fake.script(fakes.retry(), fakes.say("now"))
    fake.script(fakes.think("hm"), fakes.say("so far"), fakes.hang())


def script_real(model):
    job = {"description": "look", "prompt": "inner job", "subagent_type": "general"}
    todos = [{"content": "one", "status": "pending", "priority": "high"}]
    asks = real.tool("question", {"questions": [QUESTION]})
    model.script("plain", real.say("Hello there"))
    model.script("permission", real.tool("bash", SH), real.say("done"))
    model.script("question", asks, real.say("Red"))
    model.script("todos", real.tool("todowrite", {"todos": todos}), real.say("done"))
    model.script("subagent", real.tool("task", job), real.say("outer"))
    model.script("inner job", real.say("inner"))
    model.script("fail", real.http_error(400))
    model.script("retry", real.http_error(429, {"retry-after": "0"}), real.say("now"))
    model.script("hang", real.think("hm") + real.say("so far") + real.hang())


@pytest.mark.opencode
async def test_the_scripted_server_has_the_shapes_of_the_real_one(opencode, tmp_path):
    said, read = {}, {}
    async with FakeOpenCode() as fake:
        script_fake(fake)
        script_real(opencode.model)
        for name, server, model in (("real", opencode, "demo/demo"), ("fake", fake, "fake/one")):
            said[name] = Shapes()
            folder = opencode.directory(name)
            async with (
                OpenCode(server.url, server.username, server.password) as client,
                overheard(server, said[name].take),
            ):
                read[name] = await converse(Talk(client, folder, model))
                await until(lambda shapes=said[name]: "session.deleted" in shapes.of)
    ours, theirs = said["fake"], said["real"]
    assert {kind: theirs.of[kind] for kind in ours.of} == ours.of
    assert ours.frames <= theirs.frames
    heard = ("message.", "part ", "permission.", "question.", "todo.", "session.", "sync")
    missing = {kind for kind in theirs.of if kind.startswith(heard)} - set(ours.of)
    assert missing == {"session.diff"}
    for path, names in read["fake"].items():
        assert names <= read["real"][path]
