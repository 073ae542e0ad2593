"""Signed links into the viewer: good for whoever holds them, until they expire."""

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from bot.clock import Clock
from bot.errors import StartError

KEY_BYTES = 32
EXPIRY_BYTES = 5
MAC_BYTES = 19  # 152 bits; with the expiry 24 bytes, which base64 writes without padding
TOKEN_CHARS = 32
# The expiry is rounded up to a step, so that a turn's link stays the same for a while.
STEP_S = 3600
STEPS = 24

Verdict = Literal["good", "expired", "forged"]


class Links:
    """Makes and checks links. Without a ``public_url`` there are tokens, but no addresses."""

    def __init__(self, key: bytes, public_url: str | None, ttl_s: float, clock: Clock) -> None:
        self._key = key
        self._public_url = public_url.rstrip("/") if public_url else None
        self._ttl_s = max(1, int(ttl_s))
        self._clock = clock

    @property
    def public_url(self) -> str | None:
        """Where the service is reached from outside, without a slash at the end."""
        return self._public_url

    def page(self, turn: int) -> str | None:
        """Return the address of a turn's page."""
        return self._public_url and f"{self._public_url}/t/{turn}/{self.token(turn)}/"

    def raw(self, turn: int, path: str) -> str | None:
        """Return the address of one file as the turn left it."""
        page = self.page(turn)
        return page and f"{page}raw/{quote(path)}"

    def token(self, turn: int) -> str:
        """Return what opens a turn's page from now on for the time that links live."""
        step = max(1, min(STEP_S, self._ttl_s // STEPS))
        ends_at = self._clock() // 1000 + self._ttl_s
        expiry = (-(-ends_at // step) * step).to_bytes(EXPIRY_BYTES, "big")
        return base64.urlsafe_b64encode(expiry + self._mac(turn, expiry)).decode()

    def check(self, turn: int, token: str) -> Verdict:
        """Tell what a token is worth for a turn. The comparison takes the same time for any."""
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return "forged"
        expiry, mac = sealed[:EXPIRY_BYTES], sealed[EXPIRY_BYTES:]
        if len(token) != TOKEN_CHARS or not hmac.compare_digest(mac, self._mac(turn, expiry)):
            return "forged"
        return "good" if int.from_bytes(expiry, "big") * 1000 > self._clock() else "expired"

    def _mac(self, turn: int, expiry: bytes) -> bytes:
        message = b"link\0%d\0" % turn + expiry
        return hmac.digest(self._key, message, hashlib.sha256)[:MAC_BYTES]


def load_key(path: Path) -> bytes:
    """Return the key that signs links, made at the first start; only its owner may read it."""
    make_once(path, secrets.token_bytes(KEY_BYTES))
    path.chmod(0o600)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise StartError(
            f"{path} holds {len(key)} bytes instead of {KEY_BYTES}. Remove it: a new key is made"
            " at the next start, and links sent before then no longer open."
        )
    return key


def make_once(path: Path, secret: bytes) -> None:
    """Write a file for us alone, whole or not at all, unless there is one already."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another start was first
            os.link(draft, path)
    finally:
        draft.unlink()
