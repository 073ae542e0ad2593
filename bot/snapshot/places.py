"""Where a path, as a model or a tool writes it, lies in a workspace."""

import posixpath
import re
from collections.abc import Collection, Iterable
from pathlib import Path

_ROOTED = re.compile(r"(?:[A-Za-z]:)?/|~/")


def inside(path: str, workspace: Path) -> str | None:
    """Return ``path`` relative to the workspace; None when it is the workspace, or outside."""
    written = path.strip().removeprefix("file://")
    absolute = posixpath.normpath(posixpath.join(str(workspace), written))
    root = f"{workspace}/"
    return absolute.removeprefix(root) if absolute.startswith(root) else None


def found(claim: str, workspace: Path, present: Collection[str]) -> str | None:
    """Return the path, of those ``present``, that a claim means; None when there is none.

    A claim may be a bare name, a relative path, an absolute one, or an absolute one with another
    root (a container's): then the path counts that ends like it. A folder that holds something
    is present.
    """
    written = claim.strip().removeprefix("file://").replace("\\", "/")
    exact = inside(written, workspace)
    if exact is not None and (exact in present or _is_folder(exact, present)):
        return exact
    if _ROOTED.match(written):
        within = written.startswith(f"{workspace}/")
        return None if within else _ending_alike(written, present)
    written = posixpath.normpath(written).removeprefix(f"{workspace.name}/")
    return _shortest(path for path in present if f"/{path}".endswith(f"/{written}"))


def _ending_alike(written: str, present: Collection[str]) -> str | None:
    """Match the longest ending of a path with another root; its last name alone only at the top."""
    names = posixpath.normpath(written).split("/")[1:]
    if not names:  # a root alone, such as "~/"
        return None
    namesakes = [path for path in present if path.rpartition("/")[2] == names[-1]]
    for start in range(len(names) - 1):
        tail = "/" + "/".join(names[start:])
        if match := _shortest(path for path in namesakes if f"/{path}".endswith(tail)):
            return match
    return names[-1] if names[-1] in namesakes else None


def _is_folder(path: str, present: Iterable[str]) -> bool:
    return any(each.startswith(f"{path}/") for each in present)


def _shortest(paths: Iterable[str]) -> str | None:
    return min(paths, key=lambda path: (len(path), path), default=None)
