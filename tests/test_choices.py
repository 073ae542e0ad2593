"""Which agent and model a prompt runs with, and why."""

from pathlib import Path

import pytest

from bot.choices import Choices, Offer, nearest, origins
from bot.errors import OpenCodeUnavailable, UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import Agent
from config.settings import load_settings
from store.records import ChatRecord
from tests.fakes.opencode import FakeOpenCode

HERE = Path("/srv/here")
START = 1_800_000_000_000


def chat(**chosen):
    facts = dict.fromkeys(("language", "last_language", "detail", "agent", "model"), "") | chosen
    return ChatRecord(
        key="k",
        platform="wecom",
        kind="group",
        id="g",
        member="",
        epoch=0,
        created_at=0,
        contact_at=0,
        **facts,
    )


def agents(*named, **models):
    return tuple(Agent(name, model=models.get(name)) for name in named)


class Asked:
    """Choices in front of what a server is said to offer, without one."""

    def __init__(self, *, offered=None, config=None, defaults=None, models=None, **environ):
        settings = load_settings(None, environ)
        self.choices = Choices(None, settings, lambda: START)
        self.choices._offers[HERE] = Offer(
            agents=agents("build", "plan") if offered is None else offered,
            models=("fake/one", "fake/two", "other/three") if models is None else models,
            defaults={"fake": "one", "other": "three"} if defaults is None else defaults,
            config=config or {},
            read_at=START,
        )

    async def __call__(self, **chosen):
        return await self.choices.resolve(chat(**chosen), HERE)


async def test_without_any_choice_it_is_build_with_the_first_providers_default():
    choice = await Asked()()
    assert (choice.agent, choice.model) == ("build", "fake/one")
    assert choice.agent_why.en == "the server's default agent"
    assert choice.model_why.en == "the default model of fake"


async def test_the_model_of_the_servers_configuration_beats_a_providers_default():
    choice = await Asked(config={"model": "other/three"})()
    assert choice.model == "other/three"
    assert choice.model_why.en == "model of the server's /config"


async def test_our_model_beats_the_servers_while_no_agent_is_chosen():
    choice = await Asked(config={"model": "other/three"}, OPENCODE_MODEL="fake/two")()
    assert choice.model == "fake/two"
    assert choice.model_why.en == "set by OPENCODE_MODEL"


async def test_a_chosen_agent_disables_our_model_and_that_is_said():
    offered = agents("build", "plan", plan="other/three")
    choice = await Asked(offered=offered, OPENCODE_AGENT="plan", OPENCODE_MODEL="fake/two")()
    assert (choice.agent, choice.model) == ("plan", "other/three")
    assert choice.agent_why.en == "set by OPENCODE_AGENT"
    assert choice.model_why.en == (
        "the own model of agent plan; OPENCODE_MODEL does not apply, since an agent was chosen"
    )
    assert "OPENCODE_MODEL 不起作用" in choice.model_why.zh


async def test_a_chosen_agent_without_a_model_of_its_own_takes_the_servers_not_ours():
    asked = Asked(config={"model": "other/three"}, OPENCODE_AGENT="plan", OPENCODE_MODEL="fake/two")
    assert (await asked()).model == "other/three"


async def test_the_agent_of_the_chat_beats_that_of_the_settings_and_brings_its_model():
    offered = agents("build", "plan", "docs", plan="fake/two", docs="other/three")
    choice = await Asked(offered=offered, OPENCODE_AGENT="plan")(agent="docs")
    assert (choice.agent, choice.model) == ("docs", "other/three")
    assert choice.agent_why.en == "/agent in this chat"


async def test_an_agent_chosen_in_the_chat_disables_our_model_too():
    choice = await Asked(OPENCODE_MODEL="fake/two")(agent="plan")
    assert choice.model == "fake/one"


async def test_the_model_of_the_chat_beats_everything():
    offered = agents("build", "plan", plan="other/three")
    asked = Asked(offered=offered, config={"model": "fake/one"}, OPENCODE_AGENT="plan")
    choice = await asked(model="fake/two")
    assert (choice.agent, choice.model) == ("plan", "fake/two")
    assert choice.model_why.en == "/model in this chat"


async def test_the_default_agent_of_the_servers_configuration_beats_build():
    choice = await Asked(config={"default_agent": "plan"})()
    assert choice.agent == "plan"
    assert choice.agent_why.en == "default_agent of the server's /config"


async def test_an_agent_that_nobody_chose_brings_its_model_only_behind_ours():
    offered = agents("build", build="other/three")
    assert (await Asked(offered=offered, config={"model": "fake/one"})()).model == "other/three"
    assert (await Asked(offered=offered, OPENCODE_MODEL="fake/two")()).model == "fake/two"


async def test_a_server_without_build_uses_its_first_agent_for_people():
    offered = (Agent("helper", mode="subagent"), Agent("title", hidden=True), Agent("docs"))
    choice = await Asked(offered=offered)()
    assert choice.agent == "docs"
    assert choice.agent_why.en == "the server's first agent: it has no build"


async def test_the_default_of_a_provider_that_the_configuration_does_not_name_is_passed_over():
    asked = Asked(config={"provider": {"other": {}}})
    choice = await asked()
    assert choice.model == "other/three"


async def test_an_unknown_agent_is_refused_with_those_that_exist():
    with pytest.raises(UserError) as refused:
        await Asked(OPENCODE_AGENT="nope")()
    said = refused.value.text.say("en")
    assert "no agent nope (set by OPENCODE_AGENT)" in said
    assert "build, plan" in said


async def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(UserError) as refused:
        await Asked()(model="fake/thre")
    said = refused.value.text.say("zh")
    assert "fake/thre（本聊天用 /model 选的）" in said
    assert "other/three" in said


async def test_a_model_of_the_server_that_does_not_exist_is_named_with_its_place():
    with pytest.raises(UserError) as refused:
        await Asked(config={"model": "gone/model"}, models=())()
    assert "gone/model (model of the server's /config). /model" in refused.value.text.say("en")


async def test_a_server_without_models_is_said_to_have_none():
    with pytest.raises(UserError) as refused:
        await Asked(defaults={}, models=())()
    assert "E-MODEL" in refused.value.text.say("zh")


async def test_a_server_without_agents_is_said_to_have_none():
    with pytest.raises(UserError) as refused:
        await Asked(offered=())()
    assert "E-AGENT" in refused.value.text.say("zh")


async def test_braces_in_a_name_do_no_harm():
    with pytest.raises(UserError) as refused:
        await Asked()(agent="{0}{x}")
    assert "{0}{x}" in refused.value.text.say("zh")


def test_the_origin_of_a_setting_is_the_variable_or_else_the_file():
    named = origins({"OPENCODE_MODEL": "fake/one"}, Path("config/bot.toml"))
    assert named["opencode.model"] == "OPENCODE_MODEL"
    assert "config/bot.toml" in named["opencode.agent"]
    assert origins({}, None)["opencode.agent"] == "OPENCODE_AGENT"


async def test_the_origin_is_part_of_the_reason():
    settings = load_settings(None, {"OPENCODE_AGENT": "plan"})
    file = origins({}, Path("config/bot.toml"))
    async with FakeOpenCode() as server, OpenCode(server.url, "opencode", "secret") as client:
        choices = Choices(client, settings, lambda: START, file)
        choice = await choices.resolve(chat(), HERE)
    assert "opencode.agent" in choice.agent_why.en
    assert "config/bot.toml" in choice.agent_why.en


def test_the_nearest_are_those_that_hold_the_word_then_those_alike():
    models = ("acme/sonnet-4", "acme/opus-4", "beta/sonnet-mini", "beta/haiku")
    assert nearest("sonnet", models)[:2] == ["acme/sonnet-4", "beta/sonnet-mini"]
    assert nearest("acme/opsu-4", models)[0] == "acme/opus-4"
    assert nearest("zzzz", models) == []
    assert nearest("acme/", models) == ["acme/opus-4", "acme/sonnet-4"]


async def test_the_server_is_asked_once_in_five_seconds_for_a_directory():
    now = START
    async with FakeOpenCode() as server, OpenCode(server.url, "opencode", "secret") as client:
        choices = Choices(client, load_settings(None, {}), lambda: now)
        await choices.resolve(chat(), HERE)
        asked = len(server.calls)
        now += 5_000
        assert (await choices.resolve(chat(), HERE)).model == "fake/one"
        assert len(server.calls) == asked
        await choices.offer(Path("/srv/elsewhere"))
        assert len(server.calls) == 2 * asked
        server.models = {"fake": ["two"]}
        now += 1
        assert (await choices.offer(HERE)).models == ("fake/two",)
        now += 5_001
        await choices.offer(HERE)
        assert list(choices._offers) == [HERE]


async def test_a_server_that_is_away_is_an_error_of_the_peer():
    async with FakeOpenCode() as server, OpenCode(server.url, "opencode", "secret") as client:
        server.fault("/agent", "refuse")
        with pytest.raises(OpenCodeUnavailable):
            await Choices(client, load_settings(None, {}), lambda: START).resolve(chat(), HERE)
