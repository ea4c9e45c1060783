"""Each metric of an election is registered, and moves."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from ctrlkit.client import Client
from ctrlkit.election import Elector
from ctrlkit.election.metrics import ElectionCollector
from ctrlkit.errors import InternalError
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import LEASES
from tests.support.scrape import samples


@pytest.mark.behaviour("L15", "B19")
async def test_each_declared_metric_is_registered_and_moves() -> None:
    """0 at construction; then a term, a renewal that fails, and the read that follows it."""
    clientset = FakeClientset()
    elector = Elector(clientset.client, ObjectKey("default", "net"), identity="a")
    registry = CollectorRegistry()
    registry.register(ElectionCollector(lambda: [elector]))
    before = samples(registry)
    assert set(before) == {f'{family.name}{{name="net"}}' for family in ElectionCollector.families}
    assert set(before.values()) == {0.0}
    await elector.acquire()
    holding = asyncio.create_task(elector.hold())
    clientset.faults.fail(Calls("update", LEASES), InternalError("boom"))
    await asyncio.sleep(6.0)
    assert samples(registry) == {
        'leader_election_master_status{name="net"}': 1.0,
        'leader_election_slowpath_total{name="net"}': 1.0,
        'leader_election_renew_failures_total{name="net"}': 1.0,
        'leader_election_holder_changes_total{name="net"}': 1.0,
    }
    holding.cancel()
    await asyncio.wait([holding])
    await asyncio.sleep(10.0)
    assert samples(registry)['leader_election_master_status{name="net"}'] == 0.0


@pytest.mark.behaviour("L15")
async def test_leases_of_one_name_are_told_apart() -> None:
    """A scrape with one sample twice would be refused as a whole."""
    client: Client = FakeClientset().client
    electors = [Elector(client, ObjectKey(namespace, "net"), identity="a") for namespace in ("a", "b", "c")]
    registry = CollectorRegistry()
    registry.register(ElectionCollector(lambda: electors))
    names = {sample for sample in samples(registry) if "master_status" in sample}
    assert names == {f'leader_election_master_status{{name="{name}"}}' for name in ("net", "net#2", "net#3")}
