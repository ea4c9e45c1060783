"""The cells of built-in kinds: what `kubectl get` shows of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.apiserver.tables import Include, Tables
from ctrlkit.fakes.durations import age, format_duration
from ctrlkit.fakes.tracker import Registry
from ctrlkit.fakes.tracker.kinds.core.pod_table import pod_status
from ctrlkit.model import AnyResource, custom_resource, kinds

JOBS = custom_resource(group="batch", version="v1", kind="Job", plural="jobs")
NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
BORN = {"name": "x", "namespace": "demo", "creationTimestamp": "2026-01-01T00:00:00Z"}


def cells(resource: AnyResource, thing: dict[str, Any], now: datetime) -> list[Any]:
    """The row of an object, by the strategy of its kind."""
    strategy = Registry().find(resource.group, resource.version, resource.plural)
    assert strategy is not None
    return Tables(strategy, Include.METADATA).cells(thing, now)


def a_pod(**status: Any) -> dict[str, Any]:
    """A pod of one container, with a status."""
    return {"metadata": BORN, "spec": {"containers": [{"name": "node"}]}, "status": status}


def a_container(state: dict[str, Any], *, restarts: int = 0, **more: Any) -> dict[str, Any]:
    """A container's status; ready where it runs."""
    return {"name": "node", "ready": "running" in state, "restartCount": restarts, "state": state, **more}


def test_a_pod_before_anything_happened_to_it() -> None:
    """The row a real server gives for a pod without a node."""
    assert cells(kinds.PODS, a_pod(phase="Pending"), NOW) == [
        *("x", "0/1", "Pending", "0", "5m"),
        *("<none>", "<none>", "<none>", "<none>"),
    ]


def test_a_running_pod_shows_its_address_node_and_last_restart() -> None:
    """Restarts come with the time since the last one."""
    ended = {"lastState": {"terminated": {"finishedAt": "2026-01-01T00:03:00Z"}}}
    pod = a_pod(
        phase="Running",
        podIP="127.1.0.1",
        containerStatuses=[a_container({"running": {}}, restarts=2, **ended)],
    )
    pod["spec"]["nodeName"] = "local"

    row = cells(kinds.PODS, pod, NOW)

    assert row == ["x", "1/1", "Running", "2 (2m ago)", "5m", "127.1.0.1", "local", "<none>", "<none>"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Running", "containerStatuses": [a_container({"waiting": {"reason": "ErrPull"}})]}, "ErrPull"),
        ({"phase": "Failed", "containerStatuses": [a_container({"terminated": {"exitCode": 3}})]}, "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [a_container({"terminated": {"signal": 9}})]}, "Signal:9"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Succeeded", "containerStatuses": [a_container({"terminated": {"reason": "Done"}})]}, "Done"),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    a_container({"terminated": {"reason": "Completed"}}),
                    a_container({"running": {}}),
                ],
            },
            "NotReady",
        ),
    ],
)
def test_a_container_that_waits_or_ended_says_why(status: dict[str, Any], shown: str) -> None:
    """The reason nearest to the process is the pod's state."""
    assert pod_status(a_pod(**status)) == shown


def test_a_deleted_pod_is_terminating_until_it_has_ended() -> None:
    """Deletion outranks what the containers say, except where all is over."""
    pod = a_pod(phase="Running", containerStatuses=[a_container({"running": {}})])
    pod["metadata"] = {**BORN, "deletionTimestamp": "2026-01-01T00:04:00Z"}
    assert pod_status(pod) == "Terminating"
    pod["status"]["phase"] = "Succeeded"
    assert pod_status(pod) == "Succeeded"


def test_init_containers_come_before_all_else() -> None:
    """How far they are, or why the first of them does not go on."""
    pod = a_pod(phase="Pending", initContainerStatuses=[a_container({"running": {}})])
    pod["spec"]["initContainers"] = [{"name": "node"}, {"name": "other"}]
    assert pod_status(pod) == "Init:0/2"
    pod["status"]["initContainerStatuses"] = [a_container({"waiting": {"reason": "CrashLoopBackOff"}})]
    assert pod_status(pod) == "Init:CrashLoopBackOff"


@pytest.mark.parametrize(
    ("spec", "status", "shown"),
    [
        (
            {
                "type": "ClusterIP",
                "clusterIP": "None",
                "ports": [{"port": 18444, "protocol": "TCP"}],
                "selector": {"a": "b"},
            },
            {},
            ["x", "ClusterIP", "None", "<none>", "18444/TCP", "5m", "a=b"],
        ),
        (
            {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30000}]},
            {},
            ["x", "NodePort", "10.0.0.1", "<none>", "80:30000/TCP", "5m", "<none>"],
        ),
        ({"type": "LoadBalancer"}, {}, ["x", "LoadBalancer", "<none>", "<pending>", "<none>", "5m", "<none>"]),
        (
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "a.example"}]}},
            ["x", "LoadBalancer", "<none>", "192.0.2.1,a.example", "<none>", "5m", "<none>"],
        ),
        (
            {"type": "ExternalName", "externalName": "a.example"},
            {},
            ["x", "ExternalName", "<none>", "a.example", "<none>", "5m", "<none>"],
        ),
    ],
)
def test_services_by_type(spec: dict[str, Any], status: dict[str, Any], shown: list[Any]) -> None:
    """Addresses and ports as each type has them."""
    assert cells(kinds.SERVICES, {"metadata": BORN, "spec": spec, "status": status}, NOW) == shown


def test_workloads_show_ready_of_wanted_with_their_containers() -> None:
    """Replicas not given are one."""
    template = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}}
    selector = {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["b", "a"]}]}
    stateful_set = {"metadata": BORN, "spec": {"replicas": 3, "template": template}, "status": {"readyReplicas": 2}}
    deployment = {"metadata": BORN, "spec": {"template": template, "selector": selector}}

    assert cells(kinds.STATEFULSETS, stateful_set, NOW) == ["x", "2/3", "5m", "a,b", "i:1,j"]
    assert cells(kinds.DEPLOYMENTS, deployment, NOW) == ["x", "0/1", 0, 0, "5m", "a,b", "i:1,j", "app=x,t in (a,b)"]


def test_small_kinds() -> None:
    """Counts, types, holders and owners."""
    owner = {"controller": True, "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}
    revision = {"metadata": {**BORN, "ownerReferences": [owner]}, "revision": 4}
    subjects = [{"kind": "User", "name": "ada"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]
    binding = {"metadata": BORN, "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects}

    assert cells(kinds.NAMESPACES, {"metadata": BORN, "status": {"phase": "Active"}}, NOW) == ["x", "Active", "5m"]
    assert cells(kinds.CONFIG_MAPS, {"metadata": BORN, "data": {"a": "1"}}, NOW) == ["x", 1, "5m"]
    assert cells(kinds.SECRETS, {"metadata": BORN, "type": "Opaque", "data": None}, NOW) == ["x", "Opaque", 0, "5m"]
    assert cells(kinds.LEASES, {"metadata": BORN, "spec": {"holderIdentity": "me"}}, NOW) == ["x", "me", "5m"]
    assert cells(kinds.CONTROLLER_REVISIONS, revision, NOW) == ["x", "statefulset.apps/web", 4, "5m"]
    assert cells(kinds.ROLE_BINDINGS, binding, NOW) == ["x", "Role/r", "5m", "ada", "", "n/s"]


def test_a_job_shows_how_long_it_took_or_has_taken_so_far() -> None:
    """Nothing, before it has begun."""
    begun = {"startTime": "2026-01-01T00:02:00Z"}
    ended = begun | {"completionTime": "2026-01-01T00:02:40Z"}
    shown = [cells(JOBS, {"metadata": BORN, "spec": {}, "status": status}, NOW)[3] for status in ({}, begun, ended)]
    assert shown == ["", "3m", "40s"]


def test_a_node_shows_readiness_roles_and_addresses() -> None:
    """A cordoned node says so; what is not known is said to be unknown."""
    node = {
        "metadata": {**BORN, "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1"},
        },
    }
    unknown = "<unknown>"
    assert cells(kinds.NODES, node, NOW) == [
        *("x", "Ready,SchedulingDisabled", "worker", "5m", "v1", "127.0.0.1", "<none>"),
        *(unknown, unknown, unknown),
    ]


def test_events_show_when_they_were_seen_last_and_first() -> None:
    """Old events have a count and two times, new ones a single time or a series."""
    about = {"kind": "BitcoinNetwork", "name": "net"}
    old = {
        "metadata": BORN,
        "involvedObject": about,
        "type": "Normal",
        "reason": "Created",
        "message": " made it\n",
        "source": {"component": "bitcoin"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:04:50Z",
        "count": 3,
    }
    new = {"metadata": BORN, "involvedObject": about, "eventTime": "2026-01-01T00:04:00.000000Z"}
    target = "bitcoinnetwork/net"

    assert cells(kinds.EVENTS, old, NOW) == [
        *("10s", "Normal", "Created", target, "", "bitcoin", "made it", "5m", 3, "x"),
    ]
    assert cells(kinds.EVENTS, new, NOW) == ["60s", "", "", target, "", "", "", "60s", 1, "x"]


def test_every_built_in_kind_prints_an_object_that_has_nothing_but_a_name() -> None:
    """One cell for each column, whatever is missing from the object; a real server sends one more of an IPAddress."""
    registry = Registry()
    for served in registry.served():
        tables = Tables(served, Include.METADATA)
        count = len(tables.cells({"metadata": {"name": "x"}}, NOW)) - (served.resource.kind == "IPAddress")
        assert count == len(tables.columns()), served.resource


@given(st.floats(min_value=-1, max_value=10**10), st.floats(min_value=0, max_value=10**10))
def test_for_any_two_ages_the_greater_never_reads_as_less(one: float, other: float) -> None:
    """Rounding loses detail, not order."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}

    def parse_duration(text: str) -> int:
        total, number = 0, ""
        for character in text:
            if character.isdigit():
                number += character
            else:
                total, number = total + int(number) * units[character], ""
        return total

    low, high = sorted((one, other))
    assert parse_duration(format_duration(low)) <= parse_duration(format_duration(high))
    assert parse_duration(format_duration(high)) <= max(high, 0)


def test_ages_that_make_no_sense_are_said_to_be_so() -> None:
    """A time in the future, no time, and a text that is none."""
    future = (NOW + timedelta(minutes=1)).isoformat()
    assert [age(text, NOW) for text in (future, "", "soon", "2026-01-01")] == [
        *("<invalid>", "<unknown>", "<invalid>", "<invalid>"),
    ]
