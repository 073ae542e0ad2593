"""What the running service tells over loopback: whether it obeys a hold, and what it is at."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from bot.doctor.scene import admin_token, url_of
from bot.errors import UpgradeError
from bot.tls import trusted
from config.settings import Settings

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """What it said of OpenCode.

    ``at_work``: number, chat and age of the turns that OpenCode has, or is about to get.
    """

    state: str
    version: str
    refused: str
    hold: str
    owner: int
    at_work: tuple[tuple[int, str, int], ...]


class RunningService:
    """The service on this machine, if it is up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.url = url_of(settings)

    async def told(self) -> Told | None:
        """Return how it stands; None when it is down. Raises ``UpgradeError`` when it tells nothing."""
        try:
            async with httpx.AsyncClient(
                trust_env=False, verify=trusted(), timeout=LIMIT_S
            ) as http:
                answer = await http.get(f"{self.url}/admin/health", headers=self._headers())
        except httpx.TimeoutException as exc:
            raise UpgradeError(f"The service at {self.url} does not answer.") from exc
        except httpx.TransportError:  # it is down, or went down in this moment
            return None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise UpgradeError(
                f"The service at {self.url} does not accept our admin token; run this as its user "
                "and with its settings (--config, BOT_ADMIN_TOKEN)."
            )
        try:
            facts = None if answer.is_error else answer.json()
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            raise UpgradeError(
                f"The service at {self.url} answers {answer.status_code} where it should say how it "
                "stands. Is it this service that listens there?"
            )
        return _told(facts)

    def _headers(self) -> dict[str, str]:
        token = admin_token(self._settings)
        return {"Authorization": f"Bearer {token}"} if token else {}


def _told(facts: Mapping[str, object]) -> Told:
    opencode, turns = _table(facts.get("opencode")), _table(facts.get("turns"))
    hold = _table(opencode.get("hold"))
    now = turns.get("now")
    listed = [_table(each) for each in now] if isinstance(now, list) else []
    return Told(
        state=str(opencode.get("state", "")),
        version=str(opencode.get("version", "")),
        refused=str(opencode.get("refused") or ""),
        hold=str(hold.get("state", "")),
        owner=_number(hold.get("owner")),
        at_work=tuple(
            (_number(each.get("turn")), str(each.get("chat")), _number(each.get("age_s")))
            for each in listed
            if each.get("prompted") or not each.get("note")
        ),
    )


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
