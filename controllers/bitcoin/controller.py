"""
The controller, put together: which changes lead to a pass over which network.

    networks                 themselves
    Services, StatefulSets   the network whose children have these names
    pods                     the network whose StatefulSet runs them
"""

from __future__ import annotations

from typing import Any, Final

from controllers.bitcoin.desired import SERVICE_SUFFIX, STATEFULSET_SUFFIX
from controllers.bitcoin.reconciler import BitcoinReconciler
from controllers.bitcoin.rpc import Bitcoind
from controllers.bitcoin.types import BITCOIN_NETWORKS, PODS, SERVICES, STATEFULSETS, BitcoinNetwork
from ctrlkit.cache import Lister
from ctrlkit.controller import Controller, Watch, to_mapped, to_owner, to_self
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record

NAME: Final = "bitcoin-controller"


def build(manager: Manager, *, bitcoind: Bitcoind, workers: int = 5) -> Controller:
    """
    The bitcoin controller over a manager's informers; the manager then runs it.

        async with RpcClient() as bitcoind:
            manager.add(build(manager, bitcoind=bitcoind))
            await manager.run()
    """
    networks, services = manager.informer(BITCOIN_NETWORKS), manager.informer(SERVICES)
    statefulsets, pods = manager.informer(STATEFULSETS), manager.informer(PODS)
    to_network = _ToNetwork(networks.lister)
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
            Watch(networks, to_self),
            Watch(services, to_mapped(to_network.of_service)),
            Watch(statefulsets, to_mapped(to_network.of_statefulset)),
            Watch(pods, to_mapped(to_network.of_pod)),
        ],
        workers=workers,
    )


class _ToNetwork:
    """
    From a child to the network whose child has that name, if there is one.

    By name, and not by owner reference: a name that somebody else had taken is seen to come free this way too.
    """

    def __init__(self, networks: Lister[BitcoinNetwork]) -> None:
        self._networks = networks

    def of_service(self, service: Record[Any]) -> tuple[ObjectKey, ...]:
        return self._network_of(service.key, SERVICE_SUFFIX)

    def of_statefulset(self, statefulset: Record[Any]) -> tuple[ObjectKey, ...]:
        return self._network_of(statefulset.key, STATEFULSET_SUFFIX)

    def of_pod(self, pod: Record[Any]) -> tuple[ObjectKey, ...]:
        return tuple(key for owner in _to_statefulset(pod) for key in self._network_of(owner, STATEFULSET_SUFFIX))

    def _network_of(self, child: ObjectKey, suffix: str) -> tuple[ObjectKey, ...]:
        if not child.name.endswith(suffix):
            return ()
        key = ObjectKey(child.namespace, child.name.removesuffix(suffix))
        return () if self._networks.find_record(key) is None else (key,)


_to_statefulset = to_owner(STATEFULSETS)
