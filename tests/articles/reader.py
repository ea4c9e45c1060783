"""
Somebody who reads an article and types its commands at a terminal.

It is a bash at a terminal, with kubectl and jq: variables live from one command to the next, loops span lines, and
`kubectl exec -it` has a terminal to hand on.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ctrlkit.fakes.cluster.node.process import ProcessGuard
from ctrlkit.fakes.cluster.node.talks import Talk
from ctrlkit.fakes.tracker.runtime import TerminalSize
from tests.articles.walks import Step
from tests.support.kubectl import KUBECTL

PATIENCE_S: Final = 60.0
_AGAIN_S = 0.3
_PROMPT = "<typed>"
_CONTAINER_PROMPT = re.compile(r"(?:^|\n)(?:/ |bash[-.\w]*)# $|try pressing enter\.\n$")


class Stuck(AssertionError):
    """A command does not show what it should."""


class Reader:
    """A terminal window; made by `at`."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._shown = ""
        self.transcript: str = ""

    @classmethod
    @asynccontextmanager
    async def at(cls, guard: ProcessGuard, kubeconfig: Path, folder: Path) -> AsyncIterator[Reader]:
        """Open a window in a folder."""
        tools = folder.parent / "bin"
        tools.mkdir(exist_ok=True)
        kubectl = tools / "kubectl"
        if not kubectl.exists():
            kubectl.symlink_to(KUBECTL)
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "KUBECONFIG": str(kubeconfig),
            "EDITOR": "sed -i 's/nodes: 3/nodes: 4/'",
            "PS1": _PROMPT,
            "PS2": "",
        }
        argv = (shutil.which("bash") or "bash", "--norc", "--noprofile", "--noediting")
        talk = await Talk.begin(guard, argv, environment=environment, folder=folder, tty=True)
        assert talk.terminal is not None  # asked for
        talk.terminal.resize(TerminalSize(columns=400, rows=60))
        reader = cls(talk)
        try:
            await reader._until(_PROMPT)
            await reader.run("stty -echo; unset PROMPT_COMMAND")
            yield reader
        finally:
            talk.close()
            await talk.wait()

    async def play(self, step: Step) -> None:
        """Type a command and see that it shows what it should. Errors: Stuck."""
        missing = "its end"
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    missing = await self._missing(step)
                    if not (missing and step.repeat):
                        break
                    await asyncio.sleep(_AGAIN_S)
        except TimeoutError:
            pass
        if missing:
            raise Stuck(f"{step.command}\ndoes not show {missing!r}, but\n{self._shown}")

    async def _missing(self, step: Step) -> str:
        """Type a command; return what is missing in what it shows, "" if nothing is."""
        await self._type(step.command + "\n")
        if step.terminal != 1 or step.interrupt:
            for pattern in step.shows:
                await self._until_shown(re.compile(pattern, re.MULTILINE))
            if step.interrupt:
                await self._type("\x03", forget=False)
        else:
            for line in step.typed or ():
                await self._until_shown(_CONTAINER_PROMPT)
                await self._type(line + "\r", forget=False)
        if step.terminal == 1:
            await self._until(_PROMPT)
        text = self._shown.replace(_PROMPT, "")
        return next((pattern for pattern in step.shows if not re.search(pattern, text, re.MULTILINE)), "")

    async def run(self, command: str) -> str:
        """Type a command and return what it shows."""
        await self._type(command + "\n")
        await self._until(_PROMPT)
        return self._shown.replace(_PROMPT, "")

    async def _type(self, text: str, *, forget: bool = True) -> None:
        if forget:
            self._shown = ""
        self._talk.stdin.write(text.encode())
        await self._talk.stdin.drain()

    async def _until(self, text: str) -> None:
        while not self._shown.endswith(text):
            await self._look()

    async def _until_shown(self, wanted: re.Pattern[str]) -> None:
        while not wanted.search(self._shown):
            if self._shown.endswith(_PROMPT):
                raise Stuck(f"the command has ended; it shows\n{self._shown}")
            await self._look()

    async def _look(self) -> None:
        piece = await self._talk.outputs["stdout"].read(65536)
        text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", piece.decode(errors="replace")).replace("\r\n", "\n")
        self._shown += text
        self.transcript += text
