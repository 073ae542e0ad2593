"""What OpenCode says of a broken configuration quotes it, keys and all: that part goes nowhere."""

import orjson
import pytest

from bot.opencode.words import unquoted
from tests.opencode_fixtures import until
from tests.serving_fixtures import environ_with, serving

SECRET = "sk-that-nobody-may-read"
BROKEN = f'{{"provider": {{"mine": {{"options": {{"apiKey": "{SECRET}"}}}}}} "model": 1}}'
SAID = f"""Config file at /home/me/opencode.json is not valid JSON(C):
--- JSONC Input ---
{BROKEN}

--- Errors ---
CommaExpected at line 1, column 70
   Line 1: {BROKEN}
                                                                       ^
CloseBraceExpected at line 1, column 71
   Line 1: {BROKEN}
--- End ---"""


def test_the_place_of_a_mistake_stays_and_the_text_around_it_goes():
    said = unquoted(SAID)
    assert SECRET not in said
    assert said.split("\n") == [
        "Config file at /home/me/opencode.json is not valid JSON(C):",
        "CommaExpected at line 1, column 70",
        "CloseBraceExpected at line 1, column 71",
    ]


def test_words_that_were_cut_in_the_middle_of_the_text_quote_nothing_either():
    assert SECRET not in unquoted(SAID[: SAID.index("--- Errors")])


def test_a_value_of_the_wrong_kind_is_not_repeated():
    said = unquoted(f'Expected object | undefined, got "{SECRET}" provider')
    assert said == "Expected object | undefined, got a text provider"
    assert unquoted("Expected string, got 5 model") == "Expected string, got 5 model"


@pytest.mark.opencode
async def test_a_managed_server_says_where_its_configuration_is_broken_and_quotes_nothing(
    folder, model, capsys
):
    environ = environ_with(folder, model)
    file = folder / "user/.config/opencode/opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text(BROKEN)
    async with serving(folder, environ) as server:
        await until(lambda: server.refused)
        assert "CommaExpected at line 1, column" in server.refused
        assert SECRET not in server.refused
    assert SECRET not in capsys.readouterr().out


@pytest.mark.opencode
async def test_a_value_of_the_wrong_kind_in_a_real_configuration_is_not_repeated(folder, model):
    environ = environ_with(folder, model)
    file = folder / "user/.config/opencode/opencode.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(orjson.dumps({"provider": {"mine": SECRET}}))
    async with serving(folder, environ) as server:
        await until(lambda: server.refused)
        assert SECRET not in server.refused
