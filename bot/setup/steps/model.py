"""Which model and agent chats begin with, of those that OpenCode really has."""

import asyncio
import difflib
from collections.abc import Sequence

from bot.doctor.reading import few
from bot.setup.draft import refusal
from bot.setup.offers import Offers, offered
from bot.setup.terminal import Check
from bot.setup.wizard import Wizard

PUBLIC = (
    "Note: no provider has a key. Without a choice here OpenCode takes one of these, a public service",
    "of its vendor's, to which all that is said goes. Better: opencode auth login, then this again.",
)
SHOWN = 12
NEAR = 3


def ask_model(wizard: Wizard) -> None:
    """List what OpenCode offers, and take a choice or none."""
    terminal = wizard.terminal
    offers = _offers(wizard)
    if offers.error:
        terminal.say(f"OpenCode could not be asked what it has: {offers.error}")
        terminal.say("Names are taken as they are; `python -m bot doctor` looks at them later.")
    else:
        terminal.say(f"OpenCode {offers.version} has {len(offers.models)} models:")
        for model in offers.models[:SHOWN]:
            terminal.say(f"  {model}")
        if len(offers.models) > SHOWN:
            terminal.say(f"  … and {len(offers.models) - SHOWN} more; type a part of its name")
    if offers.public:
        for line in PUBLIC:
            terminal.say(line)
    _choose(
        wizard,
        "opencode.model",
        "Model (empty: OpenCode's own configuration decides):",
        offers.models,
    )
    terminal.say("An agent brings its own model: with one chosen here the model above is not used.")
    _choose(wizard, "opencode.agent", "Agent (empty: build):", offers.agents)


def _offers(wizard: Wizard) -> Offers:
    wizard.terminal.say("Asking OpenCode what it has … (Ctrl-C goes on without)")
    try:
        return asyncio.run(
            offered(wizard.draft.settings(), wizard.host_environ, own_unit=wizard.own_unit)
        )
    except KeyboardInterrupt:
        return Offers(error="stopped by Ctrl-C")


def _choose(wizard: Wizard, key: str, question: str, names: Sequence[str]) -> None:
    answer = wizard.terminal.complete(
        question, names, default=wizard.draft.text(key), check=_one_of(key, names)
    )
    wizard.put(key, answer)


def _one_of(key: str, names: Sequence[str]) -> Check:
    def check(text: str) -> str:
        if not text:
            return ""
        if names and text not in names:
            near = difflib.get_close_matches(text, names, NEAR, 0.4)
            known = f"Near: {', '.join(near)}" if near else f"There are: {few(names, SHOWN)}"
            return f"OpenCode has none of that name. {known}."
        return refusal(key, text)

    return check
