"""Calls WeCom's API for one application: with a token, within its limits, to its host alone.

https://developer.work.weixin.qq.com/document/path/90664
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx
import orjson
import structlog

from bot.clock import Clock
from bot.tls import trusted
from handlers.wecom.app.codes import BUSY, OK, Rule, rule_of
from handlers.wecom.app.said import Said
from handlers.wecom.app.tokens import NoToken, Token, Tokens
from handlers.wecom.media.disposition import name_of
from store.crashpoints import on_sent

log = structlog.get_logger()

TIMEOUT_S = 10.0
MEDIUM_TIMEOUT_S = 60.0
ANSWER_BYTES = 64 * 1024
BUSY_PAUSES_S = (0.5, 1.0, 2.0)  # before each repeat of a call to which WeCom said that it is busy
BAD_SECRET = 40001
REDIRECT, SERVER_ERROR = 300, 500
PARTIAL = httpx.codes.PARTIAL_CONTENT
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``wants`` is the member that a good answer has, where it may have no ``errcode``."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    upload: tuple[str, bytes] | None = None  # a file's name and content
    headers: Mapping[str, str] = field(default_factory=dict)
    limit: int = ANSWER_BYTES
    wants: str = "errcode"
    timeout_s: float = TIMEOUT_S
    point: str = ""  # where a drill may kill us, once this call has left


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing is asked for a while."""

    code: int
    rule: Rule
    since: int
    until: int


class CorpApi:
    """One application's access to the API. What it said of a lasting trouble holds for every call."""

    def __init__(self, api_url: str, corp_id: str, secret: str, clock: Clock) -> None:
        self._base = api_url.rstrip("/")
        self._corp_id = corp_id
        self._secret = secret
        self._clock = clock
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            verify=trusted(),
            http2=False,
        )
        self._tokens = Tokens(self._fetch_token, clock)
        self.trouble: Trouble | None = None
        self.proved_at = 0  # when it last did what it was asked for

    @property
    def up(self) -> bool:
        """Whether it may be asked now; a clock that was set back does not make a pause longer."""
        if self.trouble is None:
            return True
        left_ms = self.trouble.until - self._clock()
        return not 0 < left_ms <= self.trouble.rule.pause_s * 1000

    @property
    def token_until(self) -> int:
        """When our token expires; 0 without one."""
        return self._tokens.until

    async def prove(self) -> None:
        """See whether corp and secret are good, so that whoever looks knows before it is needed."""
        try:
            await self._tokens.get()
        except NoToken as exc:
            log.info("api.unproved", cause=exc.said.cause)

    async def call(self, call: Call) -> Said:
        """Make a call; what concerns the token, and a busy WeCom, are settled here."""
        if not self.up and self.trouble is not None:
            return Said("unsent", self.trouble.code, f"errcode {self.trouble.code} before")
        try:
            return self._noted(await self._settled(call))
        except NoToken as exc:
            return replace(exc.said, how="unsent", cause=f"no token: {exc.said.cause}")

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.aclose()

    async def _settled(self, call: Call) -> Said:
        token = await self._tokens.get()
        renewed, pauses = False, iter(BUSY_PAUSES_S)
        while True:
            said = await self._once(call, token)
            reaction = rule_of(said.code).reaction if said.how == "answered" else ""
            # By 40001 old pages mean the token as well; a new one tells which of the two it is.
            if (reaction == "renew" or said.code == BAD_SECRET) and not renewed:
                renewed, token = True, await self._tokens.get(after=token.number)
            elif said.code == BUSY and (pause_s := next(pauses, None)) is not None:
                await asyncio.sleep(pause_s)
            else:
                return said

    def _noted(self, said: Said) -> Said:
        """Remember a trouble that will meet the next call as well, or that there is none."""
        if said.taken:
            self._well()
        elif said.how == "answered" and said.code != OK:
            self._troubled(said.code)
        return said

    def _well(self) -> None:
        self.proved_at = self._clock()
        if self.trouble is not None:
            log.info("api.resumed", code=self.trouble.code)
            self.trouble = None

    def _troubled(self, code: int) -> None:
        rule, now = rule_of(code), self._clock()
        if not rule.pause_s:
            return
        last = self.trouble
        since = last.since if last is not None and last.code == code else now
        self.trouble = Trouble(code, rule, since, now + rule.pause_s * 1000)
        facts = {"code": code, "meaning": rule.meaning, "pause_s": rule.pause_s}
        if rule.reaction == "stop":
            log.error("api.stopped", **facts, mend=rule.mend)
        else:
            log.warning("api.limited", **facts)

    async def _fetch_token(self) -> Said:
        """Fetch a token, unless that was refused a moment ago: WeCom locks out who goes on asking."""
        if not self.up and self.trouble is not None:
            return Said("unsent", self.trouble.code, f"errcode {self.trouble.code} before")
        query = {"corpid": self._corp_id, "corpsecret": self._secret}
        said = await self._once(Call("/cgi-bin/gettoken", query, wants="access_token"), None)
        if not said.taken:
            return self._noted(said)
        self.proved_at = self._clock()
        log.info("token.fetched", expires_in_s=said.body.get("expires_in"))
        return said

    async def _once(self, call: Call, token: Token | None) -> Said:
        # The token belongs into the query; anywhere else WeCom does not see it.
        secrets = {"access_token": token.value} if token is not None else {}
        files = {"media": call.upload} if call.upload is not None else None
        request = self._http.build_request(
            "GET" if call.body is None and files is None else "POST",
            self._base + call.path,
            params={**call.query, **secrets},
            content=orjson.dumps(call.body) if call.body is not None else None,
            files=files,
            headers={"Content-Type": "application/json"} if call.body is not None else call.headers,
            timeout=call.timeout_s,
            extensions=on_sent(call.point) if call.point else {},
        )
        try:
            async with asyncio.timeout(call.timeout_s):
                return await self._send(request, call)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            return Said("unsent", cause=type(exc).__name__)
        except (httpx.RequestError, TimeoutError) as exc:  # also what cannot be unpacked
            return Said("doubtful", cause=type(exc).__name__)

    async def _send(self, request: httpx.Request, call: Call) -> Said:
        response = await self._http.send(request, stream=True)
        try:
            status = response.status_code
            if status >= SERVER_ERROR:
                return Said("doubtful", cause=f"status {status}")
            if status >= REDIRECT:
                return Said("answered", -status, f"status {status}")
            content, whole = await _read(response, call.limit)
        finally:
            await response.aclose()
        disposition = response.headers.get("Content-Disposition", "")
        if disposition or status == PARTIAL:
            more = status == PARTIAL and _is_more(response.headers.get("Content-Range", ""))
            return Said(
                "answered", content=content, name=name_of(disposition), whole=whole and not more
            )
        return _read_json(content, call.wants)


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Return the body, or as much of it as may come, and whether that is all."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            return bytes(body), False
    return bytes(body), True


def _read_json(content: bytes, wants: str) -> Said:
    try:
        body: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Said("doubtful", cause="no JSON")
    if not isinstance(body, dict):
        return Said("doubtful", cause="no JSON object")
    code = body.get("errcode", OK if wants in body else None)
    if not isinstance(code, int):
        return Said("doubtful", cause="errcode missing")
    return Said("answered", code, "" if code == OK else f"errcode {code}", body)


def _is_more(content_range: str) -> bool:
    found = _RANGE.match(content_range)
    return found is not None and int(found[2]) + 1 < int(found[3])
