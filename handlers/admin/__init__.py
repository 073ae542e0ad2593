"""What administrators read of turns and of answers on their way: as JSON, or as plain pages."""

import re
from collections.abc import Callable

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


class Admin:
    """The routes below ``/admin/`` that are about turns. ``bring`` begins to bring a delivery."""

    def __init__(self, services: Services, guard: Guard, bring: Callable[[Delivery], None]) -> None:
        self._services = services
        self._guard = guard
        self._bring = bring
        self._pages = answers.Pages()

    @property
    def routes(self) -> list[web.RouteDef]:
        """What is mounted."""
        return [
            web.get("/admin/turns", self.turns),
            web.get(r"/admin/turns/{turn:\d{1,18}}", self.turn),
            web.get("/admin/outbox", self.outbox),
            web.post(r"/admin/outbox/{delivery:\d{1,18}}/retry", self.retry),
        ]

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
            life = await life_of(self._services.store, int(request.match_info["turn"]))
        if life is None:
            raise answers.refused(web.HTTPNotFound, "not_found")
        told = facts.life(life)
        if request.query.get("text") == "1":
            told["text"] = facts.text(life)
        return self._answer(request, "turn.html", told, root="../")

    async def outbox(self, request: web.Request) -> web.Response:
        """List what is not sent, newest first."""
        self._admit(request)
        asked = request.query.get("state", "")
        if asked and asked not in STATES:
            raise answers.refused(web.HTTPBadRequest, "state", states=list(STATES))
        deliveries, now = self._services.store.deliveries, self._services.clock()
        with answers.stored():
            listed = await deliveries.unsent(state=STATES.get(asked))
            counts = await deliveries.counts()
        told: dict[str, object] = {
            "counts": {state: counts.get(state, 0) for state in STATES},
            "outbox": [facts.waiting(one, now) for one in listed],
        }
        return self._answer(request, "outbox.html", told)

    async def retry(self, request: web.Request) -> web.Response:
        """Let what failed or is in doubt be brought once more, by an administrator's wish."""
        self._admit(request)
        if not await self._guard.may_act(request):
            raise answers.refused(web.HTTPForbidden, "form")
        delivery, deliveries = int(request.match_info["delivery"]), self._services.store.deliveries
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
            return web.Response(status=303, headers={"Location": "../../outbox"})
        return answers.json({"delivery": now.id, "turn": now.turn, "state": now.state})

    def _admit(self, request: web.Request) -> None:
        if not self._guard.is_admin(request):
            raise unauthorized()

    def _answer(
        self, request: web.Request, template: str, told: dict[str, object], *, root: str = ""
    ) -> web.Response:
        if answers.wants_page(request):
            return self._pages.page(template, told, root=root, form_key=self._guard.form_key)
        return answers.json(told)


def _limit(request: web.Request) -> int:
    given = request.query.get("limit", str(TURNS))
    if re.fullmatch(r"[1-9][0-9]{0,3}", given) is None or int(given) > MOST_TURNS:
        raise answers.refused(web.HTTPBadRequest, "limit", most=MOST_TURNS)
    return int(given)
