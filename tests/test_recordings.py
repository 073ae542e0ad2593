"""What the real OpenCode said is understood alike, however it is cut, and agrees with what it keeps."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.opencode.events import SessionIdle, StatusChanged, parse
from bot.opencode.stream import Splitter
from tests.record.scenarios import SCENARIOS
from tests.recordings import DATA, NAMES, RECORDINGS, frames_of

SMALL = 25_000  # bytes; recordings up to this size are cut in two at every byte as a whole
OUTCOMES = {
    "plain": ("answered", "Hello! 你好，长城 🙂.\n\n- one\n- two"),
    "text-tool-text": ("answered", "I look.\n\nAn empty folder."),
    "tools-only": ("answered", ""),
    "sub-agent": ("answered", "The sub-agent looked."),
    "permission-allowed": ("answered", "I did."),
    "permission-denied": ("answered", "I see."),
    "permission-denied-silently": ("rejected", "May I?"),
    "question-answered": ("answered", "Blue, then."),
    "question-dismissed": ("rejected", ""),
    "aborted-text": ("aborted", "As far as this"),
    "aborted-command": ("aborted", ""),
    "rate-limited": ("answered", "Now."),
    "refused-by-provider": ("failed", ""),
    "provider-down": ("failed", ""),
    "cut-and-retried": ("answered", "I begin anew, and end."),
    "compacted": ("answered", "I look first.\n\nThe end of it."),
    "merged": ("merged", "One moment.\n\nAn answer to both."),
    "unknown-agent": ("failed", ""),
    "killed": ("interrupted", "I look."),
}
HEARD = {  # by events alone, where that is something else
    "killed": "I look.\n\nThen I say",  # the last words were never stored
    "merged": "One moment.",  # only reading tells that the other prompt's answer is ours, too
}

each_recording = pytest.mark.parametrize("recorded", RECORDINGS.values(), ids=NAMES)


def boundaries(stream):
    """Yield where each frame begins and ends; the last may be half of one."""
    start = 0
    while start < len(stream):
        end = stream.find(b"\n\n", start) + 2
        end = len(stream) if end == 1 else end
        yield start, end
        start = end


def state_of(splitter):
    """Return all on which the further work of a splitter depends."""
    return b"".join(splitter._pieces), splitter._size, splitter._dropping, splitter.dropped


def test_every_scenario_is_recorded_and_nothing_else():
    assert set(NAMES) == {scenario.name for scenario in SCENARIOS} == set(OUTCOMES)
    assert {path.stem for path in DATA.glob("*.json")} == set(NAMES)


def test_the_recordings_are_of_one_release_and_of_modest_size():
    assert len({recorded.facts["version"] for recorded in RECORDINGS.values()}) == 1
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_500_000


@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.name)
def test_a_recording_says_nothing_of_the_machine_that_made_it(path):
    content = path.read_bytes()
    places = (b"/tmp/", b"/home/", b"/Users/", b"/var/", b"localhost")
    assert not [place for place in places if place in content]


@each_recording
def test_the_turn_reads_as_it_went(recorded):
    outcome, text = OUTCOMES[recorded.name]
    assert (recorded.verdict.outcome, recorded.verdict.text) == (outcome, text)
    assert recorded.summary.text == HEARD.get(recorded.name, text)
    assert recorded.answer == text


@each_recording
def test_what_the_stream_said_in_whole_is_what_the_server_keeps(recorded):
    assert recorded.kept[-1] == recorded.messages


@each_recording
def test_a_cut_at_any_byte_of_any_frame_changes_nothing(recorded):
    """Every frame is cut in two at each of its bytes.

    Behind a whole frame a splitter is as it was before it, so what holds for a frame by itself
    holds for it in its place.
    """
    whole = []
    for start, end in boundaries(recorded.stream):
        frame = recorded.stream[start:end]
        expected, whole_splitter = [], Splitter()
        expected += whole_splitter.feed(frame)
        for cut in range(1, len(frame)):
            splitter = Splitter()
            assert frames_of(frame[:cut], frame[cut:], splitter=splitter) == expected
            assert state_of(splitter) == state_of(whole_splitter)
        assert state_of(whole_splitter) == state_of(Splitter()) or end == len(recorded.stream)
        whole += expected
    assert whole == frames_of(recorded.stream)


@pytest.mark.parametrize(
    "recorded", [r for r in RECORDINGS.values() if len(r.stream) <= SMALL], ids=lambda r: r.name
)
def test_a_cut_at_any_byte_of_a_small_stream_changes_nothing(recorded):
    whole = frames_of(recorded.stream)
    for cut in range(len(recorded.stream)):
        assert frames_of(recorded.stream[:cut], recorded.stream[cut:]) == whole


@each_recording
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_chunking_ends_in_the_same_turn(recorded, data):
    places = st.integers(0, len(recorded.stream))
    cuts = sorted(data.draw(st.lists(places, max_size=40)))
    ends = [*cuts, len(recorded.stream)]
    pieces = [recorded.stream[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    events = [event for frame in frames_of(*pieces) if (event := parse(frame)) is not None]
    assert recorded.folded(events) == recorded.summary


@each_recording
def test_byte_by_byte_it_is_the_same_turn(recorded):
    pieces = (recorded.stream[n : n + 1] for n in range(len(recorded.stream)))
    events = [event for frame in frames_of(*pieces) if (event := parse(frame)) is not None]
    assert events == recorded.events


@each_recording
def test_o5_without_a_single_idle_reading_still_says_that_it_is_over(recorded):
    def idle(event):
        return isinstance(event, SessionIdle) or (
            isinstance(event, StatusChanged) and event.status.kind == "idle"
        )

    summary = recorded.folded(event for event in recorded.events if not idle(event))
    assert recorded.judged(summary) == recorded.verdict
    assert summary.answers == recorded.summary.answers
