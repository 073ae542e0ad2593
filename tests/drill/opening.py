"""Opens the store as the service does, and lets go of it: the process that dies in a migration."""

import asyncio
import os

from store import open_store
from store.crashpoints import arm


async def main(url):
    async with await open_store(url):
        pass


if __name__ == "__main__":
    arm(os.environ)
    asyncio.run(main(os.environ["DRILL_URL"]))
