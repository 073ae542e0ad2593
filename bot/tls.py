"""The certificate authorities that are trusted when this program calls a peer: a constant, read once.

A client that reads them itself takes some twenty milliseconds for it, also for a peer on this
machine that speaks plain HTTP. https://www.python-httpx.org/advanced/ssl/
"""

import functools
import ssl

import httpx


@functools.cache
def trusted() -> ssl.SSLContext:
    """Return the one context for ``verify=``: the authorities that come with httpx."""
    return httpx.create_ssl_context(trust_env=False)
