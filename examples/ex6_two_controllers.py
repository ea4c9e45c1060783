"""
6. Two controllers in one program, and two of the programs: one works, the other takes over when it ends.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    export CTRLKIT_KUBECONFIG=kc CTRLKIT_LEADER_ELECT=true CTRLKIT_LEASE_NAME=greetings CTRLKIT_LEASE_NAMESPACE=default
    ctrlkit run examples.ex6_two_controllers:CONTROLLERS
    ctrlkit run examples.ex6_two_controllers:CONTROLLERS --endpoints-address 127.0.0.1:0
    kubectl --kubeconfig kc get leases,configmaps
"""

from __future__ import annotations

from typing import Any

from ctrlkit import DONE, Controller, Manager, ObjectKey, Outcome, Record, Request, Watch, to_mapped
from ctrlkit.model.kinds import CONFIG_MAPS
from examples.ex1_greeting import GREETINGS, greet

COUNT = "greeting-count"


def to_count(record: Record[Any]) -> list[ObjectKey]:
    """Whatever happens to a Greeting concerns the count of its namespace."""
    return [ObjectKey(record.key.namespace, COUNT)]


def count(manager: Manager) -> Controller:
    """Keeps, in each namespace that has Greetings, a ConfigMap that says how many; it shares the cache with `greet`."""
    greetings, config_maps = manager.informer(GREETINGS), manager.informer(CONFIG_MAPS)

    async def reconcile(request: Request) -> Outcome:
        have = config_maps.lister.find(request.key)
        number = len(greetings.lister.keys(namespace=request.namespace))
        want = {"greetings": str(number)}
        if (number or have is not None) and (have is None or have.get("data") != want):
            await manager.client.apply(CONFIG_MAPS, request.key, {"data": want})
        return DONE

    def to_own_count(record: Record[Any]) -> list[ObjectKey]:
        return [record.key] if record.key.name == COUNT else []

    return Controller(
        name="count",
        reconcile=reconcile,
        watches=[Watch(greetings, to_mapped(to_count)), Watch(config_maps, to_mapped(to_own_count))],
    )


CONTROLLERS = (greet, count)
