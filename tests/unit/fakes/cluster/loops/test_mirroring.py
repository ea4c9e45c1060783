"""Endpoints that a client writes for a Service without selector are mirrored in EndpointSlices."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.cluster.loops.mirroring_plan import ADDRESSES_MAX, mirror_of
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES


def port(number: int) -> dict[str, Any]:
    return {"name": "web", "port": number, "protocol": "TCP"}


def endpoints(*subsets: dict[str, Any]) -> Unstructured:
    return Unstructured({"metadata": {"name": "db", "namespace": "default"}, "subsets": list(subsets)})


TWO = endpoints(
    {
        "addresses": [{"ip": "10.9.0.1", "hostname": "one"}],
        "notReadyAddresses": [{"ip": "10.9.0.2"}, {"ip": "fd00::1"}],
        "ports": [port(80)],
    },
    {"addresses": [{"ip": "10.9.0.3"}], "ports": [port(81)]},
)


def said(slices: list[Unstructured]) -> list[tuple[str, int, dict[str, bool]]]:
    """Kind of address, port, and the addresses with whether they are ready."""
    return sorted(
        (
            one["addressType"],
            one["ports"][0]["port"],
            {each["addresses"][0]: each["conditions"]["ready"] for each in one["endpoints"]},
        )
        for one in slices
    )


async def test_each_kind_of_address_and_set_of_ports_has_a_slice() -> None:
    """With the labels of the Endpoints, which own it; it follows their changes, and goes when they ask for it."""
    async with World(cluster=[Loop.ENDPOINTS]) as world:
        client = world.client
        await client.create(
            SERVICES, {"metadata": {"name": "db", "namespace": "default"}, "spec": {"ports": [port(80)]}}
        )
        metadata = {"name": "db", "namespace": "default", "labels": {"team": "a"}}
        made = await client.create(ENDPOINTS, {**TWO, "metadata": metadata})
        await world.settle()
        slices = await client.list(ENDPOINT_SLICES)
        assert said(slices) == [
            ("IPv4", 80, {"10.9.0.1": True, "10.9.0.2": False}),
            ("IPv4", 81, {"10.9.0.3": True}),
            ("IPv6", 80, {"fd00::1": False}),
        ]
        for one in slices:
            labels = one.metadata.labels or {}
            assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io"
            assert (labels["kubernetes.io/service-name"], labels["team"]) == ("db", "a")
            assert [owner.uid for owner in one.metadata.owner_references or ()] == [made.metadata.uid]
        before = {one.key.name for one in slices}

        await client.patch(ENDPOINTS, "default/db", MergePatch({"subsets": [TWO["subsets"][1]]}))
        await world.settle()
        slices = await client.list(ENDPOINT_SLICES)
        assert said(slices) == [("IPv4", 81, {"10.9.0.3": True})]
        assert {one.key.name for one in slices} < before

        skip = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
        await client.patch(ENDPOINTS, "default/db", MergePatch(skip))
        await world.settle()
        assert await client.list(ENDPOINT_SLICES) == []


async def test_endpoints_without_a_service_or_of_one_with_selector_are_not_mirrored() -> None:
    """What the Service's own controllers made of pods is theirs alone."""
    async with World(cluster=[Loop.ENDPOINTS]) as world:
        spec = {"ports": [port(80)], "selector": {"app": "db"}}
        await world.client.create(SERVICES, {"metadata": {"name": "other", "namespace": "default"}, "spec": spec})
        await world.client.create(ENDPOINTS, TWO)
        await world.settle()
        managers = [(one.metadata.labels or {}) for one in await world.client.list(ENDPOINT_SLICES)]
        assert [one["endpointslice.kubernetes.io/managed-by"] for one in managers] == [
            "endpointslice-controller.k8s.io"
        ]


def test_ports_that_lead_to_the_same_addresses_stand_together() -> None:
    """However the subsets have them; those beyond the most that are mirrored are counted."""
    same = [{"ip": "10.9.0.1"}]
    mirror = mirror_of(endpoints({"addresses": same, "ports": [port(80)]}, {"addresses": same, "ports": [port(81)]}))
    assert [sorted(one["port"] for one in group.ports) for group in mirror.slices] == [[80, 81]]
    many = [{"ip": f"10.9.{number // 250}.{number % 250}"} for number in range(ADDRESSES_MAX + 7)]
    mirror = mirror_of(endpoints({"addresses": many, "ports": [port(80)]}))
    assert (len(mirror.slices[0].endpoints), mirror.skipped) == (ADDRESSES_MAX, 7)
