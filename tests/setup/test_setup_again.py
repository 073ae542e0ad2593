"""The wizard once more: what is there is proposed, any step can be done again, and nothing is lost."""

import stat

from bot.app import opened
from tests.setup.person import CLEAR, CTRL_C, ENTER, by_a_server, past_connect, through_again
from tests.wecom_fixtures import AES_KEY, TOKEN


async def test_a_service_that_runs_is_watched_and_what_is_so_already_is_not_written(
    sit_down, configured, programs, make_standin, port
):
    before = configured.file.read_text()
    standin = await make_standin(f"http://127.0.0.1:{port}/wecom/bot")
    async with opened(configured.settings()) as service:
        person = sit_down("--no-doctor", PATH=programs)
        await person.sees("is there: what it says is proposed")
        await through_again(person, wait=True)
        await person.accepts("And then for a first message")
        await person.sees("The service runs on")
        assert await standin.verify_url()
        await person.sees("WeCom's request has arrived and was answered.")
        await person.sees("write /whoami to the bot")
        await person.accepts("Administrators", "Maintainers", "Members")
        await person.accepts("Where shall agents work?", "Folder that holds them:")
        await person.accepts("Model (empty", "Agent (empty")
        await person.accepts("Is this right?")
        await person.sees("nothing to write")
        await person.says("Install systemd units?", yes=False)
        assert await person.leaves() == 0
        assert service.edge.counts["verified"] == 1
    assert configured.file.read_text() == before
    assert configured.all == ["bot.toml", "opencode-wecom.env"]


async def test_another_token_is_not_waited_for_while_the_service_has_the_former(
    sit_down, configured, programs, port
):
    async with opened(configured.settings()):
        person = sit_down("--no-doctor", PATH=programs)
        await person.accepts("How shall OpenCode run?", "Its URL:", "Its user name:")
        await person.accepts("Its password:", "How shall messages come in?")
        await person.accepts("A self-built application", "Address to listen on:")
        await person.accepts("Port to listen on:", "Public URL, as WeCom")
        await person.says("all the same?", yes=True)
        await person.chooses("Token and EncodingAESKey:", "Make a Token", downs=1)
        await person.accepts("The bot's name", "The bot's id")
        await person.accepts("Wait here for WeCom's request?")
        await person.says("And then for a first message", yes=False)
        await person.sees("The service already runs on")
    await person.chooses("What now?", "Go on without it", downs=3)
    await past_connect(person)
    await person.sees("WeCom has not been seen to take these credentials")
    await person.accepts("Is this right?")
    await person.sees("Token and EncodingAESKey for WeCom's pages:")
    await person.sees("opencode-wecom.env")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    assert [name.partition(".bak-")[0] for name in configured.all] == [
        "bot.toml",
        "opencode-wecom.env",
        "opencode-wecom.env",
    ]
    assert "# ours" in configured.file.read_text()


async def test_a_step_can_be_done_again_and_nothing_is_written_unasked(
    sit_down, configured, programs
):
    before = configured.file.read_text()
    person = sit_down("--no-doctor", PATH=programs)
    await through_again(person)
    await past_connect(person)
    await person.chooses("Is this right?", "Again: Who may use", downs=6)
    await person.answers("Administrators", "lisi")
    await person.accepts("Maintainers", "Members")
    await person.sees('admins = ["lisi"]')
    await person.chooses("Is this right?", "Write nothing", downs=9)
    await person.sees("Nothing was written.")
    assert await person.leaves() == 1
    assert configured.file.read_text() == before


async def test_one_project_takes_the_place_of_the_chats_folders_and_a_dry_run_writes_nothing(
    sit_down, configured, programs, place
):
    person = sit_down("--dry-run", PATH=programs)
    await through_again(person)
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.chooses("Where shall agents work?", "One project", downs=1)
    await person.answers("The project's name:", "a shop")
    await person.sees("That is no name.")
    person.types(CLEAR + "shop" + ENTER)
    await person.answers("Its folder:", "/no/such/place")
    await person.sees("is not a folder that exists")
    person.types(CLEAR + str(place / "home") + ENTER)
    await person.accepts("Model (empty", "Agent (empty")
    await person.sees("[projects.shop]")
    await person.accepts("Is this right?")
    await person.sees("This was a dry run")
    assert await person.leaves() == 0
    assert configured.all == ["bot.toml", "opencode-wecom.env"]
    assert "shop" not in configured.file.read_text()


async def test_a_broken_file_is_named_and_kept_as_a_backup(
    sit_down, configured, fake, programs, port
):
    broken = "[server\nport = 1"
    configured.file.write_text(broken)
    person = sit_down("--no-doctor", PATH=programs)
    await person.sees("is no TOML")
    await person.says("Begin afresh?", yes=False)
    assert await person.leaves() == 1
    assert configured.file.read_text() == broken
    given = {"WECOM_BOT_TOKEN": TOKEN, "WECOM_BOT_AES_KEY": AES_KEY, "BOT_ADMINS": "boss"}
    person = sit_down("--no-doctor", PATH=programs, **given)
    await person.says("Begin afresh?", yes=True)
    await by_a_server(person, fake, port, chosen=True)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.says("Wait here for WeCom's request?", yes=False)
    await past_connect(person)
    await person.accepts("Is this right?")
    await person.sees("Kept what was there as")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    kept = [name for name in configured.all if name.startswith("bot.toml.bak-")]
    assert [configured.file.with_name(name).read_text() for name in kept] == [broken]
    assert configured.settings().access.admins == ("boss",)


async def test_wrong_values_of_a_file_are_named_left_out_and_asked_again(
    sit_down, configured, programs, port
):
    text = configured.file.read_text().replace(f"port = {port}", "port = 99999")
    configured.file.write_text(
        f"{text}\n[chat]\nbusy = 'perhaps'\nlanguage = 'zh'\n[swim]\nx = 1\n"
    )
    person = sit_down("--no-doctor", PATH=programs)
    await person.sees("3 settings are wrong")
    await through_again(person)
    await past_connect(person)
    await person.accepts("Is this right?")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    assert configured.settings().server.port == 8080
    assert configured.settings().chat.language == "zh"
    assert "perhaps" not in configured.file.read_text()


async def test_a_port_that_something_else_has_is_said_and_another_can_be_given(
    sit_down, configured, programs, port, fake
):
    text = configured.file.read_text().replace(f"port = {port}", f"port = {fake.port}")
    configured.file.write_text(text)
    person = sit_down("--no-doctor", PATH=programs)
    await through_again(person, wait=True)
    await person.accepts("And then for a first message")
    await person.sees("something else listens there")
    await person.chooses("What now?", "Give another address", downs=2)
    await person.accepts("Address to listen on:")
    await person.answers("Port to listen on:", str(port))
    await person.accepts("Public URL, as WeCom")
    await person.says("all the same?", yes=True)
    await person.sees("The public URL leads here.")
    await person.sees("Waiting for WeCom's request")
    person.types(CTRL_C)
    await person.chooses("What now?", "Give other credentials", downs=1)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.sees("Waiting for WeCom's request")
    person.types(CTRL_C)
    await person.chooses("What now?", "Go on without it", downs=3)
    await person.sees("Administrators")
    person.types(CTRL_C)
    assert await person.leaves() == 1
    assert configured.file.read_text() == text


async def test_nobody_waits_for_ever(sit_down, configured, programs):
    person = sit_down("--wait", "0.5", PATH=programs)
    await through_again(person, wait=True)
    await person.accepts("And then for a first message")
    await person.sees("Nothing has come in time.")
    await person.chooses("What now?", "Wait again", downs=0)
    await person.sees("Nothing has come in time.")
    await person.sees("Go on without it")
    person.types(CTRL_C)
    assert await person.leaves() == 1


async def test_the_message_of_the_other_kind_of_chat_can_be_left_out(
    sit_down, configured, programs, make_standin, port
):
    before = configured.file.read_text()
    standin = await make_standin(f"http://127.0.0.1:{port}/wecom/bot")
    person = sit_down("--set", f"wecom.api_url={standin.base_url}", PATH=programs)
    await through_again(person, wait=True)
    await person.says("And then for a first message", yes=True)
    await person.sees("Waiting for WeCom's request")
    assert await standin.verify_url()
    await person.sees("Now write to the bot")
    await standin.say("boss", "hello", group="wrTEAM")
    await person.sees("Now one to the bot itself")
    person.types(CTRL_C)
    await person.sees("direct messages: none was seen")
    await person.sees("group messages: one has arrived")
    await past_connect(person)
    await person.sees(": WeCom's request, a group message")
    await person.sees("Is this right?")
    person.types(CTRL_C)
    assert await person.leaves() == 1
    assert configured.file.read_text() == before


async def test_an_opencode_of_its_own_gets_a_password_that_nobody_types(
    sit_down, configured, programs
):
    configured.secrets.write_text(f"WECOM_BOT_AES_KEY={AES_KEY}\nWECOM_BOT_TOKEN={TOKEN}\n")
    person = sit_down("--no-doctor", PATH=programs)
    await person.chooses("How shall OpenCode run?", "A systemd unit", downs=2)
    await person.accepts("How shall messages come in?", "A self-built application")
    await person.accepts("Address to listen on:", "Port to listen on:", "Public URL, as WeCom")
    await person.says("all the same?", yes=True)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.says("Wait here for WeCom's request?", yes=False)
    await past_connect(person)
    await person.accepts("Is this right?")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    password = configured.settings().opencode.password.get_secret_value()
    assert f"OPENCODE_SERVER_PASSWORD={password}" in configured.opencode.read_text()
    assert stat.S_IMODE(configured.opencode.stat().st_mode) == 0o600
    assert password not in person.seen


async def test_what_a_former_run_has_chosen_is_proposed_and_a_wrong_variable_is_not(
    sit_down, configured, programs, place
):
    shop = place / "shop"
    shop.mkdir()
    configured.file.write_text(f'{configured.file.read_text()}[projects.shop]\npath = "{shop}"\n')
    configured.opencode.write_text("OPENCODE_SERVER_PASSWORD=secret\n")
    before = configured.file.read_text()
    person = sit_down("--no-doctor", PATH=programs, BOT_PORT="many")
    await person.sees("The environment is not used where it is wrong")
    await person.accepts("How shall OpenCode run?")  # the unit of its own
    await person.accepts("How shall messages come in?", "A self-built application")
    await person.accepts("Address to listen on:", "Port to listen on:", "Public URL, as WeCom")
    await person.says("all the same?", yes=True)
    await person.accepts("Token and EncodingAESKey:", "The bot's name", "The bot's id")
    await person.says("Wait here for WeCom's request?", yes=False)
    await person.accepts("Administrators", "Maintainers", "Members")
    await person.accepts("Where shall agents work?", "The project's name:", "Its folder:")
    await person.accepts("Model (empty", "Agent (empty", "Is this right?")
    await person.sees("nothing to write")
    await person.says("Install systemd units?", yes=False)
    assert await person.leaves() == 0
    assert configured.file.read_text() == before


async def test_a_setting_that_cannot_be_is_refused_before_anything_is_asked(
    sit_down, configured, programs
):
    person = sit_down("--set", "swim=1", PATH=programs)
    await person.sees("swim: is no setting of this service")
    assert await person.leaves() == 2
