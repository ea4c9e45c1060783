"""Builds the controller; which changes lead to a reconcile of which network, is said in caches.py."""

from __future__ import annotations

from typing import Final

from ctrlkit.bitcoin.caches import Caches
from ctrlkit.bitcoin.conversion import CONVERSIONS
from ctrlkit.bitcoin.reconciler import BitcoinReconciler
from ctrlkit.bitcoin.rpc import Bitcoind
from ctrlkit.controller import Controller
from ctrlkit.manager import Manager

NAME: Final = "bitcoin-controller"


def build(manager: Manager, *, bitcoind: Bitcoind, workers: int = 5, namespace: str = "") -> Controller:
    """
    Build the bitcoin controller with the informers of a manager, which then runs it and serves our conversions.

    `namespace` is where its own pods are, which NetworkPolicies let in; empty where it does not know.

        async with RpcClient() as bitcoind:
            manager.add(build(manager, bitcoind=bitcoind))
            await manager.run()
    """
    for conversion in CONVERSIONS:
        manager.add_webhook(conversion)
    caches = Caches(manager)
    reconcile = BitcoinReconciler(
        caches=caches,
        client=manager.client,
        recorder=manager.recorder(NAME),
        bitcoind=bitcoind,
        namespace=namespace,
    )
    return Controller(name=NAME, reconcile=reconcile, watches=caches.watches(), workers=workers)
