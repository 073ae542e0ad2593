"""A configuration in the making: comments stay, secrets have their own file, and all or nothing is written."""

import stat
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import StartError
from bot.setup.draft import Draft, known_key, refusal, typed
from bot.setup.files import check_writable, quoted
from config.settings import SettingsError, catalogue, load_settings
from config.sources import SECRETS_FILE, read_secrets
from tests.wecom_fixtures import AES_KEY, TOKEN

AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
BY_HAND = f"""\
# Ours since spring.
[server]
port = 8081   # the proxy knows it

[wecom.bot]
token = "{TOKEN}"
aes_key = '{AES_KEY}'
name = "Code Bot"

[access]
members = ["*"]  # everybody
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config" / "bot.toml"


@pytest.fixture
def by_hand(file):
    file.parent.mkdir()
    file.write_text(BY_HAND)
    return file


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_put_is_what_the_service_reads(file):
    draft = Draft.open(file)
    draft.put("wecom.bot.token", TOKEN)
    draft.put("wecom.bot.aes_key", AES_KEY)
    draft.put("access.admins", typed("access.admins", "zhangsan， lisi"))
    draft.put("server.port", typed("server.port", "9000"))
    draft.write(AT)
    settings = load_settings(file, {})
    assert settings.access.admins == ("zhangsan", "lisi")
    assert settings.server.port == 9000
    assert settings.wecom.bot.token.get_secret_value() == TOKEN
    assert settings == draft.settings()


def test_both_files_are_the_owners_alone_and_the_settings_hold_no_secret(file):
    draft = Draft.open(file)
    draft.put("wecom.bot.token", TOKEN)
    draft.put("wecom.bot.aes_key", AES_KEY)
    draft.put("server.port", 9000)
    draft.write(AT)
    assert [mode_of(path) for path in (file, draft.secrets_file)] == [0o600, 0o600]
    assert mode_of(file.parent) == 0o700
    for text in (file.read_text(), draft.shown()):
        assert TOKEN not in text
        assert AES_KEY not in text
    assert sorted(path.name for path in file.parent.iterdir()) == ["bot.toml", "opencode-wecom.env"]


def test_comments_and_what_was_added_by_hand_stay(by_hand):
    draft = Draft.open(by_hand)
    draft.put("server.port", 8081)
    draft.put("server.public_url", "https://bot.example.com")
    draft.write(AT)
    text = by_hand.read_text()
    for words in ("# Ours since spring.", "# the proxy knows it", "# everybody", "Code Bot"):
        assert words in text


def test_secrets_of_the_settings_file_move_to_their_own(by_hand):
    draft = Draft.open(by_hand)
    assert draft.write(AT) == [by_hand.with_name("bot.toml.bak-20261126-093000")]
    assert TOKEN not in by_hand.read_text()
    assert AES_KEY not in by_hand.read_text()
    settings = load_settings(by_hand, {})
    assert settings.wecom.bot.aes_key.get_secret_value() == AES_KEY


def test_what_is_replaced_is_kept_beside_it_for_its_owner_alone(by_hand):
    by_hand.chmod(0o644)
    draft = Draft.open(by_hand)
    draft.put("server.port", 9000)
    first = draft.write(AT)
    draft.put("server.port", 9001)
    second = draft.write(AT)
    assert first[0].read_text() == BY_HAND
    assert mode_of(first[0]) == 0o600
    assert second[0].name == f"{first[0].name}-2"
    assert "9000" in second[0].read_text()
    assert "9001" in by_hand.read_text()


def test_the_group_that_may_read_the_settings_still_may_and_nobody_else(by_hand):
    by_hand.chmod(0o644)
    by_hand.with_name(SECRETS_FILE).write_text("WECOM_BOT_TOKEN=former\n")
    by_hand.with_name(SECRETS_FILE).chmod(0o644)
    draft = Draft.open(by_hand)
    draft.put("server.port", 9000)
    draft.put("wecom.bot.token", "later")
    draft.write(AT)
    assert mode_of(by_hand) == 0o640
    assert mode_of(draft.secrets_file) == 0o600


def test_what_is_so_already_is_not_written_again(by_hand):
    Draft.open(by_hand).write(AT)
    before = sorted(by_hand.parent.iterdir())
    draft = Draft.open(by_hand)
    draft.put("server.port", 8081)
    assert draft.planned() == []
    assert draft.write(AT) == []
    assert sorted(by_hand.parent.iterdir()) == before


def test_what_was_heard_is_a_comment_that_a_later_run_replaces_or_takes_out(by_hand):
    for words, line in (
        ("2026-11-26: a direct message", "# Heard by setup on 2026-11-26: a direct message\n"),
        ("2026-11-27: a group message", "# Heard by setup on 2026-11-27: a group message\n"),
        ("", ""),
    ):
        draft = Draft.open(by_hand)
        draft.note_heard(words)
        draft.write(AT)
        text = by_hand.read_text()
        assert text.startswith(f"{line}# Ours since spring.\n")
        assert text.count("Heard by setup") == bool(words)
        assert load_settings(by_hand, {}).wecom.bot.name == "Code Bot"


def test_a_folder_that_cannot_be_written_leaves_everything_as_it_was(by_hand):
    (by_hand.parent / f".{SECRETS_FILE}.new").mkdir()
    draft = Draft.open(by_hand)
    draft.put("server.port", 9000)
    with pytest.raises(StartError, match="nothing is changed"):
        draft.write(AT)
    assert by_hand.read_text() == BY_HAND
    assert sorted(path.name for path in by_hand.parent.iterdir()) == [
        f".{SECRETS_FILE}.new",
        "bot.toml",
    ]


@pytest.mark.parametrize(
    ("toml", "env", "words"),
    [
        ("[server\n", "", "is no TOML"),
        ("", "WECOM_BOT_TOKN=x\n", "line 1"),
        ("", "# fine\n\nWECOM_BOT_TOKEN='x\n", "line 3"),
        ("", "WECOM_BOT_TOKEN=two words\n", "line 1"),
        ("", "WECOM_BOT_TOKEN\n", "line 1"),
        ("", b"WECOM_BOT_TOKEN=\xff\n", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_reason_and_never_a_value(file, toml, env, words):
    file.parent.mkdir()
    file.write_text(toml)
    secrets = file.with_name(SECRETS_FILE)
    secrets.write_bytes(env if isinstance(env, bytes) else env.encode())
    with pytest.raises(SettingsError, match=words) as caught:
        Draft.open(file)
    assert "two" not in str(caught.value)
    with pytest.raises(SettingsError, match=words):
        load_settings(file, {})


def test_the_environment_wins_over_the_secrets_and_these_over_the_settings(by_hand):
    by_hand.with_name(SECRETS_FILE).write_text("WECOM_BOT_TOKEN=fromsecrets\nOTHER_KEY=two words\n")
    assert load_settings(by_hand, {}).wecom.bot.token.get_secret_value() == "fromsecrets"
    settings = load_settings(by_hand, {"WECOM_BOT_TOKEN": "fromenviron"})
    assert settings.wecom.bot.token.get_secret_value() == "fromenviron"


def test_a_secrets_file_of_root_is_no_mistake_where_systemd_has_read_it(tmp_path, monkeypatch):
    class Roots(type(tmp_path)):
        def read_text(self, *_, **__):
            raise PermissionError(13, "Permission denied")

    file = Roots(tmp_path, SECRETS_FILE)
    assert read_secrets(file, {"WECOM_BOT_TOKEN": TOKEN}, catalogue()) == ({}, [])
    _, problems = read_secrets(file, {}, catalogue())
    assert "Permission denied" in str(problems[0])


def test_lines_of_other_programs_stay_in_the_secrets_file(by_hand):
    secrets = by_hand.with_name(SECRETS_FILE)
    secrets.write_text("# the model's\nSOME_API_KEY=abc\nWECOM_BOT_TOKEN=former\n")
    draft = Draft.open(by_hand)
    draft.put("wecom.bot.token", "later")
    draft.write(AT)
    text = secrets.read_text()
    assert "# the model's\nSOME_API_KEY=abc\n" in text
    assert "WECOM_BOT_TOKEN=later" in text
    assert "former" not in text
    Draft.open(by_hand).write(AT)
    assert secrets.read_text() == text


def test_a_unit_of_its_own_gets_the_password_in_a_file_of_its_own(file):
    file.parent.mkdir()
    file.with_name("opencode.env").write_text("SOME_API_KEY=abc\n")
    draft = Draft.open(file)
    draft.put("opencode.password", "p#a'ss")
    draft.put("wecom.bot.token", TOKEN)
    draft.with_opencode_file = True
    draft.write(AT)
    text = file.with_name("opencode.env").read_text()
    assert text.endswith('OPENCODE_SERVER_PASSWORD="p#a\'ss"\nSOME_API_KEY=abc\n')
    assert TOKEN not in text


def test_what_is_taken_out_leaves_no_empty_table_and_keeps_comments(by_hand):
    draft = Draft.open(by_hand)
    draft.put("projects.shop.path", str(by_hand.parent))
    draft.drop("projects.shop.path")
    draft.drop("access.members")
    draft.drop("nothing.there")
    draft.drop("opencode.password")
    draft.write(AT)
    text = by_hand.read_text()
    assert "projects" not in text
    assert "[wecom.bot]" in text


def test_a_list_and_nothing_at_all_are_shown_as_a_person_types_them(by_hand):
    draft = Draft.open(by_hand)
    draft.put("access.admins", ["zhangsan", "lisi"])
    assert draft.text("access.admins") == "zhangsan, lisi"
    assert draft.text("opencode.model") == ""
    assert draft.text("server.port") == "8081"
    assert draft.text("wecom.bot.token") == TOKEN


def test_the_environment_is_taken_with_all_its_mistakes_named(file):
    draft = Draft.open(file)
    given = {"BOT_PORT": "many", "WECOM_BOT_AES_KEY": "short", "BOT_MEMBERS": "*", "BOT_X": "1"}
    with pytest.raises(SettingsError) as caught:
        draft.take(given)
    assert {problem.env for problem in caught.value.problems} == {
        "BOT_X",
        "BOT_PORT",
        "WECOM_BOT_AES_KEY",
    }
    assert draft.get("access.members") == ["*"]
    assert "short" not in str(caught.value)


def test_every_answer_is_judged_by_the_settings_themselves():
    assert refusal("server.port", "8080") == ""
    assert "no whole number" in refusal("server.port", "many")
    assert "43" in refusal("wecom.bot.aes_key", "short")
    assert "short" not in refusal("wecom.bot.aes_key", "short")
    assert "folder that exists" in refusal("projects.shop.path", "/no/such/place")
    assert "http" in refusal("server.public_url", "bot.example.com")
    assert typed("turn.timeout", "30m") == 1800
    assert typed("opencode.permission", '[{"permission": "bash", "action": "ask"}]') == [
        {"permission": "bash", "pattern": "*", "action": "ask"}
    ]


def test_a_key_is_known_by_its_name_and_that_of_a_project_by_its_place():
    assert known_key("projects.shop.path").key == "projects.NAME.path"
    assert known_key("server.port").env == "BOT_PORT"
    assert known_key("projects.shop") is None
    assert known_key("server.prot") is None


@given(secret=WORDS)
def test_a_secret_is_read_back_as_it_was_written(secret, tmp_path_factory):
    file = tmp_path_factory.mktemp("secrets") / SECRETS_FILE
    file.write_text(f"OPENCODE_SERVER_PASSWORD={quoted(secret)}\n")
    assert read_secrets(file, {}, catalogue()) == ({"opencode.password": secret}, [])


def test_a_password_with_a_dollar_is_what_a_shell_reads_as_well(tmp_path):
    file = tmp_path / SECRETS_FILE
    file.write_text(f"SECRET={quoted('a$HOME`b`#c')}\n")
    said = subprocess.run(
        ["sh", "-c", f'. {file}; printf %s "$SECRET"'], capture_output=True, text=True, check=True
    )
    assert said.stdout == "a$HOME`b`#c"


def test_a_place_that_cannot_be_written_is_refused_before_anybody_answers(tmp_path):
    check_writable(tmp_path / "not/there/yet/bot.toml")
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    with pytest.raises(StartError, match="sudo"):
        check_writable(in_the_way / "bot.toml")
