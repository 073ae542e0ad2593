import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto

from bot.sandbox.cipher import Cipher, Refused
from tests.fakes.responder import Responder
from tests.wecom_fixtures import AES_KEY, TOKEN

CIPHER = Cipher(TOKEN, AES_KEY)
WECHATPY = WeChatCrypto(TOKEN, AES_KEY, "")
NOW_S = 1_700_000_000
NONCE = "1372623149"


def seal_reply(message, *, pad=None):
    """Seal bytes as a reply whose inner message (random, length, text, receive id) a test chose."""
    room = 32 - len(message) % 32
    padded = message + (bytes([room]) * room if pad is None else pad)
    encrypt = base64.b64encode(PrpCrypto(WECHATPY.key).cipher.encrypt(padded)).decode()
    return reply(encrypt)


def reply(encrypt, **more):
    return {
        "encrypt": encrypt,
        "msgsignature": CIPHER.sign(encrypt, str(NOW_S), NONCE),
        "timestamp": NOW_S,
        "nonce": NONCE,
    } | more


def refusal_of(answer):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with pytest.raises(Refused) as refused:
        CIPHER.open_reply(body, nonce=NONCE, now_s=NOW_S)
    return refused.value.code


def inner(text, *, length=None, receive_id=b""):
    size = len(text) if length is None else length
    return b"0123456789abcdef" + size.to_bytes(4, "big") + text + receive_id


def good():
    return seal_reply(inner(b"{}"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_wechatpy_opens_what_is_sealed(text):
    sealed = CIPHER.seal(text.encode(), timestamp=NOW_S, nonce=NONCE)
    query = (sealed.signature, sealed.timestamp, sealed.nonce)
    assert WECHATPY.decrypt_message({"Encrypt": sealed.encrypt}, *query) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_what_wechatpy_seals_is_opened(text):
    encrypt = PrpCrypto(WECHATPY.key).encrypt(text, "").decode()
    body = json.dumps(reply(encrypt)).encode()
    assert CIPHER.open_reply(body, nonce=NONCE, now_s=NOW_S) == text.encode()


@pytest.mark.peer
def test_wecoms_own_package_opens_what_is_sealed_and_seals_what_is_opened(peers):
    texts = ["x" * length for length in range(33)] + ["你好，世界 👋", '{"msgtype":"text"}']
    sealed = [CIPHER.seal(text.encode(), timestamp=NOW_S, nonce=NONCE) for text in texts]
    key = {"token": TOKEN, "key": AES_KEY, "timestamp": str(NOW_S), "nonce": NONCE}
    asked = [{"open": key | {"encrypt": each.encrypt}} for each in sealed]
    asked += [{"seal": key | {"text": text}} for text in texts]
    answers = ask_node(peers, asked)
    for text, each, opened in zip(texts, sealed, answers, strict=False):
        assert opened == {"text": text, "id": "", "signature": each.signature}
    for text, theirs in zip(texts, answers[len(texts) :], strict=True):
        body = json.dumps(reply(theirs["encrypt"], msgsignature=theirs["signature"])).encode()
        assert CIPHER.open_reply(body, nonce=NONCE, now_s=NOW_S).decode() == text


def ask_node(peers, requests):
    """Return what ``@wecom/crypto`` answers, one for each request."""
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "peers" / "cipher.mjs")],
        input="\n".join(json.dumps(request) for request in requests),
        env=os.environ | {"PEERS": str(peers)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_seal_differs_each_time_and_its_query_proves_it():
    one, two = (CIPHER.seal(b"hello", timestamp=NOW_S, nonce=NONCE) for _ in range(2))
    assert one.encrypt != two.encrypt
    assert one.query == {
        "msg_signature": CIPHER.sign(one.encrypt, str(NOW_S), NONCE),
        "timestamp": str(NOW_S),
        "nonce": NONCE,
    }
    assert json.loads(one.body) == {"encrypt": one.encrypt}


def test_the_vendors_published_sample_has_the_signature_that_we_compute():
    # The sample program of https://developer.work.weixin.qq.com/document/path/90968.
    echo = (
        "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    )
    assert CIPHER.sign(echo, "1409659589", "263014780") == (
        "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"
    )


def test_a_whole_reply_is_opened_also_with_its_timestamp_as_digits():
    for timestamp in (NOW_S, str(NOW_S)):
        body = json.dumps(good() | {"timestamp": timestamp}).encode()
        assert CIPHER.open_reply(body, nonce=NONCE, now_s=NOW_S) == b"{}"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nonce": "another"}, "reply_nonce"),
        ({"nonce": 1372623149}, "reply_shape"),
        ({"msgsignature": "0" * 40}, "reply_signature"),
        ({"msgsignature": "签名"}, "reply_shape"),
        ({"msgsignature": None}, "reply_shape"),
        ({"encrypt": None}, "reply_shape"),
        ({"timestamp": "soon"}, "reply_timestamp"),
        ({"timestamp": True}, "reply_timestamp"),
        ({"timestamp": None}, "reply_timestamp"),
        ({"timestamp": NOW_S + 601}, "reply_timestamp"),
        ({"timestamp": NOW_S + 1}, "reply_signature"),
    ],
)
def test_a_reply_with_a_wrong_shell_is_refused(change, code):
    assert refusal_of(good() | change) == code


@pytest.mark.parametrize("body", [b"success", b"[]", b"\xff", b'{"encrypt":', b"[" * 100_000])
def test_a_reply_that_is_no_object_is_refused(body):
    assert refusal_of(body) == "reply_not_json"


@pytest.mark.parametrize(
    ("encrypt", "code"),
    [("not base64!", "reply_base64"), ("", "reply_padding"), ("AAAA", "reply_padding")],
)
def test_a_reply_that_is_no_ciphertext_is_refused(encrypt, code):
    assert refusal_of(reply(encrypt)) == code


@pytest.mark.parametrize(
    "pad", [b"\0" * 10, b"\x21" * 10, b"\x01" * 9 + b"\x02", b"\x10" * 9 + b"\x11"]
)
def test_a_reply_with_a_wrong_padding_is_refused(pad):
    assert refusal_of(seal_reply(inner(b"{}"), pad=pad)) == "reply_padding"


def test_a_reply_padded_to_sixteen_is_refused():
    assert refusal_of(seal_reply(inner(b"{}" * 10), pad=b"\x08" * 8)) == "reply_padding"


def test_a_reply_that_announces_more_than_there_is_is_refused():
    assert refusal_of(seal_reply(inner(b"{}", length=3))) == "reply_length"
    assert refusal_of(seal_reply(b"0123456789abcdef12")) == "reply_length"


def test_a_reply_with_a_receive_id_is_refused():
    assert refusal_of(seal_reply(inner(b"{}", receive_id=b"ww1"))) == "reply_receive_id"


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="43"):
        Cipher(TOKEN, "AAA")


@given(st.binary(max_size=200))
def test_media_come_back_whole_and_are_padded_to_thirty_two(content):
    sealed = CIPHER.encrypt(content)
    assert len(sealed) % 32 == 0
    assert len(sealed) > len(content)
    assert CIPHER.decrypt(sealed) == content


def test_neither_envelope_is_built_on_the_other():
    root = Path(__file__).parent.parent
    assert "sandbox" not in (root / "handlers/wecom/envelope.py").read_text()
    assert "handlers" not in (root / "bot/sandbox/cipher.py").read_text()


def test_the_responder_of_the_tests_seals_as_the_cipher_expects():
    sealed = Responder(TOKEN, AES_KEY).seal({"a": "你好"}, NONCE)
    body = json.dumps(sealed).encode()
    plain = CIPHER.open_reply(body, nonce=NONCE, now_s=sealed["timestamp"])
    assert json.loads(plain) == {"a": "你好"}
