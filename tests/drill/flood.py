"""Hundreds of commands a second from hundreds of people, while the service is cut down again and again."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
import orjson

from tests.fakes.envelope import Sealer
from tests.wecom_fixtures import BOT_ID

PEOPLE = 400
SENDERS = 24
REPEATS = 3
ANSWER_S = 5.0
LATER_S = 0.2
WORDS = "/whoami"


@dataclass
class Flood:
    """Sends for as long as it lives; keeps what was acknowledged, and with what.

    ``acknowledged`` has the stream of each message, ``unfinished`` those whose first answer was
    not the last word, ``given_up`` those that no copy of got through.
    """

    url: str
    rate: float
    up: asyncio.Event
    acknowledged: dict = field(default_factory=dict)
    unfinished: dict = field(default_factory=dict)
    odd: list = field(default_factory=list)
    given_up: int = 0
    sent: int = 0

    def __post_init__(self):
        self._sealer = Sealer()
        self._began = time.monotonic()

    async def run(self, stop):
        """Send at the rate that is wanted, all senders together, until ``stop`` is set."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as http,
            asyncio.TaskGroup() as group,
        ):
            for sender in range(SENDERS):
                group.create_task(self._send_on(http, sender, stop))

    async def _send_on(self, http, sender, stop):
        number = sender
        due = time.monotonic() + sender / self.rate
        while not stop.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            # What fell due while nobody was there is not made up for: no burst after a restart.
            due = max(due, time.monotonic() - 1) + SENDERS / self.rate
            await self._say(http, f"f{number}", f"person{number % PEOPLE}")
            number += SENDERS

    async def _say(self, http, msgid, person):
        self.sent += 1
        for _ in range(1 + REPEATS):
            answer = await self.ask(http, _message(msgid, person))
            if answer is not None:
                self._keep(msgid, answer)
                return
            await asyncio.sleep(LATER_S)
            await self.up.wait()
        self.given_up += 1

    def _keep(self, msgid, answer):
        stream = answer["stream"]
        self.acknowledged[msgid] = stream["id"]
        if not stream["finish"]:
            self.unfinished[msgid] = stream["id"]
        elif not stream["content"].strip():
            self.odd.append(f"{msgid} was answered with nothing")

    async def ask(self, http, body):
        """Send one callback; return what is inside the answer, None without a good one."""
        encrypted = self._sealer.encrypt(orjson.dumps(body))
        url = f"{self.url}?{self._sealer.query(encrypted)}"
        try:
            async with http.post(url, data=orjson.dumps({"encrypt": encrypted})) as answer:
                if answer.status != 200:
                    return None
                return self._sealer.open_answer(await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def finish(self):
        """Ask for every bubble that was open until it is closed; what stays open is odd."""
        async with aiohttp.ClientSession() as http:
            for msgid, stream in self.unfinished.items():
                poll = _origin(f"p-{msgid}", "person0") | {"msgtype": "stream"}
                answer = await self.ask(http, poll | {"stream": {"id": stream}})
                if answer is None or not answer["stream"]["finish"]:
                    self.odd.append(f"{msgid} stays open")


def _origin(msgid, person):
    head = {"msgid": msgid, "aibotid": BOT_ID, "chattype": "single"}
    return head | {"from": {"userid": person}}


def _message(msgid, person):
    url = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=C"
    words = {"msgtype": "text", "text": {"content": WORDS}, "response_url": url}
    return _origin(msgid, person) | words
