"""How the stand-in seals a callback and reads an answer: WeCom's side of the envelope.

Written on the ``cryptography`` package and apart from the service's own envelope, so that one
proves the other. https://developer.work.weixin.qq.com/document/path/90968
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

PAD_BITS = 256
RANDOM_BYTES = 16
LENGTH_BYTES = 4
KEY_BYTES = 32
REPLY_SKEW_S = 600


class Refused(Exception):
    """Something that WeCom would refuse; ``code`` names the rule that was broken."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed text and what its URL says about it."""

    encrypt: str
    signature: str
    timestamp: str
    nonce: str

    @property
    def query(self) -> dict[str, str]:
        """The part of a callback's URL that proves it is WeCom's."""
        return {
            "msg_signature": self.signature,
            "timestamp": self.timestamp,
            "nonce": self.nonce,
        }

    @property
    def body(self) -> bytes:
        """The body of a callback."""
        return json.dumps({"encrypt": self.encrypt}).encode()


class Cipher:
    """WeCom's end of one bot's token and EncodingAESKey. The receive id is empty, as for any bot."""

    def __init__(self, token: str, aes_key: str) -> None:
        key = base64.b64decode(aes_key + "=", validate=True)
        if len(key) != KEY_BYTES:
            raise ValueError("an EncodingAESKey has 43 characters")
        self._token = token
        self._aes = BlockCipher(algorithms.AES(key), modes.CBC(key[:16]))

    def sign(self, encrypt: str, timestamp: str, nonce: str) -> str:
        """Return the signature of a sealed text."""
        parts = sorted(part.encode() for part in (self._token, timestamp, nonce, encrypt))
        # SHA-1 is what WeCom signs with; nothing rests on it resisting collisions here.
        return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()

    def seal(self, plain: bytes, *, timestamp: int, nonce: str, receive_id: bytes = b"") -> Sealed:
        """Seal a callback."""
        message = os.urandom(RANDOM_BYTES) + struct.pack(">I", len(plain)) + plain + receive_id
        encrypt = base64.b64encode(self.encrypt(message)).decode()
        return Sealed(encrypt, self.sign(encrypt, str(timestamp), nonce), str(timestamp), nonce)

    def encrypt(self, plain: bytes) -> bytes:
        """Pad and encrypt: the whole of a medium's protection, the inner half of a message's."""
        pad = PKCS7(PAD_BITS).padder()
        encryptor = self._aes.encryptor()
        return encryptor.update(pad.update(plain) + pad.finalize()) + encryptor.finalize()

    def decrypt(self, sealed: bytes) -> bytes:
        """Decrypt and remove the padding; ``Refused`` when it is not whole."""
        decryptor = self._aes.decryptor()
        unpad = PKCS7(PAD_BITS).unpadder()
        try:
            padded = decryptor.update(sealed) + decryptor.finalize()
            return unpad.update(padded) + unpad.finalize()
        except ValueError as exc:
            raise Refused("reply_padding", str(exc)) from exc

    def open_reply(self, body: bytes, *, nonce: str, now_s: int) -> bytes:
        """Return the plain text of the service's answer to the callback with ``nonce``."""
        reply = json_object(body, "reply_not_json")
        encrypt, timestamp = _text(reply, "encrypt"), _timestamp(reply, now_s)
        if not hmac.compare_digest(_text(reply, "nonce").encode(), nonce.encode()):
            raise Refused("reply_nonce", "the answer must carry the nonce of the callback")
        signature = self.sign(encrypt, timestamp, nonce)
        if not hmac.compare_digest(_text(reply, "msgsignature").encode(), signature.encode()):
            raise Refused("reply_signature")
        return self._open(encrypt)

    def open_xml_reply(self, reply: Mapping[str, str], *, now_s: int, receive_id: bytes) -> bytes:
        """Return the plain text of an application's answer: its elements, sealed with its own nonce."""
        encrypt, nonce = _text(reply, "Encrypt"), _text(reply, "Nonce")
        timestamp = _timestamp({"timestamp": reply.get("TimeStamp")}, now_s)
        signature = self.sign(encrypt, timestamp, nonce)
        if not hmac.compare_digest(_text(reply, "MsgSignature").encode(), signature.encode()):
            raise Refused("reply_signature")
        return self._open(encrypt, receive_id)

    def _open(self, encrypt: str, receiver: bytes = b"") -> bytes:
        try:
            sealed = base64.b64decode(encrypt, validate=True)
        except binascii.Error as exc:
            raise Refused("reply_base64", str(exc)) from exc
        message = self.decrypt(sealed)[RANDOM_BYTES:]
        if len(message) < LENGTH_BYTES:
            raise Refused("reply_length", "no room for a length")
        length = struct.unpack(">I", message[:LENGTH_BYTES])[0]
        plain, receive_id = message[LENGTH_BYTES:][:length], message[LENGTH_BYTES + length :]
        if len(plain) != length:
            raise Refused("reply_length", f"{length} bytes announced, {len(plain)} there")
        if receive_id != receiver:
            raise Refused("reply_receive_id", "empty for a bot, the corp's id for an application")
        return plain


def json_object(body: bytes, code: str) -> dict[str, object]:
    """Read a JSON object strictly, or refuse by ``code``."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Refused(code, type(exc).__name__) from exc
    if not isinstance(value, dict):
        raise Refused(code, "not an object")
    return value


def _text(reply: Mapping[str, object], key: str) -> str:
    value = reply.get(key)
    if not isinstance(value, str) or not value.isascii():
        raise Refused("reply_shape", f"{key} must be an ASCII string")
    return value


def _timestamp(reply: Mapping[str, object], now_s: int) -> str:
    """WeCom's page says a number; its own plugin sends the digits as a string, and it works."""
    value = reply.get("timestamp")
    digits = str(value) if isinstance(value, int | str) else ""
    if not re.fullmatch(r"[0-9]{1,12}", digits):
        raise Refused("reply_timestamp", "must be seconds as a number")
    if abs(int(digits) - now_s) > REPLY_SKEW_S:
        raise Refused("reply_timestamp", "too far from now")
    return digits
