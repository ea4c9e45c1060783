"""What a kubelet refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.admission import Guests, Refusal, refusal

NODE: dict[str, Any] = {
    "metadata": {"name": "n1", "labels": {"zone": "a"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "10Gi", "pods": "3"}},
}


def pod(cpu: str = "0", *, name: str = "web", ports: tuple[int, ...] = (), **spec: Any) -> dict[str, Any]:
    container = {
        "name": "app",
        "resources": {"requests": {"cpu": cpu}},
        "ports": [{"containerPort": port, "hostPort": port} for port in ports],
    }
    return {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": [container], **spec}}


def guests(*pods: dict[str, Any]) -> Guests:
    there = Guests()
    for number, one in enumerate(pods):
        there.let_in(f"uid-{number}", one["spec"])
    return there


def test_too_little_room_is_told_with_its_numbers() -> None:
    """Those of one resource: thousandths of processors, bytes, pods."""
    there = guests(pod("1500m"), pod("1500m"))
    text = "Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000"
    assert refusal(pod("1500m"), NODE, there) == Refusal("OutOfcpu", text)
    assert refusal(pod("1"), NODE, there) is None
    big = {"containers": [{"name": "app", "resources": {"requests": {"memory": "9Gi"}}}]}
    text = f"Node didn't have enough resource: memory, requested: {9 << 30}, used: 0, capacity: {8 << 30}"
    assert refusal({"spec": big}, NODE, there) == Refusal("OutOfmemory", text)


def test_one_pod_too_many_comes_before_all_other_reasons() -> None:
    """As a kubelet looks first at their number."""
    there = guests(pod(), pod(), pod())
    text = "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    assert refusal(pod("100", nodeSelector={"zone": "b"}), NODE, there) == Refusal("OutOfpods", text)
    there.let_out("uid-1")
    there.let_out("uid-1")
    assert refusal(pod(), NODE, there) is None


@pytest.mark.parametrize(
    ("spec", "reason", "text"),
    [
        (
            {"nodeSelector": {"zone": "b"}},
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ),
        (
            {"ports": (80,)},
            "NodePorts",
            "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        ),
        ({"os": {"name": "windows"}}, "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
        (
            {"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}},
            "SysctlForbidden",
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled',
        ),
        (
            {"securityContext": {"supplementalGroupsPolicy": "Strict"}},
            "SupplementalGroupsPolicyNotSupported",
            "SupplementalGroupsPolicy=Strict is not supported in this node",
        ),
    ],
)
def test_what_a_node_cannot_give_is_refused(spec: dict[str, Any], reason: str, text: str) -> None:
    """A selector, a port of the host, another system, kernel settings, groups."""
    assert refusal(pod(**spec), NODE, guests(pod(ports=(80,)))) == Refusal(reason, text)


def test_only_taints_that_do_not_even_let_pods_run_count() -> None:
    """NoSchedule is the scheduler's."""
    tainted = {**NODE, "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}
    assert refusal(pod(), tainted, guests()) is None
    tainted = {**NODE, "spec": {"taints": [{"key": "gpu", "effect": "NoExecute"}]}}
    text = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    assert refusal(pod(), tainted, guests()) == Refusal("TaintToleration", text)
    assert refusal(pod(tolerations=[{"key": "gpu", "operator": "Exists"}]), tainted, guests()) is None


def test_a_resource_that_the_node_does_not_know_is_left_out() -> None:
    """It may be one of the whole cluster."""
    asks = {"containers": [{"name": "app", "resources": {"requests": {"example.com/gpu": "1"}}}]}
    assert refusal({"spec": asks}, NODE, guests()) is None
    allocatable = {**NODE["status"]["allocatable"], "example.com/gpu": "0"}
    found = refusal({"spec": asks}, {**NODE, "status": {"allocatable": allocatable}}, guests())
    assert found is not None
    assert found.reason == "OutOfexample.com/gpu"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3000)), max_size=30))
def test_for_any_comings_and_goings_what_is_taken_is_that_of_the_pods_that_are_there(
    moves: list[tuple[bool, int, int]],
) -> None:
    """Compared with a sum over all of them."""
    there, expected = Guests(), dict[str, int]()
    for comes, number, milli in moves:
        uid = f"uid-{number}"
        if comes:
            there.let_in(uid, pod(f"{milli}m", ports=(8000 + number,))["spec"])
            expected[uid] = milli
        else:
            there.let_out(uid)
            expected.pop(uid, None)
        assert there.used.get("cpu", 0) == sum(expected.values())
        assert there.used.get("pods", 0) == len(expected)
        assert {port.port for port in there.ports} == {8000 + int(known[4:]) for known in expected}
        assert all((f"uid-{each}" in there) == (f"uid-{each}" in expected) for each in range(6))
