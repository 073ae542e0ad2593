from dataclasses import replace

from bot.opencode.events import (
    Heartbeat,
    MessageRemoved,
    Other,
    PartRemoved,
    SessionFailed,
    SessionRetitled,
    StatusChanged,
    TodosUpdated,
)
from bot.opencode.model import (
    CompactionPart,
    ServerError,
    Status,
    Todo,
)
from bot.summary import after_gap, catch_up
from tests.turn_events import (
    PROMPT,
    SESSION,
    answering,
    bash,
    begun,
    busy,
    child,
    delta,
    folded,
    idle,
    part,
    running,
    step,
    streamed,
    thought,
    tool,
    updated,
    user,
    words,
)


def test_text_comes_in_pieces_and_its_whole_replaces_them():
    summary = folded(updated(running()), *streamed("prt_1", ["Hel", "lo"]))
    assert summary.text == "Hello"
    assert folded(part(words("Hello!", "prt_1")), summary=summary).text == "Hello!"


def test_old_releases_bring_the_text_so_far_with_each_piece():
    grown = [part(words(t, done=False), delta=d) for t, d in [("He", "He"), ("Hello", "llo")]]
    assert folded(updated(running()), *grown).text == "Hello"
    assert folded(updated(running()), *grown, part(words("Hello."))).text == "Hello."


def test_parts_and_steps_stand_apart_by_a_blank_line():
    summary = folded(
        updated(step("msg_101", finish="tool-calls")),
        part(words("I look.\n", "prt_1")),
        part(tool()),
        updated(running("msg_102")),
        part(words("  ", "prt_8"), "msg_102"),
        part(words("\nIt is 42.", "prt_9"), "msg_102"),
    )
    assert summary.text == "I look.\n\nIt is 42."
    assert summary.steps == 2


def test_reasoning_is_never_text_though_its_field_is_called_so():
    summary = answering(thought("", done=False))
    summary = folded(delta("secret", "prt_0"), summary=summary)
    assert summary.text == ""
    assert summary.thinking
    assert not folded(part(words("42")), summary=summary).thinking


def test_pieces_of_another_field_or_an_unknown_part_change_nothing():
    summary = answering(words("a", done=False))
    after = folded(
        delta("x", field="input"), delta("x", "prt_9"), delta("x", message="msg_9"), summary=summary
    )
    assert after.text == "a"


def test_pieces_behind_the_whole_text_are_late_copies():
    summary = answering(words("whole"))
    late = [delta("whole"), part(words("", done=False)), part(words("whole", done=False))]
    assert folded(*late, delta("x"), summary=summary).text == "whole"


def test_after_a_gap_what_was_shown_stays_until_the_whole_text_comes():
    summary = after_gap(folded(updated(running()), *streamed("prt_1", ["Hel"])))
    summary = folded(delta(" world"), summary=summary)
    assert summary.text == "Hel"
    assert folded(part(words("Hello world")), summary=summary).text == "Hello world"


def test_a_gap_changes_nothing_about_what_is_whole_or_was_frozen_before():
    summary = after_gap(answering(words("whole"), words("half", "prt_3", done=False), tool()))
    assert after_gap(summary) == summary
    assert summary.text == "whole\n\nhalf"


def test_a_look_in_the_middle_of_a_stream_does_not_stop_it():
    summary = folded(updated(running()), *streamed("prt_1", ["Hel"]))
    summary = catch_up(summary, [user(), running("msg_101")], 9)
    summary = catch_up(summary, [user(), replace(running(), parts=(words("", done=False),))], 9)
    assert folded(delta("lo"), summary=summary).text == "Hello"


def test_a_text_that_began_unseen_waits_for_its_end():
    look = [user(), replace(running(), parts=(words("", done=False),))]
    summary = catch_up(begun(), look, 9)
    assert folded(delta("lo"), summary=summary).text == ""
    began = folded(part(words("", done=False)), delta("Hello"), summary=summary)
    assert began.text == "Hello"


def test_a_longer_text_that_was_read_is_shown_and_then_frozen():
    summary = answering(words("He", done=False))
    look = [user(), replace(running(), parts=(words("Hello", done=False),))]
    summary = catch_up(summary, look, 9)
    assert folded(delta("lo"), summary=summary).text == "Hello"


def test_a_new_try_leaves_an_open_text_behind_that_is_dropped():
    summary = answering(words("first ha", "prt_1", done=False))
    assert folded(StatusChanged(SESSION, Status("retry")), summary=summary).text == "first ha"
    summary = folded(part(words("first", "prt_5", done=False)), summary=summary)
    assert summary.text == "first"


def test_a_text_left_open_in_a_step_that_ended_well_is_dropped():
    summary = answering(words("first ha", "prt_1", done=False), tool())
    assert folded(updated(step(finish="tool-calls")), summary=summary).text == ""


def test_words_that_were_shown_survive_an_abort():
    summary = answering(words("so far", done=False))
    error = ServerError("MessageAbortedError")
    assert folded(updated(step(finish=None, error=error)), summary=summary).text == "so far"


def test_only_answers_to_our_prompt_count():
    others = [
        updated(user("msg_050", at=50)),
        updated(step("msg_051", parent="msg_050")),
        part(words("older"), "msg_051"),
        updated(step("msg_103", parent="msg_102", summary=True)),
        part(words("a summary"), "msg_103"),
        part(words("the prompt itself"), PROMPT),
    ]
    summary = folded(updated(user()), updated(running()), part(words("ours")), *others)
    assert summary.text == "ours"
    assert summary.steps == 1


def test_a_late_copy_of_a_step_takes_nothing_back():
    summary = folded(updated(step(tokens=12)), part(words("done")))
    assert folded(updated(running()), summary=summary) == summary


def test_the_turn_goes_on_behind_a_summary_made_in_its_middle():
    events = [
        updated(user()),
        updated(step(finish="tool-calls")),
        part(words("one")),
        updated(user("msg_102", at=102)),
        part(CompactionPart("prt_c"), "msg_102"),
        updated(step("msg_103", parent="msg_102", summary=True)),
        updated(user()),
        updated(user("msg_102", at=102)),
        updated(user("msg_104", at=104)),
        updated(running("msg_105", parent="msg_104")),
        part(words("two"), "msg_105"),
    ]
    assert folded(*events).text == "one\n\ntwo"


def test_what_the_server_does_behind_a_finished_answer_is_not_the_answer():
    events = [
        updated(user()),
        updated(step()),
        part(words("the answer")),
        updated(user("msg_102", at=102)),
        part(CompactionPart("prt_c"), "msg_102"),
        updated(step("msg_103", parent="msg_102", summary=True)),
        updated(user("msg_104", at=104)),
        updated(step("msg_105", parent="msg_104")),
        part(words("You said: continue"), "msg_105"),
    ]
    assert folded(*events).text == "the answer"


def test_a_look_drops_what_a_gap_made_us_take_for_the_answer():
    finished = step("msg_101", words("the answer"))
    asked = user("msg_102", CompactionPart("prt_c"), at=102)
    summed_up = step("msg_103", parent="msg_102", summary=True)
    went_on = user("msg_104", at=104)
    summary = folded(updated(user()), updated(running()), part(words("the answer")))
    hidden = [updated(running("msg_105", parent="msg_104")), part(words("hidden"), "msg_105")]
    events = [updated(asked), part(asked.parts[0], "msg_102"), updated(went_on), *hidden]
    summary = folded(*events, summary=summary)
    assert summary.text == "the answer\n\nhidden"
    look = [user(), finished, asked, summed_up, went_on]
    look.append(step("msg_105", words("hidden"), parent="msg_104"))
    assert catch_up(summary, look, 2).text == "the answer"
    assert catch_up(summary, look[:4], 2).text == "the answer\n\nhidden"


def test_sub_agents_are_lines_and_never_text():
    summary = folded(
        updated(running()),
        child(),
        child("ses_3", parent="ses_2", title="deeper"),
        updated(running("msg_900", session="ses_2", parent="msg_899")),
        part(words("the child's words"), "msg_900", "ses_2"),
        delta("more", "prt_1", "msg_900", "ses_2"),
        part(bash("ls"), "msg_900", "ses_2"),
        idle("ses_3"),
    )
    assert summary.text == ""
    assert [(c.title, c.state) for c in summary.children] == [
        ("look around (@general subagent)", "running"),
        ("deeper", "done"),
    ]
    assert summary.children[0].doing.label == "ls"
    assert summary.children[1].doing is None
    assert folded(idle("ses_3"), summary=summary) == summary


def test_a_sub_agent_that_failed_or_ended_stays_so():
    summary = folded(child(), SessionFailed("ses_2", ServerError("X")), idle("ses_2"))
    assert summary.children[0].state == "failed"
    assert folded(child(title=""), summary=summary).children[0].title.startswith("look")


def test_a_sub_agent_is_known_by_its_tool_when_its_beginning_was_missed():
    task = {"input": {"description": "look"}, "metadata": {"sessionId": "ses_2"}}
    summary = answering(tool("task", status="running", started_at=7, **task))
    assert [(c.session, c.title, c.state) for c in summary.children] == [
        ("ses_2", "look", "running")
    ]
    assert folded(part(tool("task", **task)), summary=summary).children[0].state == "done"


def test_a_child_of_strangers_is_not_ours():
    assert folded(child(parent="ses_9"), busy("ses_9")) == begun()


def test_the_life_of_the_session_moves_the_clock_and_the_servers_does_not():
    summary = folded(Heartbeat(), Other("project.updated"), busy("ses_9"), at=5)
    assert summary.last_event_at == 0
    summary = folded(Other("session.diff", SESSION), at=5)
    assert summary.last_event_at == 5
    summary = folded(child(), at=6, summary=summary)
    assert folded(busy("ses_2"), at=8, summary=summary).last_event_at == 8


def test_busy_and_retry_are_seen_and_idle_ends_them():
    summary = folded(StatusChanged(SESSION, Status("retry", 2, "429", 99)))
    assert summary.seen_busy
    assert summary.retry.attempt == 2
    summary = folded(idle(), summary=summary)
    assert summary.retry is None
    assert summary.seen_busy
    assert not folded(StatusChanged(SESSION, Status("idle"))).seen_busy


def test_the_first_error_of_a_pair_has_the_words_and_a_further_step_makes_it_history():
    readable, trace = (
        ServerError("UnknownError", "no such agent"),
        ServerError("UnknownError", "at"),
    )
    summary = folded(SessionFailed(SESSION, readable), SessionFailed(SESSION, trace))
    assert summary.error == readable
    assert folded(SessionFailed("", trace)).error is None
    assert folded(updated(running()), summary=summary).error is None


def test_a_message_or_part_that_is_removed_is_gone():
    summary = answering(words("one", "prt_1"), words("two", "prt_2"))
    gone = folded(
        PartRemoved(SESSION, "msg_101", "prt_1"),
        PartRemoved(SESSION, "msg_9", "p"),
        summary=summary,
    )
    assert gone.text == "two"
    assert folded(MessageRemoved(SESSION, "msg_101"), summary=gone).steps == 0


def test_a_tool_never_goes_back():
    done = bash("ls", status="completed")
    summary = answering(done)
    assert folded(part(bash("ls")), summary=summary) == summary
    child_done = folded(child(), part(done, "m", "ses_2"))
    assert folded(part(bash("ls"), "m", "ses_2"), summary=child_done) == child_done


def test_todos_title_and_tokens_are_kept():
    todos = (Todo("one", "completed"),)
    summary = folded(
        TodosUpdated(SESSION, todos),
        SessionRetitled(SESSION, "Fix it"),
        updated(step("msg_101", tokens=7)),
        updated(running("msg_102")),
    )
    assert (summary.todos, summary.title, summary.tokens) == (todos, "Fix it", 7)
    assert begun().tokens == 0


def test_a_look_that_finds_nothing_new_is_no_sign_of_life():
    look = [user(), replace(running(), parts=(bash("make", metadata={"output": "a"}),))]
    summary = catch_up(begun(), look, 5)
    assert summary.last_event_at == 5
    assert catch_up(summary, look, 9).last_event_at == 5
    more = [user(), replace(running(), parts=(bash("make", metadata={"output": "ab"}),))]
    assert catch_up(summary, more, 9).last_event_at == 9
    assert summary.seen_busy


def test_a_look_leaves_out_what_came_before_the_prompt():
    older = [user("msg_001", CompactionPart("c"), at=1), step("msg_002", parent="msg_001")]
    assert catch_up(begun(), older, 5) == begun()
    page = [step("msg_101", words("ours"))]
    assert catch_up(begun(), [*older, *page], 5).text == "ours"


def test_steps_stand_in_the_order_of_the_server():
    summary = folded(updated(running("msg_103")), updated(running("msg_102")))
    summary = folded(part(words("c"), "msg_103"), part(words("b"), "msg_102"), summary=summary)
    look = [user(), step("msg_101", words("a")), running("msg_102")]
    assert catch_up(summary, look, 5).text == "a\n\nb\n\nc"
