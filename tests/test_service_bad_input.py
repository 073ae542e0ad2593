"""What is malformed, forged, old, too much or comes at a bad moment gets a plain answer and harms nothing."""

import asyncio
import io
import json
import logging
import os
from pathlib import Path

import pytest

from tests.fakes.opencode_turns import say, write
from tests.reliability.callbacks import ORIGIN, Clock, sealed, stream_of
from tests.service_fixtures import ADMIN_TOKEN

MALFORMED = (
    b"\x16\x03\x01\x02\x00",
    b"GET /t/1/secret-token/ HTTP/9.9\r\n\r\n",
    b"POST /\xff HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization: Bearer secret-token\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"secret-token" * 2000 + b"\r\n\r\n",
    b"POST /wecom/bot HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)
CHAT = "wecom:direct:zhangsan"
MIB = 1024 * 1024


@pytest.fixture
async def quiet(make_bot, fake):
    """A service whose OpenCode nobody needs."""
    return await make_bot(fake)


@pytest.mark.parametrize("size", [MIB + 1, 8 * MIB])
async def test_x2_a_huge_body_is_cut_off(quiet, http, size):
    query, _ = sealed(b"{}")
    url = f"{quiet.url}/wecom/bot"
    async with http.post(url, params=query, data=io.BytesIO(b"x" * size)) as answer:
        assert (answer.status, await answer.read()) == (413, b"")

    async def pieces():
        for _ in range(size // 65536 + 1):
            yield b"x" * 65536

    async with http.post(url, params=query, data=pieces()) as answer:
        assert answer.status == 413
    async with http.get(f"{quiet.url}/healthz") as answer:
        assert answer.status == 200


async def test_other_ways_of_asking_are_refused_without_a_traceback(quiet, http, caplog, capsys):
    url = f"{quiet.url}/wecom/bot"
    async with http.put(url, data=b"{}") as answer:
        assert answer.status == 405
    async with http.get(url) as answer:
        assert (answer.status, await answer.read()) == (403, b"")
    async with http.get(f"{quiet.url}/wecom/app") as answer:
        assert answer.status == 404
    port = int(quiet.url.rpartition(":")[2])
    for line in MALFORMED:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line)
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert b"Traceback" not in answer
    logging.getLogger("aiohttp.server").error("a fault of ours")
    assert "a fault of ours" in caplog.text
    assert "Traceback" not in caplog.text
    assert "secret-token" not in caplog.text + capsys.readouterr().out


async def test_a_stream_that_nobody_knows_ends_with_a_sentence(quiet):
    query, body = sealed(json.dumps(ORIGIN.poll("p1", "no-such-stream")).encode())
    shown = stream_of(await quiet.wecom.send_raw(query=query, body=body))
    assert shown["finish"] is True
    assert shown["id"] == "no-such-stream"
    assert len(shown["content"].strip()) > 5


@pytest.fixture
async def page(make_bot, fake, tmp_path):
    """A service with one turn that wrote a page, tried to lead out, and the link to it."""
    clock = Clock()
    bot = await make_bot(fake, options={"clock": clock})
    await bot.ready()
    secret = tmp_path / "secret.txt"
    secret.write_text("nobody may read this")
    fake.script(
        write("site/index.html", "<h1>Hi</h1>"),
        _lead_out(secret),
        say("已生成 `site/index.html`。"),
    )
    shown = await (await bot.wecom.say("zhangsan", "make a page")).done()
    assert "site/index.html" in shown
    return bot, clock, bot.service.services.links.page(1)


def _lead_out(secret):
    async def act(run):
        folder = Path(run.directory)
        (folder / "out.txt").symlink_to(secret)
        (folder / "away").symlink_to(secret.parent)
        os.link(secret, folder / "hard.txt")

    return act


async def test_x8_a_forged_link_and_an_expired_one_open_nothing(page, http):
    bot, clock, link = page
    good = f"{link}raw/site/index.html"
    async with http.get(good) as answer:
        assert (answer.status, await answer.text()) == (200, "<h1>Hi</h1>")
    token = link.split("/")[-2]
    for forged in (
        "x" * len(token),
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        "é",
        "a" * 9000,
    ):
        for url in (link, good, good.replace("raw/", "diff/")):
            async with http.get(url.replace(token, forged)) as answer:
                assert answer.status in {400, 404}
    async with http.get(link.replace("/t/1/", "/t/2/")) as answer:
        assert answer.status == 404  # one turn's token is no other's
    clock.ahead_ms = 9 * 24 * 3_600_000
    for url in (link, good):
        async with http.get(url) as answer:
            assert answer.status == 410
            assert "<h1>Hi</h1>" not in await answer.text()
    async with http.get(f"{bot.url}/api/task/1", params={"token": token}) as answer:
        assert answer.status == 410


OUTSIDE = (
    *("../../../secret.txt", "..%2f..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/%2e%2e/secret.txt"),
    *("site/../../secret.txt", "site/%2e%2e/%2e%2e/secret.txt", "..%5c..%5csecret.txt"),
    *("%252e%252e%252fsecret.txt", "..%c0%af..%c0%afsecret.txt", "....//....//secret.txt"),
    *("/etc/passwd", "%2fetc%2fpasswd", "%00", "site/index.html%00", "~/secret.txt"),
    *("out.txt", "away/secret.txt", "away/", "hard.txt", ".git/config", ".git/HEAD"),
    *("../../link.key", "../../bot.db", "../../admin.token", "..", "."),
)


async def test_x4_nothing_outside_the_workspace_leaves_by_a_link(page, http):
    bot, _, link = page
    raw = link.removeprefix(bot.url) + "raw/"
    for path in OUTSIDE:
        answer = await ask(bot, raw + path)
        assert b"nobody may read this" not in answer, path
        assert answer.split(b" ", 2)[1] in {b"400", b"404"}, path
        answer = await ask(bot, f"/api/task/1/raw/{path}", f"Authorization: Bearer {ADMIN_TOKEN}")
        assert b"nobody may read this" not in answer, path
        assert answer.split(b" ", 2)[1] in {b"400", b"404"}, path


async def ask(bot, target, *headers):
    """Ask for a target that no client would send; return all that comes back."""
    lines = [f"GET {target} HTTP/1.1", "Host: x", *headers, "Connection: close", "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(bot.url.rpartition(":")[2]))
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_an_agent_or_a_model_that_does_not_exist_is_not_chosen(make_bot, fake):
    bot = await make_bot(fake)
    await bot.ready()
    told = await (await bot.wecom.say("zhangsan", "/agent nobody")).done()
    assert "nobody" in told
    assert "build" in told
    assert "E-AGENT" in told
    told = await (await bot.wecom.say("zhangsan", "/model fake/thre")).done()
    assert "fake/thre" in told
    assert "E-MODEL" in told
    chat = await bot.store.chats.get(CHAT)
    assert (chat.agent, chat.model) == ("", "")
    assert "OK" in await (await bot.wecom.say("zhangsan", "hello")).done()


@pytest.mark.parametrize(
    ("setting", "value"), [("OPENCODE_MODEL", "fake/none"), ("OPENCODE_AGENT", "nobody")]
)
async def test_a_configured_agent_or_model_that_does_not_exist_is_told(
    make_bot, fake, setting, value
):
    bot = await make_bot(fake, **{setting: value})
    await bot.ready()
    told = await (await bot.wecom.say("zhangsan", "hello")).done()
    assert value in told
    assert setting in told
    assert fake.prompts == []


async def test_without_opencode_a_message_is_kept_the_person_told_and_then_answered(make_bot, fake):
    await fake.stop()
    bot = await make_bot(fake)
    talk = await bot.wecom.say("zhangsan", "hello")
    await talk.shows("E-OC-DOWN")
    assert (await bot.store.turns.get(1)).state in {"queued", "running"}
    told = await (await bot.wecom.say("zhangsan", "/model")).done()
    assert "E-OC" in told
    await fake.start()
    assert "OK" in await talk.done()
    assert [prompt.text for prompt in fake.prompts] == ["hello"]
