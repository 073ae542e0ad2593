"""Which messages of a session are the answer to a prompt."""

from collections.abc import Sequence

from bot.opencode.model import Message
from bot.summary.state import FINAL_FINISHES


def lineage(messages: Sequence[Message], prompt: str) -> tuple[tuple[str, ...], list[Message]]:
    """Return the prompts whose answers are the turn's, and the steps that answer them, in order.

    When the server summed the session up in the middle of the turn, the steps behind the message
    by which it then went on belong to it; behind a finished answer they do not.
    """
    ours, found, summing_up = [prompt], list[Message](), False
    for message in messages:
        if message.role == "assistant":
            if message.parent in ours and not message.summary:
                found.append(message)
            final = bool(found) and found[-1].finish in FINAL_FINISHES
            summing_up = summing_up or (message.summary and not final)
        elif summing_up and message.id != prompt:
            ours.append(message.id)
            summing_up = False
    return tuple(ours), found


def from_prompt(messages: Sequence[Message], prompt: str) -> Sequence[Message]:
    """Leave out what came before the prompt; a page that begins behind it is taken whole."""
    for place, message in enumerate(messages):
        if prompt in (message.id, message.parent):
            return messages[place:]
    return ()
