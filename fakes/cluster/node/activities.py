"""
What the kubelet does that takes time: pulls of images, hooks, probes; each is a task, and its end wakes its pod.

In       Works that a reconcile begins, each with the uid of its pod and a name.
Out      The pod's key in the controller's queue when a work has ended: `Activities` is a source of keys.
Owns     The tasks. They end with the controller; those of a pod are cancelled when it is forgotten.

A work keeps its result itself, where the next reconcile finds it, and writes nothing to the API. What it raises ends
the controller, as a failure of the kubelet would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextvars import copy_context
from typing import Any

from ctrlkit.controller.sources.source import Sink
from ctrlkit.model import ObjectKey


class Activities:
    """
    The works of a kubelet that go on, by their pods and names; one of a name at a time.

    `on_end` is told the uid of the pod whose work has ended, before the pod is woken.
    """

    name: str = "activities"

    def __init__(self) -> None:
        self.on_end: Callable[[str], object] = lambda pod_uid: None
        self._tasks: dict[str, dict[str, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._context = copy_context()
        self._ended: Callable[[ObjectKey, str], None] = lambda key, name: None

    async def run(self, sink: Sink) -> None:
        """Run the works that are begun, until cancelled, or until one of them fails; its error is raised."""
        self._context = copy_context()  # a work is no part of the reconcile that begins it
        self._ended = lambda key, name: sink.add(key, f"{name} has ended")
        try:
            async with asyncio.TaskGroup() as self._group:
                sink.synced()
                await asyncio.get_running_loop().create_future()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._group = None

    async def replay(self, sink: Sink) -> None:
        """Nothing: what goes on wakes its pod when it ends."""

    def begin(self, pod_uid: str, key: ObjectKey, name: str, work: Coroutine[Any, Any, None]) -> None:
        """
        Begin a work; nothing begins once the kubelet ends.

        Errors  RuntimeError if one of this name goes on.
        """
        if self._group is None:
            work.close()
            return
        if self.runs(pod_uid, name):
            work.close()
            raise RuntimeError(f"begin {name} of pod {key}: it goes on already; ask runs() first")
        task = self._context.run(self._group.create_task, work, name=f"{key} {name}")
        self._tasks.setdefault(pod_uid, {})[name] = task
        task.add_done_callback(lambda ended: self._note_end(pod_uid, key, name, ended))

    async def try_now(self, pod_uid: str, key: ObjectKey, name: str, work: Coroutine[Any, Any, None]) -> bool:
        """Begin a work; return whether it has ended at once, that is, did not wait: then it wakes nobody."""
        self.begin(pod_uid, key, name, work)
        await asyncio.sleep(0)
        task = self._tasks.get(pod_uid, {}).get(name)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return False
        self._drop(pod_uid, name)
        return True

    def runs(self, pod_uid: str, name: str) -> bool:
        """Whether a work goes on."""
        tasks = self._tasks.get(pod_uid)
        return tasks is not None and name in tasks

    def names(self, pod_uid: str) -> Collection[str]:
        """Return the names of the works of a pod that go on."""
        return self._tasks.get(pod_uid, {}).keys()

    def cancel(self, pod_uid: str, name: str = "") -> None:
        """Cancel the works of a pod, or one of them; they wake nobody."""
        for each in [name] if name else list(self._tasks.get(pod_uid, ())):
            task = self._drop(pod_uid, each)
            if task is not None:
                task.cancel()

    def _note_end(self, pod_uid: str, key: ObjectKey, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(pod_uid, {}).get(name) is task:
            self._drop(pod_uid, name)
            self.on_end(pod_uid)
            self._ended(key, name)

    def _drop(self, pod_uid: str, name: str) -> asyncio.Task[None] | None:
        tasks = self._tasks.get(pod_uid, {})
        task = tasks.pop(name, None)
        if not tasks:
            self._tasks.pop(pod_uid, None)
        return task
