"""The terminal of a shell in this process: it echoes what is typed, takes back letters, and gives lines."""

from __future__ import annotations

import asyncio

from ctrlkit.fakes.cluster.node.shell.context import Context, Input

_END, _INTERRUPT, _ERASE, _ERASE_LINE = 4, 3, (8, 127), 21


class Keyboard:
    """
    Reads lines for a shell.

    Shape   With a terminal it prompts and echoes, and lines end with carriage return and newline. Without one it is
            silent and lines are those of stdin.
    """

    def __init__(self, context: Context, *, prompt: str) -> None:
        self._context = context
        self._prompt = prompt
        self._rest = b""
        self._pieces = asyncio.Queue[bytes | None]()

    async def read(self) -> None:
        """Take what is typed at a terminal, until it ends; this runs beside the shell."""
        try:
            if self._context.tty and self._context.stdin is not None:
                async for piece in self._context.stdin:
                    self._pieces.put_nowait(piece)
        finally:
            self._pieces.put_nowait(None)

    async def interrupted(self) -> None:
        """Return when Ctrl-C is typed; what is typed before it is forgotten, as a terminal does."""
        while bytes((_INTERRUPT,)) not in self._rest:
            if not await self._more():
                await asyncio.get_running_loop().create_future()
        self._rest = self._rest.rpartition(bytes((_INTERRUPT,)))[2]
        await self._context.stdout(b"^C\r\n")

    async def write(self, data: bytes) -> None:
        """Show what a command writes."""
        await self._context.stdout(data.replace(b"\n", b"\r\n") if self._context.tty else data)

    async def complain(self, data: bytes) -> None:
        """Show what a command complains of."""
        await self._context.stderr(data.replace(b"\n", b"\r\n") if self._context.tty else data)

    async def line(self, stdin: Input, *, goes_on: bool) -> str | None:
        """Return the next line; None at the end."""
        if not self._context.tty:
            line = await stdin.line()
            return line.decode(errors="replace") if line else None
        await self._context.stdout(b"> " if goes_on else self._prompt.encode())
        return await self._typed()

    async def _typed(self) -> str | None:
        line = bytearray()
        while True:
            while self._rest:
                letter, self._rest = self._rest[0], self._rest[1:]
                if letter in b"\r\n":
                    await self._context.stdout(b"\r\n")
                    return line.decode(errors="replace") + "\n"
                if letter == _END and not line:
                    await self._context.stdout(b"exit\r\n")
                    return None
                await self._letter(letter, line)
            if not await self._more():
                return line.decode(errors="replace") + "\n" if line else None

    async def _letter(self, letter: int, line: bytearray) -> None:
        if letter in _ERASE:
            if line:
                line.pop()
                await self._context.stdout(b"\b \b")
        elif letter == _ERASE_LINE:
            await self._context.stdout(b"\b \b" * len(line))
            line.clear()
        elif letter == _INTERRUPT:
            line.clear()
            await self._context.stdout(b"^C\r\n" + self._prompt.encode())
        elif letter >= 32:
            line.append(letter)
            await self._context.stdout(bytes((letter,)))

    async def _more(self) -> bool:
        piece = await self._pieces.get()
        if piece is None:
            self._pieces.put_nowait(None)
            return False
        self._rest += piece
        return True
