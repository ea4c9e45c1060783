"""A small controller to test the fakes with: every Greeting gets a ConfigMap that carries its text."""

from __future__ import annotations

from typing import Any

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_owner, to_self
from ctrlkit.controller.helpers.owners import controller_reference
from ctrlkit.manager import Build, Manager
from ctrlkit.model import MergePatch, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS

GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings")


def greeting(name: str = "hello", text: str = "hello, world", namespace: str = "demo") -> dict[str, Any]:
    """An object of the kind."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "demo.example.com/v1", "kind": "Greeting", "metadata": metadata, "spec": {"text": text}}


def greeter(*, every_s: float = 0.0, name: str = "greetings") -> Build:
    """Makes the controller; with `every_s` it looks again after so many seconds."""

    def build(manager: Manager) -> Controller:
        greetings, config_maps = manager.informer(GREETINGS), manager.informer(CONFIG_MAPS)

        async def reconcile(request: Request) -> Outcome:
            wanted, have = greetings.lister.find(request.key), config_maps.lister.find(request.key)
            if wanted is None:
                return DONE
            data = {"text": wanted.at("spec.text")}
            if have is None:
                owner = controller_reference(wanted.metadata, GREETINGS)
                metadata = {"name": request.name, "namespace": request.namespace, "ownerReferences": [owner]}
                await manager.client.create(CONFIG_MAPS, {"metadata": metadata, "data": data})
            elif have.get("data") != data:
                await manager.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": data}))
            return RequeueAfter(every_s) if every_s else DONE

        watches = [Watch(greetings, to_self), Watch(config_maps, to_owner(GREETINGS))]
        return Controller(name=name, reconcile=reconcile, watches=watches)

    return build
