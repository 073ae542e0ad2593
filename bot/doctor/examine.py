"""Run every check, each within its time, and gather what they found."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.doctor.checks import GROUPS, Group
from bot.doctor.findings import GRADES, Check, Finding, Grade, worst
from bot.doctor.machine import user_name
from bot.doctor.scene import Scene
from bot.doctor.units import started_anew

# What can be told when the settings cannot be read: all else would be told of their defaults.
WITHOUT_SETTINGS = (
    *("settings.valid", "settings.source", "security.modes"),
    *("runtime.unit", "runtime.programs", "runtime.python", "runtime.zone"),
)

Progress = Callable[[Check], None]

MEND_CRASH = "Report this with: python -m bot doctor --bundle FILE"
MEND_USER = "run doctor as the user of the service"
MEND_SLOW = "Run it again; if it stays so, look at what the check asks: it does not answer in time."


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found, in their order; ``groups`` are those that were looked at."""

    at: int
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]

    @property
    def grade(self) -> Grade:
        """The worst grade of all."""
        return worst(self.findings)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 warnings only, 2 errors."""
        return GRADES.index(self.grade)

    def of(self, grade: Grade) -> list[Finding]:
        """Return the findings of one grade."""
        return [finding for finding in self.findings if finding.grade == grade]

    def in_group(self, group: Group) -> list[Finding]:
        """Return the findings of one group."""
        return [finding for finding in self.findings if finding.group == group.name]


async def examine(
    scene: Scene, *, progress: Progress | None = None, groups: Sequence[Group] = GROUPS
) -> Report:
    """Look at everything, one check after the other; ``progress`` is told of each before it begins."""
    findings: list[Finding] = []
    for group in groups:
        for check in group.checks:
            if scene.unread and check.name not in WITHOUT_SETTINGS:
                continue
            if progress is not None:
                progress(check)
            findings += await _look(check, scene)
    return Report(scene.now, tuple(groups), await started_anew(scene, findings))


async def _look(check: Check, scene: Scene) -> Iterable[Finding]:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(check.limit_s):
            return list(await check.look(scene))
    except TimeoutError:
        return [check.error(f"no answer within {time.monotonic() - begun:.0f} s", MEND_SLOW)]
    except PermissionError as exc:
        said = f"user {user_name(os.geteuid())} may not look at {exc.filename}"
        return [check.error(said, MEND_USER)]
    except Exception as exc:  # noqa: BLE001 - one broken check must not hide what the others see
        return [check.error(f"the check itself failed: {type(exc).__name__}", MEND_CRASH)]
