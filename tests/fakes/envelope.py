"""WeCom's side of the sealed shell, written on `cryptography` and on none of our own code."""

import base64
import hashlib
import json
import os
import struct
import time
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


class Sealer:
    """Seals callbacks as WeCom does, and opens the answers to them."""

    def __init__(self, token=TOKEN, aes_key=AES_KEY, receive_id=""):
        self.token, self.receive_id = token, receive_id.encode()
        key = base64.b64decode(aes_key + "=")
        self.cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))

    def encrypt(self, plaintext):
        """Base64 of the whole block, random filler in front."""
        head = os.urandom(16) + struct.pack(">I", len(plaintext))
        return self.encrypt_raw(head + plaintext + self.receive_id)

    def encrypt_raw(self, block):
        """Base64 of any block: what is signed need not make sense."""
        pad = PKCS7(256).padder()
        padded = pad.update(block) + pad.finalize()
        return self.encrypt_blocks(padded)

    def encrypt_blocks(self, padded):
        """Base64 of blocks whose padding is the caller's business."""
        encryptor = self.cipher.encryptor()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def decrypt(self, encrypted):
        """The message inside."""
        decryptor = self.cipher.decryptor()
        block = decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()
        unpad = PKCS7(256).unpadder()
        block = unpad.update(block) + unpad.finalize()
        (size,) = struct.unpack(">I", block[16:20])
        assert block[20 + size :] == self.receive_id
        return block[20 : 20 + size]

    def sign(self, timestamp, nonce, encrypted):
        """SHA-1 of the four strings in their order as strings."""
        return hashlib.sha1(
            "".join(sorted([self.token, timestamp, nonce, encrypted])).encode()
        ).hexdigest()

    def query(self, encrypted, *, timestamp=None, nonce="1372623149", **more):
        """The query string of a request that carries ``encrypted``."""
        timestamp = str(int(time.time())) if timestamp is None else str(timestamp)
        signature = self.sign(timestamp, nonce, encrypted)
        return urlencode(
            {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce} | more
        )

    def open_answer(self, body, nonce="1372623149"):
        """The JSON inside an answer, whose signature and nonce must be right."""
        shell = json.loads(body)
        assert set(shell) == {"encrypt", "msgsignature", "timestamp", "nonce"}
        assert shell["nonce"] == nonce
        assert isinstance(shell["timestamp"], int)
        expected = self.sign(str(shell["timestamp"]), nonce, shell["encrypt"])
        assert shell["msgsignature"] == expected
        return json.loads(self.decrypt(shell["encrypt"]))
