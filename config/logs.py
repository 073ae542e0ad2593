"""How the service logs: events with facts, pretty on a terminal, one JSON object a line elsewhere."""

import contextlib
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import TextIO
from urllib.parse import quote

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "***"
SHORTEST_SECRET = 4
LARGEST_INTEGER = 2**63 - 1
IN_URLS = re.compile(
    r"(?i)\b((?:\w*token|\w*secret|\w*signature|password|key|response_code)=)[^&\s\"'<>]+"
)
IN_LINKS = re.compile(r"(/t/\d+/)[^/\s\"'<>]+")
IN_HEADERS = re.compile(r"(?i)\b(basic|bearer) [A-Za-z0-9+/=._~-]{6,}")


class Mask:
    """Takes secrets out of log entries: the last guard, for what should not have got there."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def hide(self, *secrets: str) -> None:
        """From now on, never let these words pass."""
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                self._secrets |= {secret, quote(secret, safe="")}

    def clean(self, text: str) -> str:
        """Return a text without secrets."""
        return self._clean_text(text)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Return the entry without secrets, and with nothing in it that JSON cannot say."""
        return {name: self._clean(value) for name, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self._clean_text(value)
        if isinstance(value, dict):
            return {str(name): self._clean(held) for name, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(held) for held in value]
        if value is None or isinstance(value, float) or _is_small(value):
            return value
        return self._clean_text(repr(value))

    def _clean_text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if not text.isascii():  # a file's name may hold what is no UTF-8
            text = text.encode(errors="backslashreplace").decode()
        text = IN_URLS.sub(rf"\g<1>{HIDDEN}", text)
        text = IN_LINKS.sub(rf"\g<1>{HIDDEN}", text)
        return IN_HEADERS.sub(rf"\g<1> {HIDDEN}", text)


class Sink:
    """Writes lines to a stream. A log that cannot be written must not stop the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line; it is lost if the disk is full or the reader is gone."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = err = exception = critical = fatal = msg


def set_up(*, json: bool | None = None, level: str = "info", secrets: Iterable[str] = ()) -> Mask:
    """Send every log of the process, ours and the libraries', to stderr.

    ``json`` None: pretty if stderr is a terminal. Libraries are heard from warnings on.
    Returns the mask, so that secrets made later can be hidden as well.
    """
    mask = Mask()
    mask.hide(*secrets)
    stream = sys.stderr
    pretty = stream.isatty() if json is None else not json
    shared = _shared(mask)
    renderer = _renderer(pretty=pretty, colors=stream.isatty())
    sink = Sink(stream)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,  # a logger that a module holds must follow a new set-up
    )
    _adopt_libraries(stream, [*shared, renderer])
    return mask


def _shared(mask: Mask) -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # without local variables: they hold what people wrote
        mask,
    ]


def _renderer(*, pretty: bool, colors: bool) -> Processor:
    if pretty:
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
    return structlog.processors.JSONRenderer(serializer=_as_json)


def _is_small(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= LARGEST_INTEGER


def _as_json(event: MutableMapping[str, object], **_options: object) -> str:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()


def _adopt_libraries(stream: TextIO, processors: list[Processor]) -> None:
    """Let what aiohttp, httpx, asyncio and warnings say look like our own entries."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *processors,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
