"""Brings notices to those who look after the service, by a group's webhook (消息推送).

https://developer.work.weixin.qq.com/document/path/91770
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.fitting import fit
from bot.texts import Language
from bot.texts import caretakers as texts
from config.settings import Settings
from handlers.wecom.budget import Budget, Limits
from handlers.wecom.late import LateAnswers
from handlers.wecom.outcome import Outcome

log = structlog.get_logger()

PATH = "/cgi-bin/webhook/send"
MARKDOWN_BYTES = 4096
LINE_BYTES = 200  # of a notice that is told with others
PER_MINUTE = 20
PER_HOUR = 1000
WAITING = 200  # notices that may wait, the newest of them
REST_MS = 60_000  # when WeCom said that it was too much
AGAIN_MS = 15_000  # when it could not be reached
TRIES = 20  # of one notice that WeCom cannot be brought
KEY_IS_BAD = "errcode 93000"
GROUP = "webhook"  # of the budget: there is one
END = "\n"


@dataclass(frozen=True, slots=True)
class Batch:
    """Notices that leave together; ``left_out``: how many more there were, of which only the count is known."""

    notices: tuple[str, ...]
    left_out: int

    @property
    def count(self) -> int:
        """How many are told of."""
        return len(self.notices) + self.left_out

    def markdown(self, language: Language) -> str:
        """Return the notice itself, or a line for each of several."""
        if self.count == 1:
            return self.notices[0]
        head = texts.DIGEST.say(language, count=self.count)
        lines = [f"> {fit(one.partition(END)[0], LINE_BYTES)}" for one in self.notices]
        return fit(END.join([head, *lines]), MARKDOWN_BYTES)


class Webhook:
    """An outlet that nobody waits for: ``tell`` returns at once, a job of its own brings it.

    What comes faster than WeCom takes it is told together.
    """

    def __init__(self, key: str, api_url: str, clock: Clock, language: Language) -> None:
        self._address = f"{api_url}{PATH}?key={key}"
        self._post = LateAnswers((), api_url)
        self._clock = clock
        self._language = language
        self._budget = Budget(Limits(PER_MINUTE, PER_HOUR, minute_reserve=0, hour_reserve=0))
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._together = False
        self._tries = 0
        self._refused = False
        self._sent = 0
        self._problem = ""
        self._woken = asyncio.Event()

    @property
    def facts(self) -> dict[str, object]:
        """How it stands, for whoever looks after the service."""
        return {
            "sent": self._sent,
            "waiting": len(self._waiting) + self._left_out,
            "refused": self._refused,
            "problem": self._problem,
        }

    def tell(self, markdown: str) -> None:
        """Have something told; when too much waits, the oldest is only counted."""
        if self._refused:
            return
        self._waiting.append(fit(markdown, MARKDOWN_BYTES))
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            self._left_out += 1
        self._woken.set()

    async def run(self) -> None:
        """Bring what is told, for as long as the service lives."""
        while True:
            await self.bring()
            pause_s = self._wait_ms() / 1000 if self._waiting else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            self._woken.clear()

    async def bring(self) -> None:
        """Bring what may leave now."""
        while self._waiting:
            if self._wait_ms():
                self._together = True
                return
            batch = self._next()
            self._budget.spend(GROUP, self._clock())
            said = batch.markdown(self._language)
            self._take(batch, await self._post.post(self._address, said))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._post.close()

    def _wait_ms(self) -> int:
        return self._budget.wait_ms(GROUP, self._clock(), final=True)

    def _next(self) -> Batch:
        """Take the oldest notice out of the line, or all that were held up."""
        if not self._together and not self._left_out:
            return Batch((self._waiting.popleft(),), 0)
        batch = Batch(tuple(self._waiting), self._left_out)
        self._waiting.clear()
        self._left_out, self._together = 0, False
        return batch

    def _take(self, batch: Batch, outcome: Outcome) -> None:
        """Do what the outcome asks for."""
        self._problem = outcome.cause
        self._tries += 1
        if outcome.kind == "sent":
            self._sent += 1
            self._tries = 0
        elif outcome.cause == KEY_IS_BAD:
            self._refused = True
            self._waiting.clear()
            log.error("webhook.refused", cause=outcome.cause)
        elif outcome.kind in {"refused", "barred"} or self._tries >= TRIES:
            self._tries = 0
            log.warning("webhook.failed", cause=outcome.cause, notices=batch.count)
        else:  # not wanted now, or WeCom is away: a notice that comes twice does no harm
            self._waiting.extendleft(reversed(batch.notices))
            self._left_out += batch.left_out
            pause_ms = REST_MS if outcome.kind == "limited" else AGAIN_MS
            self._budget.rest(GROUP, self._clock() + pause_ms)


def build_webhook(settings: Settings, background: Background, clock: Clock) -> Webhook | None:
    """Return the outlet and begin its job; None where no key is set."""
    key = settings.wecom.webhook.key
    if key is None:
        return None
    language: Language = "en" if settings.chat.language == "en" else "zh"
    webhook = Webhook(key.get_secret_value(), settings.wecom.api_url, clock, language)
    background.keep(webhook.run, name="wecom webhook", vital=False)
    return webhook
