"""Who may do what."""

import pytest

from bot.access import Access, at_least
from config.sections import AccessSettings

ACCESS = Access(AccessSettings(admins=["boss"], maintainers=["lead"], members=["zhang", "li"]))


def test_nobody_is_admitted_until_someone_is_listed():
    assert Access(AccessSettings()).role("zhang") is None


@pytest.mark.parametrize(
    ("sender", "role"),
    [("boss", "admin"), ("lead", "maintainer"), ("zhang", "member"), ("wang", None), ("", None)],
)
def test_a_role_is_what_the_settings_say(sender, role):
    assert ACCESS.role(sender) == role


def test_the_highest_role_of_somebody_who_is_listed_twice_counts():
    access = Access(AccessSettings(admins=["boss"], maintainers=["boss"], members=["*"]))
    assert access.role("boss") == "admin"


def test_a_star_admits_every_member_of_the_corp_and_no_nameless_one():
    access = Access(AccessSettings(members=["*"]))
    assert access.role("anyone") == "member"
    assert access.role("") is None


def test_a_name_is_compared_exactly():
    assert ACCESS.role("Boss") is None


@pytest.mark.parametrize("asked", [ACCESS.may_stop, ACCESS.may_force, ACCESS.may_decide])
def test_a_turn_is_in_the_hands_of_its_starter_maintainers_and_admins(asked):
    assert asked("zhang", "zhang")
    assert asked("lead", "zhang")
    assert asked("boss", "zhang")
    assert not asked("li", "zhang")


@pytest.mark.parametrize("asked", [ACCESS.may_stop, ACCESS.may_force, ACCESS.may_decide])
def test_who_is_no_longer_admitted_has_no_say_even_in_their_own_turn(asked):
    assert not asked("wang", "wang")


def test_roles_are_ordered():
    assert at_least("admin", "maintainer")
    assert at_least("member", "member")
    assert not at_least("member", "maintainer")
    assert not at_least(None, "member")
