"""What should exist, and the patch that brings back what was changed."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.desired import (
    desired_service,
    desired_statefulset,
    pod_name,
    service_drift,
    statefulset_drift,
)
from ctrlkit.bitcoin.types import (
    SERVICES,
    STATEFULSETS,
    BitcoinNetwork,
    Service,
    Spec,
    StatefulSet,
)
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectMeta, to_plain

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)
NETWORKS = st.builds(
    BitcoinNetwork,
    metadata=st.builds(ObjectMeta, name=NAMES, namespace=st.just("default"), uid=st.uuids().map(str)),
    spec=st.builds(Spec, nodes=st.integers(0, 100), secret=st.none() | NAMES),
)
CONTAINER_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "image": st.just("other:v2"),
        "imagePullPolicy": st.sampled_from(["Always", "Never"]),
        "readinessProbe": st.sampled_from(
            [{"httpGet": {"path": "/", "port": 80}}, {"exec": {"command": ["true"]}, "periodSeconds": 1}]
        ),
        "envFrom": st.just([{"configMapRef": {"name": "other"}}]),
        "name": st.just("renamed"),
        "resources": st.just({"limits": {"memory": "1Gi"}}),
    },
)


@given(NETWORKS)
def test_for_any_network_what_was_just_made_has_not_drifted(network: BitcoinNetwork) -> None:
    """Whatever the server fills in is no difference."""
    tracker = Tracker()
    service, statefulset = desired_service(network), desired_statefulset(network)
    made_service = msgspec.convert(tracker.create(SERVICES, service), Service)
    made_statefulset = msgspec.convert(tracker.create(STATEFULSETS, statefulset), StatefulSet)
    assert service_drift(made_service, service) is None
    assert statefulset_drift(made_statefulset, statefulset) is None


@given(NETWORKS, CONTAINER_CHANGES, st.integers(0, 9))
def test_for_any_change_of_a_statefulset_one_patch_puts_it_back(
    network: BitcoinNetwork, changes: dict[str, Any], replicas: int
) -> None:
    """After it nothing differs, and it left alone what the controller does not set."""
    tracker, want = Tracker(), desired_statefulset(network)
    made = tracker.create(STATEFULSETS, want)
    made["spec"]["replicas"] = replicas
    container = made["spec"]["template"]["spec"]["containers"][0]
    container.update(changes)
    changed = tracker.update(STATEFULSETS, made)
    drift = statefulset_drift(msgspec.convert(changed, StatefulSet), want)
    relevant = changes.keys() - {"resources"} or replicas != network.spec.nodes
    assert (drift is not None) == bool(relevant)
    if drift is None:
        return
    restored = tracker.patch(STATEFULSETS, want.metadata.key, drift)
    assert statefulset_drift(msgspec.convert(restored, StatefulSet), want) is None
    (container,) = restored.at("spec.template.spec.containers")
    assert ("limits" in container.get("resources", {})) == ("resources" in changes and "name" not in changes)


@given(NETWORKS, st.dictionaries(NAMES, NAMES))
def test_for_any_selector_of_a_service_one_patch_puts_it_back(
    network: BitcoinNetwork, selector: dict[str, str]
) -> None:
    """The selector is then exactly the wanted one."""
    tracker, want = Tracker(), desired_service(network)
    made = tracker.create(SERVICES, want)
    made["spec"]["selector"] = selector
    changed = tracker.update(SERVICES, made)
    drift = service_drift(msgspec.convert(changed, Service), want)
    assert (drift is None) == (selector == want.spec.selector)
    if drift is not None:
        assert tracker.patch(SERVICES, want.metadata.key, drift).at("spec.selector") == want.spec.selector


@given(NETWORKS)
def test_for_any_network_a_body_says_nothing_that_was_not_decided(network: BitcoinNetwork) -> None:
    """No empty field travels that a server would have to interpret."""
    spec = to_plain(desired_statefulset(network))["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container.keys() == {"name", "image", "imagePullPolicy", "readinessProbe"} | (
        {"envFrom"} if network.spec.secret else set()
    )
    assert to_plain(desired_service(network))["spec"].keys() == {"clusterIP", "selector"}


def test_pods_are_named_by_ordinal() -> None:
    """As a StatefulSet's controller names them."""
    assert [pod_name("net", ordinal) for ordinal in (0, 10)] == ["net-sts-0", "net-sts-10"]
