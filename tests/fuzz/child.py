"""One target under atheris, in a process of its own: ``python -m tests.fuzz.child <target> <libFuzzer's options>``."""

import sys

import atheris

PRODUCT = ["bot", "handlers", "commands", "store", "config"]

with atheris.instrument_imports(include=PRODUCT):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer has had enough; it ends the process itself."""
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
