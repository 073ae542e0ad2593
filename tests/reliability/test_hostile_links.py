"""X8: without a turn's own link nobody sees it, nor whether it is there."""

import re

import pytest

from tests.viewer_fixtures import ADMIN

pytest_plugins = ["tests.desk_fixtures"]

WAYS = ("", "live", "raw/a.txt", "raw/", "diff/a.txt")
NONCE = re.compile(r"nonce[-=\"A-Za-z0-9_]+")
NUMBER = re.compile(r"\b(?:1|4711)\b")
MONTH_MS = 30 * 24 * 3600 * 1000


@pytest.fixture
async def turns(desk):
    """Two turns that are there, and the number of one that is not."""
    numbers = []
    for text in ("one", "two"):
        n = await desk.begin(text)
        desk.write("a.txt", f"the file of {text}\n")
        await desk.end(n, f"the answer of {text}")
        numbers.append(n)
    return *numbers, 4711


def tokens(browser, of):
    """What people try: none, half of one, another turn's, one made up, one that is too long."""
    good = browser.links.token(of)
    return {
        "short": good[:-1],
        "long": f"{good}A",
        "one letter wrong": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "made up": "A" * len(good),
        "in capitals": good.upper(),
        "a star": "*",
        "a blank": "%20",
        "not ascii": "%E4%BD%A0",
        "no utf-8": "%ff",
        "the admin's": ADMIN.partition(" ")[2],
    }


async def seen(browser, path, **headers):
    answer = await browser.get(path, **headers)
    headers = {name: value for name, value in answer.headers.items() if name != "Date"}
    return answer.status, NONCE.sub("", str(headers)), NONCE.sub("", await answer.text())


async def test_x8_a_wrong_link_says_the_same_of_every_turn_there_is_or_is_not(turns, browser):
    first, second, missing = turns
    others = tokens(browser, first) | {"the other turn's": browser.links.token(first)}
    for name, token in others.items():
        for way in WAYS:
            there = await seen(browser, f"/t/{second}/{token}/{way}")
            nowhere = await seen(browser, f"/t/{missing}/{token}/{way}")
            assert there == nowhere, (name, way)
            assert there[0] == 404
            assert "two" not in there[2]


@pytest.mark.parametrize("path", ["/t/{n}", "/t/{n}/", "/t/{n}//", "/t/{n}//raw/a.txt", "/t/"])
async def test_x8_without_a_link_there_is_nothing(turns, browser, path):
    answers = [await seen(browser, path.format(n=n)) for n in turns]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 404


async def test_x8_a_program_without_the_right_learns_the_same_of_every_turn(turns, browser):
    first, second, missing = turns
    for token in (*tokens(browser, first).values(), browser.links.token(first), ""):
        for way in ("", "/files", "/raw/a.txt"):
            there = await seen(browser, f"/api/task/{second}{way}?token={token}")
            nowhere = await seen(browser, f"/api/task/{missing}{way}?token={token}")
            assert there == nowhere
            assert there[0] == 401
    for header in ("", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret"):
        there = await seen(browser, f"/api/task/{second}", Authorization=header)
        assert there[0] == 401


async def test_x8_an_expired_link_opens_no_way_in_and_shows_no_word(turns, desk, browser):
    first, _, missing = turns
    good, gone = browser.links.token(first), browser.links.token(missing)
    desk.now = desk.clock() + MONTH_MS
    for way in WAYS:
        there = await seen(browser, f"/t/{first}/{good}/{way}")
        nowhere = await seen(browser, f"/t/{missing}/{gone}/{way}")
        assert there[0] == nowhere[0] == 410
        assert NUMBER.sub("n", there[2]) == NUMBER.sub("n", nowhere[2])
        assert "answer of one" not in there[2]


def test_x8_a_link_cannot_be_guessed(browser):
    """128 bits of MAC at least; a token of another minute or turn is another altogether."""
    from_one, from_two = browser.links.token(1), browser.links.token(2)
    assert len(from_one) * 6 - 40 >= 128
    assert from_one[8:] != from_two[8:]
