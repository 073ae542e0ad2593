"""The settings of WeCom's channels: each whole or not at all, and one of the two of a bot."""

import pytest

from config.settings import SettingsError, load_settings
from tests.settings_channels import APP, CALLBACK, CONNECTION


def problems(**environ):
    with pytest.raises(SettingsError) as wrong:
        load_settings(None, environ)
    return wrong.value.problems


def problem(**environ):
    (only,) = problems(**environ)
    return only


@pytest.mark.parametrize("given", CALLBACK)
def test_half_of_the_callbacks_secrets_is_a_mistake(given):
    (absent,) = CALLBACK.keys() - {given}
    found = problem(**{given: CALLBACK[given]})
    assert found.env == absent
    assert given.removeprefix("WECOM_BOT_").lower() in found.problem
    assert "the bot's page" in found.mend


def test_a_secret_of_the_connection_wants_the_bots_id():
    found = problem(WECOM_BOT_SECRET="q7Rk2vB9xT4m")
    assert (found.key, found.env) == ("wecom.bot.bot_id", "WECOM_BOT_ID")
    assert found.problem == "is missing while wecom.bot.secret is set"


def test_a_bot_has_its_connection_or_its_callback_and_never_both():
    found = problem(**CALLBACK, **CONNECTION)
    for name in ("wecom.bot.secret", "wecom.bot.token", "wecom.bot.aes_key"):
        assert name in found.key
    assert found.env == "WECOM_BOT_SECRET, WECOM_BOT_TOKEN, WECOM_BOT_AES_KEY"
    assert "not both" in found.problem
    assert "take the other out" in found.mend


def test_half_of_the_callback_beside_the_connection_is_told_with_all_that_is_wrong():
    found = problems(**CONNECTION, WECOM_BOT_TOKEN="QDG6eK")
    assert [one.env.partition(",")[0] for one in found] == ["WECOM_BOT_AES_KEY", "WECOM_BOT_SECRET"]


@pytest.mark.parametrize("given", APP)
def test_half_an_application_is_a_mistake_for_each_part_that_is_missing(given):
    found = problems(**{given: APP[given]})
    assert {one.env for one in found} == APP.keys() - {given}
    assert all("the application's page" in one.mend for one in found)


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        (CALLBACK, (True, False, False)),
        (CALLBACK | {"WECOM_BOT_ID": "aibX"}, (True, False, False)),
        (CONNECTION, (False, True, False)),
        (APP, (False, False, True)),
        (CONNECTION | APP, (False, True, True)),
        (CALLBACK | APP, (True, False, True)),
        ({"WECOM_BOT_ID": "aibX", "WECOM_WEBHOOK_KEY": "k-1"}, (False, False, False)),
    ],
)
def test_what_is_given_whole_turns_a_channel_on(environ, on):
    settings = load_settings(None, environ | {"BOT_ADMINS": "boss"})
    wecom = settings.wecom
    assert (wecom.bot.on, wecom.bot.connects, wecom.app.on) == on
    assert wecom.on is any(on)
    assert any("no channel of WeCom" in one for one in settings.warnings()) is not any(on)
