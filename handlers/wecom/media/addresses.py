"""Where a message may send us to: WeCom's hosts, on public addresses, and nowhere inside.

A name is looked up once, its addresses are checked, and the connection goes to those: whoever
holds the name cannot let it mean another address in between.
"""

import ipaddress
import socket
from collections.abc import Callable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from bot.errors import MediaError

REFUSED = "refused"  # the cause of a failure: an address that we do not go to
HTTPS_PORT = 443
# IPv4 addresses stand at the end of these.
AROUND_IPV4 = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
LOCAL = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10")))


def checked(address: str, *, allows: Callable[[str], bool], own: URL) -> URL:
    """Return the address of a medium: https on an allowed host, or anything of our API's origin.

    Raises MediaError. ``own`` is the origin of WeCom's API as the settings have it.
    """
    try:
        url = URL(address)
        told = url.user is None and url.password is None
        if told and url.host and url.absolute and url.origin() == own:
            return url
        usual = url.scheme == "https" and url.port == HTTPS_PORT
        named = bool(url.host) and not _is_literal(url.host or "")
        if told and usual and named and allows(url.host or ""):
            return url
    except ValueError as exc:
        raise MediaError(REFUSED) from exc
    raise MediaError(REFUSED)


class PublicOnly(AbstractResolver):
    """Looks names up, and gives none of an inner network back, but for the ``own`` origin."""

    def __init__(self, own: URL, resolver: AbstractResolver | None = None) -> None:
        self._own = (own.host, own.port)
        self._resolver = resolver

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises MediaError when one of them is an inner one."""
        if self._resolver is None:
            self._resolver = ThreadedResolver()
        found = await self._resolver.resolve(host, port, family)
        if (host, port) != self._own and not all(is_public(one["host"]) for one in found):
            raise MediaError(REFUSED)
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        if self._resolver is not None:
            await self._resolver.close()


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet, also where it stands inside another."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if any(found in one for one in AROUND_IPV4):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.teredo is not None or any(found in one for one in LOCAL):
            return False
    return found.is_global and not found.is_multicast


def _is_literal(host: str) -> bool:
    """Tell whether a host is an address already: no name would be looked up for it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
