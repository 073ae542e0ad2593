"""A turn for programs: the same facts as its page, as JSON."""

from collections.abc import Callable

import orjson
from aiohttp import web

from bot.files import Files
from bot.links import Links
from handlers.viewer import policies, raw
from store import Store
from store.records import FileChange, TurnRecord


class Api:
    """Answers whoever shows the admin token, or ``?token=`` with the turn's own."""

    def __init__(
        self, files: Files, links: Links, store: Store, admin: Callable[[web.Request], bool]
    ) -> None:
        self._files = files
        self._links = links
        self._store = store
        self._admin = admin

    @property
    def routes(self) -> list[web.RouteDef]:
        """The URLs below ``/api/task/``."""
        return [
            web.get(r"/api/task/{turn:\d{1,18}}", self.task),
            web.get(r"/api/task/{turn:\d{1,18}}/files", self.list_files),
            web.get(r"/api/task/{turn:\d{1,18}}/raw/{path:.*}", self.file),
        ]

    async def task(self, request: web.Request) -> web.Response:
        """Say what became of the turn."""
        turn = await self._turn(request)
        return _json(_facts(turn) | {"page": self._links.page(turn.n)})

    async def list_files(self, request: web.Request) -> web.Response:
        """Say which files the turn changed, and why one is not served."""
        turn = await self._turn(request)
        changes = await self._files.changes(turn.n)
        return _json({"turn": turn.n, "files": [self._file(change) for change in changes]})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Serve a file as the turn left it."""
        turn, path = await self._turn(request), request.match_info["path"]
        sources = policies.sources(request, self._links, f"/api/task/{turn.n}/raw/")
        try:
            return await raw.serve(request, self._files, turn.n, path, sources)
        except web.HTTPNotFound as exc:
            raise _refused(web.HTTPNotFound, "not_found") from exc

    async def _turn(self, request: web.Request) -> TurnRecord:
        n = int(request.match_info["turn"])
        if not self._admin(request):
            verdict = self._links.check(n, request.query.get("token", ""))
            if verdict == "expired":
                raise _refused(web.HTTPGone, "expired")
            if verdict != "good":
                raise _refused(web.HTTPUnauthorized, "unauthorized")
        turn = await self._store.turns.get(n)
        if turn is None:
            raise _refused(web.HTTPGone, "gone")
        return turn

    def _file(self, change: FileChange) -> dict[str, object]:
        obstacle = self._files.obstacle(change)
        return {
            "path": change.path,
            "kind": change.kind,
            "size": change.size,
            "added": change.added,
            "removed": change.removed,
            "served": change.kind != "deleted" and obstacle in {"", "unkept"},
            "withheld": obstacle,
        }


def _facts(turn: TurnRecord) -> dict[str, object]:
    return {
        "turn": turn.n,
        "state": turn.state,
        "outcome": turn.outcome,
        "reason": turn.reason,
        "language": turn.language,
        "question": turn.text,
        "answer": turn.answer,
        "agent": turn.agent,
        "model": turn.model,
        "created_at": turn.created_at,
        "started_at": turn.started_at,
        "ended_at": turn.ended_at,
    }


def _json(facts: dict[str, object]) -> web.Response:
    return web.Response(
        body=orjson.dumps(facts), content_type="application/json", headers=policies.NO_TRACE
    )


def _refused(kind: type[web.HTTPException], error: str) -> web.HTTPException:
    return kind(
        text=orjson.dumps({"error": error}).decode(),
        content_type="application/json",
        headers=policies.NO_TRACE,
    )
