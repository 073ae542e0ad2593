"""X5: an answer goes to WeCom and to nobody who only looks, resolves or redirects like it.

The table of addresses stands in tests/test_wecom_late.py; here are other ways to write one, and
what a name is worth whose address somebody else holds.
"""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from handlers.wecom.late import LateAnswers
from tests.fakes.edge import Edge, asked, finished

HOST = "qyapi.weixin.qq.com"
LOOPBACK = (
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "localhost", "localhost."),
    *("127.0.0.1.nip.io", "metadata.google.internal", "①②⑦.⓪.⓪.①"),
)
NETWORK = (
    "169.254.169.254",
    "2852039166",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "100.64.0.1",
)
NEARLY = (
    f"{HOST}.",
    f"{HOST}..",
    f".{HOST}",
    f"a.{HOST}",
    f"{HOST}.evil.example",
    f"evil{HOST}",
    f"{HOST}%2eevil.example",
    f"{HOST}%00.evil.example",
    f"{HOST}\u3002evil.example",
    "qyapi.weixin.qq.com".replace("o", "о"),  # a Cyrillic letter
    "qyapi%2eweixin%2eqq%2ecom",
    "weixin.qq.com",
    "qq.com",
)
SHAPES = (
    "https://{host}@evil.example/x",
    "https://{host}:443@evil.example/x",
    "https://evil.example#@{host}/x",
    "https://evil.example?@{host}/x",
    "https://evil.example/@{host}/x",
    "https://evil.example\\@{host}/x",
    "https://evil.example\t@{host}/x",
    "https:{host}/x",
    "https:///{host}/x",
    "//{host}/x",
    "http://{host}/x",
    "http://{host}:443/x",
    "https://{host}:80/x",
    "https://{host}:0/x",
    "ftp://{host}/x",
    "file://{host}/etc/passwd",
    "gopher://{host}/x",
    "javascript://{host}/%0aalert(1)",
    "data:text/plain,{host}",
    "https://user:password@{host}/x",
    "https://@{host}/x@evil.example",
)


@pytest.fixture
async def late():
    late = LateAnswers((HOST,), "https://qyapi.weixin.qq.com")
    yield late
    await late.close()


@pytest.mark.parametrize("host", [*LOOPBACK, *NETWORK, *NEARLY])
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_x5_no_other_host_gets_an_answer_however_it_is_written(late, scheme, host):
    for port in ("", ":443", ":80", ":8080"):
        assert not late.allows(f"{scheme}://{host}{port}/cgi-bin/aibot/response?response_code=C")


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.startswith("https://@")])
async def test_x5_wecoms_name_in_another_place_is_not_wecoms_host(late, shape):
    assert not late.allows(shape.format(host=HOST))


async def test_x5_what_is_allowed_is_sent_where_it_was_allowed(late):
    """The client reads an address as the check did: an empty user part changes nothing."""
    assert late.allows(f"https://@{HOST}/x@evil.example")
    request = late._http.build_request("POST", f"https://@{HOST}/x@evil.example")
    assert (request.url.scheme, request.url.host, request.url.port) == ("https", HOST, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_x5_no_redirect_is_followed_to_this_machine(tmp_path, status):
    async with asyncio.timeout(30), Edge(tmp_path) as edge:
        inner = []

        async def admin(request):
            inner.append(request.path)
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", admin)
        async with TestServer(app) as server:

            async def redirect(_):
                return web.Response(status=status, headers={"Location": str(server.make_url("/"))})

            edge.late.script = [redirect]
            _, reply = await asked(edge, text="later")
            delivery = await finished(edge, reply)
        assert (delivery.state, delivery.cause) == ("due", f"status {status}")
        assert inner == []


def certificate(folder, *, days=1):
    """Make a certificate that anybody could make for the loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "own.pem"
    plain = serialization.NoEncryption()
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, kind, plain) + made.public_bytes(encoding))
    return path


async def test_x5_who_holds_the_address_of_a_name_but_not_its_certificate_gets_nothing(tmp_path):
    """A name that was rebound to another address: the connection ends before a word is said."""
    came = []

    async def receive(request):
        came.append(await request.text())
        return web.json_response({"errcode": 0})

    app = web.Application()
    app.router.add_post("/response", receive)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    server = TestServer(app, scheme="https", host="localhost")
    await server.start_server(ssl=context)
    origin = f"https://localhost:{server.port}"
    late = LateAnswers((), origin)
    try:
        assert late.allows(f"{origin}/response")
        outcome = await late.post(f"{origin}/response", "the answer")
    finally:
        await late.close()
        await server.close()
    assert (outcome.kind, outcome.cause, came) == ("unsent", "ConnectError", [])
