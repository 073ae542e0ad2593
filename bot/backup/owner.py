"""Working as the user to whom the data belong: root may be asked to, and must leave nothing that is root's."""

import contextlib
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def as_owner(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Be the folder's owner meanwhile, if this is root and the folder another user's.

    Then no file that is made is one which the service cannot use, and no link that lies in the
    folder leads root astray.
    """
    facts = folder.stat() if folder.exists() else None
    if os.geteuid() != 0 or facts is None or facts.st_uid == 0:
        yield
        return
    name, groups = _known(facts.st_uid, facts.st_gid)
    say(f"Working as user {name}, to whom {folder} belongs.")
    before = os.getegid(), os.getgroups()
    try:
        os.setgroups(groups)
        os.setegid(facts.st_gid)
        os.seteuid(facts.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[0])
        os.setgroups(before[1])


def _known(uid: int, gid: int) -> tuple[str, list[int]]:
    """Return what a user is called and the groups it is in, as far as the system knows it."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid), [gid]
    return name, os.getgrouplist(name, gid)
