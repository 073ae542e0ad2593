"""The sealed shell, held against the vendor's samples, wechatpy and a second implementation."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import PrpCrypto
from wechatpy.enterprise.crypto import WeChatCrypto

from bot.errors import BadEnvelope
from handlers.wecom.envelope import Envelope
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer

VECTORS = json.loads(
    (Path(__file__).parent / "data" / "wecom_vectors.json").read_text(encoding="utf-8")
)["messages"]
WECOM = Sealer()
NOW = "1700000000"
NONCE = "1372623149"


def our_envelope(receive_id=""):
    return Envelope(TOKEN, AES_KEY, receive_id)


def opened(encrypted, envelope=None, *, nonce=NONCE, timestamp=NOW):
    signature = WECOM.sign(timestamp, nonce, encrypted)
    envelope = envelope or our_envelope()
    return envelope.open(signature.encode(), timestamp.encode(), nonce.encode(), encrypted.encode())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_published_samples_open(vector):
    envelope = Envelope(vector["token"], vector["encoding_aes_key"], vector["receive_id"])
    plaintext = envelope.open(
        vector["msg_signature"].encode(),
        vector["timestamp"].encode(),
        vector["nonce"].encode(),
        vector["encrypt"].encode(),
    )
    assert plaintext.decode() == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_what_we_seal_again_opens_with_wechatpy(vector):
    envelope = Envelope(vector["token"], vector["encoding_aes_key"], vector["receive_id"])
    timestamp, nonce = vector["timestamp"], vector["nonce"]
    shell = json.loads(
        envelope.seal(vector["plaintext"].encode(), timestamp.encode(), nonce.encode())
    )
    oracle = WeChatCrypto(vector["token"], vector["encoding_aes_key"], vector["receive_id"])
    message = {"Encrypt": shell["encrypt"]}
    assert (
        oracle.decrypt_message(message, shell["msgsignature"], timestamp, nonce)
        == (vector["plaintext"])
    )


def test_what_wechatpy_seals_opens():
    key = base64.b64decode(AES_KEY + "=")
    assert opened(PrpCrypto(key).encrypt("你好", "").decode()).decode() == "你好"


@given(st.binary(max_size=3000))
def test_anything_survives_the_way_there_and_back(plaintext):
    assert opened(WECOM.encrypt(plaintext)) == plaintext
    assert WECOM.decrypt(our_envelope().encrypt(plaintext).decode()) == plaintext


def test_one_envelope_opens_and_seals_message_after_message():
    envelope = our_envelope()
    for text in (b"first", b"second, longer than a block of thirty-two bytes", b""):
        assert opened(WECOM.encrypt(text), envelope) == text
        assert WECOM.decrypt(envelope.encrypt(text).decode()) == text


def test_a_sealed_answer_never_looks_the_same_twice():
    envelope = our_envelope()
    assert envelope.encrypt(b"same") != envelope.encrypt(b"same")


def test_a_kept_ciphertext_can_be_signed_for_another_request():
    envelope = our_envelope()
    encrypted = envelope.encrypt(b'{"kept": true}')
    for nonce in ("111", "222"):
        body = envelope.resign(encrypted, NOW.encode(), nonce.encode())
        assert WECOM.open_answer(body, nonce) == {"kept": True}


def test_a_nonce_with_quotes_still_makes_json():
    body = our_envelope().seal(b"{}", NOW.encode(), b'a"\\b')
    assert WECOM.open_answer(body, 'a"\\b') == {}


@pytest.mark.parametrize("receive_id", ["", "wx5823bf96d3bd56c7"])
def test_x1_an_envelope_for_somebody_else_is_refused(receive_id):
    other = Sealer(receive_id="somebody").encrypt(b"hello")
    with pytest.raises(BadEnvelope, match="receiver"):
        opened(other, our_envelope(receive_id))


@given(st.binary(max_size=200))
def test_x1_signed_rubbish_is_a_bad_envelope_and_nothing_else(rubbish):
    with pytest.raises(BadEnvelope):
        opened(base64.b64encode(rubbish).decode() + "====")
    if len(rubbish) % 32:
        with pytest.raises(BadEnvelope):
            opened(base64.b64encode(rubbish).decode())


@given(st.binary(min_size=32, max_size=32 * 6).map(lambda raw: raw[: len(raw) // 32 * 32]))
def test_x1_signed_random_blocks_open_or_are_refused(blocks):
    try:
        opened(base64.b64encode(blocks).decode())
    except BadEnvelope:
        return


@given(st.binary(max_size=100))
def test_x1_a_signed_block_without_sense_is_refused(block):
    head = b"r" * 16 + (2**31).to_bytes(4, "big")
    with pytest.raises(BadEnvelope, match="length"):
        opened(WECOM.encrypt_raw(head + block))


@pytest.mark.parametrize(
    ("padded", "reason"),
    [
        (b"x" * 31 + b"\x00", "padding"),
        (b"x" * 31 + b"\x21", "padding"),
        (b"x" * 30 + b"\x01\x02", "padding"),
        (b"\x20" * 32, "length"),
        (b"x" * 16 + b"\xff\xff\xff\xff" + b"\x0c" * 12, "length"),
        (b"x" * 16 + b"\x00\x00\x00\x01" + b"\x0c" * 12, "length"),
    ],
)
def test_x1_bad_padding_and_bad_lengths_are_refused(padded, reason):
    with pytest.raises(BadEnvelope, match=reason):
        opened(WECOM.encrypt_blocks(padded))


@pytest.mark.parametrize("sealed", ["", "????", "YQ==", "Y Q==", "YWJjZA", "你好"])
def test_x1_what_is_no_ciphertext_is_refused(sealed):
    with pytest.raises(BadEnvelope, match=r"base64|size"):
        opened(sealed)


def test_x1_nothing_is_decrypted_before_the_signature_holds():
    class Tripwire:
        def decrypt(self, sealed):
            raise AssertionError("decrypted without a signature")

    envelope = our_envelope()
    envelope._reader = Tripwire()
    encrypted = WECOM.encrypt(b"hello").encode()
    for signature in (b"", b"0" * 40, b"\xff\xfe", WECOM.sign(NOW, "other", "x").encode()):
        with pytest.raises(BadEnvelope, match="signature"):
            envelope.open(signature, NOW.encode(), NONCE.encode(), encrypted)


@pytest.mark.parametrize("timestamp", ["", "12a", "-5", "1" * 16, "٣"])
def test_x1_a_timestamp_that_is_no_number_is_refused(timestamp):
    with pytest.raises(BadEnvelope, match="timestamp"):
        opened(WECOM.encrypt(b"hello"), timestamp=timestamp)


@pytest.mark.parametrize("key", ["", "short", "a" * 44, "?" * 43])
def test_a_key_that_is_none_is_an_error_at_once(key):
    with pytest.raises(ValueError, match=r"43 characters|base64"):
        Envelope(TOKEN, key)
