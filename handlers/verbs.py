"""Carry out a command within the time that a platform waits, and accept the turn it may ask for."""

import asyncio
from dataclasses import dataclass, field, replace

import structlog

from bot.access import Role
from bot.background import Background
from bot.errors import PeerError, UserError
from bot.messages import Outlets
from bot.services import Services
from bot.texts import engine as texts
from commands.registry import Commands, Invocation, Outcome, Parsed, Show, Submit
from handlers.intake import Arrival, Intake, Opening, new_turn
from store.records import NewDelivery, TurnRecord

log = structlog.get_logger()

# WeCom waits 5 s, counted from its own sending; what takes longer is brought afterwards.
COMMAND_S = 3.0
UNKNOWN = "unknown"  # in the log: what was typed may be anything


@dataclass(slots=True)
class Errand:
    """A command under way: its outcome, once it is there, and whether somebody still waits."""

    outcome: Outcome | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False


class Verbs:
    """Runs commands. They never wait behind a turn and are never sent to the model."""

    def __init__(
        self,
        services: Services,
        commands: Commands,
        intake: Intake,
        outlets: Outlets,
        background: Background,
    ) -> None:
        self._services = services
        self._commands = commands
        self._intake = intake
        self._outlets = outlets
        self._background = background

    async def answer(self, arrival: Arrival, parsed: Parsed, role: Role | None) -> Opening:
        """Keep the command, carry it out, and say what came of it.

        A copy of a command that was kept and not answered (we went down in between) is
        carried out: the platform sends it again just because nobody answered.
        """
        found = self._commands.find(parsed.name)
        verb = found.name if found else UNKNOWN
        accepted = await self._intake.keep(arrival, "command", name=parsed.name, verb=verb)
        if accepted.repeated and (accepted.inbound.shown or accepted.turn):
            return self._intake.repeat(arrival, accepted)
        errand = Errand()
        self._background.start(
            self._run(errand, arrival, parsed, role), name=f"command of {arrival.message.id}"
        )
        try:
            async with asyncio.timeout(COMMAND_S):
                await errand.done.wait()
        except TimeoutError:
            errand.late = True
            text = texts.STILL_WORKING.say(arrival.language, command=f"/{parsed.name}")
            return await self._intake.answered(arrival, text)
        if isinstance(errand.outcome, Submit):
            return await self._submit(arrival, errand.outcome)
        if isinstance(errand.outcome, Show):
            opening = await self._intake.answered(arrival, errand.outcome.text)
            return replace(opening, images=errand.outcome.images)
        return await self._intake.answered(arrival, errand.outcome or "")

    async def _run(
        self, errand: Errand, arrival: Arrival, parsed: Parsed, role: Role | None
    ) -> None:
        try:
            errand.outcome = await self._outcome(arrival, parsed, role)
        finally:
            errand.outcome = errand.outcome or texts.COMMAND_FAILED.say(
                arrival.language, command=f"/{parsed.name}"
            )
            errand.done.set()
        if errand.late:
            await self._bring(arrival, errand.outcome)

    async def _outcome(self, arrival: Arrival, parsed: Parsed, role: Role | None) -> Outcome:
        chat = await self._services.store.chats.get(arrival.chat)
        assert chat is not None, "a chat is kept with its first message"
        invocation = Invocation(
            name=parsed.name,
            rest=parsed.rest,
            args=tuple(parsed.rest.split()),
            message=arrival.message,
            chat=chat,
            language=arrival.language,
            role=role,
            services=self._services,
        )
        try:
            if self._commands.find(parsed.name) is None:
                return await self._unknown(invocation)
            return await self._commands.run(invocation)
        except UserError as exc:
            return exc.text.say(arrival.language, **exc.facts)

    async def _unknown(self, invocation: Invocation) -> str | Submit:
        """One of OpenCode's own commands becomes a turn that runs it; else the nearest word."""
        name = invocation.name
        try:
            directory = await self._services.sessions.directory(invocation.chat)
            known = {one.name for one in await self._services.opencode.commands(directory)}
        except PeerError as exc:
            log.info("command.unserved", command=UNKNOWN, error=type(exc).__name__)
            known = set()
        if name in known:
            return Submit(f"{name} {invocation.rest}".rstrip(), kind="command")
        nearest = self._commands.nearest(name)
        hint = texts.DID_YOU_MEAN.say(invocation.language, nearest=nearest) if nearest else ""
        return texts.UNKNOWN_COMMAND.say(invocation.language, name=name, hint=hint)

    async def _submit(self, arrival: Arrival, submit: Submit) -> Opening:
        turns = self._services.turns
        busy = turns.busy(arrival.chat)
        waiting = len(await self._services.store.turns.queued(arrival.chat)) if busy else 0
        refusal = self._intake.busy_refusal(arrival, waiting) if busy else ""
        if refusal and not submit.forced:
            return await self._intake.answered(arrival, refusal)
        first = submit.retry_of and await self._services.store.turns.get(submit.retry_of)
        new = new_turn(
            arrival,
            submit.text,
            bubble=arrival.may_stay_open and self._goes_on_at_once(submit, busy=busy),
            kind=submit.kind,
            forced=submit.forced,
            retry_of=first or None,
        )
        turn = await self._services.store.turns.add(new)
        if turn is None:
            turn = await self._services.store.turns.by_message(new.message)
            assert turn is not None, "a message that has a turn already"
        if arrival.message.attachments:
            self._services.media.begin(turn.message)
        if submit.forced and busy:
            self._background.start(self._force(turn), name=f"force {arrival.chat}")
        turns.wake(arrival.chat)
        position = 0 if submit.forced or not busy else waiting + 1
        return await self._intake.begun(arrival, turn, position=position)

    def _goes_on_at_once(self, submit: Submit, *, busy: bool) -> bool:
        """Tell whether a turn begins in the bubble of the command that asks for it."""
        return not busy or (submit.forced and not self._services.server.gate.shut)

    async def _force(self, turn: TurnRecord) -> None:
        """Stop what runs, unless the lane has come to the forced turn by itself."""
        running = self._services.turns.running(turn.chat)
        if running is None or running.record.n == turn.n:
            return
        if self._services.access.may_force(turn.sender, running.record.sender):
            await self._services.turns.stop(turn.chat, by=turn.sender, why="force")

    async def _bring(self, arrival: Arrival, outcome: Outcome) -> None:
        """Bring the outcome of a command that took longer than a platform waits."""
        if isinstance(outcome, Submit):
            # The bubble is closed by now: it said that the command takes longer.
            opening = await self._submit(replace(arrival, may_stay_open=False), outcome)
            outcome = "\n\n".join(filter(None, (opening.prefix, opening.markdown)))
        if isinstance(outcome, Show):
            outcome = outcome.otherwise
        message = arrival.message
        delivery = await self._services.store.deliveries.add(
            NewDelivery(
                chat=arrival.chat,
                turn=None,
                message=message.id,
                body=outcome,
                footer="",
                more="",
                at=self._services.clock(),
            )
        )
        await self._outlets.of(message.channel).deliver(delivery.id)
