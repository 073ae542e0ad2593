"""The encryption of media, held against a second implementation of it."""

import base64
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as Block
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import MediaError
from bot.sandbox.cipher import Cipher
from handlers.wecom.media.sealed import Unsealing, key_of
from tests.wecom_fixtures import AES_KEY

WECOM = Cipher("", AES_KEY)
RAW = base64.b64decode(AES_KEY + "=")


def opened(sealed, key=RAW, *, step=None):
    unsealing = Unsealing(key)
    step = step or max(1, len(sealed))
    pieces = [unsealing.add(sealed[n : n + step]) for n in range(0, len(sealed), step)]
    return b"".join(pieces) + unsealing.end()


def sealed(content, key=RAW):
    """Seal as WeCom's page has it, with another library than ours: PKCS#7 to 32, no random prefix."""
    pad = 32 - len(content) % 32
    encryptor = Block(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return encryptor.update(content + bytes([pad]) * pad) + encryptor.finalize()


@pytest.mark.parametrize("size", [1, 15, 31, 32, 100])
@pytest.mark.parametrize("form", [AES_KEY, f"{AES_KEY}="])
def test_what_another_library_sealed_opens_with_either_form_of_the_key(size, form):
    content = bytes(range(size))
    assert opened(sealed(content), key_of(form)) == content


@pytest.mark.parametrize(
    "written",
    [
        AES_KEY,
        f"{AES_KEY}=",
        quote(f"{AES_KEY}=", safe=""),
        RAW.hex(),
        RAW.hex().upper(),
        f" {AES_KEY}\n",
        base64.urlsafe_b64encode(RAW).decode(),
    ],
)
def test_a_key_is_read_in_every_form_that_is_seen(written):
    assert key_of(written) == RAW


def test_a_key_with_signs_that_addresses_encode_is_read():
    raw = b"\xfb\xff" * 16
    written = base64.b64encode(raw).decode().rstrip("=")
    assert "/" in written
    assert "+" in written
    assert key_of(quote(written, safe="")) == raw


@pytest.mark.parametrize(
    "written",
    [base64.b64encode(b"k" * 35).decode(), "", "short", "é" * 43, RAW.hex()[:-2], "!" * 43],
)
def test_what_is_no_key_opens_nothing(written):
    with pytest.raises(MediaError, match="sealed"):
        key_of(written)


@given(st.binary(max_size=400), st.integers(1, 70))
def test_a_medium_opens_in_whatever_pieces_it_comes(content, step):
    assert opened(WECOM.encrypt(content), step=step) == content


@given(st.binary(max_size=200))
def test_what_was_not_sealed_with_the_key_is_never_handed_on(content):
    other = Cipher("", base64.b64encode(b"k" * 32).decode().rstrip("="))
    try:
        shown = opened(other.encrypt(content))
    except MediaError:
        return
    # One padding in 256 looks right by chance; what comes out is still not what went in.
    assert shown != content or not content


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 48])
def test_what_is_not_whole_is_refused(size):
    with pytest.raises(MediaError, match="sealed"):
        opened(WECOM.encrypt(b"x" * 100)[:size])


@pytest.mark.parametrize("pad", [b"\0" * 32, b"a" * 31 + b"\x21", b"a" * 30 + b"\x01\x02"])
def test_a_padding_that_is_none_is_refused(pad):
    encryptor = Block(algorithms.AES(RAW), modes.CBC(RAW[:16])).encryptor()
    with pytest.raises(MediaError, match="sealed"):
        opened(encryptor.update(pad) + encryptor.finalize())
