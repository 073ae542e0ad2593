"""Who may see what administrators see: whoever shows the admin token."""

import base64
import binascii
import hmac

import orjson
from aiohttp import web

USER = "admin"  # a browser asks for a name, too


class Guard:
    """Knows the admin token. Everything is compared in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._named = f"{USER}:{token}".encode()
        # Only our own pages know it: a form of another site, sent by a browser that holds the
        # password, does not.
        self.form_key = hmac.digest(self._token, b"admin forms", "sha256").hex()

    def is_admin(self, request: web.Request) -> bool:
        """Tell whether a request shows the token: as a bearer, or as ``admin``'s password."""
        return self._by_bearer(request) or self._by_password(request)

    async def may_act(self, request: web.Request) -> bool:
        """Tell whether an administrator, who ``is_admin``, wants what a request asks for.

        A browser sends a password along with whatever any page makes it send, so that a
        form has to hold our key besides; nothing makes it send a bearer's token.
        """
        if self._by_bearer(request):
            return True
        shown = (await request.post()).get("key", "")
        given = shown.encode() if isinstance(shown, str) else b""
        return hmac.compare_digest(given, self.form_key.encode())

    def _by_bearer(self, request: web.Request) -> bool:
        kind, shown = _shown(request)
        return hmac.compare_digest(shown, self._token) and kind == "bearer"

    def _by_password(self, request: web.Request) -> bool:
        kind, shown = _shown(request)
        try:
            named = base64.b64decode(shown, validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(named, self._named) and kind == "basic"


def unauthorized() -> web.HTTPUnauthorized:
    """Return the answer to whoever shows nothing, or something wrong."""
    why = "Show the admin token: Authorization: Bearer …, or as the password of admin."
    answer = web.HTTPUnauthorized(
        text=orjson.dumps({"error": "unauthorized", "why": why}).decode(),
        content_type="application/json",
    )
    answer.headers.add("WWW-Authenticate", 'Bearer realm="admin"')
    answer.headers.add("WWW-Authenticate", 'Basic realm="admin", charset="UTF-8"')
    return answer


def _shown(request: web.Request) -> tuple[str, bytes]:
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    return kind.lower(), shown.strip().encode(errors="surrogateescape")
