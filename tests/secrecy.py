"""X11, for every test that runs a service: what it logged, at the finest level, holds no secret and no word.

The logs of a service under test go to the captured output; nothing of them is hidden there, as
the last guard of a real one would (config/logs.py): what is not logged need not be hidden.
"""

import re

import pytest

from tests.wecom_fixtures import AES_KEY, SECRET, STANDINS, TOKEN

ADMIN_TOKEN = "an-admin-token-of-tests"
LINKS = re.compile(r"/t/\d+/[A-Za-z0-9_-]{32}")
ADDRESSES = re.compile(r"response_code=[^*\s]")
MEDIA = re.compile(r"/cgi-bin/aibot/media/[^*\s]")
# Shorter texts may stand in a log for another reason: "hello" in an id, "OK" in a state.
SAID_CHARS = 12
SHOWN_CHARS = 30


def leaks(logged, standins):
    """Return what was logged and must not be, most of all texts of the conversation."""
    tokens = [standin.corp.api.token for standin in standins if standin.corp.api.token]
    found = [name for name in (TOKEN, AES_KEY, SECRET, ADMIN_TOKEN, *tokens) if name in logged]
    found += [
        match[0] for pattern in (LINKS, ADDRESSES, MEDIA) if (match := pattern.search(logged))
    ]
    found += [text for standin in standins for text in texts_of(standin) if text in logged]
    return found


def texts_of(standin):
    """Yield the lines that people and the service wrote, where they are long enough to tell."""
    for item in standin.book.items:
        limit = SAID_CHARS if item.kind == "said" else SHOWN_CHARS
        for line in (item.content or "").splitlines():
            if len(line.strip()) >= limit:
                yield line.strip()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let a test fail that went well but for what the service logged meanwhile."""
    report = yield
    if report.when == "teardown" and report.passed and "make_bot" in item.fixturenames:
        found = leaks(report.capstdout + report.capstderr, item.stash.get(STANDINS, []))
        if found:
            report.outcome = "failed"
            report.longrepr = f"the service logged what nobody may read there: {found}"
    return report
