"""What the words on the pages of administrators mean; in full in ``docs/reference/turns.md``."""

from bot.texts.why import EDGES

STEPS = {name: words.en for name, words in EDGES.items()}

TURN_STATES = {
    "queued": "waits in its chat's line",
    "running": "OpenCode is at work on it",
    "done": "OpenCode ended it by itself",
    "failed": "it was not finished; the word behind says why",
    "stopped": "a person ended it, or OpenCode did at a person's wish",
    "dropped": "taken out of the line before it ran",
}
DELIVERY_STATES = {
    "due": "waits for a way to its chat",
    "sending": "on its way at this moment",
    "sent": "brought",
    "unknown": "it left and no word came back: the chat may have it or not",
    "failed": "it could not be brought, and is not tried again by itself",
}
WAYS = {
    "via bubble": "shown in the reply that WeCom kept asking for",
    "via url": "posted to the address that came with a message; each takes one answer",
    "via contact": "shown on top of the reply to a later message",
    "via result": "fetched by /result",
}
TRIES = {
    "tries": "how often it was posted to an address; other ways are not counted",
    "next": "not tried again before; nothing: at the next occasion",
}
OF_A_TURN = {
    "address": "of the turn's own message: fresh (not used), used, none (it had none)",
    "owner, fence": "which run of the service holds it, and how often it was taken up: only the"
    " last holder may write",
    "prompt, prompts": "the prompt's id in OpenCode, and how often one was sent",
    "told": "the chat was told that its answer is in doubt or failed",
    "refusals": "how many addresses refused it; the third lets it fail",
    "source": "the message whose address it was last posted to",
}
TURNS = TURN_STATES | {f"answer {name}": words for name, words in DELIVERY_STATES.items()} | WAYS
OUTBOX = {name: words for name, words in DELIVERY_STATES.items() if name != "sent"} | TRIES
TURN = OF_A_TURN | {"attempts": TRIES["tries"]} | WAYS

ERRORS = {
    "not_found": "There is none of this number, or not any more: what is older than"
    " retention.days is gone.",
    "limit": "limit is a number of turns, from 1 on.",
    "state": "There is no such state to list.",
    "form": "The page was too old, or another site's: the admin token was changed since."
    " Nothing was sent. Open the list again and press the button there.",
    "not_retryable": "Nothing was sent: only what failed or is in doubt can be sent again.",
    "store": "The database cannot answer now; Health and the log say why.",
}
