"""What OpenCode tells us becomes values: its shapes, older ones, and rubbish."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.opencode.fields import decoded
from bot.opencode.model import (
    Agent,
    Command,
    CompactionPart,
    FileDiff,
    Message,
    Option,
    OtherPart,
    PatchPart,
    Paths,
    PermissionRequest,
    Question,
    QuestionRequest,
    ReasoningPart,
    ServerError,
    Session,
    Status,
    TextPart,
    Todo,
    ToolPart,
    parse_part,
    parse_todos,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    """
    id sessionID messageID role type tool state status time start end created completed info
    parts error data message name patterns pattern questions options label title parentID
    metadata tokens cache total input model providerID modelID text file worktree
    """.split()  # noqa: SIM905  # a list of forty quoted words reads worse
)
OBJECTS = st.dictionaries(KEYS, ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=5), max_size=9)

READERS = (
    Agent.parse,
    Command.parse,
    FileDiff.parse,
    Message.parse,
    Message.parse_info,
    Paths.parse,
    PermissionRequest.parse,
    Question.parse,
    QuestionRequest.parse,
    ServerError.parse,
    Session.parse,
    Status.parse,
    Todo.parse,
    parse_part,
)


@given(st.sampled_from(READERS), OBJECTS)
def test_any_object_is_a_value_or_a_value_error(read, json):
    with contextlib.suppress(ValueError):
        assert read(json) is not None


def test_a_session_keeps_its_parent_metadata_and_times():
    session = Session.parse(
        {
            "id": "ses_1",
            "title": "子任务",
            "directory": "/w",
            "parentID": "ses_0",
            "metadata": {"chat": "c"},
            "time": {"created": 1, "updated": 2},
            "new_in_some_release": True,
        }
    )
    assert session == Session("ses_1", "子任务", "/w", "ses_0", {"chat": "c"}, 1, 2)


def test_a_session_without_an_id_is_refused():
    with pytest.raises(ValueError, match="no id"):
        Session.parse({"title": "x"})


def test_an_assistants_message_has_its_prompt_model_end_and_parts():
    message = Message.parse(
        {
            "info": {
                "id": "msg_2",
                "sessionID": "ses_1",
                "role": "assistant",
                "parentID": "msg_1",
                "agent": "build",
                "mode": "build",
                "providerID": "fake",
                "modelID": "some/one",
                "time": {"created": 5, "completed": 9},
                "finish": "stop",
                "tokens": {"total": 124, "input": 120, "output": 4, "cache": {"read": 7}},
            },
            "parts": [
                {"type": "step-start", "id": "prt_1", "snapshot": "abc"},
                {"type": "text", "id": "prt_2", "text": "Hi", "time": {"start": 6, "end": 7}},
            ],
        }
    )
    assert message.parent == "msg_1"
    assert message.model == "fake/some/one"
    assert (message.created_at, message.completed_at, message.finish) == (5, 9, "stop")
    assert message.tokens == 124
    assert message.error is None
    assert message.parts == (OtherPart("step-start", "prt_1"), TextPart("prt_2", "Hi"))


def test_a_persons_message_has_its_model_inside_an_object_and_no_summary_flag():
    message = Message.parse_info(
        {
            "id": "msg_1",
            "sessionID": "ses_1",
            "role": "user",
            "model": {"providerID": "fake", "modelID": "one"},
            "summary": {"diffs": []},
        }
    )
    assert (message.model, message.parent, message.summary) == ("fake/one", "", False)


def test_a_summary_and_an_old_releases_tokens_and_agent_are_understood():
    message = Message.parse_info(
        {
            "id": "msg_1",
            "sessionID": "ses_1",
            "role": "assistant",
            "mode": "compaction",
            "summary": True,
            "tokens": {"input": 10, "output": 2, "reasoning": 1, "cache": {"read": 3, "write": 4}},
        }
    )
    assert (message.agent, message.summary, message.tokens) == ("compaction", True, 20)


def test_a_failed_message_names_its_error():
    message = Message.parse_info(
        {
            "id": "msg_1",
            "sessionID": "ses_1",
            "role": "assistant",
            "error": {
                "name": "APIError",
                "data": {"message": "bad thing", "statusCode": 429, "isRetryable": True},
            },
        }
    )
    assert message.error == ServerError("APIError", "bad thing", 429, retryable=True)


def test_an_error_without_data_is_still_an_error():
    assert ServerError.parse({"message": "boom"}) == ServerError("UnknownError", "boom")


@pytest.mark.parametrize(
    ("json", "part"),
    [
        ({"type": "text", "id": "p", "text": "typed"}, TextPart("p", "typed")),
        (
            {"type": "text", "id": "p", "text": "", "time": {"start": 1}},
            TextPart("p", "", done=False),
        ),
        (
            {"type": "text", "id": "p", "text": "go on", "synthetic": True},
            TextPart("p", "go on", synthetic=True),
        ),
        (
            {"type": "reasoning", "id": "p", "text": "hm", "time": {"start": 1, "end": 2}},
            ReasoningPart("p", "hm"),
        ),
        ({"type": "patch", "id": "p", "files": ["/w/a", 1]}, PatchPart(("/w/a",), "p")),
        ({"type": "compaction", "id": "p", "auto": True}, CompactionPart("p")),
        ({"type": "hologram", "id": "p"}, OtherPart("hologram", "p")),
        ({}, OtherPart("")),
    ],
)
def test_a_part_is_what_its_type_says(json, part):
    assert parse_part(json) == part


def test_a_running_tool_has_no_output_yet_and_a_finished_one_has_everything():
    running = parse_part(
        {
            "type": "tool",
            "id": "p",
            "callID": "c",
            "tool": "bash",
            "state": {"status": "running", "input": {"command": "ls"}, "time": {"start": 1}},
        }
    )
    assert running == ToolPart("p", "c", "bash", "running", input={"command": "ls"}, started_at=1)
    finished = parse_part(
        {
            "type": "tool",
            "id": "p",
            "callID": "c",
            "tool": "bash",
            "state": {
                "status": "completed",
                "input": {"command": "ls"},
                "output": "a\n",
                "title": "ls",
                "metadata": {"exit": 0},
                "time": {"start": 1, "end": 2},
            },
        }
    )
    assert finished == ToolPart(
        "p", "c", "bash", "completed", "ls", {"command": "ls"}, "a\n", "", {"exit": 0}, 1, 2
    )


def test_a_tool_without_a_state_is_pending():
    assert parse_part({"type": "tool", "id": "p", "tool": "bash"}).status == "pending"


@pytest.mark.parametrize(
    ("json", "status"),
    [
        ({"type": "busy"}, Status("busy")),
        ({"type": "idle"}, Status("idle")),
        ({"type": "compacting"}, Status("busy")),
        (
            {"type": "retry", "attempt": 2, "message": "429", "next": 1795336422243.0},
            Status("retry", 2, "429", 1795336422243),
        ),
        ({"type": "retry"}, Status("retry")),
    ],
)
def test_a_status_is_read_and_an_unknown_one_counts_as_busy(json, status):
    assert Status.parse(json) == status


def test_a_permission_request_is_read_in_todays_shape():
    request = PermissionRequest.parse(
        {
            "id": "per_1",
            "sessionID": "ses_1",
            "permission": "bash",
            "patterns": ["echo hi"],
            "always": ["echo *"],
            "metadata": {"command": "echo hi"},
            "tool": {"messageID": "msg_1", "callID": "call_1"},
        }
    )
    assert request == PermissionRequest(
        "per_1",
        "ses_1",
        "bash",
        ("echo hi",),
        ("echo *",),
        {"command": "echo hi"},
        "msg_1",
        "call_1",
    )


def test_a_permission_request_of_release_1_0_is_read_too():
    request = PermissionRequest.parse(
        {
            "id": "per_1",
            "type": "bash",
            "pattern": "uname *",
            "sessionID": "ses_1",
            "messageID": "msg_1",
            "callID": "call_1",
            "title": "uname -s",
            "metadata": {"command": "uname -s"},
        }
    )
    assert (request.permission, request.patterns) == ("bash", ("uname *",))
    assert (request.message, request.call) == ("msg_1", "call_1")


def test_a_question_welcomes_own_words_unless_it_says_otherwise():
    request = QuestionRequest.parse(
        {
            "id": "que_1",
            "sessionID": "ses_1",
            "questions": [
                {
                    "question": "Which?",
                    "header": "H",
                    "options": [{"label": "Red", "description": "warm"}],
                    "multiple": True,
                },
                {"question": "Sure?", "custom": False},
            ],
        }
    )
    assert request.questions == (
        Question("Which?", "H", (Option("Red", "warm"),), multiple=True),
        Question("Sure?", custom=False),
    )


def test_agents_commands_diffs_paths_and_todos_are_read():
    agent = Agent.parse(
        {
            "name": "fast",
            "mode": "all",
            "hidden": None,
            "model": {"providerID": "p", "modelID": "m"},
        }
    )
    assert agent == Agent("fast", "all", hidden=False, model="p/m")
    assert Agent.parse({"name": "build", "model": None}) == Agent("build")
    assert Command.parse({"name": "init", "description": None}) == Command("init")
    diff = {"file": "a.py", "patch": "+", "additions": 1, "deletions": 0, "status": "added"}
    assert FileDiff.parse(diff) == FileDiff("a.py", "+", 1, 0, "added")
    assert Paths.parse({"worktree": "/", "directory": "/w"}) == Paths("/", "/w")
    todos = [{"content": "one", "status": "completed", "priority": "high"}, {"content": "two"}]
    assert parse_todos(todos) == (Todo("one", "completed", "high"), Todo("two"))


def test_true_is_no_number():
    assert Status.parse({"type": "retry", "attempt": True}).attempt == 0


def test_half_a_character_does_not_hide_the_rest_of_a_document():
    cut = rb'{"text": "smile \ud83d", "whole": "\ud83d\ude00", "list": ["\udc00"], "n": 1}'
    assert decoded(cut) == {"text": "smile \ufffd", "whole": "😀", "list": ["\ufffd"], "n": 1}


def test_what_is_no_json_is_refused_with_and_without_half_characters():
    for rubbish in (b"<html>", rb'{"a": "\ud83d"'):
        with pytest.raises(json.JSONDecodeError):
            decoded(rubbish)
