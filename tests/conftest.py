"""Fixtures of the whole suite, and skips that a landing counts as failures."""

import gc
import logging
import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.browser_fixtures",
    "tests.opencode_fixtures",
    "tests.serving_fixtures",
    "tests.peer_fixtures",
    "tests.wecom_fixtures",
    "tests.service_fixtures",
    "tests.fault_fixtures",
    "tests.reliability.processes",
    "tests.viewer_fixtures",
    "tests.secrecy",
]


# A shell starts what it runs in the background deaf to Ctrl-C, and its children with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

logging.getLogger("aiosqlite").setLevel(logging.INFO)  # it tells of each statement, twice

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_collection_finish():
    """Take what all tests are made of for what stays: no collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under ``NO_SKIPS=1`` a skipped test is a failed one: a landing tests everything."""
    report = yield
    if os.environ.get("NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
