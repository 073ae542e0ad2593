"""Asking over HTTP: a client for a place, and what a clock's answer is worth."""

import contextlib
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import httpx

from bot.clock import now_ms
from bot.doctor.machine import local_port
from bot.errors import system_words
from bot.tls import trusted

ANSWER_S = 5.0
HEADERS = {"User-Agent": "opencode-wecom doctor"}
UNTRUSTED = "certificate is not to be trusted"
VERIFY_FAILED = re.compile(r"certificate verify failed: (.*?)\.?(?: \(_ssl|$)")  # OpenSSL's words
NUMBER = re.compile(r"^\[Errno -?\d+\] ")
FAILED = "the connection came to nothing"
FAILURES = (httpx.HTTPError, httpx.InvalidURL)


@contextlib.asynccontextmanager
async def asking(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for one place; what is on this machine is not asked by a proxy.

    Raises ``httpx.ProxyError`` when the environment names a proxy that cannot be used.
    """
    by_proxy = local_port(url) is None
    try:
        client = httpx.AsyncClient(
            timeout=ANSWER_S,
            headers=HEADERS,
            trust_env=by_proxy,
            verify=httpx.create_ssl_context(),  # SSL_CERT_FILE counts on this machine, too
        )
    except (ValueError, ImportError):  # their words hold the proxy's address, and its log-in
        raise httpx.ProxyError("the environment names a proxy of a kind not known here") from None
    async with client as http:
        yield http


@contextlib.asynccontextmanager
async def asking_directly() -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that goes by no proxy, as the service goes to WeCom."""
    async with httpx.AsyncClient(
        timeout=ANSWER_S, headers=HEADERS, trust_env=False, verify=trusted()
    ) as http:
        yield http


def why(exc: Exception) -> str:
    """Say in a few words why there was no answer; never with an address, which may hold a token."""
    cause: BaseException = exc
    while cause.__cause__ is not None:
        cause = cause.__cause__
    words = NUMBER.sub("", str(cause))
    if isinstance(exc, httpx.TimeoutException | TimeoutError):
        return "no answer in time"
    if isinstance(cause, ConnectionError) and cause.errno:
        return system_words(cause)
    if seen := VERIFY_FAILED.search(words):
        return f"its {UNTRUSTED}: {seen[1]}"
    return words if 0 < len(words) <= 120 and "://" not in words else FAILED  # noqa: PLR2004 - one line


def skew_s(answer: httpx.Response) -> float | None:
    """Return by how much this machine's clock is ahead of the one that answered."""
    with contextlib.suppress(ValueError):
        told = parsedate_to_datetime(answer.headers.get("Date", ""))
        return now_ms() / 1000 - told.timestamp()
    return None
