"""What the store raises.

StoreError           the store could not keep, or find, what it was asked for
├── StoreFull            no space: nothing of this write was kept, a later one may succeed
├── TurnLost             somebody else holds the turn by now: whoever worked on it lets go
├── StoreBroken          the disk failed: nothing can be promised any more, the process must end
└── StoreUnusable        the store cannot be opened; its text says why and what to do
    ├── StoreInUse           another process has it open
    ├── StoreDamaged         the file is no database, or a damaged or a foreign one
    └── SchemaTooNew         a newer version of this service wrote it
"""


class StoreError(Exception):
    """The store could not do what it was asked for."""


class StoreFull(StoreError):
    """There is no space left; nothing of this write was kept."""


class TurnLost(StoreError):
    """Somebody else holds the turn by now; nothing was changed."""


class StoreBroken(StoreError):
    """The disk failed; whether the write was kept is unknown."""


class StoreUnusable(StoreError):
    """The store cannot be opened. The message is a sentence for the operator, with the mend."""


class StoreInUse(StoreUnusable):
    """Another process has the store open."""


class StoreDamaged(StoreUnusable):
    """The file is no database, or a damaged or a foreign one."""


class SchemaTooNew(StoreUnusable):
    """A newer version of this service wrote the database."""
