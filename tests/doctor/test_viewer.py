"""Faults of the way in by the public URL, of the clock and of links: each is named with its mend."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from bot.doctor.scene import look_around
from config.settings import load_settings
from tests.doctor.scenes import http_date, live, only, scene_in, seen, stand_in
from tests.fakes.opencode import FakeOpenCode
from tests.reliability.test_hostile_addresses import certificate
from tests.service_fixtures import free_port


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


@pytest.fixture
async def bot(make_bot, fake):
    return await make_bot(fake)


async def look(bot, **changed):
    environ = bot.environ | changed
    return await look_around(load_settings(None, environ), None, environ)


async def test_without_a_public_url_links_are_said_to_be_missing(tmp_path):
    found = await only(scene_in(tmp_path, BOT_PUBLIC_URL=None), "viewer.url")
    assert (found.grade, "BOT_PUBLIC_URL" in found.mend) == ("warning", True)


async def test_a_public_url_without_tls_is_named(tmp_path):
    scene = scene_in(tmp_path, BOT_PUBLIC_URL="http://bot.example.com")
    found = await only(scene, "viewer.url")
    assert (found.grade, "not sealed by TLS" in found.evidence) == ("warning", True)
    assert (await only(scene_in(tmp_path), "viewer.url")).grade == "fine"


@asynccontextmanager
async def sealed(folder, monkeypatch, *, days):
    """Serve with a certificate that ends soon or late, and have it believed here."""
    cert = certificate(folder, days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "localhost", 0, ssl=context
    )
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("days", "grade", "words"),
    [(5, "warning", "good for 4 days"), (60, "fine", "good for 59 days")],
)
async def test_a_certificate_that_ends_soon_is_named(tmp_path, monkeypatch, days, grade, words):
    async with sealed(tmp_path, monkeypatch, days=days) as url:
        found = await only(scene_in(tmp_path, BOT_PUBLIC_URL=url), "viewer.certificate")
    assert (found.grade, found.evidence) == (grade, f"of localhost, {words}")


async def test_without_a_certificate_that_is_believed_nothing_is_said_of_it(tmp_path, monkeypatch):
    async with sealed(tmp_path, monkeypatch, days=5) as url:
        monkeypatch.delenv("SSL_CERT_FILE")
        assert await seen(scene_in(tmp_path, BOT_PUBLIC_URL=url), "viewer.certificate") == []
    plain = scene_in(tmp_path, BOT_PUBLIC_URL="http://127.0.0.1")
    assert await seen(plain, "viewer.certificate") == []


async def test_a_certificate_that_nobody_trusts_is_told_from_a_way_that_leads_nowhere(
    tmp_path, monkeypatch
):
    async with sealed(tmp_path, monkeypatch, days=60) as url:
        monkeypatch.delenv("SSL_CERT_FILE")
        found = await only(scene_in(tmp_path, BOT_PUBLIC_URL=url), "viewer.reached")
    assert (found.grade, "certificate is not to be trusted: self" in found.evidence) == (
        "error",
        True,
    )
    assert found.mend.startswith("give the proxy one for this name")


async def test_the_service_is_known_through_its_public_url(bot):
    found = await only(await look(bot), "viewer.reached")
    assert found.grade == "fine"
    assert found.evidence == f"{bot.url} answers as this service, seen from this machine"


async def test_a_public_url_that_nobody_answers_is_named(bot):
    url = f"http://127.0.0.1:{free_port()}"
    found = await only(await look(bot, BOT_PUBLIC_URL=url), "viewer.reached")
    assert (found.grade, found.evidence.startswith(f"{url} gives no answer")) == ("error", True)
    assert "docs/howto/nginx.md" in found.mend


async def test_a_public_url_that_another_server_answers_is_named(bot):
    async with stand_in() as elsewhere:  # its /healthz says "ok" as well
        found = await only(await look(bot, BOT_PUBLIC_URL=elsewhere), "viewer.reached")
    assert found.grade == "error"
    assert "answers, but not as this service" in found.evidence
    assert found.mend.startswith("pass /t/, /wecom/bot and /healthz of it on")


async def test_another_service_of_the_same_kind_is_told_from_this_one(
    bot, make_bot, fake, tmp_path
):
    other = await make_bot(fake, BOT_DATA_DIR=str(tmp_path / "other"))
    found = await only(await look(bot, BOT_PUBLIC_URL=other.url), "viewer.reached")
    assert "not as this service" in found.evidence


async def test_while_the_service_is_down_its_public_url_tells_little(tmp_path):
    async with stand_in(status=502) as proxy:
        found = await only(scene_in(tmp_path, BOT_PUBLIC_URL=proxy), "viewer.reached")
    assert (found.grade, "answers 502; the service is down" in found.evidence) == ("warning", True)


@pytest.mark.parametrize(
    ("offset_s", "grade", "way"),
    [
        (5, "fine", ""),
        (300, "warning", "behind"),
        (-300, "warning", "ahead of"),
        (3600, "error", "behind"),
        (-3600, "error", "ahead of"),
    ],
)
async def test_a_clock_that_is_wrong_is_named_with_by_how_much(tmp_path, offset_s, grade, way):
    async with stand_in(date=http_date(offset_s)) as there:
        scene = scene_in(tmp_path, BOT_PUBLIC_URL=there, WECOM_API_URL=there)
        found = await only(scene, "viewer.clock")
    assert (found.grade, way in found.evidence) == (grade, True)
    assert found.mend in {"", "timedatectl set-ntp true"}


async def test_a_clock_that_nobody_can_be_compared_with_is_not_judged(tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    async with stand_in(date="yesterday") as vague:
        scene = scene_in(tmp_path, BOT_PUBLIC_URL=vague, WECOM_API_URL=nobody)
        assert await seen(scene, "viewer.clock") == []


async def test_a_key_that_was_changed_under_the_service_is_named(bot, tmp_path):
    scene = await look(bot)
    assert (await only(scene, "viewer.link")).grade == "fine"
    (scene.data_dir / "link.key").write_bytes(b"k" * 32)
    found = await only(scene, "viewer.link")
    assert (found.grade, found.mend) == ("error", "start the service anew")


async def test_a_key_that_cannot_be_read_proves_nothing_and_is_named(bot):
    scene = await look(bot)
    key = scene.data_dir / "link.key"
    key.rename(scene.data_dir / "moved.key")
    found = await only(scene, "viewer.reached")
    assert (found.grade, "whose it is was not proved" in found.evidence) == ("fine", True)
    key.mkdir()
    found = await only(scene, "viewer.link")
    assert (found.grade, found.mend) == ("error", "run doctor as the service's user")


async def test_a_service_that_is_gone_meanwhile_proves_nothing(tmp_path):
    scene = scene_in(tmp_path, told=live(), BOT_PORT=str(free_port()))
    (scene.data_dir / "link.key").write_bytes(b"k" * 32)
    assert (await only(scene, "viewer.link")).grade == "error"


@pytest.mark.parametrize("proxy", ["socks5://li:planted@127.0.0.1:1", "ftp://li:planted@x"])
async def test_a_proxy_that_cannot_be_used_is_named_without_its_address(
    tmp_path, monkeypatch, proxy
):
    monkeypatch.setenv("ALL_PROXY", proxy)
    scene = scene_in(tmp_path, BOT_PUBLIC_URL="https://bot.example.invalid")
    found = await only(scene, "viewer.reached")
    assert (found.grade, "names a proxy of a kind" in found.evidence) == ("error", True)
    assert "planted" not in found.evidence


async def test_a_key_of_another_length_is_named(tmp_path):
    scene = scene_in(tmp_path, told=live())
    assert await seen(scene, "viewer.link") == []
    key = scene.data_dir / "link.key"
    key.write_bytes(b"short")
    found = await only(scene, "viewer.link")
    assert (found.grade, found.mend) == ("error", f"rm {key}")


async def test_links_are_proved_without_the_service_too(tmp_path):
    scene = scene_in(tmp_path)
    (scene.data_dir / "link.key").write_bytes(b"k" * 32)
    found = await only(scene, "viewer.link")
    assert (found.grade, "expired and forged ones are refused" in found.evidence) == ("fine", True)
