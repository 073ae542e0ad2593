"""Who may look at a turn: signed links and the admin token, over a real socket."""

import json
import re

import structlog

from bot.texts import files as texts
from tests.viewer_fixtures import ADMIN, PUBLIC

pytest_plugins = ["tests.desk_fixtures"]


async def test_x8_a_forged_link_says_the_same_whether_the_turn_exists_or_not(desk, browser):
    n = await desk.begin()
    forged = browser.links.token(n + 1)
    there = await browser.get(f"/t/{n}/{forged}/")
    nowhere = await browser.get(f"/t/{n + 5}/{forged}/")
    assert there.status == nowhere.status == 404
    strip = re.compile(r"nonce[-=\"A-Za-z0-9_]+")
    assert strip.sub("", await there.text()) == strip.sub("", await nowhere.text())
    for path in ("live", "raw/a.txt", "diff/a.txt"):
        assert (await browser.get(f"/t/{n}/{forged}/{path}")).status == 404


async def test_x8_an_expired_link_tells_how_to_get_a_new_one(desk, browser):
    n = await desk.begin()
    page = browser.page(n)
    desk.now = desk.clock() + 8 * 24 * 3600 * 1000
    answer = await browser.get(page)
    assert answer.status == 410
    assert f"/result {n}" in await answer.text()
    assert (await browser.get(f"{page}raw/a.txt")).status == 410
    english = await browser.get(page, Accept_Language="en-GB")
    assert texts.EXPIRED_TITLE.en in await english.text()


async def test_a_turn_that_is_no_longer_kept_is_gone(browser):
    answer = await browser.get(browser.page(4711))
    assert answer.status == 410
    assert texts.PURGED_TITLE.zh.format(n=4711) in await answer.text()


async def test_an_opened_link_is_logged_without_its_token(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "x")
    await desk.end(n)
    with structlog.testing.capture_logs() as entries:
        for path in ("", "raw/a.txt", "raw/none.txt", "diff/a.txt"):
            await browser.get(browser.page(n) + path)
    opened = [entry for entry in entries if entry["event"] == "link.opened"]
    assert [(entry["turn"], entry["path"], entry["status"]) for entry in opened] == [
        (n, "", 200),
        (n, "a.txt", 200),
        (n, "none.txt", 404),
        (n, "a.txt", 200),
    ]
    assert browser.links.token(n) not in json.dumps(entries)


async def test_programs_read_the_same_with_the_admin_token_or_a_signed_one(desk, browser):
    n = await desk.begin("问题")
    desk.write("a.txt", "x\n")
    desk.write(".env", "x")
    await desk.end(n, "答案")
    signed = f"?token={browser.links.token(n)}"
    for query, headers in ((signed, {}), ("", {"Authorization": ADMIN})):
        task = await (await browser.get(f"/api/task/{n}{query}", **headers)).json()
        assert (task["turn"], task["state"], task["question"]) == (n, "done", "问题")
        assert task["answer"] == "答案"
        assert task["page"].startswith(PUBLIC)
        files = await (await browser.get(f"/api/task/{n}/files{query}", **headers)).json()
        assert [(each["path"], each["served"], each["withheld"]) for each in files["files"]] == [
            (".env", False, "secret"),
            ("a.txt", True, ""),
        ]
        file = await browser.get(f"/api/task/{n}/raw/a.txt{query}", **headers)
        assert await file.text() == "x\n"


async def test_x8_programs_without_a_right_learn_nothing(desk, browser):
    n = await desk.begin()
    for path in (f"/api/task/{n}", f"/api/task/{n}/files", f"/api/task/{n}/raw/a", "/api/task/99"):
        answer = await browser.get(path, Authorization="Bearer wrong")
        assert (answer.status, await answer.json()) == (401, {"error": "unauthorized"})
    old = browser.links.token(n)
    assert (await browser.get("/api/task/99", Authorization=ADMIN)).status == 410
    missing = await browser.get(f"/api/task/{n}/raw/none", Authorization=ADMIN)
    assert (missing.status, await missing.json()) == (404, {"error": "not_found"})
    desk.now = desk.clock() + 8 * 24 * 3600 * 1000
    expired = await browser.get(f"/api/task/{n}?token={old}")
    assert (expired.status, await expired.json()) == (410, {"error": "expired"})
