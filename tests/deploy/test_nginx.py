"""The proxy's configuration: understood by nginx, and in front of the running service."""

import asyncio
import io
import shutil
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.sandbox.script import hold, say, tool
from tests.deploy.conftest import PLACES
from tests.service_fixtures import ADMIN_TOKEN, free_port

SOURCE = Path(__file__).parents[2] / "config/nginx/opencode-wecom.conf"
READY_S = 20
MAIN = """
daemon off;
pid {room}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {room}/body;
    proxy_temp_path {room}/proxy;
    fastcgi_temp_path {room}/fastcgi;
    uwsgi_temp_path {room}/uwsgi;
    scgi_temp_path {room}/scgi;
    include {room}/site.conf;
}}
"""


def certificate(room):
    """Write a certificate for this machine that nobody but a test believes, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bot.example.com")])
    now = datetime.now(UTC)
    names = [x509.DNSName("bot.example.com"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (room / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    shape = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (room / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *shape))


def furnish(room, *, service=8080, plain=8081, tls=8443):
    """Put the site into a folder with a test's ports and paths, and nothing else changed."""
    certificate(room)
    text = SOURCE.read_text(encoding="utf-8")
    for was, becomes in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl;"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl;\n", ""),
        ("127.0.0.1:8080", f"127.0.0.1:{service}"),
        ("/etc/ssl/bot.example.com.pem", f"{room}/cert.pem"),
        ("/etc/ssl/bot.example.com.key", f"{room}/key.pem"),
        ("/var/log/nginx/", f"{room}/"),
    ):
        assert text.count(was) == 1 or was == "/var/log/nginx/", was
        text = text.replace(was, becomes)
    (room / "site.conf").write_text(text)
    (room / "nginx.conf").write_text(MAIN.format(room=room))
    return ("-p", str(room), "-c", str(room / "nginx.conf"), "-e", str(room / "start.log"))


def test_nginx_understands_the_site(judge, tmp_path):
    code, words = judge("nginx", "-t", "-q", *furnish(tmp_path), package="nginx-light")
    assert (code, words) == (0, "")


def test_nginx_would_say_what_is_wrong(judge, tmp_path):
    arguments = furnish(tmp_path)
    site = tmp_path / "site.conf"
    site.write_text(site.read_text().replace("proxy_buffering off", "proxy_buffering of"))
    code, words = judge("nginx", "-t", "-q", *arguments, package="nginx-light")
    assert code != 0
    assert "proxy_buffering" in words


@asynccontextmanager
async def proxied(room, service_url):
    """Run nginx in front of a service; yields who trusts it, and its plain and its TLS address."""
    program = shutil.which("nginx", path=PLACES)
    if program is None:
        pytest.skip("nginx is not installed (Debian: apt install nginx-light)")
    room.mkdir()
    plain, tls = free_port(), free_port()
    arguments = furnish(room, service=service_url.rpartition(":")[2], plain=plain, tls=tls)
    nginx = await asyncio.create_subprocess_exec(program, *arguments)
    trust = ssl.create_default_context(cafile=str(room / "cert.pem"))
    try:
        await listening(tls, nginx)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            yield session, f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"
    finally:
        if nginx.returncode is None:
            nginx.terminate()
        await nginx.wait()


async def listening(port, process):
    """Wait until a port is open: another process opens it, so we ask again and again."""
    async with asyncio.timeout(READY_S):
        while True:
            assert process.returncode is None, "nginx ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@pytest.fixture
async def outside(bot, tmp_path):
    """The service as the world sees it, WeCom too: who asks, and where."""
    caller = bot.wecom._caller
    async with proxied(tmp_path / "nginx", bot.url) as (session, _, tls):
        direct, caller._http, caller.url = caller._http, session, f"{tls}/wecom/bot"
        yield session, tls
        caller._http = direct


@pytest.mark.opencode
async def test_a_conversation_and_its_files_go_through_the_proxy(bot, opencode, outside, tmp_path):
    session, tls = outside
    page = "<!doctype html><link rel=stylesheet href=style.css>" + "x" * 300_000
    opencode.model.script(
        "a page",
        tool("write", {"filePath": "index.html", "content": page}),
        say("Half of it, ") + hold("live") + say("and all of it."),
    )
    talk = await bot.wecom.say("zhangsan", "make a page")
    await talk.shows("Half of it")
    link = f"/t/1/{bot.service.services.links.token(1)}/"
    async with session.get(f"{tls}{link}live") as live:  # while the turn runs
        assert live.status == 200
        assert "Half of it" in await live.text()
    opencode.model.release("live")
    assert "and all of it." in await talk.done()
    assert bot.wecom.violations == []

    async with session.get(f"{tls}{link}raw/index.html") as raw:
        assert await raw.text() == page
        policies = raw.headers.getall("Content-Security-Policy")
        assert raw.headers.getall("Referrer-Policy") == ["no-referrer"]
        assert raw.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert len(policies) == 1
    assert policies[0].startswith("sandbox allow-scripts;")
    part = {"Range": "bytes=0-8"}
    async with session.get(f"{tls}{link}raw/index.html", headers=part) as raw:
        assert (raw.status, await raw.text()) == (206, "<!doctype")
    logged = (tmp_path / "nginx/opencode-wecom.log").read_text()
    assert "POST /wecom/bot 200" in logged
    assert "msg_signature" not in logged
    assert link not in logged


async def test_the_world_does_not_get_what_is_not_for_it(make_bot, tmp_path):
    bot = await make_bot(OPENCODE_URL="http://127.0.0.1:9")
    token = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with proxied(tmp_path / "nginx", bot.url) as (session, plain, tls):
        for path in ("/metrics", "/admin/health", "/api/task/1", "/sandbox/", "/", "/t"):
            async with session.get(tls + path, headers=token) as answer:
                assert (path, answer.status) == (path, 404)
                assert answer.headers["Server"] == "nginx"
        async with session.get(f"{tls}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get(f"{tls}/wecom/bot") as answer:
            assert answer.status == 403
        async with session.get(f"{tls}/wecom/app") as answer:
            assert (answer.status, "nginx" in await answer.text()) == (404, False)
        async with session.get(f"{tls}/wecom/app/x") as answer:
            assert (answer.status, "nginx" in await answer.text()) == (404, True)
        body = io.BytesIO(bytes(1024 * 1024 + 1))
        async with session.post(f"{tls}/wecom/bot", data=body) as answer:
            assert answer.status == 413
        async with session.get(f"{plain}/t/1/x/", allow_redirects=False) as answer:
            assert answer.status == 301
            assert answer.headers["Location"] == "https://127.0.0.1/t/1/x/"
