"""Viewer: the public URL as browsers see it, the clock, and the links that are signed."""

import asyncio
import contextlib
import shlex
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from bot.clock import now_ms
from bot.doctor.asking import ANSWER_S, FAILURES, UNTRUSTED, asking, skew_s, why
from bot.doctor.findings import Check, Finding, check
from bot.doctor.machine import LOOPBACK
from bot.doctor.reading import age, there
from bot.doctor.scene import Scene
from bot.doctor.units import RESTART
from bot.links import KEY_BYTES, TOKEN_CHARS, Links
from bot.texts import doctor as titles
from config.data_files import LINK_KEY_FILE

NO_TURN = 0  # turns are counted from 1: a link to it is good and shows nothing
FORGED = "A" * TOKEN_CHARS
HTTPS = 443
RENEWED_S = 14 * 86_400  # whoever renews by themselves does so before
SKEW_S = 60.0
SKEW_TOO_FAR_S = 600.0  # callbacks that are older are refused
STEP_MS = 2 * 3600 * 1000  # expiries are rounded up by less
PROXY = "docs/howto/nginx.md"
CLOCK = "timedatectl set-ntp true"


@check("viewer.url", titles.VIEWER_URL)
async def url(scene: Scene) -> Iterable[Finding]:
    """See whether links have an address, and whether they travel sealed."""
    public = scene.settings.server.public_url
    if public is None:
        said = "server.public_url is not set: answers name files and cannot link them"
        return [url.warning(said, "set BOT_PUBLIC_URL=https://… and put a proxy there: " + PROXY)]
    parts = urlsplit(public)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        said = f"{public} is not sealed by TLS: whoever listens in can open links"
        return [
            url.warning(said, f"let a proxy add TLS, and set BOT_PUBLIC_URL=https://…: {PROXY}")
        ]
    return [url.fine(public)]


@check("viewer.reached", titles.VIEWER_REACHED, limit_s=15.0)
async def reached(scene: Scene) -> Iterable[Finding]:
    """Ask by the public URL, and know by a link that it is this service that answers."""
    public = scene.settings.server.public_url
    if public is None:
        return []
    key = _key(scene)
    try:
        async with asking(public) as http:
            health = await http.get(f"{public}/healthz")
            proof = await _proof(http, scene, key, public) if key is not None else ""
    except FAILURES as exc:
        found = why(exc)
        mend = f"see that its name leads here and the proxy runs and passes it on: {PROXY}"
        if UNTRUSTED in found:
            mend = f"give the proxy one for this name, not expired, with its whole chain: {PROXY}"
        return [reached.error(f"{public} gives no answer ({found})", mend)]
    if scene.live is None:
        state, first = ("slow", "") if scene.slow else ("down", "start the service, then ")
        said = (
            f"{public} answers {health.status_code}; the service is {state}, so this tells little"
        )
        return [reached.warning(said, f"{first}run doctor again")]
    if proof:
        said = f"{public} answers, but not as this service ({proof})"
        mend = f"pass /t/, /wecom/bot and /healthz of it on to {scene.url}: {PROXY}"
        return [reached.error(said, mend)]
    if key is None:
        said = f"{public}/healthz answers {health.status_code}; whose it is was not proved"
        return [reached.fine(f"{said}: {LINK_KEY_FILE} cannot be read")]
    beside = "" if health.is_success else f"; its /healthz is not passed on ({health.status_code})"
    return [reached.fine(f"{public} answers as this service, seen from this machine{beside}")]


async def _proof(http: httpx.AsyncClient, scene: Scene, key: bytes, at: str) -> str:
    """Return what gives a stranger away; empty when it knows our key.

    Only who has the key can tell a signed link to no turn (gone) from a forged one (not found).
    """
    signed = Links(key, None, scene.settings.files.link_ttl, now_ms).token(NO_TURN)
    good = (await http.get(f"{at}/t/{NO_TURN}/{signed}/")).status_code
    forged = (await http.get(f"{at}/t/{NO_TURN}/{FORGED}/")).status_code
    if (good, forged) == (HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
        return ""
    return f"a signed link: {good}, a forged one: {forged}"


def _key(scene: Scene) -> bytes | None:
    try:
        return (scene.data_dir / LINK_KEY_FILE).read_bytes()
    except OSError:
        return None


@check("viewer.certificate", titles.VIEWER_CERTIFICATE)
async def certificate(scene: Scene) -> Iterable[Finding]:
    """See for how long the certificate of the public URL is good."""
    parts = urlsplit(scene.settings.server.public_url or "")
    if parts.scheme != "https" or parts.hostname is None:
        return []
    try:
        ends_at = await _good_until(parts.hostname, parts.port or HTTPS)
    except OSError:  # `viewer.reached` says so
        return []
    left_s = ends_at - now_ms() / 1000
    said = f"of {parts.hostname}, good for {age(int(left_s * 1000))}"
    if left_s < RENEWED_S:
        return [certificate.warning(said, "renew it and reload the proxy: certbot renew")]
    return [certificate.fine(said)]


async def _good_until(host: str, port: int) -> float:
    """Return when the certificate that a server shows ends; raises OSError when it is none of use."""
    async with asyncio.timeout(ANSWER_S):
        _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    try:
        shown = writer.get_extra_info("peercert")
        return ssl.cert_time_to_seconds(shown["notAfter"])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@check("viewer.clock", titles.VIEWER_CLOCK, limit_s=15.0)
async def clock(scene: Scene) -> Iterable[Finding]:
    """Compare this machine's clock with those of the public URL and of WeCom's API."""
    found: dict[str, float] = {}
    for place in (scene.settings.server.public_url, scene.settings.wecom.api_url):
        ahead = await _ahead_of(place) if place is not None else None
        if place is not None and ahead is not None:
            found[place] = ahead
    if not found:
        return []
    place, worst = max(found.items(), key=lambda one: abs(one[1]))
    if abs(worst) < SKEW_S:
        return [clock.fine(f"within {SKEW_S:.0f} s of {', '.join(found)}")]
    way = "ahead of" if worst > 0 else "behind"
    said = f"{abs(worst):.0f} s {way} {place}"
    if abs(worst) < SKEW_TOO_FAR_S:
        return [clock.warning(f"{said}: links and approvals end at another time", CLOCK)]
    return [clock.error(f"{said}: WeCom's messages are refused as too old", CLOCK)]


async def _ahead_of(place: str) -> float | None:
    try:
        async with asking(place) as http:
            return skew_s(await http.head(place))
    except FAILURES:  # `viewer.reached` and `wecom.api` say so
        return None


@check("viewer.link", titles.VIEWER_LINK)
async def link(scene: Scene) -> Iterable[Finding]:
    """Sign a link and have it checked, here and by the running service; see that an old one is refused."""
    path, key = scene.data_dir / LINK_KEY_FILE, _key(scene)
    if key is None:
        if not there(path):
            return []  # made at the first start, or not ours to see
        return [
            link.error(f"{path} cannot be read by this user", "run doctor as the service's user")
        ]
    if len(key) != KEY_BYTES:
        said = (
            f"{path} holds {len(key)} bytes instead of {KEY_BYTES}: the service does not start; "
            "without it a new key is made, and links sent before are dead"
        )
        return [link.error(said, shlex.join(["rm", str(path)]))]
    wrong = _wrong(key, scene.settings.files.link_ttl)
    if wrong:  # pragma: no cover - only a mistake of ours
        return [link.error(wrong, "python -m bot doctor --bundle FILE, and report it")]
    if scene.live is None:
        return [link.fine("signed and checked; expired and forged ones are refused")]
    try:
        async with asking(scene.url) as http:
            proof = await _proof(http, scene, key, scene.url)
    except FAILURES as exc:
        proof = why(exc)
    if proof:
        return [
            link.error(f"the running service does not know the key of {path} ({proof})", RESTART)
        ]
    return [link.fine("the service takes a signed one; expired and forged ones are refused")]


def _wrong(key: bytes, ttl_s: float) -> str:
    now = now_ms()
    links = Links(key, None, ttl_s, lambda: now)
    old = Links(key, None, ttl_s, lambda: now - int(ttl_s * 1000) - STEP_MS).token(1)
    verdicts = links.check(1, links.token(1)), links.check(1, old), links.check(2, links.token(1))
    return "" if verdicts == ("good", "expired", "forged") else f"verdicts are {verdicts}"


CHECKS: tuple[Check, ...] = (url, reached, certificate, clock, link)
