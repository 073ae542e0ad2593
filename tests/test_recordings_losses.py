"""A stream that breaks anywhere, for any time, costs nothing once the messages are read."""

from dataclasses import replace

import pytest

from bot.opencode.events import PartUpdated, SessionFailed, SessionIdle, StatusChanged
from bot.opencode.model import ServerError, Status, TextPart
from bot.summary import Words, after_gap, catch_up, fold
from tests.recordings import NAMES, RECORDINGS

LOST = (1, 2, 5, 13, 40, 10_000)  # so many events; the last means all that is left
SOON = 12  # events; a text of the recordings is whole by then
STRANGE = ServerError("UnknownError", "out of nowhere")

LAST_WORDS = "I look.\n\nThen I say"  # of a server that was killed before it stored them
TAKEN_BACK = "I begin wi"  # the model's connection broke, and it began anew

each_recording = pytest.mark.parametrize("recorded", RECORDINGS.values(), ids=NAMES)


def outcome_of(verdict):
    """Return what people see of a verdict; its error may be known by an event alone."""
    return verdict.outcome, verdict.text, verdict.messages


def final(recorded, summary):
    """Return the turn after the last look, the one that finds it over."""
    return catch_up(summary, recorded.messages, 9)


def must_be_whole(recorded, summary):
    """Nothing is missing; of words that were never stored, what was heard remains."""
    text = final(recorded, summary).text
    if recorded.name == "killed":
        assert text.startswith(recorded.answer)
        assert LAST_WORDS.startswith(text)
    else:
        assert text == final(recorded, recorded.summary).text


def heard_until(recorded):
    """Return the turn as it was before each event, and after the last."""
    summaries = [recorded.begun()]
    for event in recorded.events:
        summaries.append(fold(summaries[-1], event, 1))
    return summaries


@each_recording
@pytest.mark.parametrize("count", LOST)
def test_events_lost_anywhere_cost_nothing_once_the_messages_are_read(recorded, count):
    """Reconnecting, the service reads what the server has stored by then, and goes on."""
    heard, last = heard_until(recorded), len(recorded.events)
    for first in range(last):
        behind = min(first + count, last)
        summary = catch_up(after_gap(heard[first]), recorded.kept[behind], 2)
        summary = recorded.folded(recorded.events[behind:], summary)
        assert outcome_of(recorded.judged(summary)) == outcome_of(recorded.verdict)
        must_be_whole(recorded, summary)
        assert list(summary.own_tools()) == list(recorded.summary.own_tools())


@each_recording
@pytest.mark.parametrize("count", LOST)
def test_events_lost_without_anybody_noticing_cost_nothing_at_the_last_look(recorded, count):
    heard, last = heard_until(recorded), len(recorded.events)
    for first in range(last):
        summary = recorded.folded(recorded.events[first + count :], heard[first])
        assert outcome_of(recorded.judged(summary)) == outcome_of(recorded.verdict)
        must_be_whole(recorded, summary)
        whole = final(recorded, recorded.summary)
        assert list(final(recorded, summary).answers) == list(whole.answers)


@each_recording
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_text_never_shows_a_hole_where_events_were_lost(recorded, count):
    """From the gap on to the end of the part, what is shown is the beginning of what it becomes."""
    heard = heard_until(recorded)
    for first in range(len(recorded.events)):
        behind = min(first + count, len(recorded.events))
        summary = catch_up(after_gap(heard[first]), recorded.kept[behind], 2)
        for event in recorded.events[behind : behind + SOON]:
            summary = fold(summary, event, 3)
            assert not [id_ for id_, text in shown(summary) if not stored(recorded, id_, text)]


def shown(summary):
    """Yield the ids and the words of all that the model wrote or thought."""
    for step in summary.answers.values():
        for id_, piece in step.pieces.items():
            if isinstance(piece, Words):
                yield id_, piece.text


def stored(recorded, id_, text):
    """Tell whether a part begins so in the end, if it was stored at all."""
    parts = {part.id: part for message in recorded.messages for part in message.parts}
    unknown = id_ not in parts or not parts[id_].done
    return unknown or parts[id_].text.startswith(text)


@each_recording
def test_a_stream_that_breaks_and_never_comes_back_is_read_to_the_end(recorded):
    for heard in heard_until(recorded):
        summary = after_gap(heard)
        assert outcome_of(recorded.judged(summary)) == outcome_of(recorded.verdict)
        must_be_whole(recorded, summary)


@each_recording
def test_what_was_shown_stays_when_the_stream_breaks_at_any_event(recorded):
    """A retried try is the exception: its words are taken back by the try that follows."""
    for place, summary in enumerate(heard_until(recorded)):
        for read_at in range(place, min(place + 3, len(recorded.kept))):
            after = catch_up(after_gap(summary), recorded.kept[read_at], 2)
            if recorded.name != "cut-and-retried" or not TAKEN_BACK.startswith(summary.text):
                assert after.text.startswith(summary.text)


@each_recording
def test_reading_alone_at_every_moment_ends_in_the_same_turn(recorded):
    summary = recorded.begun()
    for messages in recorded.kept:
        summary = catch_up(summary, messages, 2)
    assert summary.text in {recorded.answer, "One moment."}  # the latter: merged, by the verdict
    assert outcome_of(recorded.judged(summary)) == outcome_of(recorded.verdict)


@each_recording
def test_a_look_at_any_moment_while_events_come_takes_nothing_back(recorded):
    for place, summary in enumerate(heard_until(recorded)):
        looked = catch_up(summary, recorded.kept[place], 2)
        rest = recorded.folded(recorded.events[place:], looked)
        must_be_whole(recorded, rest)


def idles(recorded):
    return [StatusChanged(recorded.session, Status("idle")), SessionIdle(recorded.session)]


@each_recording
def test_o6_an_idle_before_any_event_ends_nothing(recorded):
    """Before the last part, too: what comes behind an idle is taken in all the same."""
    full = recorded.summary
    for place, summary in enumerate(heard_until(recorded)):
        early = recorded.folded([*idles(recorded), *recorded.events[place:]], summary)
        assert early.answers == full.answers
        assert recorded.judged(early) == recorded.verdict
        assert final(recorded, early).text == final(recorded, full).text


def shortened(event):
    """Return a copy of a text part's event that says less than the part did before."""
    part = event.part
    return replace(event, part=replace(part, text=part.text[: len(part.text) // 2], done=False))


@each_recording
def test_o6_a_part_that_comes_shorter_than_before_takes_nothing_back(recorded):
    for place, event in enumerate(recorded.events):
        if isinstance(event, PartUpdated) and isinstance(event.part, TextPart):
            before = recorded.folded(recorded.events[: place + 1])
            after = fold(before, shortened(event), 1)
            assert after.text == before.text
            rest = recorded.folded(recorded.events[place + 1 :], after)
            assert final(recorded, rest).text == final(recorded, recorded.summary).text


@each_recording
def test_o6_a_whole_part_that_was_shorter_is_mended_by_reading(recorded):
    def cut_short(event):
        if not isinstance(event, PartUpdated) or not isinstance(event.part, TextPart):
            return event
        return replace(event, part=replace(event.part, text=event.part.text[:1]))

    summary = recorded.folded(cut_short(event) for event in recorded.events)
    assert final(recorded, summary).text == final(recorded, recorded.summary).text


@each_recording
def test_o6_an_error_told_at_any_moment_leaves_the_text_as_it_is_read(recorded):
    failed = SessionFailed(recorded.session, STRANGE)
    full = final(recorded, recorded.summary)
    for place, summary in enumerate(heard_until(recorded)):
        told = recorded.folded([failed, *recorded.events[place:]], summary)
        verdict = recorded.judged(told)
        assert final(recorded, told).text == full.text
        assert verdict.text == recorded.verdict.text
        if recorded.verdict.outcome == "answered":
            assert verdict.outcome == "answered"
