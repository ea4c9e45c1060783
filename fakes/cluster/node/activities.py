"""
What the kubelet does that takes time: pulls of images, hooks, probes; each is a task, and its end wakes its pod.

In       Works that a reconcile begins, each with the uid of its pod and a name.
Out      The pod's key in the controller's queue when a work has ended: `Activities` is a source of keys.
Owns     The tasks, and a timer for each pod, for what needs no reconcile. They end with the controller; those of a pod
         are cancelled when it is forgotten.

A work keeps its result itself, where the next reconcile finds it, and writes nothing to the API. What it raises ends
the controller, as a failure of the kubelet would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextvars import copy_context
from functools import partial
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
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._group: asyncio.TaskGroup | None = None
        self._context = copy_context()
        self._wake: Callable[[ObjectKey, str], object] = lambda key, why: None

    async def run(self, sink: Sink) -> None:
        """Run the works that are begun, until cancelled, or until one of them fails; its error is raised."""
        self._context = copy_context()  # a work is no part of the reconcile that begins it
        self._wake = sink.add
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                sink.synced()
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._group = None
                    for pod_uid in list(self._timers):
                        self.cancel_call(pod_uid)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def replay(self, sink: Sink) -> None:
        """Nothing: what goes on wakes its pod when it ends."""

    def begin(
        self,
        pod_uid: str,
        key: ObjectKey,
        name: str,
        work: Coroutine[Any, Any, None],
        *,
        then: Callable[[str], object] | None = None,
    ) -> None:
        """
        Begin a work; nothing begins once the kubelet ends. Its end wakes the pod, or `then` is told that it has ended.

        Errors  RuntimeError if one of this name goes on.
        """
        if self._group is None:
            work.close()
            return
        if self.runs(pod_uid, name):
            work.close()
            raise RuntimeError(f"begin {name} of pod {key}: it goes on already; ask runs() first")
        task = self._group.create_task(work, name=f"{key} {name}", context=self._context.copy())
        self._tasks.setdefault(pod_uid, {})[name] = task
        then = then or partial(self.wake, pod_uid, key)
        task.add_done_callback(partial(self._note_end, pod_uid, name, then))

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

    def wake(self, pod_uid: str, key: ObjectKey, why: str) -> None:
        """Have a pod looked at."""
        self.on_end(pod_uid)
        self._wake(key, why)

    def call_at(self, pod_uid: str, moment: float, what: Callable[[], object]) -> None:
        """Call this at a moment on the loop's clock, unless `cancel_call` comes first: one call of a pod waits."""
        self.cancel_call(pod_uid)
        if self._group is not None:
            loop = asyncio.get_running_loop()
            self._timers[pod_uid] = loop.call_at(moment, self._call, pod_uid, what, context=self._context)

    def _call(self, pod_uid: str, what: Callable[[], object]) -> None:
        del self._timers[pod_uid]
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, loop.call_soon, what)  # a program that ends now takes two turns for it

    def cancel_call(self, pod_uid: str) -> None:
        """Cancel what is to be called for a pod, if something is."""
        timer = self._timers.pop(pod_uid, None)
        if timer is not None:
            timer.cancel()

    def cancel(self, pod_uid: str, name: str = "") -> None:
        """Cancel all that goes on or waits for a pod, or the work of a name; they wake nobody."""
        if not name:
            self.cancel_call(pod_uid)
        for each in [name] if name else list(self._tasks.get(pod_uid, ())):
            task = self._drop(pod_uid, each)
            if task is not None:
                task.cancel()

    def _note_end(self, pod_uid: str, name: str, then: Callable[[str], object], task: asyncio.Task[None]) -> None:
        if self._tasks.get(pod_uid, {}).get(name) is task:
            self._drop(pod_uid, name)
            then(f"{name} has ended")

    def _drop(self, pod_uid: str, name: str) -> asyncio.Task[None] | None:
        tasks = self._tasks.get(pod_uid, {})
        task = tasks.pop(name, None)
        if not tasks:
            self._tasks.pop(pod_uid, None)
        return task
