"""The page that keeps what the contract has shown: versions by behaviours, and what a row means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bot.contract.prove import SCENES, START, Outcome
from bot.opencode.capabilities import Capabilities
from bot.opencode.probe import NEWEST, OLDEST, proved

HELD, FAILED, UNSEEN = "yes", "**no**", "–"
KNOWN = "capabilities"
"""The scene that compares the table of capabilities with the release itself."""
STARTS = "It starts, answers every call that the service needs, and sees the same disk."
ID = re.compile(r"(?<=ses_|msg_|per_|que_)\w+")  # tells nobody anything
PAGE = """# OpenCode versions

What each release of OpenCode was seen to do, made by `make contract` on {day}; do not edit it by hand.

The proved range is **{oldest} to {newest}**.
With a version outside of it the service starts and warns; `opencode upgrade` refuses it without `--force`.
A version inside that has no column was not run.

`make contract` installs each release from npm into a folder of its own, with a home of its own and a scripted model, and has the conversations below with it.
They run through the service's own engine: the same client, event feed, summary, verdict, asks, lanes and store that answer in a chat; only the chat platform is missing.
A column is a release, a row a behaviour that the service relies on.

## Behaviours

{behaviours}

{failures}## What the client knows

Releases differ in these, and the service gets on with either; where a cell says "no", [`/admin/health`](http.md#health) does, too, among the `capabilities` of `opencode`.
They are known by the version, but for `skills`, which is asked at the start; the row `{known}` above is the comparison with the release itself.

{capabilities}

## What the rows mean

{meanings}

## What the capabilities mean

{differences}

## Time

{times}

## Run it

```sh
make contract                       # every version of this page, and the page anew
make contract VERSIONS="1.18.33"    # only these; the page stays as it is
```
"""
DIFFERENCES: Mapping[str, str] = {
    "deltas": "words come in events of their own (`message.part.delta`); else with the whole text so far, which serves as well",
    "heartbeats": "the event stream beats every ten seconds; else a dead one is noticed somewhat later",
    "partial_text": "the server keeps what was written when a turn is stopped; else only the service has it, and shows it",
    "agent_errors": "a prompt for an agent that is not there fails with an event; else it is noticed some seconds later, without a reason",
    "session_home": "a prompt runs where its session was opened; else where the call says, so the service says it with every call",
    "metadata": "a session keeps whose it is; else a crash in the moment of opening one leaves an empty session behind",
    "database": "sessions are kept in a database that later releases take over; else an upgrade loses them",
    "skills": "`GET /skill` lists the skills",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one release was seen to do, and what the client knows of it."""

    version: str
    outcomes: tuple[Outcome, ...]
    capabilities: Capabilities
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether every behaviour was there."""
        return all(one.held for one in self.outcomes)

    def of(self, scene: str) -> Outcome | None:
        """Return what became of a scene."""
        return next((one for one in self.outcomes if one.scene == scene), None)

    def cell(self, scene: str) -> str:
        """Return what the table says of a scene."""
        seen = self.of(scene)
        if seen is None:
            return UNSEEN
        return HELD if seen.held else FAILED


def rows() -> dict[str, str]:
    """Return the behaviours by name, each with its sentence."""
    return {START: STARTS, **{scene.name: scene.says for scene in SCENES}}


def page(runs: Sequence[Run], day: date) -> str:
    """Return the page as Markdown."""
    return PAGE.format(
        day=day.isoformat(),
        oldest=OLDEST,
        newest=NEWEST,
        known=KNOWN,
        behaviours=behaviours(runs),
        failures=_failures(runs),
        capabilities=_capabilities(runs),
        meanings=_listed(rows()),
        differences=_listed({name: f"{words}." for name, words in DIFFERENCES.items()}),
        times=_times(runs),
    )


def behaviours(runs: Sequence[Run]) -> str:
    """Return the table of versions and behaviours."""
    cells = {name: [run.cell(name) for run in runs] for name in rows()}
    return _table(runs, cells)


def _capabilities(runs: Sequence[Run]) -> str:
    facts = [run.capabilities.facts() for run in runs]
    return _table(runs, {name: [_word(one[name]) for one in facts] for name in DIFFERENCES})


def _word(can: bool) -> str:  # noqa: FBT001 - it is what is said
    return "yes" if can else "no"


def _table(runs: Sequence[Run], cells: Mapping[str, Sequence[str]]) -> str:
    head = ["", *(run.version if proved(run.version) else f"({run.version})" for run in runs)]
    lines = [head, ["---", *("---" for _ in runs)]]
    lines += [[f"`{name}`", *row] for name, row in cells.items()]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _failures(runs: Sequence[Run]) -> str:
    """Return what was seen where something did not hold; versions in brackets are outside the range."""
    lines = [
        f"* {run.version}, `{one.scene}`: {ID.sub('…', one.words)}."
        for run in runs
        for one in run.outcomes
        if not one.held
    ]
    outside = "A version in brackets is outside the proved range.\n\n"
    if not lines:
        return outside
    return f'{outside}What was seen where it says "no":\n\n' + "\n".join(lines) + "\n\n"


def _listed(entries: Mapping[str, str]) -> str:
    return "\n".join(f"* `{name}`: {words}" for name, words in entries.items())


def _times(runs: Sequence[Run]) -> str:
    said = ", ".join(f"{run.version} {run.seconds:.0f} s" for run in runs)
    return f"So long the whole took on the machine of this run, a server's start included: {said}."
