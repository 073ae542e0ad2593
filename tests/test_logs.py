"""Logs are events with facts: JSON off a terminal, pretty on one, and never a secret in them."""

import io
import json
import logging
import warnings

import pytest
import structlog

from config.logs import set_up

SECRET = "hunter2/hunter2"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class FullDisk(io.StringIO):
    def write(self, _text):
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def restored():
    """Leave logging as it was."""
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def stderr(monkeypatch):
    def replace(stream):
        monkeypatch.setattr("sys.stderr", stream)
        return stream

    return replace


def entries(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_off_a_terminal_an_entry_is_a_line_of_json(stderr):
    out = stderr(io.StringIO())
    set_up()
    with structlog.contextvars.bound_contextvars(chat="wecom:direct:a"):
        structlog.get_logger().info("message.accepted", chars=3)
    (entry,) = entries(out)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "message.accepted",
        "level": "info",
        "chat": "wecom:direct:a",
        "chars": 3,
    }


def test_on_a_terminal_it_is_pretty_and_coloured(stderr):
    out = stderr(Terminal())
    set_up()
    structlog.get_logger().info("message.accepted", chars=3)
    assert "\x1b[" in out.getvalue()
    assert "message.accepted" in out.getvalue()


def test_either_can_be_asked_for(stderr):
    out = stderr(Terminal())
    set_up(json=True)
    structlog.get_logger().info("a.b")
    assert entries(out)[0]["event"] == "a.b"
    out = stderr(io.StringIO())
    set_up(json=False)
    structlog.get_logger().info("a.b")
    assert not out.getvalue().startswith("{")
    assert "\x1b[" not in out.getvalue()


def test_what_is_below_the_level_is_not_written(stderr):
    out = stderr(io.StringIO())
    set_up(json=True, level="warning")
    structlog.get_logger().info("a.b")
    structlog.get_logger().warning("c.d")
    assert [entry["event"] for entry in entries(out)] == ["c.d"]


def test_libraries_are_heard_from_warnings_on_in_the_same_shape(stderr):
    out = stderr(io.StringIO())
    set_up(json=True, level="debug", secrets=[SECRET])
    logging.getLogger("httpx").info("HTTP Request: GET https://x/?access_token=abc")
    logging.getLogger("aiohttp.server").warning("odd %s", SECRET)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)  # catch_warnings has put the usual way back
        warnings.warn("old habit", stacklevel=1)
    odd, habit = entries(out)
    assert (odd["event"], odd["level"], odd["logger"]) == ("odd ***", "warning", "aiohttp.server")
    assert "old habit" in habit["event"]


def test_an_exception_is_told_without_the_values_around_it(stderr):
    out = stderr(io.StringIO())
    set_up(json=True)
    text = "what a person wrote"
    try:
        int(str(len(text)) + ".")
    except ValueError:
        structlog.get_logger().exception("job.failed", job="x")
    (entry,) = entries(out)
    assert "ValueError" in entry["exception"]
    assert text not in entry["exception"]


@pytest.mark.parametrize("json", [True, False])
def test_no_secret_passes_wherever_it_stands(stderr, json):
    out = stderr(io.StringIO())
    mask = set_up(json=json, secrets=[SECRET])
    mask.hide("made-later", "", "abc")
    log = structlog.get_logger()
    log.info(
        "a.b",
        plain=f"x {SECRET} y",
        quoted="?t=hunter2%2Fhunter2",
        deep={"a": [SECRET, (SECRET.encode(), {"made-later"})], 1: None},
        error=ValueError(SECRET),
        short="abc stays",
    )
    log.error("job.failed", exc_info=RuntimeError(SECRET))
    assert "hunter2" not in out.getvalue()
    assert "made-later" not in out.getvalue()
    assert "abc stays" in out.getvalue()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://x/?access_token=abcdef&a=1", "https://x/?access_token=***&a=1"),
        ("token=abcdef", "token=***"),
        ("?msg_signature=abc&timestamp=1", "?msg_signature=***&timestamp=1"),
        ("https://x/response?response_code=abc", "https://x/response?response_code=***"),
        ("https://x/cgi-bin/webhook/send?key=abc'", "https://x/cgi-bin/webhook/send?key=***'"),
        ("/t/31/abcdef/raw/x.html", "/t/31/***/raw/x.html"),
        ("Basic b3BlbmNvZGU6eA==", "Basic ***"),
        ("authorization: bearer abc.def-123", "authorization: bearer ***"),
        ("basic english", "basic ***"),
        ("a monkey=5, tokens: 7", "a monkey=5, tokens: 7"),
    ],
)
def test_what_looks_like_a_secret_of_a_url_is_hidden(stderr, written, shown):
    out = stderr(io.StringIO())
    set_up(json=True)
    structlog.get_logger().info("a.b", text=written)
    assert entries(out)[0]["text"] == shown


def test_nothing_that_is_logged_can_make_the_log_fail(stderr):
    out = stderr(io.StringIO())
    set_up(json=True)
    structlog.get_logger().info(
        "a.b", name="half \udc80 name", many=2**80, path=io, ratio=0.5, flag=True, none=None
    )
    (entry,) = entries(out)
    assert entry["name"] == "half \\udc80 name"
    assert (entry["many"], entry["ratio"], entry["flag"], entry["none"]) == (
        str(2**80),
        0.5,
        True,
        None,
    )


def test_a_log_that_cannot_be_written_does_not_stop_the_work(stderr):
    stderr(FullDisk())
    set_up(json=True)
    structlog.get_logger().info("a.b")
    closed = stderr(io.StringIO())
    set_up(json=True)
    closed.close()
    structlog.get_logger().info("a.b")
