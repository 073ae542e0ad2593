"""The scripted OpenCode tells a turn in the order in which the real one was recorded to tell it."""

import itertools

import orjson
import pytest

from bot.opencode.client import OpenCode
from tests.fakes import opencode_turns as fakes
from tests.fakes.opencode import FakeOpenCode
from tests.opencode_talk import Talk, until
from tests.recordings import RECORDINGS, frames_of
from tests.test_fake_opencode import MORE, kind_of, overheard, paths

# What the server says of itself, and of a folder's snapshots: at any time, to nobody's question.
ASIDES = ("plugin.", "catalog.", "reference.", "integration.", "server.", "file.", "session.diff")
ASIDES = (*ASIDES, "project.", "session.created", "session.updated")
SCRIPTS = {
    "plain": (fakes.think("They greet me."), fakes.say("Hello! ", "你好")),
    "text-tool-text": (fakes.say("I look."), fakes.tool(), fakes.say("An empty folder.")),
    "permission-allowed": (fakes.ask(), fakes.say("I did.")),
    "permission-denied": (fakes.ask(), fakes.say("I see.")),
    "permission-denied-silently": (fakes.say("May I?"), fakes.ask(), fakes.say("Never said.")),
    "question-answered": (fakes.question(), fakes.say("Blue, then.")),
    "question-dismissed": (fakes.question(), fakes.say("Never said.")),
    "refused-by-provider": (fakes.fail(),),
    "rate-limited": (fakes.retry(), fakes.say("Now.")),
}


class Heard(list):
    """The payloads of a stream, duplicates left out."""

    def take(self, frame):
        payload = orjson.loads(frame)["payload"]
        if payload["type"] != "sync":
            self.append(payload)


def heard_of(frames):
    heard = Heard()
    for frame in frames:
        heard.take(frame)
    return heard


def told(payloads):
    """Return the kinds of a turn's events in order, those in a row as one.

    Left out is what may come at two moments: the end of a text whose step also uses a tool (with
    the real server often behind the tool's begin), a tool's output while it runs, and the late
    notes of what a prompt changed.
    """
    kinds, answering = [], False
    for payload in payloads:
        kind, part = kind_of(payload), payload["properties"].get("part", {})
        answering = answering or kind == "message.updated assistant"
        late = answering and kind == "message.updated user"
        ended = part.get("type") == "text" and "end" in part.get("time", {})
        if not (late or ended or kind.startswith(ASIDES)):
            kinds.append(kind)
    kinds = [kind for kind, _ in itertools.groupby(kinds)]
    return without_progress(kinds)


def without_progress(kinds):
    """Leave out that a tool runs where it was said before; a permission may stand between."""
    left, running = [], False
    for kind in kinds:
        if not (kind == "part tool running" and running):
            left.append(kind)
        running = kind == "part tool running" or (running and not kind.startswith("part tool"))
    return left


async def decide(talk, name):
    """Decide what is asked, as the one did who was recorded."""
    client, folder = talk.client, talk.directory
    asked, _, how = name.partition("-")
    match asked:
        case "permission":
            (request,) = await talk.requests(client.permissions)
            reply = "once" if how == "allowed" else "reject"
            why = "Not here." if how == "denied" else None
            await client.reply_permission(folder, request.id, reply, why)
        case "question" if how == "answered":
            (request,) = await talk.requests(client.questions)
            await client.reply_question(folder, request.id, [["Blue"]])
        case "question":
            (request,) = await talk.requests(client.questions)
            await client.reject_question(folder, request.id)


async def played(name, tmp_path):
    """Return what the scripted server says while it plays the same scenario."""
    heard = Heard()
    async with FakeOpenCode() as fake:
        fake.script(*SCRIPTS[name])
        async with (
            OpenCode(fake.url, fake.username, fake.password) as client,
            overheard(fake, heard.take),
        ):
            talk = Talk(client, tmp_path, "fake/one")
            session = await talk.session()
            prompt = await talk.prompt(session, "go")
            await decide(talk, name)
            await talk.until_over(session, prompt)
            await until(lambda: heard[-1]["type"] in {"session.idle", "session.updated"})
    return heard


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_scripted_server_tells_a_turn_in_the_recorded_order(name, tmp_path):
    real = heard_of(frames_of(RECORDINGS[name].stream))
    assert told(await played(name, tmp_path)) == told(real)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_scripted_server_names_nothing_that_was_not_recorded(name, tmp_path):
    def names(payloads):
        found = {}
        for payload in payloads:
            kind = kind_of(payload)
            found.setdefault(kind, set()).update(set(paths(payload["properties"])) - MORE)
        return found

    ours = names(await played(name, tmp_path))
    theirs = names(
        payload for r in RECORDINGS.values() for payload in heard_of(frames_of(r.stream))
    )
    assert {kind: ours[kind] - theirs.get(kind, set()) for kind in ours} == {k: set() for k in ours}
