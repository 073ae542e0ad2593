"""X1: whatever bytes a stranger sends, nothing but our own errors comes of it.

The targets are those of ``make fuzz``; here hypothesis spoils what they meet on a good day.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

TRICKS = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b'"', b"{", b"[" * 3_000, b"]" * 3_000),
    *(b"NaN", b"1e999", b"-1", b"9" * 5_000, b"null", b"\r", b"\n\n", b"data: ", b"\xe2\x80\xa8"),
    *(
        b"../",
        b"%2e%2e%2f",
        b"/",
        b"\\",
        b"@",
        b"\xef\xbc\xa0",
        b"&",
        b"=",
        b"%",
        b"`",
        b"<script>",
    ),
)
# Inputs that once raised something of another's making.
FOUND = [
    # Half a character is read leniently, and the lenient reader gave up on the depth.
    ("answers", b'{"b":"\\ud800","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("answers", b'{"b":"\\ud800","a":' + b"[" * 900 + b"]" * 900 + b"}"),
    ("events", b'data: {"type":"x","b":"\\ud800","a":' + b"[" * 3_000 + b"\n\n"),
    # A root alone has no name to look for.
    ("paths", b"~/"),
    ("paths", b"C:/"),
]


@st.composite
def spoilt(draw, seeds):
    """A seed in which pieces are cut out and others put in."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 40)))
        put = draw(st.binary(max_size=20) | st.sampled_from(TRICKS))
        content = content[:start] + put + content[end:]
    return content


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def grafted(draw, seeds):
    """A JSON seed of which one member, anywhere, is something else."""
    whole = json.loads(draw(st.sampled_from(seeds)))
    place = whole
    while place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            place[key] = draw(VALUES)
            break
        place = inner
    return json.dumps(whole).encode()


def is_object(seed):
    try:
        return isinstance(json.loads(seed), dict)
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize("name", TARGETS)
def test_x1_what_is_spoilt_raises_nothing_but_our_own_errors(name):
    target = TARGETS[name]
    seeds = list(target.seeds())
    frame = b"data: " if name == "events" else b""
    objects = [seed.removeprefix(frame) for seed in seeds if is_object(seed.removeprefix(frame))]
    inputs = st.binary(max_size=200) | spoilt(seeds)
    if objects:
        inputs |= grafted(objects).map(lambda body: frame + body + b"\n\n")

    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(inputs)
    def spoil(data):
        target.run(data)

    for seed in seeds:
        target.run(seed)
    spoil()


@pytest.mark.parametrize(("name", "data"), FOUND, ids=range(len(FOUND)))
def test_x1_what_a_fuzzer_found_stays_mended(name, data):
    TARGETS[name].run(data)
