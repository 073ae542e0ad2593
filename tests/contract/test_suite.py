"""The contract's own suite can fail: it sees what a server does otherwise, and says it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.contract.prove import SCENES, START, Company, chosen, prove
from bot.contract.room import opened
from bot.contract.scenes_known import differences
from bot.opencode.capabilities import Capabilities
from bot.opencode.probe import Address
from bot.sandbox.model import ScriptedModel
from tests.contract.program import program
from tests.fakes.opencode_turns import ask, say, tool

PATIENCE_S = 2.0
SCENE = {scene.name: scene for scene in SCENES}
HELLO = say("Hello! ", "你好，", "世界 🙂.")


@dataclass
class Stranger:
    """A server that somebody else runs, in the place of a program of ours."""

    address: Address


@asynccontextmanager
async def company(fake, folder):
    """The scripted OpenCode in front of a room."""
    server = Stranger(Address(fake.url, fake.username, fake.password))
    async with opened(folder / "service", server.address) as room:
        yield Company(server, ScriptedModel(), room, folder, patience_s=PATIENCE_S)


@pytest.fixture
def played(fake, tmp_path):
    """Play a scene with the scripted OpenCode, and return its outcome."""

    async def play(name):
        async with company(fake, tmp_path) as those:
            return await those.play(SCENE[name])

    return play


async def test_a_server_that_does_as_it_should_holds(fake, played):
    fake.script(HELLO)
    outcome = await played("plain")
    assert (outcome.held, outcome.words) == (True, "")


async def test_other_words_than_the_models_do_not_hold(fake, played):
    fake.script(say("Hello! Goodbye."))
    outcome = await played("plain")
    assert not outcome.held
    assert outcome.words == "the answer was 'Hello! Goodbye.', not 'Hello! 你好，世界 🙂.'"


async def test_a_stream_that_loses_its_events_does_not_hold(fake, played):
    fake.losing = True
    fake.script(say("Hello! ", asyncio.Event()))
    outcome = await played("plain")
    assert not outcome.held
    assert outcome.words == "'Hello!' was not shown while it was written within 2 s"


async def test_a_server_without_an_event_stream_does_not_hold_and_is_proved_all_the_same(
    fake, played
):
    fake.refusing_events = 500
    outcome = await played("events")
    assert (outcome.held, outcome.words) == (False, "the event stream does not greet")


async def test_a_prompt_that_is_kept_under_another_id_does_not_hold(fake, played):
    keep = fake.store_prompt
    fake.store_prompt = lambda session, body: keep(session, {**body, "messageID": "msg_other"})
    fake.script(HELLO)
    outcome = await played("plain")
    assert not outcome.held


async def test_a_permission_that_is_not_asked_for_does_not_hold(fake, played):
    fake.script(tool(given={"command": "echo asked once"}), say("Done."))
    outcome = await played("permission-once")
    assert (outcome.held, outcome.words) == (False, "the turn ended without asking")


async def test_a_stop_while_a_permission_waits_holds_where_no_ghost_is_left(fake, played):
    fake.script(ask(), say("Done."))
    fake.script(say("It goes on."))
    outcome = await played("stop-during-permission")
    assert (outcome.held, outcome.words) == (True, "")


async def test_an_unknown_agent_that_answers_does_not_hold(fake, played):
    fake.agents.append({"name": "nobody", "mode": "primary"})
    outcome = await played("unknown-agent")
    assert not outcome.held
    assert outcome.words == "it ended as answered, not as failed"


async def test_a_sub_agent_that_is_not_told_of_does_not_hold(fake, played):
    fake.script(say("The sub-agent has looked."))
    outcome = await played("sub-agent")
    assert (outcome.held, outcome.words) == (False, "the sub-agents were seen as []")


async def test_a_session_that_forgets_its_title_does_not_hold(fake, played):
    opening = fake.open_session
    fake.open_session = lambda directory, _, **more: opening(directory, "untitled", **more)
    outcome = await played("sessions")
    assert (outcome.held, outcome.words) == (False, "the list has it as ['untitled']")


def test_what_a_release_shows_is_held_against_what_the_client_knows_of_it():
    known = Capabilities.of("1.2.27").facts()
    assert differences("1.2.27", known) == ""
    assert differences("1.2.27", {**known, "metadata": True, "deltas": False}) == (
        "deltas is False, metadata is True, other than the client knows"
    )


async def test_a_call_that_fails_is_the_scenes_outcome_and_no_others(fake, played):
    fake.fault("/session", "error", times=9)
    outcome = await played("sessions")
    assert (outcome.held, outcome.words) == (False, "OpenCodeError 500 UnknownError /session")


async def test_a_program_that_does_not_start_is_the_first_outcome_and_the_last(tmp_path):
    said = []
    broken = program(tmp_path / "bin", "echo 'no such thing' >&2; exit 1")
    (outcome,) = await prove(broken, tmp_path / "room", short=True, say=said.append)
    assert (outcome.scene, outcome.held) == (START, False)
    assert "no such thing" in outcome.words
    assert len(said) == 1


async def test_a_program_that_is_not_there_is_an_outcome_too(tmp_path):
    (outcome,) = await prove(Path("/nowhere/opencode"), tmp_path, short=True)
    assert (outcome.scene, outcome.held) == (START, False)


async def test_a_scene_that_is_not_there_is_a_mistake_before_anything_starts(tmp_path):
    with pytest.raises(ValueError, match="no scene is called nosuch"):
        await prove(Path("/nowhere/opencode"), tmp_path / "room", scenes=["plain", "nosuch"])
    assert not (tmp_path / "room").exists()


def test_the_short_form_is_what_an_upgrade_waits_for():
    short = [scene.name for scene in chosen(None, short=True)]
    assert short == ["plain", "tools", "events", "permission-once", "stop-mid-text", "polling"]
    assert [scene.name for scene in chosen(None, short=False)] == list(SCENE)
    assert [scene.name for scene in chosen(["retry", "plain"], short=False)] == ["retry", "plain"]


def test_every_scene_has_a_name_of_its_own_and_a_sentence():
    assert len(SCENE) == len(SCENES)
    assert all(scene.says.endswith(".") for scene in SCENES)
