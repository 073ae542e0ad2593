"""Durations and sizes mean what people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.quantities import seconds, size, write_seconds, write_size


@pytest.mark.parametrize(
    ("written", "meant"),
    [("60m", 3600), ("90s", 90), ("1.5h", 5400), (" 7 d ", 604_800), (90, 90), (0.5, 0.5)],
)
def test_durations_are_read(written, meant):
    assert seconds(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("50MB", 50_000_000), ("1KiB", 1024), ("2 gb", 2 * 10**9), (7, 7)]
)
def test_sizes_are_read(written, meant):
    assert size(written) == meant


@pytest.mark.parametrize("written", ["", "-1s", "m", "1w", "0", True, None, "1e3s", "1 s s"])
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(ValueError, match=r"duration|nothing"):
        seconds(written)


@given(st.integers(min_value=1, max_value=10**9))
def test_a_written_duration_means_the_same(value):
    assert seconds(write_seconds(value)) == value


@given(st.integers(min_value=1, max_value=10**15))
def test_a_written_size_means_the_same(value):
    assert size(write_size(value)) == value
