"""The garbage collector looks at what lives and dies, and not at what the start has made."""

import subprocess
import sys

SETTLED = """
import gc
from bot.app import settle_memory
settle_memory()
print(gc.get_freeze_count() > 50_000, len(gc.get_objects(2)) < 1_000)
"""


def test_what_the_start_has_made_is_left_out_of_collections():
    done = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, check=True)
    assert done.stdout.split() == [b"True", b"True"]
