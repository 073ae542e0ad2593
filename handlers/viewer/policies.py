"""What the browser may do with our pages, and with the agent's.

https://www.w3.org/TR/CSP3/
"""

import re

from aiohttp import web

from bot.links import Links

_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
NO_TRACE = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


def page_headers(nonce: str) -> dict[str, str]:
    """Return the headers of a page of ours: its own script and style, and nothing from others."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
        " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return NO_TRACE | {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def raw_headers(media_type: str, prefixes: str) -> dict[str, str]:
    """Return the headers of a file that the agent wrote.

    ``sandbox`` takes the origin away: no cookies, no storage, no reading of other pages. The
    sources name the folder of this turn's files alone, so that neither the viewer, nor admin
    pages, nor another host answer. A module or a fetch comes from a page without an origin,
    hence the star.
    """
    return NO_TRACE | {
        "Content-Security-Policy": _raw_policy(media_type, prefixes),
        "Access-Control-Allow-Origin": "*",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }


def _raw_policy(media_type: str, prefixes: str) -> str:
    if media_type == "application/pdf":  # a sandbox would keep the browser's own reader shut
        return "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return (
        "sandbox allow-scripts; default-src 'none';"
        f" script-src {prefixes} 'unsafe-inline' 'unsafe-eval';"
        f" style-src {prefixes} 'unsafe-inline'; img-src {prefixes} data: blob:;"
        f" font-src {prefixes} data:; media-src {prefixes} data: blob:; connect-src {prefixes};"
        f" base-uri {prefixes}; form-action 'none'; frame-ancestors 'none'"
    )


def sources(request: web.Request, links: Links, tail: str) -> str:
    """Return the folder ``tail`` as this service is reached: from outside, and by this request.

    Ends with a slash: a source that does so stands for all that lies below it.
    """
    found = [f"{links.public_url}{tail}"] if links.public_url else []
    if _HOST.fullmatch(request.host):
        found.append(f"{request.scheme}://{request.host}{tail}")
    return " ".join(dict.fromkeys(found)) or "'none'"
