"""Opens what lies beneath one folder, a component at a time, so that no link leads out of it."""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a fifo must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def names_of(path: str) -> list[str] | None:
    """Return the components of a relative path, or None when it could name anything else."""
    names = path.split("/")
    if "\0" in path or any(name in {"", ".", ".."} for name in names):
        return None
    try:
        path.encode()
    except UnicodeEncodeError:
        return None
    return names


class Beneath:
    """A folder that is open. Every look goes through file descriptors, never through a link.

    The folders on the way to the last path stay open, so that paths in order cost one call each.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._chain: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        self._chain = [("", os.open(self._root, _FOLDER))]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shorten(0)

    def stat(self, path: str) -> os.stat_result | None:
        """Return what stands at ``path`` itself (a link is a link), or None."""
        names = names_of(path)
        folder = None if names is None else self._folder(names[:-1])
        if names is None or folder is None:
            return None
        try:
            return os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return what stands in ``folder`` (empty: the root), sorted; nothing if it is no folder."""
        names = names_of(folder) if folder else []
        opened = None if names is None else self._folder(names)
        if opened is None:
            return []
        with os.scandir(opened) as entries:
            return sorted(entry.name for entry in entries)

    def open(self, path: str) -> int | None:
        """Open a regular file that has this one name; the caller closes the descriptor.

        A second name (a hard link) may belong to a file from outside: refused.
        """
        names = names_of(path)
        folder = None if names is None else self._folder(names[:-1])
        if names is None or folder is None:
            return None
        try:
            opened = os.open(names[-1], _FILE, dir_fd=folder)
        except OSError:
            return None
        if _is_plain(opened, names[-1], folder):
            return opened
        os.close(opened)
        return None

    def _folder(self, names: list[str]) -> int | None:
        common = 0
        for name, (open_name, _) in zip(names, self._chain[1:], strict=False):
            if name != open_name:
                break
            common += 1
        self._shorten(common + 1)
        for name in names[common:]:
            try:
                opened = os.open(name, _FOLDER, dir_fd=self._chain[-1][1])
            except OSError:
                return None
            self._chain.append((name, opened))
        return self._chain[-1][1]

    def _shorten(self, length: int) -> None:
        while len(self._chain) > length:
            os.close(self._chain.pop()[1])


def _is_plain(opened: int, name: str, folder: int) -> bool:
    """Tell whether a regular file is open that has this one name."""
    info = os.fstat(opened)
    # Twice: while a name is being taken away, it still stands there and no longer counts.
    return stat.S_ISREG(info.st_mode) and all(_is_only_name(name, folder, info) for _ in range(2))


def _is_only_name(name: str, folder: int, info: os.stat_result) -> bool:
    """Ask the name, not the open file: of two names this one may go, and the other is outside."""
    try:
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return named.st_nlink == 1 and os.path.samestat(named, info)
