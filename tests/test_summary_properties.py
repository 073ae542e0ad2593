"""However a turn's events are cut, repeated or lost: the same words come out."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.opencode.events import PartDelta
from bot.summary import after_gap, catch_up, fold
from tests.turn_events import (
    begun,
    child,
    delta,
    folded,
    part,
    running,
    step,
    streamed,
    updated,
    user,
    words,
)


@given(st.lists(st.text(max_size=9), max_size=60))
def test_words_grow_the_same_in_any_pieces(pieces):
    summary = folded(updated(running()), *streamed("prt_1", pieces))
    (piece,) = summary.answers["msg_101"].pieces.values()
    assert piece.text == "".join(pieces)
    assert piece.size == len(piece.text)
    assert len(piece.chunks) <= max(piece.size, 1).bit_length() + 1 + pieces.count("")


# A whole turn as the server tells it: steps of parts, each text in any pieces.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)
TURNS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=3)


def as_events(turn, cut):
    """Yield the events of a turn with the messages as they are stored behind each."""
    kept = [user()]
    yield updated(user()), tuple(kept)
    for number, texts in enumerate(turn):
        id_ = f"msg_{101 + number}"
        kept.append(running(id_))
        yield updated(kept[-1]), tuple(kept)
        for place, text in enumerate(texts):
            prt = f"prt_{number}.{place}"
            before = kept[-1].parts
            kept[-1] = replace(kept[-1], parts=(*before, words("", prt, done=False)))
            yield part(words("", prt, done=False), id_), tuple(kept)
            for at in range(0, len(text), cut):
                yield delta(text[at : at + cut], prt, id_), tuple(kept)
            whole = words(text, prt)
            kept[-1] = replace(kept[-1], parts=(*before, whole))
            yield part(whole, id_), tuple(kept)
        finish = "stop" if number == len(turn) - 1 else "tool-calls"
        kept[-1] = step(id_, *kept[-1].parts, finish=finish)
        yield updated(kept[-1]), tuple(kept)


def expected(turn):
    texts = [text for step_ in turn for text in step_]
    return "\n\n".join(text.strip("\n") for text in texts if text.strip())


@given(TURNS, st.integers(1, 30), st.data())
def test_any_chunking_with_full_updates_twice_and_children_between_ends_alike(turn, cut, data):
    events, whole = [], []
    for event, _ in as_events(turn, cut):
        events.append(event)
        if not isinstance(event, PartDelta):
            whole.append(event)
        events.extend(data.draw(st.lists(st.sampled_from(whole), max_size=2)))
        if data.draw(st.booleans()):
            events.append(part(words("child"), "msg_900", "ses_2"))
    assert folded(child(), *events).text == expected(turn)


@given(TURNS, st.integers(1, 30), st.data())
def test_a_gap_anywhere_of_any_length_ends_alike(turn, cut, data):
    told = list(as_events(turn, cut))
    lost_from = data.draw(st.integers(0, len(told)))
    lost_to = data.draw(st.integers(lost_from, len(told)))
    read_at = data.draw(st.integers(lost_to, len(told)))
    summary = folded(*(event for event, _ in told[:lost_from]))
    shown = summary.text
    summary = after_gap(summary)
    if read_at:
        summary = catch_up(summary, told[read_at - 1][1], 2)
    assert shown.startswith(summary.text) or len(summary.text) >= len(shown)
    for event, _ in told[lost_to:]:
        summary = fold(summary, event, 3)
    assert summary.text == expected(turn)


@given(TURNS, st.integers(1, 30))
def test_reading_alone_ends_as_following_does(turn, cut):
    told = list(as_events(turn, cut))
    summary = begun()
    for _, messages in told:
        summary = catch_up(summary, messages, 2)
    assert summary.text == expected(turn)
    assert summary.answers == folded(*(event for event, _ in told)).answers
