"""The benchmarks keep up with what they measure."""

import re

from tests.bench import store


async def test_a_durable_message_is_measured_in_both_ways(monkeypatch):
    for name, small in (("MESSAGES", 64), ("ROUNDS", 1), ("SUBMITTERS", 4)):
        monkeypatch.setattr(store, name, small)
    head, *lines = await store.bench()
    assert "messages/s" in head
    assert len(lines) == 2
    assert all(re.search(r" +[\d,]+ +[\d,]+ +\d+\.\d$", line) for line in lines)
