"""
2. The same with classes: what the decorator does for you, by hand.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    ctrlkit run examples.ex2_greeting_class:build --kubeconfig kc
    kubectl --kubeconfig kc get configmap hello -o yaml
"""

from __future__ import annotations

from dataclasses import dataclass

from ctrlkit import (
    DONE,
    Client,
    Controller,
    Lister,
    Manager,
    Outcome,
    Request,
    Unstructured,
    Watch,
    controller_reference,
    to_owner,
    to_self,
)
from ctrlkit.model.kinds import CONFIG_MAPS
from examples.ex1_greeting import GREETINGS, Greeting


@dataclass(frozen=True, slots=True)
class GreetingReconciler:
    """Reads the caches, writes through the client; it keeps nothing, so it may be called at any time."""

    greetings: Lister[Greeting]
    config_maps: Lister[Unstructured]
    client: Client

    async def __call__(self, request: Request) -> Outcome:
        greeting, have = self.greetings.find(request.key), self.config_maps.find(request.key)
        if greeting is None or greeting.metadata.deleting:
            return DONE  # the garbage collector removes what it owned
        want = {"text": greeting.spec.text}
        if have is None or have.get("data") != want:
            owner = controller_reference(greeting.metadata, GREETINGS)
            await self.client.apply(CONFIG_MAPS, request.key, {"metadata": {"ownerReferences": [owner]}, "data": want})
        return DONE


def build(manager: Manager) -> Controller:
    """Two informers, one reconciler, and what leads from a change to a key."""
    greetings, config_maps = manager.informer(GREETINGS), manager.informer(CONFIG_MAPS)
    return Controller(
        name="greetings",
        reconcile=GreetingReconciler(greetings.lister, config_maps.lister, manager.client),
        watches=[Watch(greetings, to_self), Watch(config_maps, to_owner(GREETINGS))],
    )
