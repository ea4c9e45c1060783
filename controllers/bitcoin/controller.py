"""
Builds the controller: which changes lead to a reconcile of which network.

    networks                 themselves
    Services, StatefulSets   the network whose children have these names
    pods                     the network whose StatefulSet runs them
"""

from __future__ import annotations

from typing import Any, Final

from ctrlkit.bitcoin.desired import SERVICE_SUFFIX, STATEFULSET_SUFFIX
from ctrlkit.bitcoin.reconciler import BitcoinReconciler
from ctrlkit.bitcoin.rpc import Bitcoind
from ctrlkit.bitcoin.types import BITCOIN_NETWORKS, PODS, SERVICES, STATEFULSETS
from ctrlkit.controller import Controller, Mapper, Watch, generation_changed, to_owner, to_self
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record

NAME: Final = "bitcoin-controller"


def build(manager: Manager, *, bitcoind: Bitcoind, workers: int = 5) -> Controller:
    """
    Build the bitcoin controller with the informers of a manager, which then runs it.

        async with RpcClient() as bitcoind:
            manager.add(build(manager, bitcoind=bitcoind))
            await manager.run()
    """
    networks, services = manager.informer(BITCOIN_NETWORKS), manager.informer(SERVICES)
    statefulsets, pods = manager.informer(STATEFULSETS), manager.informer(PODS)

    def to_network(to_child: Mapper[Any], suffix: str) -> Mapper[Any]:
        """
        Map an object to the network whose child has its name.

        By name and not by owner reference, so that a network learns when a name that it needs becomes free.
        """

        def network_keys(record: Record[Any]) -> list[ObjectKey]:
            children = [key for key in map(ObjectKey.of, to_child(record)) if key.name.endswith(suffix)]
            keys = [ObjectKey(child.namespace, child.name.removesuffix(suffix)) for child in children]
            return [key for key in keys if networks.lister.find_record(key) is not None]

        return network_keys

    return Controller(
        name=NAME,
        reconcile=BitcoinReconciler(
            networks=networks.lister,
            services=services.lister,
            statefulsets=statefulsets.lister,
            pods=pods.lister,
            client=manager.client,
            recorder=manager.recorder(NAME),
            bitcoind=bitcoind,
        ),
        watches=[
            Watch(networks, to_self, forgets_failures=generation_changed),
            Watch(services, to_network(to_self, SERVICE_SUFFIX)),
            Watch(statefulsets, to_network(to_self, STATEFULSET_SUFFIX)),
            Watch(pods, to_network(to_owner(STATEFULSETS), STATEFULSET_SUFFIX)),
        ],
        workers=workers,
    )
