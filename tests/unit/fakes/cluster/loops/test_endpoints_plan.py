"""Endpoints and slices say where the pods of a Service are, and change as little as they can."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.endpoints_plan import (
    ADDRESSES_MAX,
    SLICE_MAX,
    Slice,
    endpoints_of,
    plan_slices,
    slices_of,
    truncated,
)
from ctrlkit.model import Unstructured
from tests.support.effort import tries

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def pod(name: str, *, ip: str = "10.0.0.1", ready: bool = True, **more: Any) -> Unstructured:
    """A pod on node n1."""
    metadata = {"name": name, "namespace": "demo", "uid": f"uid-{name}", **more.pop("metadata", {})}
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [READY] if ready else []}
    container = {"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}
    spec = {"nodeName": "n1", "containers": [container], **more.pop("spec", {})}
    return Unstructured({"metadata": metadata, "spec": spec, "status": status | more})


def service(**spec: Any) -> Unstructured:
    """A Service of port 80, changed by fields of its spec."""
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]
    metadata = {"name": "web", "namespace": "demo", "uid": "uid-web"}
    return Unstructured({"metadata": metadata, "spec": {"ports": ports, "ipFamilies": ["IPv4"], **spec}})


def test_ready_and_other_pods_stand_apart_and_those_without_a_place_are_left_out() -> None:
    pods = [
        pod("b", ip="10.0.0.9"),
        pod("a", ip="10.0.0.10", ready=False),
        pod("c", ip="10.0.0.2"),
        pod("ended", phase="Failed"),
        pod("leaving", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        pod("nowhere", spec={"nodeName": ""}),
        pod("other", ip="fd00::1"),
        pod("portless", spec={"containers": [{"name": "c"}]}),
    ]
    (subset,) = endpoints_of(service(), pods)
    assert [one["ip"] for one in subset["addresses"]] == ["10.0.0.2", "10.0.0.9"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == ["10.0.0.10"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_all_pods_count_as_ready_where_they_are_published_anyhow() -> None:
    pods = [pod("a", ready=False), pod("b", ip="10.0.0.2", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})]
    (subset,) = endpoints_of(service(publishNotReadyAddresses=True), pods)
    assert len(subset["addresses"]) == 2
    (found,) = slices_of(service(publishNotReadyAddresses=True), pods, {})
    assert [one["conditions"]["ready"] for one in found.endpoints] == [True, True]


def test_a_pod_of_a_headless_service_has_its_name_there() -> None:
    named = pod("web-0", spec={"hostname": "web-0", "subdomain": "web"})
    (subset,) = endpoints_of(service(clusterIP="None"), [named])
    assert subset["addresses"][0]["hostname"] == "web-0"


def test_more_addresses_than_fit_are_cut_and_ready_ones_are_kept() -> None:
    ready = [{"ip": str(number)} for number in range(ADDRESSES_MAX - 1)]
    other = [{"ip": "x"}, {"ip": "y"}]
    (kept,), is_cut = truncated([{"addresses": ready, "notReadyAddresses": other, "ports": []}])
    assert is_cut
    assert (len(kept["addresses"]), len(kept["notReadyAddresses"])) == (ADDRESSES_MAX - 1, 1)
    assert truncated([{"addresses": ready}]) == ([{"addresses": ready}], False)


def test_a_slice_says_how_a_pod_is_and_in_which_zone() -> None:
    leaving = pod("a", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    (found,) = slices_of(service(), [leaving, pod("b", spec={"nodeName": "gone"})], {"n1": "z1"})
    (endpoint,) = found.endpoints
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert endpoint["zone"] == "z1"


ZONE, NODE = {"forZones": [{"name": "z1"}]}, {"forNodes": [{"name": "n1"}]}


@pytest.mark.parametrize(
    ("prefers", "annotations", "hints"),
    [
        (None, {}, None),
        ("PreferClose", {}, ZONE),
        ("PreferSameZone", {}, ZONE),
        ("PreferSameNode", {}, ZONE | NODE),
        ("PreferClose", {"service.kubernetes.io/topology-mode": "Auto"}, None),
        ("PreferClose", {"service.kubernetes.io/topology-mode": "no"}, ZONE),
    ],
)
def test_ready_endpoints_have_hints_where_a_service_prefers_what_is_close(
    prefers: str | None, annotations: dict[str, str], hints: dict[str, Any] | None
) -> None:
    preferring = service(trafficDistribution=prefers)
    preferring["metadata"]["annotations"] = annotations
    (found,) = slices_of(preferring, [pod("a"), pod("b", ip="10.0.0.2", ready=False)], {"n1": "z1"})
    assert [one.get("hints") for one in found.endpoints] == [hints, None]


def _group(port: int, names: set[int]) -> Slice:
    endpoints = tuple({"addresses": [str(one)], "targetRef": {"uid": str(one)}} for one in sorted(names))
    return Slice("IPv4", ({"port": port},), endpoints)


GROUPS = st.dictionaries(st.integers(1, 3), st.sets(st.integers(0, 400), max_size=300), max_size=3).map(
    lambda found: [_group(port, names) for port, names in found.items() if names]
)


@given(st.lists(GROUPS, min_size=1, max_size=4))
@settings(max_examples=tries(30, thorough=400))
def test_for_any_changes_slices_hold_exactly_the_endpoints(history: list[list[Slice]]) -> None:
    """None is lost or twice, no slice is too large, and there is nothing left to do."""
    there: dict[str, Slice] = {}
    made = 0
    for wanted in history:
        steps = plan_slices(["IPv4"], wanted, there)
        there = {name: steps.update.get(name, one) for name, one in there.items() if name not in steps.delete}
        for new in steps.create:
            made += 1
            there[f"s{made}"] = new
        for group in wanted:
            mine = [one for each in there.values() if each.ports == group.ports for one in each.endpoints]
            assert sorted(map(_uid, mine)) == sorted(map(_uid, group.endpoints))
        assert sum(len(one.endpoints) for one in there.values()) == sum(len(one.endpoints) for one in wanted)
        assert all(len(one.endpoints) <= SLICE_MAX for one in there.values())
        assert there
        again = plan_slices(["IPv4"], wanted, there)
        assert (again.create, again.update, again.delete) == ((), {}, ())


def test_an_endpoint_stays_in_its_slice_and_the_emptied_one_is_used_again() -> None:
    there = {"full": _group(80, set(range(SLICE_MAX))), "half": _group(80, set(range(SLICE_MAX, 150)))}
    steps = plan_slices(["IPv4"], [_group(80, {*range(SLICE_MAX), 149, 200})], there)
    assert (steps.create, steps.delete) == ((), ())
    assert steps.update == {"half": _group(80, {149, 200})}
    moved = plan_slices(["IPv4"], [_group(81, {1})], {"old": _group(80, {1})})
    assert (moved.create, moved.update, moved.delete) == ((), {"old": _group(81, {1})}, ())


def _uid(endpoint: Any) -> str:
    return str(endpoint["targetRef"]["uid"])


def test_ports_are_in_the_order_of_their_hashes() -> None:
    """The order that controllers written in Go find; that of a slice is another than that of Endpoints."""
    ports = [{"name": name, "port": 80 + number, "targetPort": 8080} for number, name in enumerate("dcba")]
    service = Unstructured({"metadata": {"name": "web", "namespace": "demo"}, "spec": {"ports": ports}})
    pod = Unstructured(
        {
            "metadata": {"name": "p", "namespace": "demo", "uid": "u"},
            "spec": {"nodeName": "n"},
            "status": {"podIP": "10.0.0.1"},
        }
    )
    (one,) = slices_of(service, [pod], {"n": ""})
    (subset,) = endpoints_of(service, [pod])
    assert [port["name"] for port in one.ports] == ["c", "b", "a", "d"]
    assert [port["name"] for port in subset["ports"]] == ["c", "d", "b", "a"]


def test_ports_that_lead_to_the_same_pods_stand_together() -> None:
    """A pod without the named port is behind the other one only, beside the pods that have both."""
    ports = [{"name": "a", "port": 80, "targetPort": "http"}, {"name": "b", "port": 81}]
    bare = pod("bare", ip="10.0.0.2", ready=False, spec={"containers": [{"name": "c"}]})
    found = endpoints_of(service(ports=ports), [pod("full"), bare])
    assert sorted(
        (
            [port["name"] for port in one["ports"]],
            [each["ip"] for each in one["addresses"]],
            [each["ip"] for each in one.get("notReadyAddresses", ())],
        )
        for one in found
    ) == [(["a"], ["10.0.0.1"], []), (["b"], ["10.0.0.1"], ["10.0.0.2"])]
