"""The sealed shell of a callback: verify, open, seal.

https://developer.work.weixin.qq.com/document/path/101033
"""

import hashlib
import hmac
import secrets

import orjson
import pybase64
from Crypto.Cipher import AES

from bot.errors import BadEnvelope

BLOCK = 32  # WeCom pads to 32, AES itself works on 16
RANDOM_BYTES = 16
LENGTH_BYTES = 4
HEAD_BYTES = RANDOM_BYTES + LENGTH_BYTES
PADDING = tuple(bytes([size]) * size for size in range(BLOCK + 1))
KEY_CHARS = 43
TIMESTAMP_DIGITS = 15


class Envelope:
    """Opens what WeCom sealed with the callback's Token and EncodingAESKey, and seals answers.

    Used from one thread only: both ciphers live as long as this object. Chaining
    them from one message to the next changes nothing but the first block, and the
    first block is random filler on both sides.
    """

    def __init__(self, token: str, aes_key: str, receive_id: str = "") -> None:
        if len(aes_key) != KEY_CHARS:
            raise ValueError(f"an EncodingAESKey has {KEY_CHARS} characters, not {len(aes_key)}")
        key = pybase64.b64decode(aes_key + "=", validate=True)
        self._token = token.encode()
        self._receive_id = receive_id.encode()
        self._reader = AES.new(key, AES.MODE_CBC, key[:16])
        self._writer = AES.new(key, AES.MODE_CBC, key[:16])

    def open(self, signature: bytes, timestamp: bytes, nonce: bytes, encrypted: bytes) -> bytes:
        """Return the plaintext. Nothing is decrypted before the signature holds.

        Raises BadEnvelope for everything that is not WeCom's, or not whole.
        """
        if not (timestamp.isdigit() and len(timestamp) <= TIMESTAMP_DIGITS):
            raise BadEnvelope("timestamp")
        if not hmac.compare_digest(signature, self.sign(timestamp, nonce, encrypted)):
            raise BadEnvelope("signature")
        return self._unwrap(self._decrypt(encrypted))

    def seal(self, plaintext: bytes, timestamp: bytes, nonce: bytes) -> bytes:
        """Return the JSON body of an answer; ``nonce`` is that of the request."""
        return self.resign(self.encrypt(plaintext), timestamp, nonce)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return the ciphertext as base64, to be signed by ``resign`` as often as it is sent."""
        size = HEAD_BYTES + len(plaintext) + len(self._receive_id)
        whole = b"".join(
            (
                secrets.token_bytes(RANDOM_BYTES),
                len(plaintext).to_bytes(LENGTH_BYTES, "big"),
                plaintext,
                self._receive_id,
                PADDING[BLOCK - size % BLOCK],
            )
        )
        return pybase64.b64encode(self._writer.encrypt(whole))

    def resign(self, encrypted: bytes, timestamp: bytes, nonce: bytes) -> bytes:
        """Return the JSON body around a ciphertext that was made before."""
        return b"".join(
            (
                b'{"encrypt":"',
                encrypted,
                b'","msgsignature":"',
                self.sign(timestamp, nonce, encrypted),
                b'","timestamp":',
                timestamp,
                b',"nonce":',
                orjson.dumps(nonce.decode("ascii", "replace")),
                b"}",
            )
        )

    def sign(self, timestamp: bytes, nonce: bytes, encrypted: bytes) -> bytes:
        """Return the signature, 40 hex digits. The four are sorted as bytes, not as numbers."""
        joined = b"".join(sorted((self._token, timestamp, nonce, encrypted)))
        # The protocol asks for SHA-1; the key is the Token inside.
        return hashlib.sha1(joined, usedforsecurity=False).hexdigest().encode()

    def _decrypt(self, encrypted: bytes) -> bytes:
        try:
            sealed = pybase64.b64decode(encrypted, validate=True)
        except ValueError as exc:
            raise BadEnvelope("base64") from exc
        if not sealed or len(sealed) % BLOCK:
            raise BadEnvelope("size")
        return self._reader.decrypt(sealed)

    def _unwrap(self, whole: bytes) -> bytes:
        pad = whole[-1]
        if not 1 <= pad <= BLOCK or not whole.endswith(PADDING[pad]):
            raise BadEnvelope("padding")
        end = len(whole) - pad
        start = HEAD_BYTES + int.from_bytes(whole[RANDOM_BYTES:HEAD_BYTES], "big")
        if not HEAD_BYTES <= start <= end:
            raise BadEnvelope("length")
        if whole[start:end] != self._receive_id:
            raise BadEnvelope("receiver")
        return whole[HEAD_BYTES:start]
