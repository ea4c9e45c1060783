"""An image for tests of the runtime itself: it runs each command as it stands, which images of people never do."""

from __future__ import annotations

from collections.abc import Sequence

from ctrlkit.fakes.cluster.node.images import Image, Place


class AnyCommand(Image):
    """Every program of this machine; a container needs a command."""

    __slots__ = ()

    def command_line(self, command: Sequence[str], arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """As it stands."""
        return (*command, *arguments)


ANY_COMMAND = AnyCommand(programs={}, entry="", settings={"GREETING": ""})
