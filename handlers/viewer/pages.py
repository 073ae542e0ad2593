"""The page of a turn: its answer, its files and their diffs; live while it runs."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog
from aiohttp import web

from bot.files import Files, in_thread
from bot.links import Links
from bot.texts import Language, Text
from bot.texts import files as texts
from handlers.templating import environment
from handlers.viewer import changes, markdown, policies, raw
from store import Store
from store.records import TurnRecord

log = structlog.get_logger()

FOLDER = Path(__file__).parent
TURN = r"/t/{turn:\d{1,18}}/{token}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A page that says why there is no page."""

    status: int
    title: Text
    body: Text


EXPIRED = Notice(410, texts.EXPIRED_TITLE, texts.EXPIRED)
PURGED = Notice(410, texts.PURGED_TITLE, texts.PURGED)
NOT_FOUND = Notice(404, texts.NOT_FOUND_TITLE, texts.NOT_FOUND)


class Pages:
    """Shows turns to whoever holds their link."""

    def __init__(
        self, files: Files, links: Links, store: Store, live: Callable[[int], str | None]
    ) -> None:
        self._files = files
        self._links = links
        self._store = store
        self._live = live
        self._colours = markdown.style()
        self._templates = environment(FOLDER / "templates", FOLDER / "static")

    @property
    def routes(self) -> list[web.RouteDef]:
        """The URLs below ``/t/``."""
        return [
            web.get(f"{TURN}/", self.page),
            web.get(f"{TURN}/live", self.progress),
            web.get(f"{TURN}/raw/{{path:.*}}", self.file),
            web.get(f"{TURN}/diff/{{path:.+}}", self.diff),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Show the turn."""
        turn = await self._turn(request)
        if isinstance(turn, Notice):
            answer = self._notice(request, turn)
        else:
            answer = self._html("page.html", turn.language, await self._facts(turn))
        n = _number(request)
        note = log.info if n else log.debug  # no turn has the number 0: it is the doctor who asks
        note("link.opened", turn=n, path="", status=answer.status)
        return answer

    async def progress(self, request: web.Request) -> web.Response:
        """Give the page's inner part anew, for a page that is open while the turn runs."""
        turn = await self._turn(request)
        if isinstance(turn, Notice):
            return self._notice(request, turn)
        facts = await self._facts(turn)
        body = {"over": facts["over"], "html": self._render("_turn.html", turn.language, **facts)}
        return web.Response(
            body=orjson.dumps(body), content_type="application/json", headers=policies.NO_TRACE
        )

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Serve a file by its path, so that a page finds what it refers to."""
        turn, path = await self._turn(request), request.match_info["path"]
        if isinstance(turn, Notice):
            return self._refused(request, turn, path)
        sources = policies.sources(
            request, self._links, request.path.partition("/raw/")[0] + "/raw/"
        )
        try:
            return await raw.serve(request, self._files, turn.n, path, sources)
        except web.HTTPNotFound:
            return self._notice(request, NOT_FOUND)

    async def diff(self, request: web.Request) -> web.Response:
        """Show one diff as plain text, for a page that would be too long with it."""
        turn, path = await self._turn(request), request.match_info["path"]
        if isinstance(turn, Notice):
            return self._refused(request, turn, path)
        text = await self._files.diff(turn.n, path, turn.language)
        log.info("link.opened", turn=turn.n, path=path, status=200)
        return web.Response(text=text, headers=policies.NO_TRACE)

    async def _turn(self, request: web.Request) -> TurnRecord | Notice:
        verdict = self._links.check(_number(request), request.match_info["token"])
        if verdict != "good":
            return EXPIRED if verdict == "expired" else NOT_FOUND
        return await self._store.turns.get(_number(request)) or PURGED

    async def _facts(self, turn: TurnRecord) -> dict[str, object]:
        over = turn.state not in {"queued", "running"}
        found = await self._files.changes(turn.n)
        if over:
            rows = await changes.rows_of(self._files, found, turn.language)
        else:
            rows = changes.bare_rows(self._files, found, turn.language)
        words = turn.answer if over else self._live(turn.n) or ""
        return {
            "turn": turn,
            "over": over,
            "state": texts.STATES[turn.state].say(turn.language),
            "took": _took(turn),
            "ended": _day(turn.ended_at),
            "answer": await in_thread(markdown.to_html, words, turn.directory),
            "rows": rows,
            "more": max(0, len(found) - changes.SHOWN_FILES),
            "lines_added": sum(change.added or 0 for change in found),
            "lines_removed": sum(change.removed or 0 for change in found),
        }

    def _refused(self, request: web.Request, notice: Notice, path: str) -> web.Response:
        log.info("link.opened", turn=_number(request), path=path, status=notice.status)
        return self._notice(request, notice)

    def _notice(self, request: web.Request, notice: Notice) -> web.Response:
        language = _language_of(request)
        n = _number(request)
        return self._html(
            "notice.html",
            language,
            {"title": notice.title.say(language, n=n), "body": notice.body.say(language, n=n)},
            status=notice.status,
        )

    def _html(
        self, template: str, language: Language, facts: Mapping[str, object], *, status: int = 200
    ) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        text = self._render(template, language, nonce=nonce, colours=self._colours, **facts)
        return web.Response(
            text=text,
            status=status,
            content_type="text/html",
            headers=policies.page_headers(nonce),
        )

    def _render(self, template: str, language: Language, **facts: object) -> str:
        def say(name: str, **words: object) -> str:
            text = getattr(texts, name)
            assert isinstance(text, Text)
            return text.say(language, **words)

        return self._templates.get_template(template).render(language=language, say=say, **facts)


def _number(request: web.Request) -> int:
    return int(request.match_info["turn"])


def _language_of(request: web.Request) -> Language:
    """Guess from the browser what a person reads of whom we know nothing: Chinese unless told."""
    accepted = request.headers.get("Accept-Language", "zh").lower()
    return "en" if accepted.startswith("en") else "zh"


def _took(turn: TurnRecord) -> str:
    if turn.started_at is None or turn.ended_at is None:
        return ""
    minutes, seconds = divmod(max(0, turn.ended_at - turn.started_at) // 1000, 60)
    return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"


def _day(at: int | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
