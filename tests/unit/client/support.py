"""A transport that answers by script and remembers the Actions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ctrlkit.model import Action, Lines


class ScriptedTransport:
    """Gives its answers in turn, the last one again and again; an exception is raised, bytes are sent as they are."""

    def __init__(self, *answers: object, batches: Sequence[Sequence[bytes] | Exception] = ()) -> None:
        self.actions: list[Action] = []
        self.open_watches = 0
        self._answers = list(answers)
        self._batches = batches

    @property
    def action(self) -> Action:
        """The only one."""
        (action,) = self.actions
        return action

    async def do(self, action: Action) -> bytes:
        self.actions.append(action)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else msgspec.json.encode(answer)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        self.actions.append(action)
        if self._answers and isinstance(self._answers[0], Exception):
            raise self._answers[0]
        self.open_watches += 1
        try:
            yield self._lines()
        finally:
            self.open_watches -= 1

    async def _lines(self) -> AsyncIterator[Sequence[bytes]]:
        for batch in self._batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch


def an_object(name: str = "a", version: str = "7", **fields: Any) -> dict[str, Any]:
    """A ConfigMap in the namespace demo."""
    metadata = {"name": name, "namespace": "demo", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def a_list(*names: str, version: str = "10", token: str = "") -> dict[str, Any]:
    """A page of them."""
    metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
    return {"kind": "ConfigMapList", "metadata": metadata, "items": [an_object(name) for name in names]}


def a_line(kind: str, value: object) -> bytes:
    """A line of a watch."""
    return msgspec.json.encode({"type": kind, "object": value})
