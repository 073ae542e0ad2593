"""The encryption of media: AES-256-CBC, padded to 32 bytes, with nothing around the content.

https://developer.work.weixin.qq.com/document/path/100719
"""

import re
from urllib.parse import unquote

import pybase64
from Crypto.Cipher import AES

from bot.errors import MediaError

BLOCK = 32  # WeCom pads to 32, AES itself works on 16
KEY_BYTES = 32
HEX = re.compile(r"[0-9a-fA-F]{64}")
SEALED = "sealed"  # the cause of a failure: a content that the key does not open


def key_of(written: str) -> bytes:
    """Return a key, written as 43 or 44 characters of base64, percent-encoded, or as 64 of hex.

    Raises MediaError for anything else.
    """
    written = unquote(written).strip()
    if HEX.fullmatch(written):
        return bytes.fromhex(written)
    standard = written.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = pybase64.b64decode(standard + "=", validate=True)
    except ValueError as exc:
        raise MediaError(SEALED) from exc
    if len(key) != KEY_BYTES:
        raise MediaError(SEALED)
    return key


class Unsealing:
    """Decrypts one medium piece by piece. Its last block is kept back: it tells what is padding."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AES.new(key, AES.MODE_CBC, key[:16])
        self._left = b""

    def add(self, piece: bytes) -> bytes:
        """Take ciphertext; return the plaintext that is certain by now."""
        self._left += piece
        ready = max(0, (len(self._left) - 1) // BLOCK) * BLOCK
        sealed, self._left = self._left[:ready], self._left[ready:]
        return self._cipher.decrypt(sealed)

    def end(self) -> bytes:
        """Return the rest. Raises MediaError when this was not sealed with the key, or is not whole."""
        if len(self._left) != BLOCK:
            raise MediaError(SEALED)
        last = self._cipher.decrypt(self._left)
        pad = last[-1]
        if not 1 <= pad <= BLOCK or last[-pad:] != bytes([pad]) * pad:
            raise MediaError(SEALED)
        return last[:-pad]
