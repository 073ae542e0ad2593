"""What chats have on the server: read before, compared after."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.errors import OpenCodeError, SessionGone, UpgradeError, facts_of
from bot.opencode.client import OpenCode
from bot.opencode.feed import Feed
from bot.opencode.probe import Address
from store.mapping import Mapped

CHATS = 3  # whose sessions are opened and read
LOOKED_AT = 300  # sessions whose existence is asked for, the newest
LISTED = 1_000  # newest sessions of one folder
FEED_S = 20.0


@dataclass(frozen=True, slots=True)
class Lost:
    """What a way back to older data loses: sessions created since, and those written to since."""

    created: int
    written: int
    chats: int


def client_of(address: Address) -> OpenCode:
    """Return a client for a server."""
    return OpenCode(address.url, address.username, address.password)


def of_three_chats(mapped: Iterable[Mapped]) -> list[Mapped]:
    """Return the newest session of the three chats that were at work last."""
    first: dict[str, Mapped] = {}
    for each in mapped:
        first.setdefault(each.chat, each)
    return list(first.values())[:CHATS]


async def counted(client: OpenCode, mapped: Sequence[Mapped]) -> dict[str, int]:
    """Return how many messages each session has: read for three chats, else -1; without the gone."""
    read = {each.session for each in of_three_chats(mapped)}
    found: dict[str, int] = {}
    for each in mapped[:LOOKED_AT]:
        try:
            await client.session(each.session)
            full = each.session in read
            found[each.session] = len(await client.messages(each.session)) if full else -1
        except SessionGone:
            continue
    return found


def compared(before: dict[str, int] | None, after: dict[str, int]) -> None:
    """Raise ``UpgradeError`` when a session is gone or has lost messages."""
    known = before or {}
    gone = [session for session in known if session not in after]
    if gone:
        raise UpgradeError(
            f"{len(gone)} of {len(known)} sessions of chats are not there any more, {gone[0]} first."
        )
    shorter = [session for session, count in known.items() if after[session] < count]
    if shorter:
        raise UpgradeError(
            f"Session {shorter[0]} has {after[shorter[0]]} messages and had {known[shorter[0]]}."
        )


async def at_service(address: Address, mapped: Sequence[Mapped]) -> None:
    """Ask for all that turns need besides sessions: permissions, questions, agents, the event stream."""
    async with client_of(address) as client:
        for directory in {each.directory for each in of_three_chats(mapped)}:
            try:
                await client.permissions(directory)
                await client.questions(directory)
                await client.agents(directory)
            except OpenCodeError as exc:
                raise UpgradeError(
                    f"The server fails in the folder of a chat: {facts_of(exc)}."
                ) from exc
    feed = Feed(address.url, address.username, address.password)
    try:
        async with asyncio.timeout(FEED_S), asyncio.TaskGroup() as group:
            job = group.create_task(feed.run())
            await feed.wait_connected()
            job.cancel()
    except TimeoutError as exc:
        raise UpgradeError(f"The event stream says nothing within {FEED_S:.0f} s.") from exc


async def lost_since(client: OpenCode, mapped: Sequence[Mapped], at: int) -> Lost:
    """Count what was created and written on the server since a time, in the folders of chats."""
    created: set[str] = set()
    written: set[str] = set()
    for directory in {each.directory for each in mapped}:
        for session in await client.sessions(directory, LISTED):
            if session.created_at > at:
                created.add(session.id)
            elif session.updated_at > at:
                written.add(session.id)
    chats = {each.chat for each in mapped if each.session in created}
    return Lost(len(created), len(written), len(chats))
