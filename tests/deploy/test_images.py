"""The image and its composition: judged by their linters, and held against the settings."""

import fnmatch
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bot.leaving import REST_S
from config.settings import catalogue, load_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE, COMPOSE = ROOT / "Dockerfile", ROOT / "compose.yaml"
TOOLS = Path(sys.executable).parent
# OpenCode's own variables, which a server by itself is given.
OF_OPENCODE = re.compile(r"HOME|SHELL|OPENCODE_DISABLE_[A-Z_]+|OPENCODE_SERVER_PASSWORD")


def lint(name, *arguments):
    done = subprocess.run(
        [TOOLS / name, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def instructions():
    """Return the lines of the Dockerfile as ``(instruction, words)``, continued ones whole."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def compose():
    return YAML(typ="safe").load(COMPOSE)


def test_the_linter_finds_nothing_wrong_with_the_dockerfile():
    assert lint("hadolint", "--no-color", DOCKERFILE) == (0, "")


def test_the_linter_would_find_an_unpinned_image(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.read_text().replace("FROM ${NODE} AS", "FROM node:latest AS"))
    code, words = lint("hadolint", "--no-color", bad)
    assert (code, "DL3007" in words) == (1, True)


def test_the_composition_holds_its_schema(tmp_path):
    schema = ("--builtin-schema", "vendor.compose-spec")
    code, words = lint("check-jsonschema", *schema, COMPOSE)
    assert code == 0, words
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("restart:", "restarts:"))
    assert lint("check-jsonschema", *schema, bad)[0] == 1


def test_every_image_is_pinned_by_a_whole_version():
    images = [words.partition("=")[2] for name, words in instructions() if name == "ARG"]
    assert len(images) == 2
    assert all(re.fullmatch(r"\w+:\d+\.\d+\.\d+-\S+", image) for image in images)
    assert {words.split()[0] for name, words in instructions() if name == "FROM"} == {
        "${NODE}",
        "${PYTHON}",
    }


def test_all_that_is_copied_is_there_and_sent_to_the_engine():
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in patterns if line.startswith("!")}
    copied = set()
    for name, words in instructions():
        if name == "COPY" and not words.startswith("--from"):
            copied |= set(words.split()[:-1])
    assert all((ROOT / source).exists() for source in copied)
    assert {source.split("/")[0] for source in copied} == sent


@pytest.mark.parametrize("name", ["config/bot.toml", "config/wecom.env", "config/bot.toml.before"])
def test_nobodys_own_settings_get_into_an_image(name):
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns if "/" in pattern)
    assert not any(
        fnmatch.fnmatch("config/bot.example.toml", one) for one in patterns if "/" in one
    )


def test_packages_are_installed_as_locked_with_their_hashes():
    installs = [words for name, words in instructions() if name == "RUN" and "pip install" in words]
    assert len(installs) == 1
    assert "--require-hashes --no-deps -r requirements.lock" in " ".join(installs[0].split())


def test_the_service_is_nobodys_root_and_looked_at():
    last = dict(instructions())
    assert last["USER"] == "10001:10001"
    assert last["HEALTHCHECK"].rstrip().endswith('"http://127.0.0.1:8080/healthz"]')


def image_environment():
    [words] = [words for name, words in instructions() if name == "ENV"]
    return dict(word.split("=", 1) for word in shlex.split(words))


def test_the_images_variables_are_settings_that_load(tmp_path, compose):
    environ = image_environment()
    bot = compose["services"]["bot"]["environment"]
    for name in compose["services"]["bot"]["secrets"]:
        (tmp_path / name).write_text("QDG6eK" if name.endswith("token") else "j" * 42 + "E")
    ours = {name: value for name, value in (environ | bot).items() if name != "BOT_CONFIG"}
    here = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in ours.items()}
    alone = load_settings(None, {name: filled(value, {}) for name, value in here.items()})
    assert alone.opencode.url is None
    assert alone.wecom.bot.on
    assert (alone.server.host, alone.server.port) == ("0.0.0.0", 8080)  # what the port leads to
    chosen = {"OPENCODE_URL": "http://opencode:4096", "OPENCODE_SERVER_PASSWORD": "p" * 20}
    apart = load_settings(None, {name: filled(value, chosen) for name, value in here.items()})
    assert str(apart.opencode.url).rstrip("/") == "http://opencode:4096"
    assert apart.opencode.password.get_secret_value() == "p" * 20


def filled(value, chosen):
    """Put in what the engine would for ``${NAME:-}``."""
    return re.sub(r"\$\{(\w+):-\}", lambda match: chosen.get(match[1], ""), value)


def test_every_variable_of_the_composition_is_known(compose):
    known = {"BOT_CONFIG"} | {entry.env for entry in catalogue()}
    known |= {f"{entry.env}_FILE" for entry in catalogue() if entry.secret}
    assert set(compose["services"]["bot"]["environment"]) <= known
    apart = compose["services"]["opencode"]["environment"]
    assert [name for name in apart if not OF_OPENCODE.fullmatch(name)] == []


def test_each_container_can_do_as_little_as_it_can_do_with(compose):
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "memswap_limit", "pids_limit"} <= service.keys()
        for volume in service["volumes"]:
            assert volume.split(":")[0] in compose["volumes"]
    assert compose["services"]["bot"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "ports" not in compose["services"]["opencode"]


def test_both_containers_see_the_workspaces_at_the_same_path(compose):
    place = image_environment()["BOT_WORKSPACES"]
    for service in compose["services"].values():
        assert f"workspaces:{place}" in service["volumes"]
    secrets = [place for place in compose["services"]["opencode"]["volumes"] if "data" in place]
    assert secrets == []
    assert "secrets" not in compose["services"]["opencode"]


def test_a_container_has_time_for_the_services_end(compose):
    seconds = int(compose["services"]["bot"]["stop_grace_period"].removesuffix("s"))
    assert load_settings(None, {}).turn.grace + REST_S < seconds
