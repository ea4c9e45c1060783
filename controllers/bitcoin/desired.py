"""
The desired Service and StatefulSet of a network, and the patches that repair the existing ones. Pure.

Manual changes are reverted in the fields that are set here. The types decode only those, so defaults of the server and
additions of others (annotations, resource limits, a second container) are neither compared nor changed. Immutable
fields (a StatefulSet's selector and service name, a Service's clusterIP) are set at creation only.
"""

from __future__ import annotations

from typing import Any, Final

from ctrlkit.bitcoin.types import (
    BITCOIN_NETWORKS,
    BitcoinNetwork,
    Container,
    EnvFrom,
    ExecAction,
    PodSpec,
    PodTemplate,
    Probe,
    SecretReference,
    Selector,
    Service,
    ServiceSpec,
    StatefulSet,
    StatefulSetSpec,
    TemplateMeta,
)
from ctrlkit.model import MergePatch, ObjectMeta, StrategicMergePatch, to_plain

IMAGE: Final = "christianb93/bitcoind:v1.0"
SERVICE_SUFFIX: Final = "-svc"
STATEFULSET_SUFFIX: Final = "-sts"
PROBE: Final = Probe(
    exec=ExecAction(("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo")),
    initial_delay_seconds=5,
    period_seconds=5,
)


def service_name(network: str) -> str:
    """Return the name of a network's headless Service."""
    return network + SERVICE_SUFFIX


def statefulset_name(network: str) -> str:
    """Return the name of a network's StatefulSet."""
    return network + STATEFULSET_SUFFIX


def pod_name(network: str, ordinal: int) -> str:
    """
    Return the name of the pod that runs a node.

    >>> pod_name("net", 0)
    'net-sts-0'
    """
    return f"{statefulset_name(network)}-{ordinal}"


def labels(network: str) -> dict[str, str]:
    """Return the labels by which Service and StatefulSet select the pods of a network."""
    return {"app": network}


def desired_service(network: BitcoinNetwork) -> Service:
    """Return the headless Service of a network."""
    name = network.metadata.name
    return Service(
        metadata=_owned(network, service_name(name)), spec=ServiceSpec(cluster_ip="None", selector=labels(name))
    )


def desired_statefulset(network: BitcoinNetwork) -> StatefulSet:
    """Return the StatefulSet of a network: a pod with one container for each node."""
    name, secret = network.metadata.name, network.spec.secret
    container = Container(
        name=f"{statefulset_name(name)}-ctr",
        image=IMAGE,
        image_pull_policy="IfNotPresent",
        readiness_probe=PROBE,
        env_from=(EnvFrom(SecretReference(name=secret, optional=True)),) if secret else (),
    )
    return StatefulSet(
        metadata=_owned(network, statefulset_name(name)),
        spec=StatefulSetSpec(
            replicas=network.spec.nodes,
            service_name=service_name(name),
            selector=Selector(labels(name)),
            template=PodTemplate(TemplateMeta(labels(name)), PodSpec((container,))),
        ),
    )


def service_drift(current: Service, desired: Service) -> MergePatch | None:
    """Return the patch that repairs a Service; None if nothing differs."""
    surplus = dict.fromkeys(current.spec.selector.keys() - desired.spec.selector.keys())
    selector = {**surplus, **_missing(current.spec.selector, desired.spec.selector)}
    return MergePatch({"spec": {"selector": selector}}) if selector else None


def statefulset_drift(current: StatefulSet, desired: StatefulSet) -> StrategicMergePatch | None:
    """Return the patch that repairs a StatefulSet; None if nothing differs."""
    spec: dict[str, Any] = {}
    if current.spec.replicas != desired.spec.replicas:
        spec["replicas"] = desired.spec.replicas
    template = _template_drift(current.spec.template, desired.spec.template)
    if template:
        spec["template"] = template
    return StrategicMergePatch({"spec": spec}) if spec else None


def _owned(network: BitcoinNetwork, name: str) -> ObjectMeta:
    owner = BITCOIN_NETWORKS.owner_reference(network.metadata)
    return ObjectMeta(name=name, namespace=network.metadata.namespace, owner_references=(owner,))


def _missing(current: dict[str, str], desired: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in desired.items() if current.get(name) != value}


def _template_drift(current: PodTemplate, desired: PodTemplate) -> dict[str, Any]:
    drift: dict[str, Any] = {}
    missing = _missing(current.metadata.labels, desired.metadata.labels)
    if missing:
        drift["metadata"] = {"labels": missing}
    (container,) = desired.spec.containers
    found = next((c for c in current.spec.containers if c.name == container.name), None)
    if found is None:  # renamed or removed; what took its place must not run beside it
        drift["spec"] = {"containers": [{"$patch": "replace"}, to_plain(container)]}
    elif found != container:
        drift["spec"] = {"containers": [{"name": container.name, **_container_drift(found, container)}]}
    return drift


def _container_drift(current: Container, desired: Container) -> dict[str, Any]:
    """
    The fields that differ.

    A probe that is there is replaced whole: merged, it would keep the handler somebody else chose. One that is missing
    is set plainly: a server drops a value with a directive where there is nothing to replace.
    """
    before, after = to_plain(current), to_plain(desired)
    fields = sorted(before.keys() | after.keys())
    changes = {field: after.get(field) for field in fields if before.get(field) != after.get(field)}
    if changes.get("readinessProbe") and before.get("readinessProbe"):
        changes["readinessProbe"] = {"$patch": "replace", **changes["readinessProbe"]}
    return changes
