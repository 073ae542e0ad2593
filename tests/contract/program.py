"""Programs of a test's own in the place of OpenCode."""


def program(folder, script):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "opencode"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file
