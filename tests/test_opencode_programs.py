"""Which programs a managed server is run with."""

import pytest

from bot.errors import StartError
from bot.opencode.binaries import look, path_suffices, version_of
from tests.opencode_launch import PATH, program


def test_the_program_on_the_path_is_taken_when_its_version_was_tested(tmp_path):
    installed = program(tmp_path / "bin", "opencode", "1.18.33")
    pinned = program(tmp_path / "runtime/node_modules/.bin", "opencode", "1.18.33")
    environ = {"PATH": f"{tmp_path / 'bin'}:{PATH}"}
    assert look(environ, tmp_path / "runtime").choose(tmp_path).opencode == installed
    program(tmp_path / "bin", "opencode", "1.1.65")
    assert look(environ, tmp_path / "runtime").choose(tmp_path).opencode == pinned
    assert look(environ, tmp_path / "nowhere").choose(tmp_path).opencode == installed
    assert look({"PATH": PATH}, tmp_path / "runtime").choose(tmp_path).opencode == pinned


def test_a_missing_program_is_named_with_its_mend(tmp_path):
    with pytest.raises(StartError, match="git is not on the PATH"):
        look({"PATH": str(tmp_path)}, tmp_path)
    program(tmp_path / "bin", "git", "git")
    with pytest.raises(StartError, match="make run"):
        look({"PATH": str(tmp_path / "bin")}, tmp_path)


def test_ripgrep_is_taken_from_the_path_or_from_the_package(tmp_path):
    for name in ("git", "opencode"):
        program(tmp_path / "bin", name, "1.18.33")
    environ = {"PATH": str(tmp_path / "bin")}
    assert look(environ, tmp_path).ripgrep is None
    packed = program(tmp_path / "node_modules/@vscode/ripgrep-linux-x64/bin", "rg", "15")
    assert look(environ, tmp_path).ripgrep == packed
    assert look(environ, tmp_path).choose(tmp_path).ripgrep == packed
    installed = program(tmp_path / "bin", "rg", "15")
    assert look(environ, tmp_path).ripgrep == installed


def test_nothing_is_installed_when_the_path_has_it_all(tmp_path):
    environ = {"PATH": str(tmp_path / "bin")}
    assert not path_suffices(environ)
    program(tmp_path / "bin", "opencode", "1.18.33")
    assert not path_suffices(environ)
    program(tmp_path / "bin", "rg", "15")
    assert path_suffices(environ)
    program(tmp_path / "bin", "opencode", "1.1.65")
    assert not path_suffices(environ)


def test_a_program_that_does_not_run_has_no_version(tmp_path):
    (tmp_path / "opencode").write_text("nothing")
    assert version_of(tmp_path / "opencode", tmp_path) == ""
