"""OpenCode's permission and question requests while they wait for a person."""

import asyncio
from collections.abc import Collection

import structlog

from bot.access import Access, Role
from bot.asks.answers import answers
from bot.asks.codes import new_code
from bot.asks.decisions import Decisions, is_gone, same_group
from bot.asks.kept import Request, covers, dump, load, pending_of, pendings, same
from bot.cards import Click
from bot.clock import Clock
from bot.errors import PeerError, SessionGone, UserError, facts_of
from bot.opencode.client import OpenCode
from bot.opencode.model import QuestionRequest, at_work
from bot.texts import asks as texts
from bot.texts import cards as card_texts
from store import Store
from store.records import AskRecord, NewAsk, TurnRecord

__all__ = ["Asks", "Request", "pending_of", "pendings"]

log = structlog.get_logger()

REASON_CHARS = 500
END_LIMIT_S = 5.0


class Asks:
    """Every request that waits: seen, shown by its code, decided, or ended when nobody did."""

    def __init__(
        self, store: Store, client: OpenCode, access: Access, clock: Clock, *, expire_after_s: float
    ) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._expire_after_ms = round(expire_after_s * 1000)
        self._decisions = Decisions(store, access, clock)

    async def open(self, chat: str) -> list[AskRecord]:
        """Return what waits in a chat, oldest first; equal requests share a code and are one."""
        first: dict[str, AskRecord] = {}
        for record in await self._store.asks.open(chat):
            first.setdefault(record.code, record)
        return list(first.values())

    async def seen(self, turn: TurnRecord, request: Request, directory: str) -> AskRecord | None:
        """Keep a request; None when it is known, allowed already, or the equal of one that waits."""
        waiting = await self._store.asks.open(turn.chat)
        equal = next((a for a in waiting if a.turn == turn.n and same(load(a), request)), None)
        now = self._clock()
        question = isinstance(request, QuestionRequest)
        kept = await self._store.asks.add(
            NewAsk(
                id=request.id,
                code=equal.code if equal else new_code({a.code for a in waiting}),
                chat=turn.chat,
                turn=turn.n,
                session=request.session,
                directory=directory,
                kind="question" if question else "permission",
                body=dump(request),
                asked_at=now,
                expires_at=None if question else now + self._expire_after_ms,
            )
        )
        if kept is None:
            return None
        log.info("ask.opened", ask=kept.id, kind=kept.kind, equal=equal is not None)
        return None if equal or await self._covered(kept) else kept

    async def _covered(self, ask: AskRecord) -> bool:
        """Grant what somebody allowed for the whole turn; False: it has to be asked."""
        for past in await self._store.asks.of_turn(ask.turn):
            if past.decision == "always" and covers(load(past), load(ask)):
                return await self._granted(ask, past.decided_by)
        return False

    async def _granted(self, ask: AskRecord, by: str) -> bool:
        try:
            await self._decisions.decide(ask, "allow", by, self._grant)
        except UserError:  # OpenCode could not be told, or somebody was first
            return False
        return True

    async def allow(self, chat: str, code: str, *, by: str, role: Role) -> AskRecord:
        """Grant a permission, this once. Raises UserError."""
        record = await self._decisions.open_ask(chat, code, by=by, role=role)
        return await self._allow(record, by)

    async def always(self, chat: str, code: str, *, by: str, role: Role) -> AskRecord:
        """Grant a permission, and the like of it until its turn is over. Raises UserError."""
        record = await self._decisions.open_ask(chat, code, by=by, role=role)
        return await self._always(record, by)

    async def deny(self, chat: str, code: str, reason: str, *, by: str, role: Role) -> AskRecord:
        """Refuse a request; the model is told why and goes on. Raises UserError."""
        record = await self._decisions.open_ask(chat, code, by=by, role=role)
        return await self._deny(record, reason.strip()[:REASON_CHARS], by)

    async def answer(self, chat: str, code: str, text: str, *, by: str, role: Role) -> AskRecord:
        """Answer a question. Raises UserError, also when the answer does not fit it."""
        record = await self._decisions.open_ask(chat, code, by=by, role=role)
        return await self._answer(record, text, by)

    async def find(self, ask: str) -> AskRecord | None:
        """Return a request by OpenCode's name for it, whatever became of it."""
        return await self._store.asks.get(ask)

    async def of_card(self, chat: str, ask: str) -> AskRecord | None:
        """Return the request of a card that was pressed in ``chat``; None when it is another chat's."""
        record = await self.find(ask)
        return record if record is not None and same_group(record.chat, chat) else None

    async def press(self, chat: str, ask: str, click: Click, *, by: str, role: Role) -> AskRecord:
        """Do what a press of the card of a request means. Raises UserError."""
        record = await self._decisions.open_card(chat, ask, by=by, role=role)
        match click.key:
            case "allow":
                return await self._allow(record, by)
            case "always":
                return await self._always(record, by)
            case "deny":
                return await self._deny(record, "", by)
            case "answer":
                if not click.ticked:
                    raise UserError(card_texts.TICK_ONE)
                return await self._answer(record, ",".join(click.ticked), by)
            case _:
                raise UserError(texts.UNKNOWN_CODE, code=record.code)

    async def _allow(self, record: AskRecord, by: str) -> AskRecord:
        if record.kind == "question":
            raise UserError(texts.IS_QUESTION, code=record.code)
        return await self._decisions.decide(record, "allow", by, self._grant)

    async def _always(self, record: AskRecord, by: str) -> AskRecord:
        """Grant it for the turn. OpenCode's own "always" would count for every chat of the folder."""
        request = load(record)
        if isinstance(request, QuestionRequest):
            raise UserError(texts.IS_QUESTION, code=record.code)
        if not request.always:
            raise UserError(texts.NO_KIND, code=record.code)
        await self._decisions.decide(record, "always", by, self._grant)
        for other in await self._store.asks.open_of_turn(record.turn):
            if covers(request, load(other)):
                await self._granted(other, by)
        return record

    async def _deny(self, record: AskRecord, reason: str, by: str) -> AskRecord:

        async def refuse(ask: AskRecord) -> None:
            if ask.kind == "question":
                await self._reply(ask, _with_reason(texts.DECLINED_TO_MODEL, reason))
            else:
                await self._refuse(ask, _with_reason(texts.DENIED_TO_MODEL, reason))

        return await self._decisions.decide(record, "deny", by, refuse)

    async def _answer(self, record: AskRecord, text: str, by: str) -> AskRecord:
        request = load(record)
        if not isinstance(request, QuestionRequest):
            raise UserError(texts.IS_PERMISSION, code=record.code)
        given = answers(request, record.code, text)

        async def reply(ask: AskRecord) -> None:
            await self._client.reply_question(ask.directory, ask.id, given)

        return await self._decisions.decide(record, "answer", by, reply)

    def decided_at(self, turn: int) -> int:
        """Return when somebody last decided a request of the turn; 0: never, as far as we know."""
        return self._decisions.decided_at(turn)

    async def settled(self, request: str) -> None:
        """Take in that OpenCode waits no longer; nothing happens when it was our decision."""
        if await self._store.asks.close(request, "gone", self._clock()):
            log.info("ask.gone", ask=request)

    async def reconcile(
        self, turn: TurnRecord, directory: str, sessions: Collection[str]
    ) -> list[AskRecord]:
        """Compare with what the server lists for the turn's sessions; return what is new or open again.

        Raises PeerError.
        """
        # Read before the server's lists: what is asked in between is in neither and stays.
        before = await self._store.asks.open_of_turn(turn.n)
        requests = await self._requests(directory)
        listed = {request.id: request for request in requests if request.session in sessions}
        for ask in before:
            if ask.id not in listed:
                await self.settled(ask.id)
        waiting = {ask.id for ask in before}
        found = [
            await self._listed(turn, request, directory)
            for id_, request in listed.items()
            if id_ not in waiting
        ]
        return [ask for ask in found if ask is not None]

    async def _listed(self, turn: TurnRecord, request: Request, directory: str) -> AskRecord | None:
        """Take in a request of the server's list that does not wait with us."""
        if self._decisions.handed(request.id):
            return None
        if kept := await self.seen(turn, request, directory):
            return kept
        if await self._store.asks.reopen(request.id):
            # Decided, but the service ended before OpenCode was told: it is to be decided anew.
            log.warning("ask.reopened", ask=request.id)
        opened = await self._store.asks.open_of_turn(turn.n)
        if ask := next((ask for ask in opened if ask.id == request.id), None):
            return ask
        # Expired or given up, and OpenCode could not be told then.
        await self._end(directory, request, texts.EXPIRED_TO_MODEL)
        return None

    async def expire(self, now: int) -> list[AskRecord]:
        """Refuse the permissions whose time is over, with words that the model can use."""
        expired = []
        for ask in await self._store.asks.expired(now):
            if await self._store.asks.close(ask.id, "expired", now):
                log.info("ask.expired", ask=ask.id, turn=ask.turn)
                await self._end(ask.directory, load(ask), texts.EXPIRED_TO_MODEL)
                expired.append(ask)
        return expired

    async def unanswered(self, turn: TurnRecord) -> list[AskRecord]:
        """Answer the turn's open questions for people: go on without. For shortly before its end."""
        done = []
        for ask in await self._store.asks.open_of_turn(turn.n):
            if ask.kind == "question" and await self._give_up(ask):
                log.info("ask.unanswered", ask=ask.id, turn=ask.turn)
                done.append(ask)
        return done

    async def _give_up(self, ask: AskRecord) -> bool:
        async def reply(one: AskRecord) -> None:
            await self._reply(one, texts.UNANSWERED_TO_MODEL)

        try:
            await self._decisions.decide(ask, "answer", "", reply)
        except UserError:
            return False  # somebody was first, or it is gone, or the next look tries again
        return True

    async def clear(self, turn: TurnRecord) -> None:
        """Refuse what a turn that is over still asks: the server keeps the requests as ghosts."""
        for ask in await self._store.asks.open_of_turn(turn.n):
            if await self._store.asks.close(ask.id, "gone", self._clock()):
                log.info("ask.gone", ask=ask.id)
                await self._end(ask.directory, load(ask), texts.TURN_ENDED_TO_MODEL)

    async def sweep(self, session: str, directory: str) -> None:
        """Refuse what a session, or a sub-agent of it, asks while nothing runs there.

        After an abort or a lost client the server keeps such requests for ever: nobody waits for
        their answer, and the next turn would show them as its own. Raises PeerError.
        """
        requests = await self._requests(directory)
        ghosts = [r for r in requests if await self._belongs(r.session, session)]
        if not ghosts or at_work(await self._client.status(directory), session):
            return
        for request in ghosts:
            log.info("ask.cleared", ask=request.id)
            await self._end(directory, request, texts.TURN_ENDED_TO_MODEL)

    async def _requests(self, directory: str) -> list[Request]:
        """Return what the server lists as waiting, ghosts included."""
        permissions = await self._client.permissions(directory)
        return [*permissions, *await self._client.questions(directory)]

    async def _belongs(self, session: str, ancestor: str) -> bool:
        """Tell whether a session is ``ancestor`` or that of a sub-agent below it."""
        while session and session != ancestor:
            try:
                session = (await self._client.session(session)).parent
            except SessionGone:
                return False
        return session == ancestor

    async def _end(self, directory: str, request: Request, why: str) -> None:
        """End a request that nobody will decide any more; that it may be gone already is fine."""
        try:
            async with asyncio.timeout(END_LIMIT_S):  # nobody waits for it, and the turn goes on
                await self._refuse_request(directory, request, why)
        except (PeerError, TimeoutError) as exc:
            if not isinstance(exc, PeerError) or not is_gone(exc):
                log.warning("ask.undelivered", ask=request.id, error=facts_of(exc))

    async def _refuse_request(self, directory: str, request: Request, why: str) -> None:
        if isinstance(request, QuestionRequest):
            await self._client.reject_question(directory, request.id)
        else:
            await self._client.reply_permission(directory, request.id, "reject", message=why)

    async def _grant(self, ask: AskRecord) -> None:
        await self._client.reply_permission(ask.directory, ask.id, "once")

    async def _refuse(self, ask: AskRecord, why: str) -> None:
        # A refusal without words would end the turn, and all other requests of the session.
        await self._client.reply_permission(ask.directory, ask.id, "reject", message=why)

    async def _reply(self, ask: AskRecord, words: str) -> None:
        request = load(ask)
        count = len(request.questions) if isinstance(request, QuestionRequest) else 1
        await self._client.reply_question(ask.directory, ask.id, [[words]] * count)


def _with_reason(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else f"{words}."
