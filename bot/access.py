"""Who may do what: roles, from settings alone."""

from collections.abc import Collection
from typing import Literal

from config.sections import AccessSettings

Role = Literal["member", "maintainer", "admin"]

EVERYBODY = "*"
ROLES: tuple[Role, ...] = ("member", "maintainer", "admin")  # each may do what the ones before may


def at_least(role: Role | None, needed: Role) -> bool:
    """Tell whether ``role`` may do what ``needed`` may; nobody's role is None."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)


class Access:
    """The people whom the settings admit. A person is the platform's id of them, compared exactly."""

    def __init__(self, access: AccessSettings) -> None:
        self._access = access

    def role(self, sender: str) -> Role | None:
        """Return the highest role of ``sender``, None for somebody who is not admitted."""
        if _listed(sender, self._access.admins):
            return "admin"
        if _listed(sender, self._access.maintainers):
            return "maintainer"
        return "member" if _listed(sender, self._access.members) else None

    def may_stop(self, sender: str, starter: str) -> bool:
        """Tell whether ``sender`` may end or drop a turn of ``starter``: their own, or a maintainer."""
        role = self.role(sender)
        return at_least(role, "maintainer") or (role is not None and sender == starter)

    def may_force(self, sender: str, starter: str) -> bool:
        """Tell whether ``sender`` may interrupt a turn of ``starter`` to run something else."""
        return self.may_stop(sender, starter)

    def may_decide(self, sender: str, requester: str) -> bool:
        """Tell whether ``sender`` may decide what the agent asks in a turn of ``requester``."""
        return self.may_stop(sender, requester)


def _listed(sender: str, people: Collection[str]) -> bool:
    return bool(sender) and (sender in people or EVERYBODY in people)
