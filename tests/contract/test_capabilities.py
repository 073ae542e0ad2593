"""What the client knows of a release, and what it does about it."""

import pytest

from bot.opencode.capabilities import MISSED, SKILLS, Capabilities, number_of
from bot.opencode.client import OpenCode
from bot.opencode.probe import Address, Probe


def test_the_newest_releases_can_do_everything():
    assert Capabilities.of("1.18.33") == Capabilities()
    assert Capabilities.of("1.18.33").lacking == ()
    assert Capabilities.of("local") == Capabilities()


def test_what_an_older_release_cannot_do_is_named_and_said_where_people_miss_it():
    old = Capabilities.of("1.14.41")
    assert old.lacking == ("session_home", "metadata")
    assert old.lacks == (MISSED["metadata"],)
    assert Capabilities.of("1.1.65").lacks == tuple(MISSED.values())


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("1.18.33", (1, 18, 33)),
        ("v1.2.3", (1, 2, 3)),
        ("1.18", None),
        ("1.18.33-beta", None),
        ("", None),
        ("1.²³.4", None),
    ],
)
def test_versions_are_compared_as_numbers(version, number):
    assert number_of(version) == number


async def test_what_can_be_asked_is_asked(fake):
    async with Probe(Address(fake.url, fake.username, fake.password)) as probe:
        assert (await probe.capabilities("1.18.33", None)).skills
        fake.fault(SKILLS, "html")
        assert (await probe.capabilities("1.18.33", None)).lacking == ("skills",)


async def test_every_call_about_a_session_names_the_folder_in_which_it_was_opened(fake, tmp_path):
    async with OpenCode(fake.url, fake.username, fake.password) as client:
        session = await client.create_session(tmp_path, title="T", metadata={})
        path = f"/session/{session.id}"
        await client.rename(session.id, "U")
        await client.messages(session.id)
        await client.abort(session.id)
        await client.children(session.id)
        await client.todos(session.id)
        parts = [{"type": "text", "text": "hi"}]
        given = {"agent": "build", "model": "fake/one"}
        await client.prompt(session.id, message="msg_1", parts=parts, **given)
        await fake.settled(session.id)
    named = {call: folder for call, folder in fake.folders.items() if call.startswith(path)}
    assert set(named.values()) == {str(tmp_path)}
    assert len(named) == 6


async def test_a_client_that_did_not_open_a_session_learns_its_folder_when_it_reads_it(
    fake, tmp_path
):
    session = fake.open_session(str(tmp_path), "T")
    async with OpenCode(fake.url, fake.username, fake.password) as client:
        await client.messages(session)
        assert fake.folders[f"/session/{session}/message"] == ""
        await client.session(session)
        await client.messages(session)
    assert fake.folders[f"/session/{session}/message"] == str(tmp_path)


async def test_only_so_many_folders_are_remembered(fake, tmp_path):
    async with OpenCode(fake.url, fake.username, fake.password) as client:
        client._homes = {f"ses_{n}": "/x" for n in range(4096)}
        session = await client.create_session(tmp_path, title="T", metadata={})
        assert len(client._homes) == 4096
        assert client._homes[session.id] == str(tmp_path)
        assert "ses_0" not in client._homes
