"""Why there was no answer, in words that a person reads."""

import asyncio
import ssl

import httpx
import pytest

from bot.doctor.asking import FAILURES, asking, why
from tests.reliability.test_hostile_addresses import certificate
from tests.service_fixtures import free_port


async def test_that_nobody_listens_is_said_in_words():
    with pytest.raises(FAILURES) as caught:
        async with asking(url := f"http://127.0.0.1:{free_port()}") as http:
            await http.get(url)
    assert "Error" not in why(caught.value)
    assert "[Errno" not in why(caught.value)


def test_no_name_of_an_exception_is_shown():
    assert why(httpx.ReadTimeout("")) == "no answer in time"
    assert why(httpx.ConnectError("[Errno -2] Name or service not known")) == (
        "Name or service not known"
    )
    assert why(TimeoutError()) == "no answer in time"
    assert why(httpx.RemoteProtocolError("")) == "the connection came to nothing"
    assert why(httpx.ConnectError("see https://secret.example/token")) == (
        "the connection came to nothing"
    )


async def test_a_name_of_this_machine_is_trusted_by_the_certificates_that_openssl_is_told(
    tmp_path, monkeypatch
):
    cert = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with await asyncio.start_server(answer, "localhost", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(FAILURES) as caught:
            async with asking(url) as http:
                await http.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        async with asking(url) as http:
            assert (await http.get(url)).is_success
    assert "certificate is not to be trusted" in why(caught.value)
