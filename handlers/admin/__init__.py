"""What administrators read: of turns, of answers on their way, of health; as JSON, or as plain pages."""

import re
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from bot.history import life_of
from bot.services import Services
from handlers.admin import answers, facts
from handlers.guard import Guard, unauthorized
from store.records import Delivery, DeliveryState

log = structlog.get_logger()

TURNS = 50
MOST_TURNS = 200
STATES: dict[str, DeliveryState] = {
    "due": "due",
    "sending": "sending",
    "unknown": "unknown",
    "failed": "failed",
}


PATHS = ("/admin/health", "/admin/turns", "/admin/outbox")

View = Callable[[web.Request], Awaitable[web.Response]]
Truth = Callable[[], Awaitable[Mapping[str, object]]]


class Admin:
    """The routes below ``/admin/``. ``bring`` begins to bring a delivery, ``truth`` tells of health.

    ``reconnect`` opens the long connection anew and tells how it stood, None where there is none.
    """

    def __init__(
        self,
        services: Services,
        guard: Guard,
        bring: Callable[[Delivery], None],
        truth: Truth,
        reconnect: Callable[[], str | None],
    ) -> None:
        self._services = services
        self._guard = guard
        self._bring = bring
        self._truth = truth
        self._reconnect = reconnect
        self._pages = answers.Pages(guard.form_key, services.clock)

    @property
    def routes(self) -> list[web.RouteDef]:
        """What is mounted."""
        return [
            web.get("/admin/", self._readable(self.start)),
            web.get("/admin/health", self._readable(self.health)),
            web.get("/admin/turns", self._readable(self.turns)),
            web.get("/admin/turns/{turn}", self._readable(self.turn)),
            web.get("/admin/outbox", self._readable(self.outbox)),
            web.post("/admin/outbox/{delivery}/retry", self._readable(self.retry)),
            web.post("/admin/wecom/connection/reconnect", self._readable(self.reconnect)),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """Name what there is to read."""
        self._admit(request)
        if not answers.wants_page(request):
            return answers.json({"paths": PATHS})
        store = self._services.store
        with answers.stored():
            told = {"turns": await store.turns.counts(), "outbox": await store.deliveries.counts()}
        return self._pages.page(request, "start.html", told)

    async def health(self, request: web.Request) -> web.Response:
        """Tell the whole truth."""
        self._admit(request)
        return self._answer(request, "health.html", await self._truth())

    async def turns(self, request: web.Request) -> web.Response:
        """List the last turns of all chats."""
        self._admit(request)
        limit, store = _limit(request), self._services.store
        with answers.stored():
            newest = await store.turns.newest(limit)
            rows = [facts.row(one, await store.deliveries.of_turn(one.n)) for one in newest]
        return self._answer(request, "turns.html", {"turns": rows})

    async def turn(self, request: web.Request) -> web.Response:
        """Tell the whole life of a turn; what was said in it only for ``?text=1``."""
        self._admit(request)
        with answers.stored():
            life = await life_of(self._services.store, _number(request.match_info["turn"]))
        if life is None:
            raise answers.refused(web.HTTPNotFound, "not_found")
        told = facts.life(life)
        if request.query.get("text") == "1":
            told["text"] = facts.text(life)
        return self._answer(request, "turn.html", told)

    async def outbox(self, request: web.Request) -> web.Response:
        """List what is not sent, newest first."""
        self._admit(request)
        asked = request.query.get("state", "")
        if asked and asked not in STATES:
            raise answers.refused(web.HTTPBadRequest, "state", states=list(STATES))
        deliveries, now = self._services.store.deliveries, self._services.clock()
        with answers.stored():
            listed = await deliveries.unsent(state=STATES.get(asked))
            counts = await deliveries.counts(told_files=True)
        told: dict[str, object] = {
            "counts": {state: counts.get(state, 0) for state in STATES},
            "outbox": [facts.waiting(one, now) for one in listed],
        }
        if not answers.wants_page(request):
            return answers.json(told)
        return self._pages.page(request, "outbox.html", told | await self._again(request))

    async def retry(self, request: web.Request) -> web.Response:
        """Let what failed or is in doubt be brought once more, by an administrator's wish."""
        self._admit(request)
        if not await self._guard.may_act(request):
            raise answers.refused(web.HTTPForbidden, "form")
        delivery = _number(request.match_info["delivery"])
        deliveries = self._services.store.deliveries
        with answers.stored():
            retried = await deliveries.retry(delivery)
            now = await deliveries.get(delivery)
        if now is None:
            raise answers.refused(web.HTTPNotFound, "not_found")
        if not retried:
            raise answers.refused(web.HTTPConflict, "not_retryable", state=now.state)
        log.info("delivery.retried", delivery=now.id, turn=now.turn)
        self._bring(now)
        if answers.wants_page(request):
            return web.Response(status=303, headers={"Location": f"../../outbox?again={now.id}"})
        return answers.json({"delivery": now.id, "turn": now.turn, "state": now.state})

    async def reconnect(self, request: web.Request) -> web.Response:
        """Open the long connection anew, by an administrator's wish."""
        self._admit(request)
        if not await self._guard.may_act(request):
            raise answers.refused(web.HTTPForbidden, "form")
        state = self._reconnect()
        if state is None:
            raise answers.refused(web.HTTPNotFound, "not_found")
        log.info("connection.wished", state=state)
        return answers.json({"state": state})

    def _readable(self, view: View) -> View:
        """Let a browser get a page of what a view refuses; a missing token stays as it is."""

        async def answer(request: web.Request) -> web.Response:
            try:
                return await view(request)
            except web.HTTPUnauthorized:
                raise
            except web.HTTPError as exc:
                if not answers.wants_page(request):
                    raise
                return self._pages.error(request, exc)

        return answer

    def _admit(self, request: web.Request) -> None:
        if not self._guard.is_admin(request):
            raise unauthorized()

    async def _again(self, request: web.Request) -> dict[str, object]:
        """Return what became of the answer whose button was pressed."""
        asked = request.query.get("again")
        if asked is None:
            return {"again": None}
        with answers.stored():
            again = await self._services.store.deliveries.get(_number(asked))
        return {"again": again and facts.waiting(again, self._services.clock())}

    def _answer(
        self, request: web.Request, template: str, told: Mapping[str, object]
    ) -> web.Response:
        if answers.wants_page(request):
            return self._pages.page(request, template, told)
        return answers.json(told)


def _number(given: str) -> int:
    if re.fullmatch(r"[0-9]{1,18}", given) is None:
        raise answers.refused(web.HTTPNotFound, "not_found")
    return int(given)


def _limit(request: web.Request) -> int:
    given = request.query.get("limit", str(TURNS))
    if re.fullmatch(r"[1-9][0-9]{0,3}", given) is None or int(given) > MOST_TURNS:
        raise answers.refused(web.HTTPBadRequest, "limit", most=MOST_TURNS)
    return int(given)
