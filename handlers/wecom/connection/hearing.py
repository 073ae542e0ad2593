"""When each kind of chat was heard last: a connection can be up and deaf for groups."""

from dataclasses import dataclass

DEAF_MS = 24 * 3_600_000  # groups are silent for so long
DIRECT = 20  # and meanwhile so many direct messages came


@dataclass(slots=True)
class Hearing:
    """Times are Unix milliseconds, 0 for never."""

    direct_at: int = 0
    group_at: int = 0
    direct_since: int = 0  # direct messages since the last one of a group

    def hear(self, *, group: bool, at: int) -> None:
        """Take note of a message."""
        if group:
            self.group_at, self.direct_since = max(self.group_at, at), 0
        else:
            self.direct_at = max(self.direct_at, at)
            self.direct_since += 1

    def deaf(self, now: int) -> bool:
        """Tell whether groups that used to speak are heard no more, while people still write directly."""
        silent = self.group_at > 0 and now - self.group_at >= DEAF_MS
        return silent and self.direct_since >= DIRECT
