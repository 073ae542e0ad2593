"""The files of a turn over a real socket: what is served, how, and nothing outside."""

import hashlib
import os

import pytest
from aiohttp import ClientPayloadError

from handlers.viewer.content_types import content_type, with_charset
from tests.viewer_fixtures import PUBLIC

pytest_plugins = ["tests.desk_fixtures"]


async def test_a_file_is_served_by_its_path_and_cannot_be_guessed_at(desk, browser):
    n = await desk.begin()
    desk.write("out/报告.html", "<h1>好</h1>")
    await desk.end(n)
    answer = await browser.raw(n, "out/%E6%8A%A5%E5%91%8A.html")
    assert (answer.status, await answer.text()) == (200, "<h1>好</h1>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Disposition"].startswith("inline; ")
    policy = answer.headers["Content-Security-Policy"]
    prefix = f"{PUBLIC}{browser.page(n)}raw/"
    here = f"{browser.client.make_url(browser.page(n))}raw/"
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert f"connect-src {prefix} {here};" in policy


async def test_a_host_that_is_no_host_stays_out_of_the_policy(desk, browser):
    n = await desk.begin()
    desk.write("a.html")
    await desk.end(n)
    answer = await browser.raw(n, "a.html", Host="x; script-src *")
    assert "script-src *" not in answer.headers["Content-Security-Policy"]


async def test_a_folder_opens_its_index_and_nothing_else(desk, browser):
    n = await desk.begin()
    desk.write("index.html", "top")
    desk.write("站 点/index.html", "sub")
    desk.write("bare/a.txt")
    await desk.end(n)
    assert await (await browser.raw(n, "")).text() == "top"
    assert await (await browser.raw(n, "%E7%AB%99%20%E7%82%B9/")).text() == "sub"
    led = await browser.raw(n, "%E7%AB%99%20%E7%82%B9")
    assert (led.status, led.headers["Location"]) == (302, "./%E7%AB%99%20%E7%82%B9/")
    for path in ("bare", "bare/", "none/"):
        assert (await browser.raw(n, path)).status == 404


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=-0", 416, "", "bytes */10"),
        ("bytes=3-1", 416, "", "bytes */10"),
        ("bytes=-", 200, "0123456789", None),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(desk, browser, asked, status, body, content_range):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    answer = await browser.raw(n, "a.txt", Range=asked)
    assert (answer.status, await answer.text()) == (status, body)
    assert answer.headers.get("Content-Range") == content_range


async def test_a_known_file_is_not_sent_again(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    etag = (await browser.raw(n, "a.txt")).headers["ETag"]
    assert etag.strip('"') in hashlib.sha256(b"0123456789").hexdigest()
    known = await browser.raw(n, "a.txt", If_None_Match=etag)
    assert (known.status, await known.read()) == (304, b"")
    other = await browser.raw(n, "a.txt", Range="bytes=0-1", If_Range='"other"')
    assert other.status == 200
    same = await browser.raw(n, "a.txt", Range="bytes=0-1", If_Range=etag)
    assert same.status == 206


async def test_head_tells_all_but_the_content(desk, browser):
    n = await desk.begin()
    desk.write("a.txt", "0123456789")
    await desk.end(n)
    answer = await browser.raw(n, "a.txt", method="HEAD")
    assert (answer.status, await answer.read()) == (200, b"")
    assert answer.headers["Content-Length"] == "10"


async def test_a_large_file_comes_whole(desk, browser):
    n = await desk.begin()
    content = bytes(range(256)) * 5000
    desk.write("big.bin", content)
    await desk.end(n)
    answer = await browser.raw(n, "big.bin")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''big.bin"
    assert await answer.read() == content


async def test_a_file_that_shrinks_while_it_is_sent_is_cut_off_not_made_up(desk, browser):
    n = await desk.begin()
    file = desk.write("live.bin", b"x" * 40_000_000)
    async with browser.client.get(f"{browser.page(n)}raw/live.bin") as answer:
        file.write_bytes(b"")
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_x9_a_download_keeps_its_name_whatever_is_in_it(desk, browser):
    n = await desk.begin()
    name = 'a"; filename=evil.exe\tX: y é.txt'
    desk.write(name, "x")
    await desk.end(n)
    quoted = "a%22%3B%20filename%3Devil.exe%09X%3A%20y%20%C3%A9.txt"
    answer = await browser.raw(n, f"{quoted}?download")
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{quoted}"


@pytest.mark.parametrize(
    "path",
    [
        "../a.txt",
        "..%2fa.txt",
        "%2e%2e/a.txt",
        "%2e%2e%2f%2e%2e%2fdata/link.key",
        "sub/../../a.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "etc/passwd",
        "..%5ca.txt",
        "a.txt%00",
        "a.txt%00.html",
        "%ff",
        "a" * 3000,
        ".git/config",
        ".GIT/config",
        "link.txt",
        "hard.txt",
        "fifo",
        "/proc/self/environ",
        "A.TXT",
    ],
)
@pytest.mark.parametrize("over", [False, True])
async def test_x4_nothing_outside_is_served(desk, browser, tmp_path, path, over):
    (tmp_path / "a.txt").write_text("outside")
    (tmp_path / "workspaces" / "a.txt").write_text("outside")
    desk.write("a.txt", "inside")
    desk.write(".git/config", "inside")
    (desk.workspace / "link.txt").symlink_to(tmp_path / "a.txt")
    (desk.workspace / "etc").symlink_to("/etc")
    os.link(tmp_path / "a.txt", desk.workspace / "hard.txt")
    os.mkfifo(desk.workspace / "fifo")
    n = await desk.begin()
    if over:
        await desk.end(n, claimed=["link.txt", "hard.txt", "fifo", "etc/passwd"])
    answer = await browser.raw(n, path)
    assert answer.status == 404
    assert "outside" not in await answer.text()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.HTML", "text/html"),
        ("x.mjs", "text/javascript"),
        ("x.svg", "image/svg+xml"),
        ("x.py", "text/plain"),
        ("Makefile", "text/plain"),
        (".gitignore", "text/plain"),
        ("noending", "application/octet-stream"),
        ("x.exe", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.tar.gz", "application/octet-stream"),
    ],
)
def test_the_type_of_a_file_is_told_by_its_name(path, expected):
    assert content_type(path) == expected


def test_the_charset_is_told_by_the_bytes():
    assert with_charset("text/plain", "中".encode()[:2]) == "text/plain; charset=utf-8"
    assert with_charset("text/plain", "中文".encode("gbk")) == "text/plain; charset=gb18030"
    assert with_charset("text/html", "中文".encode("gbk")) == "text/html"
    assert with_charset("image/png", b"\xff") == "image/png"


async def test_a_pdf_is_not_kept_from_the_browsers_own_reader(desk, browser):
    n = await desk.begin()
    desk.write("a.pdf", b"%PDF-1.4")
    await desk.end(n)
    policy = (await browser.raw(n, "a.pdf")).headers["Content-Security-Policy"]
    assert "sandbox" not in policy
    assert "default-src 'none'" in policy
