import pytest

from bot.opencode.model import CompactionPart, ServerError
from bot.verdict import GRACE_MS, SETTLE_MS, Over, Running, Settling, Swallowed, judge
from tests.turn_events import ABORTED, PROMPT, bash, step, thought, tool, user, words

LATER = user("msg_200", words("another prompt"), at=200)
REFUSED = tool("question", status="error", error="The user dismissed this question", id_="prt_9")
COMPACTION = user("msg_110", CompactionPart("prt_c"), at=110)
SUMMED_UP = step("msg_111", words("a summary"), parent="msg_110", summary=True, at=111)
CONTINUE = user("msg_112", words("Continue …", synthetic=True), at=112)


def judged(*messages, busy=False, seen_busy=True, since_ms=10_000, error=None):
    return judge(messages, PROMPT, busy=busy, seen_busy=seen_busy, since_ms=since_ms, error=error)


def outcome(*messages, **more):
    verdict = judged(*messages, **more)
    return verdict.outcome if isinstance(verdict, Over) else type(verdict)


def test_a_busy_session_is_never_over_whatever_its_messages_say():
    assert outcome(user(), step("msg_101", words("done")), busy=True) is Running


def test_a_plain_answer_is_over_at_once():
    verdict = judged(user(), step("msg_101", thought(), words("Hello."), tokens=9), since_ms=0)
    assert (verdict.outcome, verdict.text, verdict.tokens) == ("answered", "Hello.", 9)


def test_a_finished_answer_counts_though_the_session_was_never_seen_busy():
    assert outcome(user(), step("msg_101", words("x")), seen_busy=False, since_ms=0) == "answered"


def test_text_tool_text_is_one_answer():
    first = step("msg_101", words("I look."), bash("ls", status="completed"), finish="tool-calls")
    verdict = judged(user(), first, step("msg_102", words("Done.", "prt_5")))
    assert verdict.text == "I look.\n\nDone."
    assert len(verdict.messages) == 2
    assert [t.tool for t in verdict.tools] == ["bash"]


def test_between_two_tool_calls_nothing_is_over():
    first = step("msg_101", words("Using skill: demo"), tool("skill"), finish="tool-calls")
    assert outcome(user(), first, since_ms=GRACE_MS - 1) is Settling
    assert outcome(user(), first, since_ms=GRACE_MS) == "interrupted"


def test_tools_without_words_are_an_answer_and_nothing_at_all_is_empty():
    done = step("msg_101", tool(), finish="tool-calls")
    assert outcome(user(), done, step("msg_102")) == "answered"
    assert outcome(user(), step("msg_101")) == "empty"
    assert outcome(user(), step("msg_101", tool("invalid"))) == "empty"


def test_an_idle_before_the_turn_began_is_no_end():
    assert outcome(seen_busy=False, since_ms=0) is Settling
    assert outcome(user(), seen_busy=False, since_ms=GRACE_MS - 1) is Settling


def test_a_prompt_that_was_kept_and_passed_over_is_swallowed():
    assert outcome(user(), seen_busy=False, since_ms=GRACE_MS) is Swallowed
    assert outcome(user(), seen_busy=True, since_ms=GRACE_MS - 1) is Settling
    assert outcome(user(), seen_busy=True) is Swallowed


def test_a_prompt_that_was_not_kept_has_failed_with_the_events_words():
    error = ServerError("UnknownError", 'Agent not found: "nope".')
    verdict = judged(seen_busy=False, since_ms=0, error=error)
    assert (verdict.outcome, verdict.error) == ("failed", error)
    assert outcome(seen_busy=False, since_ms=GRACE_MS) == "failed"
    assert outcome(seen_busy=False, since_ms=0, error=ABORTED) == "aborted"


def test_a_prompt_that_was_kept_and_never_answered_failed_when_an_event_says_so():
    error = ServerError("UnknownError", "Model not found: fake/nope.")
    assert outcome(user(), error=error, since_ms=0) == "failed"
    assert outcome(user(), error=error, seen_busy=False, since_ms=0) is Settling
    assert outcome(user(), error=error, seen_busy=False, since_ms=GRACE_MS) == "failed"


def test_times_of_completion_are_waited_for_then_the_server_is_taken_for_dead():
    half = step("msg_101", words("", done=False), bash("sleep 9"), done=False)
    assert outcome(user(), half, since_ms=SETTLE_MS - 1) is Settling
    verdict = judged(user(), half, since_ms=SETTLE_MS)
    assert (verdict.outcome, verdict.text) == ("interrupted", "")


def test_another_prompts_unfinished_step_is_waited_for_too():
    done = step("msg_101", words("done"))
    later = step("msg_201", parent="msg_200", done=False)
    assert outcome(user(), done, LATER, later, since_ms=0) is Settling


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"finish": "stop"}, "answered"),
        ({"finish": "length"}, "length"),
        ({"finish": "content-filter"}, "filtered"),
        ({"finish": "error"}, "failed"),
        ({"finish": None, "error": ServerError("APIError", "x", 400)}, "failed"),
        ({"finish": None, "error": ABORTED}, "aborted"),
        ({"finish": "content-filter", "error": ServerError("ContentFilterError")}, "filtered"),
        ({"finish": None, "error": ServerError("MessageOutputLengthError")}, "length"),
        ({"finish": None}, "aborted"),
        ({"finish": "unknown"}, "interrupted"),
    ],
)
def test_every_end_of_a_step_has_its_outcome(more, expected):
    verdict = judged(user(), step("msg_101", words("half"), **more))
    assert (verdict.outcome, verdict.text) == (expected, "half")


def test_a_refused_question_ends_the_turn():
    refused = step("msg_101", REFUSED, finish="tool-calls")
    assert outcome(user(), refused) == "rejected"
    assert outcome(user(), refused, since_ms=0) is Settling
    assert outcome(user(), refused, step("msg_102", words("Fine."))) == "answered"


def test_an_abort_between_two_steps_is_known_from_the_event():
    between = step("msg_101", tool(), finish="tool-calls")
    assert outcome(user(), between, error=ABORTED, since_ms=0) == "aborted"


def test_a_prompt_taken_over_by_a_newer_one_is_merged():
    answer = step("msg_201", words("both"), parent="msg_200", at=201)
    verdict = judged(user(), LATER, answer)
    assert (verdict.outcome, verdict.text) == ("merged", "both")
    taken_over = step("msg_101", words("I look."), tool(), finish="tool-calls")
    verdict = judged(user(), taken_over, LATER, answer)
    assert (verdict.outcome, verdict.text) == ("merged", "I look.\n\nboth")


def test_an_answer_of_its_own_is_not_merged_with_what_follows():
    answer = step("msg_201", words("second"), parent="msg_200", at=201)
    assert judged(user(), step("msg_101", words("first")), LATER, answer).text == "first"


def test_what_came_before_the_prompt_does_not_matter():
    older = [user("msg_001", at=1), step("msg_002", parent="msg_001", done=False, at=2)]
    assert outcome(*older, user(), step("msg_101", words("x"))) == "answered"


def test_a_page_without_the_prompt_is_judged_by_its_answers():
    assert outcome(step("msg_101", words("x"))) == "answered"


def test_the_hidden_turn_behind_a_summary_is_not_the_answer():
    hidden = step("msg_113", words("You said: continue"), parent="msg_112", at=113)
    verdict = judged(
        user(), step("msg_101", words("mine")), COMPACTION, SUMMED_UP, CONTINUE, hidden
    )
    assert verdict.text == "mine"


def test_the_turn_behind_a_summary_in_its_middle_is_the_answer():
    first = step("msg_101", words("one"), finish="tool-calls")
    second = step("msg_113", words("two"), parent="msg_112", at=113)
    verdict = judged(user(), first, COMPACTION, SUMMED_UP, CONTINUE, second)
    assert (verdict.outcome, verdict.text) == ("answered", "one\n\ntwo")


def test_a_summary_that_failed_fails_the_turn():
    error = ServerError("ContextOverflowError", "Session too large to compact")
    failed = step("msg_111", parent="msg_110", summary=True, error=error, finish="error")
    for first in (step("msg_101", finish="tool-calls"), step("msg_101", finish=None)):
        verdict = judged(user(), first, COMPACTION, failed)
        assert (verdict.outcome, verdict.error) == ("failed", error)


def test_a_text_left_open_by_a_new_try_is_no_answer():
    verdict = judged(user(), step("msg_101", words("fir", done=False), words("first", "prt_5")))
    assert verdict.text == "first"
