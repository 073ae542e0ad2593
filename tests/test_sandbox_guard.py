"""The guard of the sandbox's page on its own: half a character, and other machines."""

import contextlib

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bot.sandbox.guard import Guard, check_local

SECRET = "the-token-of-the-printed-address"


def test_half_a_character_is_no_token():
    with pytest.raises(web.HTTPForbidden):
        Guard(SECRET)._check("\udcff")


class Connection:
    """A connection as the kernel tells of it."""

    def __init__(self, peer):
        self._facts = {"peername": (peer, 50_000), "sockname": ("127.0.0.1", 8080)}

    def get_extra_info(self, name, default=None):
        return self._facts.get(name, default)


@pytest.mark.parametrize(("peer", "refused"), [("127.0.0.1", 0), ("::1", 0), ("192.0.2.7", 1)])
def test_a_peer_on_another_machine_is_refused(peer, refused):
    headers = {"Host": "localhost:8080"}
    request = make_mocked_request("GET", "/sandbox/", headers, transport=Connection(peer))
    with pytest.raises(web.HTTPForbidden) if refused else contextlib.nullcontext():
        check_local(request)


def test_a_connection_that_is_gone_is_refused():
    request = make_mocked_request("GET", "/sandbox/")
    request.protocol.transport = None
    with pytest.raises(web.HTTPForbidden):
        check_local(request)
