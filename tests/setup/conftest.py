"""People at terminals, each gone when the test is over."""

import os

import pytest

from bot.opencode.probe import NEWEST
from config.settings import load_settings
from tests.fakes.opencode import FakeOpenCode
from tests.opencode_launch import program
from tests.service_fixtures import free_port
from tests.setup.person import Person
from tests.wecom_fixtures import AES_KEY, TOKEN


@pytest.fixture
def place(tmp_path):
    """The folder that a person sits in; nothing is set up in it."""
    return tmp_path / "place"


@pytest.fixture
def programs(tmp_path):
    """A PATH with programs that say the proved version at once."""
    folder = tmp_path / "programs"
    program(folder, "opencode", NEWEST)
    program(folder, "rg", "ripgrep")
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def sit_down(place):
    """Start the wizard for somebody: ``sit_down("--dry-run", PATH=programs)``."""
    people = []

    def sit(*arguments, command="setup", **environ):
        person = Person(*command.split(), *arguments, folder=place, **environ)
        people.append(person)
        return person

    yield sit
    for person in people:
        person.end()


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


class Places:
    """Where things are that a wizard wrote."""

    def __init__(self, folder):
        self.file = folder / "config/bot.toml"
        self.secrets = folder / "config/opencode-wecom.env"
        self.opencode = folder / "config/opencode.env"

    @property
    def all(self):
        folder = self.file.parent
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def settings(self):
        return load_settings(self.file, {})


@pytest.fixture
def written(place):
    return Places(place)


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def configured(written, fake, place, port):
    """What a former run has left; no OpenCode but the fake is asked."""
    written.file.parent.mkdir(parents=True)
    written.file.write_text(
        f'[server]\nport = {port}  # ours\npublic_url = "http://127.0.0.1:{port}"\n'
        f'data_dir = "{place}/data"\n'
        f'[opencode]\nurl = "{fake.url}"\n[access]\nadmins = ["boss"]\n'
    )
    written.secrets.write_text(
        f"OPENCODE_SERVER_PASSWORD={fake.password}\nWECOM_BOT_AES_KEY={AES_KEY}\n"
        f"WECOM_BOT_TOKEN={TOKEN}\n"
    )
    return written
