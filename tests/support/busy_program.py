"""
A program that is never done, to be stopped at any moment: each reconcile makes two writes that belong together.

    python -m tests.support.busy_program --kubeconfig F --leader-elect --lease-name busy ...
"""

from __future__ import annotations

import asyncio

from ctrlkit import Controller, Manager, MergePatch, ObjectKey, Outcome, Request, RequeueAfter, Watch, run, to_self
from ctrlkit.model.kinds import CONFIG_MAPS

OBJECTS = 20
WORKERS = 8


def build(manager: Manager) -> Controller:
    """Every `left-N` and its `right-N` are raised by one, again and again, the left one first."""
    config_maps = manager.informer(CONFIG_MAPS)

    async def reconcile(request: Request) -> Outcome:
        left = config_maps.lister.find(request.key)
        if left is None or not request.name.startswith("left-"):
            return RequeueAfter(3600)
        step = MergePatch({"data": {"step": str(int(left.at("data.step")) + 1)}})
        await manager.client.patch(CONFIG_MAPS, request.key, step)
        await asyncio.sleep(0.003)
        right = ObjectKey(request.namespace, request.name.replace("left", "right"))
        await manager.client.patch(CONFIG_MAPS, right, step)
        return RequeueAfter(0.001)

    return Controller(name="busy", reconcile=reconcile, watches=[Watch(config_maps, to_self)], workers=WORKERS)


if __name__ == "__main__":
    run(build)
