"""Security: who may administer, who can read the secrets, and how far the agent is kept away."""

import asyncio
import contextlib
import os
import re
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bot.doctor.findings import Check, Finding, check
from bot.doctor.machine import (
    arguments,
    holder,
    listener,
    local_port,
    name_of,
    uid_of,
    user_name,
)
from bot.doctor.reading import there
from bot.doctor.scene import Scene
from bot.doctor.secret_places import (
    SecretFile,
    agents_folders,
    secret_entries,
    secret_files,
    secrets_of,
)
from bot.doctor.units import environment_files, service_unit
from bot.texts import doctor as titles

GROUP_AND_OTHERS = 0o077
OTHERS = 0o007
# Agents see every argument of every process; a value of the environment is another matter.
GIVEN = re.compile(r"(?:{})=(\S+)".format("|".join(entry.env for entry in secret_entries())))


@check("security.roles", titles.SECURITY_ROLES)
async def roles(scene: Scene) -> Iterable[Finding]:
    """See that somebody, and not everybody, is an administrator."""
    access = scene.settings.access
    if "*" in access.admins:
        said = "access.admins is *: everybody of the corp may do everything"
        return [roles.error(said, "list the people instead: BOT_ADMINS=zhangsan,lisi")]
    if not access.admins:
        said = "there is no administrator: nobody may use /stop!, /why and /doctor"
        return [roles.warning(said, "set access.admins (BOT_ADMINS), then restart")]
    everybody = " and everybody is a maintainer" if "*" in access.maintainers else ""
    return [roles.fine(f"administrators: {len(access.admins)}{everybody}")]


@check("security.modes", titles.SECURITY_MODES)
async def modes(scene: Scene) -> Iterable[Finding]:
    """Look at who may read what holds secrets."""
    return await asyncio.to_thread(_modes, scene, await _files_of_unit(scene))


def _modes(scene: Scene, of_unit: Sequence[SecretFile]) -> list[Finding]:
    found = [*secret_files(scene), *of_unit]
    open_ones = [one for one in found if _mode(one) & (GROUP_AND_OTHERS if one.ours else OTHERS)]
    wrong = [modes.error(*_too_open(one)) for one in open_ones]
    return wrong or [
        modes.fine(f"{len(found)} files and folders with secrets, none open to others")
    ]


async def _files_of_unit(scene: Scene) -> list[SecretFile]:
    """Return the files that systemd reads the service's environment from; root's, mostly."""
    files: list[Path] = []
    with contextlib.suppress(TimeoutError):  # `runtime.unit` says so
        files = environment_files((await service_unit(scene))[1])
    what = "the environment file of the unit"
    return [SecretFile(file, what, ours=False) for file in files if there(file)]


def _mode(file: SecretFile) -> int:
    return stat.S_IMODE(file.path.stat().st_mode)


def _too_open(file: SecretFile) -> tuple[str, str]:
    wanted = "o-rwx"  # of what is not ours the group may be the service's own
    if file.ours:
        wanted = "700" if file.path.is_dir() else "600"
    return (
        f"{file.path} ({file.what}) has mode {_mode(file):04o}: others can read it",
        shlex.join(["chmod", wanted, str(file.path)]),
    )


@check("security.arguments", titles.SECURITY_ARGUMENTS)
async def process_arguments(scene: Scene) -> Iterable[Finding]:
    """Look for secrets in the arguments of processes, which every user of the machine can read."""
    seen = await asyncio.to_thread(_shown_secrets, scene)
    mend = "give it by a file (…_FILE) or by the environment of the unit, then change the secret"
    wrong = [process_arguments.error(said, mend) for said in seen]
    return wrong or [process_arguments.fine("no secret of ours in any that can be seen")]


def _shown_secrets(scene: Scene) -> list[str]:
    secrets = secrets_of(scene)
    return [
        f"process {pid} ({name_of(pid)}) shows {what} in its arguments"
        for pid, words in arguments()
        if pid != os.getpid() and (what := shown_in(words, secrets))
    ]


def shown_in(words: Sequence[str], secrets: Mapping[str, str]) -> str:
    """Return the names of the secrets that arguments show; empty for none."""
    joined = "\n".join(words)
    named = sorted(name for name, value in secrets.items() if value in joined)
    if not named and GIVEN.search(joined):
        return "a variable that holds a secret"
    return ", ".join(named)


@check("security.places", titles.SECURITY_PLACES)
async def places(scene: Scene) -> Iterable[Finding]:
    """See that no secret lies where agents read without asking."""
    return await asyncio.to_thread(_places, scene)


def _places(scene: Scene) -> list[Finding]:
    folders = agents_folders(scene)
    told: list[Path] = []
    wrong = []
    for file in secret_files(scene):
        real = file.path.resolve()
        within = next((folder for folder in folders if real.is_relative_to(folder)), None)
        if within is not None and not any(real.is_relative_to(one) for one in told):
            told.append(real)
            said = f"{file.path} ({file.what}) is within {within}, where agents read unasked"
            wrong.append(places.error(said, f"move it out of {within}"))
    return wrong or [places.fine("no file with a secret is within a project or the workspaces")]


@check("security.isolation", titles.SECURITY_ISOLATION)
async def isolation(scene: Scene) -> Iterable[Finding]:
    """Say how the agent's commands are kept away from the service: docs/explanation/trust.md."""
    agents, ours = await asyncio.to_thread(_users, scene)
    if agents is None:
        return []
    if agents != ours:
        said = f"own user: OpenCode is {user_name(agents)}, the service is {user_name(ours)}"
        return [isolation.fine(said)]
    said = f"same user: OpenCode and the service are {user_name(ours)}"
    return [isolation.fine(f"{said}; the agent's commands can read what the service can")]


def _users(scene: Scene) -> tuple[int | None, int]:
    """Return the user of OpenCode, None when it is elsewhere or does not run, and the service's."""
    lock = holder(scene.lock)
    ours = uid_of(lock) if lock is not None else None
    if ours is None:
        ours = scene.data_dir.stat().st_uid if scene.data_dir.is_dir() else os.getuid()
    told = scene.told("opencode", "pid")
    if isinstance(told, int):
        return uid_of(told), ours
    port = local_port(scene.address.url) if scene.address is not None else None
    found = listener(port) if port is not None else None
    return (found.uid if found is not None else None), ours


CHECKS: tuple[Check, ...] = (roles, modes, process_arguments, places, isolation)
