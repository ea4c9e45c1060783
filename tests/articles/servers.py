"""The clusters that readers have: `ctrlkit apiserver`, and that of the demo, with nothing in them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_COMMANDS = Path(sys.executable).parent


@asynccontextmanager
async def serving(server: str, folder: Path) -> AsyncIterator[Path]:
    """Run one while the block lasts; give its kubeconfig."""
    kubeconfig = folder / "kubeconfig"
    command = {
        "apiserver": [_COMMANDS / "ctrlkit", "apiserver", "--kubeconfig", kubeconfig],
        "demo": [_COMMANDS / "bitcoin-controller", "demo", "--bitcoind", "simulated", "--empty"],
    }[server]
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        text = ""
        while not (found := re.search(r"(?:KUBECONFIG=|--kubeconfig )(\S+)", text)):
            line = await process.stdout.readline()
            assert line, f"the server does not start: {text}"
            text += line.decode()
        yield Path(found[1])
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
