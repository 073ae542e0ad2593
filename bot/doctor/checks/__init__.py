"""All checks, by group, in the order in which a report shows them."""

from dataclasses import dataclass

from bot.doctor.checks import (
    inforce,
    mapping,
    opencode,
    runtime,
    security,
    settings,
    store,
    viewer,
    wecom,
)
from bot.doctor.findings import Check
from bot.texts import Text
from bot.texts import doctor as titles


@dataclass(frozen=True, slots=True)
class Group:
    """Checks under one heading; ``name`` begins the names of all of them."""

    name: str
    title: Text
    checks: tuple[Check, ...]


GROUPS: tuple[Group, ...] = (
    Group("settings", titles.SETTINGS, settings.CHECKS),
    Group("wecom", titles.WECOM, wecom.CHECKS),
    Group("opencode", titles.OPENCODE, opencode.CHECKS),
    Group("inforce", titles.IN_FORCE, inforce.CHECKS),
    Group("mapping", titles.MAPPING, mapping.CHECKS),
    Group("store", titles.STORE, store.CHECKS),
    Group("viewer", titles.VIEWER, viewer.CHECKS),
    Group("security", titles.SECURITY, security.CHECKS),
    Group("runtime", titles.RUNTIME, runtime.CHECKS),
)
