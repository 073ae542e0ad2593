"""Who may open the sandbox: this machine's own browser, with the token of the printed address."""

import hmac
from ipaddress import ip_address

from aiohttp import web

COOKIE = "sandbox-{port}"  # browsers keep cookies by host alone, and two sandboxes may run
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
FORWARDED = (
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"),
    *("Via", "CF-Connecting-IP", "True-Client-IP"),
)


class Guard:
    """Checks requests against one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def enter(self, request: web.Request) -> web.Response | None:
        """Trade the token of the printed address for a cookie; None when there is none to trade."""
        check_local(request)
        if "token" not in request.query:
            return None
        self._check(request.query["token"])
        headers = {"Location": request.path, "Cache-Control": "no-store"}
        response = web.Response(status=303, headers=headers)
        response.set_cookie(
            _cookie(request), self._token, path="/sandbox/", httponly=True, samesite="Strict"
        )
        return response

    def check(self, request: web.Request) -> None:
        """Let a request through, or raise 403."""
        check_local(request)
        self._check(request.cookies.get(_cookie(request), ""))

    def _check(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(errors="surrogatepass"), self._token.encode()):
            raise web.HTTPForbidden(text="Open the address that the terminal printed.\n")


def check_peer(request: web.Request) -> None:
    """Raise 403 unless a request comes from this machine, and not through a proxy on it."""
    peer = _socket_fact(request, "peername")[0]
    local = ip_address(peer).is_loopback
    if not local or any(name in request.headers for name in FORWARDED):
        raise web.HTTPForbidden(text="The sandbox is for this machine alone.\n")


def check_local(request: web.Request) -> None:
    """Raise 403 unless a request comes from this machine and was meant for it.

    A browser names the site that it was told to call (Host) and the one that told it (Origin):
    neither a foreign name that leads here nor a foreign page gets through.
    """
    check_peer(request)
    port = _socket_fact(request, "sockname")[1]
    hosts = [f"{name}:{port}" for name in LOOPBACK_NAMES]
    if request.headers.get("Host", "") not in hosts:
        raise web.HTTPForbidden(text="Open the sandbox as localhost.\n")
    origin = request.headers.get("Origin")
    if origin is None and request.method == "GET":
        return
    if origin not in [f"http://{host}" for host in hosts]:
        raise web.HTTPForbidden(text="Another site may not use the sandbox.\n")


def _cookie(request: web.Request) -> str:
    return COOKIE.format(port=_socket_fact(request, "sockname")[1])


def _socket_fact(request: web.Request, name: str) -> tuple[str, int]:
    if request.transport is None:
        raise web.HTTPForbidden
    address: tuple[str, int] = request.transport.get_extra_info(name)
    return address


def local_only(route: web.RouteDef) -> web.RouteDef:
    """Let only this machine reach a route that needs no cookie."""

    async def handle(request: web.Request) -> web.StreamResponse:
        check_peer(request)
        response: web.StreamResponse = await route.handler(request)
        return response

    return web.RouteDef(route.method, route.path, handle, route.kwargs)
