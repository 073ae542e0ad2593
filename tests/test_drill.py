"""The short slice of the drill, and its judge: a judge that cannot condemn is worth nothing."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.drill import migrations
from tests.drill.history import History, Message, Prompt, Refusal
from tests.drill.judge import TAIL, judge
from tests.drill.points import MIGRATION, ON
from tests.drill.random_cuts import random_cuts, without_syncs
from tests.drill.recovery import recovery
from tests.drill.run import Case, Outcome, run
from tests.drill.table import Row, markdown, total
from tests.drill.victim import compiled

pytestmark = pytest.mark.timeout(600)

# Of the callback each point; of the others where they differ from it most.
SHORT = {name: Case(name) for name in ON["callback"]} | {"power": Case("C10", "power")}
OTHERS = {"connection": ("C04", "C19", "C19s"), "app": ("C19", "C22")}
SHORT |= {
    f"{channel}-{name}": Case(name, channel=channel)
    for channel, names in OTHERS.items()
    for name in names
}
NO_COMPILER = "there is no C compiler to make a disk that can be spoiled"


def needs_disk(case):
    return case.cut == "power" or case.at.by_disk


@pytest.fixture
async def library(tmp_path):
    found = await compiled(tmp_path)
    if found is None:
        pytest.skip(NO_COMPILER)
    return found


@pytest.mark.parametrize("name", SHORT)
async def test_who_dies_there_loses_and_repeats_nothing(name, tmp_path):
    library = await compiled(tmp_path)
    if library is None and needs_disk(SHORT[name]):
        pytest.skip(NO_COMPILER)
    outcome = await run(SHORT[name], tmp_path / "run", library)
    assert [str(fault) for fault in outcome.faults] == []
    assert outcome.reached


@pytest.mark.parametrize("chats", [0, migrations.CHATS], ids=["fresh", "upgrade"])
@pytest.mark.parametrize("passage", [1, 9])
async def test_who_dies_in_a_migration_starts_with_the_old_or_the_new_schema(
    passage, chats, tmp_path
):
    outcome = await migrations.die_at(Case(MIGRATION, passage=passage), tmp_path / "c", None, chats)
    assert outcome.reached
    assert outcome.faults == []


async def test_the_drill_sees_that_a_service_without_syncs_loses_messages(tmp_path, library):
    for n in range(5):  # a machine that is slow enough writes all of it by itself
        row = await without_syncs(tmp_path / str(n), library, 1)
        if row.counts["lost"]:
            break
    assert row.faults == []
    assert row.counts["lost"] > 0


async def test_cuts_at_random_moments_lose_nothing(tmp_path, library):
    row = await random_cuts(tmp_path, library, 4)
    assert row.faults == []


async def test_with_ten_thousand_chats_stored_a_start_ends_in_a_good_reply(tmp_path):
    assert len(await recovery(tmp_path, starts=1)) == 1


# The judge

MESSAGES = tuple(
    Message(word=word, chat="c", msgid=f"m-{word}", finals=(f"end of {word}.",), last="end")
    for word in ("one", "two", "three")
)
PROMPTS = tuple(Prompt(message.word, "ses_1", "/w") for message in MESSAGES)
FINE = History(MESSAGES, PROMPTS, sessions={"/w": 1})


def condemned(history):
    return [fault.kind for fault in judge(history)]


def with_second(**changes):
    one, two, three = MESSAGES
    return replace(FINE, messages=(one, replace(two, **changes), three))


def test_the_judge_finds_nothing_where_nothing_is_wrong():
    assert judge(FINE) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"finals": ()}, "lost"),
        ({"finals": ("a", "a")}, "duplicate final"),
        ({"prompts": 2}, "duplicate prompt"),
        ({"prompts": 0}, "never run"),
        ({"acknowledged": False}, "stuck"),
        ({"attempts": ("timeout", "ok")}, "silent"),
        ({"last": None}, "stuck"),
        ({"last": " "}, "blank final"),
        ({"finals": ("end",), "later": ("another end",)}, "changed final"),
        ({"later": ("",)}, "blank final"),
        ({"streams": ("s1", "s1", "s2")}, "second stream"),
        ({"shown": (f"p{TAIL + 5}", "p4")}, "shortened"),
        ({"acknowledged": False, "rewritten": True, "prompts": 2}, "duplicate prompt"),
        ({"acknowledged": False, "rewritten": True, "finals": ("a", "a")}, "duplicate final"),
    ],
    ids=str,
)
def test_the_judge_names_what_is_wrong_with_a_message(changes, kind):
    assert condemned(with_second(**changes)) == [kind]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"prompts": (PROMPTS[1], PROMPTS[0], PROMPTS[2])}, "out of order"),
        ({"prompts": (replace(PROMPTS[0], while_busy=True), *PROMPTS[1:])}, "two at once"),
        ({"sessions": {"/w": 2}}, "second session"),
        ({"refusals": (Refusal("msgtype", "", "m-two"),)}, "refused by WeCom"),
        ({"refusals": (Refusal("late_used", "", "m-two"),) * 2}, "refused by WeCom"),
        ({"open_turns": ("m-unknown",)}, "stuck"),
        ({"integrity": "row 1 missing"}, "damaged"),
        ({"files": 2, "whole_files": 1}, "files"),
        ({"leaks": ("token",)}, "secret in the log"),
        ({"exit_code": 1}, "bad end"),
    ],
    ids=str,
)
def test_the_judge_names_what_is_wrong_with_a_run(changes, kind):
    assert kind in condemned(replace(FINE, **changes))


def test_an_answer_in_doubt_is_fine_once_it_came_when_asked_for():
    assert judge(with_second(finals=(), asked=("the answer",))) == []


def test_what_was_not_flushed_may_be_seen_to_go():
    assert judge(with_second(shown=(f"p{TAIL}", "p1", "p2"))) == []


def test_a_lost_message_whose_turn_is_still_open_is_stuck():
    assert condemned(replace(with_second(finals=()), open_turns=("m-two",))) == ["stuck"]


UNHEARD = {"acknowledged": False, "rewritten": True, "prompts": 0, "finals": ()}


def test_what_the_channel_lost_before_we_had_it_is_no_fault():
    assert judge(with_second(**UNHEARD)) == []


@pytest.mark.parametrize(
    ("kept", "open_turns", "kind"),
    [({"m-two"}, (), "lost"), ({"m-two"}, ("m-two",), "stuck")],
)
def test_what_we_had_and_told_nobody_of_is_a_fault(kept, open_turns, kind):
    history = replace(with_second(**UNHEARD), kept=frozenset(kept), open_turns=open_turns)
    assert condemned(history) == [kind]


def test_a_card_that_was_pressed_while_nobody_was_there_is_nobodys_fault():
    pressed = (Refusal("event_unanswered", "connection", "m-x"),)
    assert judge(replace(FINE, refusals=pressed)) == []
    assert condemned(replace(FINE, refusals=pressed, crashed=False)) == ["refused by WeCom"]


def test_who_died_before_reading_an_answer_may_use_its_address_once_more():
    used = (Refusal("late_used", "", "m-two"),)
    assert judge(replace(FINE, refusals=used)) == []
    assert condemned(replace(FINE, refusals=used, crashed=False)) == ["refused by WeCom"]


def test_a_row_counts_every_fault_and_keeps_the_worst_time():
    row = Row("C04", "kill", "somewhere")
    for seconds, history in ((1.0, FINE), (2.0, with_second(finals=(), prompts=2))):
        row.add(Outcome(Case("C04"), True, judge(history), seconds, seconds / 2))
    counts = ("2", "2", "1", "1", *"0000")
    assert row.cells == ("C04", "kill", "somewhere", *counts, "2.00 s", "1.00 s")
    assert total([row, row]).counts == Counter({"lost": 2, "duplicate prompt": 2})
    assert len(row.faults) == 2
    assert markdown([row]).count("\n") == 2
