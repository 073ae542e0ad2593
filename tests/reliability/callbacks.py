"""Callbacks as WeCom seals them, for tests that then spoil them."""

import asyncio
import json
from dataclasses import dataclass
from urllib.parse import urlencode

from bot.clock import now_ms
from bot.sandbox.cipher import Cipher
from bot.sandbox.payloads import Origin, text
from tests.wecom_fixtures import AES_KEY, BOT_ID, TOKEN

ORIGIN = Origin(BOT_ID, "zhangsan", None)
PATH = "/wecom/bot"


@dataclass
class Clock:
    """The right time, and whatever a test adds to it."""

    ahead_ms: int = 0

    def __call__(self):
        return now_ms() + self.ahead_ms


def message(words, msgid="m1"):
    """Return what WeCom would send for a text."""
    return json.dumps(ORIGIN.message(msgid, text(words), response_url="")).encode()


def sealed(plain, *, at=None, receive_id=b"", cipher=None):
    """Seal a callback; returns its query and its body."""
    cipher = cipher or Cipher(TOKEN, AES_KEY)
    shell = cipher.seal(plain, timestamp=at or now_ms() // 1000, nonce="n", receive_id=receive_id)
    return shell.query, shell.body


def stream_of(answer):
    """Return the stream in an answer of the service."""
    assert answer.status == 200
    plain = Cipher(TOKEN, AES_KEY)._open(json.loads(answer.body)["encrypt"])
    return json.loads(plain)["stream"]


def post(query, body, *, path=PATH):
    """Return the bytes of one callback; ``query`` may be text, as no client would write it."""
    query = query if isinstance(query, str) else urlencode(query)
    head = f"POST {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


async def exchange(url, request):
    """Send bytes to the service and return all that comes back."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def undated(answer):
    """Leave out of an answer what tells the time and no more."""
    lines = answer.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"date:"))
