"""Where the service is killed: each point of the matrix, and how a passage of it is brought about."""

import signal
from dataclasses import dataclass

from store.crashpoints import VARIABLE

KILLED = -signal.SIGKILL
FAILED = 1


@dataclass(frozen=True)
class Point:
    """One place. ``passages``: which of the times it is passed are the first, second and third
    to be drilled; a place that the start passes, too, is drilled from its first message on.
    """

    where: str
    passages: tuple = (1, 2, 3)
    variable: str = VARIABLE
    by_signal: bool = False  # reached only after SIGTERM
    by_disk: bool = False  # brought about by the preloaded library
    exit_code: int = KILLED

    def armed(self, name, passage):
        """Return the environment of the life that is to end there."""
        count = self.passages[passage - 1]
        return {self.variable: str(count) if self.by_disk else f"{name}:{count}"}


COMMON = {
    "C03": Point("in the transaction, before COMMIT", (8, 20, 50)),
    "C04": Point("after COMMIT, before the reply's bytes"),
    "C05": Point("reply sent, turn not yet claimed"),
    "C06": Point("claimed, before the session is made"),
    "C07": Point("session made, mapping not saved"),
    "C08": Point("mapping saved, prompt not sent"),
    "C09": Point("prompt's bytes sent, no response read"),
    "C10": Point("prompt accepted, state not saved"),
    "C11": Point("text in memory, not flushed", (2, 6, 12)),
    "C12": Point("after a COMMIT, nobody told", (8, 20, 50)),
    "C13": Point("permission read, not stored"),
    "C14": Point("decision stored, not forwarded"),
    "C15": Point("turn seen to be over, final not saved"),
    "C16": Point("final saved, not shown"),
    "C21": Point("file received, not in its place"),
    "C24": Point("in a WAL checkpoint", (1, 7, 19), "POWER_KILL_WRITE", by_disk=True),
    "C25": Point("while it drains after SIGTERM", (1, 2), by_signal=True),
    "C26": Point(
        "a sync returns EIO", (30, 60, 90), "POWER_FAIL_SYNC", by_disk=True, exit_code=FAILED
    ),
}
CALLBACK = {
    "C01": Point("body read, before it is decrypted"),
    "C02": Point("decrypted, before anything is written"),
    "C17": Point("final marked shown, its bytes not sent"),
    "C18": Point("address spent, POST not sent"),
    "C19": Point("POST sent, response not read"),
    "C20": Point("response read, outcome not saved"),
}
CONNECTION = {
    "C02": Point("frame read, before anything is written"),
    "C18": Point("push marked, its frame not sent"),
    "C18s": Point("final marked, its stream's last frame not sent"),
    "C19": Point("push sent, its acknowledgement not read"),
    "C19s": Point("a stream's last frame sent, its acknowledgement not read"),
    "C20": Point("push acknowledged, outcome not saved"),
    "C20s": Point("final's last frame acknowledged, outcome not saved"),
}
APP = {
    "C01": CALLBACK["C01"],
    "C02": CALLBACK["C02"],
    "C18": Point("final marked, message/send not called"),
    "C19": Point("message/send called, response not read"),
    "C20": Point("response read, outcome not saved"),
    "C22": Point("token fetched, not saved"),
}
ON = {
    channel: dict(sorted((COMMON | own).items()))
    for channel, own in (("callback", CALLBACK), ("connection", CONNECTION), ("app", APP))
}
MIGRATION = "C23"  # has a rig of its own: each statement, not three passages
