"""WeCom's part of a callback's verification: seal an echo, ask a URL, see whether it came back.

https://developer.work.weixin.qq.com/document/path/101033
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from Crypto.Cipher import AES

from bot.clock import Clock, now_ms

PATH = "/wecom/bot"
APP_PATH = "/wecom/app"
BLOCK = 32
RANDOM_BYTES = 16
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Held:
    """What a callback holds. ``receiver``: the corp's id for an application, empty for the bot."""

    path: str
    token: str
    aes_key: str
    receiver: str = ""


def sealed_echo(held: Held, echo: bytes, clock: Clock = now_ms) -> Mapping[str, str]:
    """Return the query by which WeCom asks a URL to prove that it holds the key."""
    key = base64.b64decode(held.aes_key + "=")
    length = len(echo).to_bytes(LENGTH_BYTES, "big")
    whole = secrets.token_bytes(RANDOM_BYTES) + length + echo + held.receiver.encode()
    pad = BLOCK - len(whole) % BLOCK
    cipher = AES.new(key, AES.MODE_CBC, key[:16])
    encrypted = base64.b64encode(cipher.encrypt(whole + bytes([pad]) * pad)).decode()
    timestamp, nonce = str(clock() // 1000), secrets.token_hex(8)
    joined = "".join(sorted((held.token, timestamp, nonce, encrypted)))
    # The protocol asks for SHA-1; the key is the Token inside.
    signature = hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()
    return {
        "msg_signature": signature,
        "timestamp": timestamp,
        "nonce": nonce,
        "echostr": encrypted,
    }


async def verified(http: httpx.AsyncClient, url: str, held: Held) -> tuple[bool, httpx.Response]:
    """Ask a URL as WeCom does; tell whether it holds the key, and how it answered."""
    echo = secrets.token_hex(16).encode()
    answer = await http.get(f"{url}{held.path}", params=sealed_echo(held, echo))
    return answer.content == echo, answer
