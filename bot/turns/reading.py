"""Read from the server what a turn has come to: the only judge of whether it is over."""

from http import HTTPStatus

from bot.clock import Clock
from bot.errors import OpenCodeError, PeerError
from bot.opencode.client import OpenCode
from bot.opencode.model import Message, at_work
from bot.opencode.server import Server
from bot.turns.running import Running
from bot.verdict import Settling, Verdict, judge

FIRST_PAGE = 40  # messages; more are read when the prompt is further back


async def messages_since(client: OpenCode, session: str, prompt: str) -> list[Message]:
    """Return the session's messages from ``prompt`` on, oldest first; empty when it is not stored."""
    limit = FIRST_PAGE
    while True:
        messages = await client.messages(session, limit=limit)
        for index, message in enumerate(messages):
            if message.id == prompt:
                return messages[index:]
        if len(messages) < limit:
            return []
        limit *= 4


def is_trouble(exc: PeerError) -> bool:
    """Tell whether a failed call speaks of the server as such, not of what was asked for."""
    return not isinstance(exc, OpenCodeError) or exc.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def report(exc: PeerError, server: Server) -> None:
    """Let the server know what a failed call says of it."""
    if is_trouble(exc):
        server.suspect()
    else:
        server.trust()


class Reader:
    """Asks the server for status and messages of a running turn."""

    def __init__(self, client: OpenCode, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, running: Running) -> tuple[Verdict, list[Message]]:
        """Return the verdict by ``opencode.md`` §5.2, and the messages.

        The status is asked first: a turn that ends between the two calls is then judged
        by messages that are newer than the status, never the other way round.
        """
        record = running.record
        busy = at_work(await self._client.status(running.directory), record.session)
        now = self._clock()
        if busy:
            running.busy_at = now
        messages = await messages_since(self._client, record.session, record.prompt)
        if running.calling and not messages and running.halt is None:
            return Settling(), []  # what a command does before it asks the model takes its time
        verdict = judge(
            messages,
            record.prompt,
            busy=busy,
            seen_busy=running.summary.seen_busy or running.busy_at > 0,
            since_ms=now - running.alive_at,
            error=running.error or running.summary.error,
        )
        return verdict, messages
