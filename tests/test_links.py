"""Links are good for whoever holds them, for their turn, until they expire."""

import base64
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StartError
from bot.links import TOKEN_CHARS, Links, load_key

KEY = bytes(range(32))
NOW_S = 1_800_000_000
WEEK_S = 7 * 24 * 3600


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> int:
        return self.now_s * 1000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def links(clock):
    return Links(KEY, "https://bot.example.com/agent/", WEEK_S, clock)


def test_x8_a_link_is_good_until_it_expires(links, clock):
    token = links.token(31)
    assert links.check(31, token) == "good"
    clock.now_s += WEEK_S - 1
    assert links.check(31, token) == "good"
    clock.now_s += 3601
    assert links.check(31, token) == "expired"


def test_x8_a_link_opens_its_own_turn_alone(links):
    assert links.check(32, links.token(31)) == "forged"


def test_x8_a_key_of_another_service_opens_nothing(links, clock):
    assert Links(bytes(32), None, WEEK_S, clock).check(31, links.token(31)) == "forged"


def test_a_link_stays_the_same_for_a_while(links, clock):
    clock.now_s -= clock.now_s % 3600 - 1
    token = links.token(31)
    clock.now_s += 3500
    assert links.token(31) == token
    clock.now_s += 3600
    assert links.token(31) != token


def test_a_short_life_is_kept_nearly_to_the_second(clock):
    links = Links(KEY, None, 10, clock)
    token = links.token(1)
    clock.now_s += 9
    assert links.check(1, token) == "good"
    clock.now_s += 2
    assert links.check(1, token) == "expired"


def test_x8_no_bit_of_a_link_can_be_changed(links):
    sealed = base64.urlsafe_b64decode(links.token(31))
    for place in range(len(sealed) * 8):
        forged = bytearray(sealed)
        forged[place // 8] ^= 1 << place % 8
        assert links.check(31, base64.urlsafe_b64encode(forged).decode()) == "forged"


@given(st.one_of(st.text(), st.text(string.ascii_letters + "-_", min_size=32, max_size=32)))
def test_x8_rubbish_opens_nothing(rubbish):
    assert Links(KEY, None, WEEK_S, Clock()).check(31, rubbish) == "forged"


def test_a_token_needs_no_padding_and_no_quoting(links):
    token = links.token(2**62)
    assert len(token) == TOKEN_CHARS
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


def test_addresses_keep_the_prefix_and_quote_what_is_not_ascii(links):
    token = links.token(31)
    page = f"https://bot.example.com/agent/t/31/{token}/"
    assert links.public_url == "https://bot.example.com/agent"
    assert links.page(31) == page
    assert links.raw(31, "out/报告 1?#.html") == f"{page}raw/out/%E6%8A%A5%E5%91%8A%201%3F%23.html"


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_public_url_there_is_no_address(clock, url):
    links = Links(KEY, url, WEEK_S, clock)
    assert links.page(31) is None
    assert links.raw(31, "a.html") is None
    assert links.check(31, links.token(31)) == "good"


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path):
    path = tmp_path / "data" / "link.key"
    key = load_key(path)
    assert len(key) == 32
    path.chmod(0o644)
    assert load_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_key_stops_the_start_with_a_sentence(tmp_path):
    path = tmp_path / "link.key"
    path.write_bytes(b"short")
    with pytest.raises(StartError, match="Remove it"):
        load_key(path)


def test_two_starts_at_once_agree_on_a_key(tmp_path, monkeypatch):
    path = tmp_path / "link.key"

    def first_then_link(draft, target, link=os.link):
        monkeypatch.setattr(os, "link", link)
        path.write_bytes(KEY)
        link(draft, target)

    monkeypatch.setattr(os, "link", first_then_link)
    assert load_key(path) == KEY
