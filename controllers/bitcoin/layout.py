"""
What a network consists of: its objects, as YAML would show them, and the nodes that run by them. Pure.

    NAME-svc              headless Service: a DNS name for each node, ready or not
    NAME-sts[-GROUP]      a StatefulSet for each group; its pods are replaced by the controller alone (OnDelete)
    NAME-config           Secret: bitcoin.conf of each group, and the credentials in force
    NAME-pdb, NAME-np     PodDisruptionBudget; NetworkPolicy, where the spec has one

Pods meet the Pod Security Standard "restricted". Their template has a digest of bitcoin.conf, so that a change of it
is a new revision. The file is ~/.bitcoin/bitcoin.conf in them, where bitcoin-cli looks: probes, and people with
`kubectl exec`, need no flags.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ctrlkit.bitcoin.bitcoin_conf import (
    CONF_FILE,
    DATA_DIR,
    HOME,
    arguments,
    bitcoin_conf,
    is_auth_line,
    is_quantity,
    is_user,
    ports_of,
    refused_value,
)
from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.names import (
    budget_name,
    claim_name,
    config_name,
    labels,
    pod_name,
    policy_name,
    selector,
    service_name,
    statefulset_name,
)
from ctrlkit.bitcoin.network import (
    BITCOIN_NETWORKS,
    CHAINS,
    GROUP,
    MAIN_GROUP,
    BitcoinNetwork,
    NetworkPolicy,
    NodeOptions,
    Spec,
    remembered,
)
from ctrlkit.bitcoin.objects import (
    BUDGETS,
    NODE_CONTAINER,
    POLICIES,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    Claim,
    Pod,
    Secret,
    StatefulSet,
    image_in,
)
from ctrlkit.bitcoin.rotation import ConfigState
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.rules import NODES_MAX
from ctrlkit.bitcoin.versions import agent_of, newest_of, options_of
from ctrlkit.model import AnyResource, digest, to_plain

CONFIG_DIGEST: Final = f"{GROUP}/config"
"""The annotation of a pod that says which bitcoin.conf it was made for."""

DATA_VOLUME: Final = "data"
"""The volume with the chain: a claim, or a directory that goes with the pod."""

CONTROLLER_LABELS: Final = {"app.kubernetes.io/name": "bitcoin-controller"}
"""What the pods of the controller have."""

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
"""By which a server lets a namespace be selected by its name."""

STARTUP_LIMIT_S: Final = 24 * 3600
"""How long a node may replay or reindex what it has before its container is started anew."""

_STARTUP_PERIOD_S: Final = 5
_PROBE_PERIOD_S: Final = 10
_USER, _PASSWORD, _AUTH = "user", "password", "auth"

_GROUP_NAME: Final = re.compile("[a-z][a-z0-9]*")

Plain = dict[str, Any]
Wanted = tuple[AnyResource, Plain]
"""An object that is to be there, and its kind."""


def groups_of(spec: Spec) -> dict[str, int]:
    """
    Return how many nodes each group has, the main group first.

    >>> groups_of(Spec(nodes=3))
    {'main': 3}
    """
    return {MAIN_GROUP: spec.nodes} | {group.name: group.nodes for group in spec.groups}


@remembered
def refused_spec(spec: Spec) -> str:
    """
    Say which value of a spec cannot be used, of the network or of a group; empty where all can.

    The API server refuses such a spec; an older definition, or none, lets it through.

    >>> from ctrlkit.bitcoin.network import Group
    >>> refused_spec(Spec(nodes=1, groups=[Group(name="main", nodes=1)]))
    "groups: 'main' is no name of a group; write letters and digits, and neither main nor sts"
    """
    return next(_refused(spec), "")


def _refused(spec: Spec) -> Iterator[str]:
    nodes = sum(groups_of(spec).values())
    if nodes > NODES_MAX:
        yield f"nodes: {nodes} are more than {NODES_MAX}, those of groups counted; write fewer"
    names = [group.name for group in spec.groups]
    for name in names:
        if name in (MAIN_GROUP, "sts") or not _GROUP_NAME.fullmatch(name):
            yield f"groups: {name[:40]!r} is no name of a group; write letters and digits, and neither main nor sts"
    if len(names) > len({*names}):
        yield "groups: two have one name; write another"
    if not is_quantity(spec.storage.size):
        yield f"storage.size: {spec.storage.size[:40]!r} is no quantity; write one as 10Gi"
    yield from filter(None, (refused_value(spec, options_of(spec, group)) for group in groups_of(spec)))


def desired_objects(
    network: BitcoinNetwork, state: ConfigState, images: Mapping[str, str], *, controller_namespace: str = ""
) -> list[Wanted]:
    """
    Return what a network consists of, but for the Secrets; `images` has the image of each group.

    `controller_namespace` is where the controller's own pods are; empty where it does not know.

    Errors  ValueError for a spec of which `refused_spec` tells.
    """
    objects: list[Wanted] = [(SERVICES, _service(network)), (BUDGETS, _budget(network))]
    if network.spec.network_policy is not None:
        objects.append((POLICIES, _policy(network, network.spec.network_policy, controller_namespace)))
    for group, nodes in groups_of(network.spec).items():
        objects.append((STATEFULSETS, _statefulset(network, state, group, nodes, images[group])))
    return objects


# ---- the Secret ------------------------------------------------------------------------------------------------------


def config_secret(network: BitcoinNetwork, state: ConfigState) -> Plain:
    """Return the Secret NAME-config, from which pods mount their bitcoin.conf."""
    values = {
        _USER: state.in_force.user,
        _PASSWORD: state.in_force.password,
        _AUTH: "\n".join(state.auth),
        **{conf_key(group): _conf(network.spec, group, state.auth) for group in groups_of(network.spec)},
    }
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return _object(network, SECRETS, config_name(network.metadata.name)) | {"type": "Opaque", "data": data}


def config_in(secret: Secret) -> ConfigState | None:
    """
    Read what `config_secret` wrote; None where somebody made something else of the credentials in it.

    Lines that are none of rpcauth are passed over: bitcoin.conf cannot have them.
    """
    data = secret.data or {}
    try:
        user, password, auth = (data[key].decode() for key in (_USER, _PASSWORD, _AUTH))
    except (KeyError, UnicodeDecodeError):
        return None
    if not is_user(user) or not password:
        return None
    return ConfigState(Credentials(user=user, password=password), tuple(filter(is_auth_line, auth.split())))


@remembered
def _conf(spec: Spec, group: str, auth: tuple[str, ...]) -> str:
    return bitcoin_conf(spec, options_of(spec, group), auth)


def conf_key(group: str) -> str:
    """Return the key of a group's bitcoin.conf in the Secret NAME-config."""
    return f"{group}.conf"


@remembered
def _conf_digest(spec: Spec, group: str, auth: tuple[str, ...]) -> str:
    return digest(_conf(spec, group, auth))


# ---- the objects -----------------------------------------------------------------------------------------------------


def _object(network: BitcoinNetwork, resource: AnyResource, name: str, group: str | None = None) -> Plain:
    metadata = {
        "name": name,
        "namespace": network.metadata.namespace,
        "labels": labels(network.metadata.name, group),
        "ownerReferences": [to_plain(BITCOIN_NETWORKS.owner_reference(network.metadata))],
    }
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _named_ports(spec: Spec) -> dict[str, int]:
    rpc, p2p, zmq = ports_of(spec)
    return {"rpc": rpc, "p2p": p2p} | ({} if zmq is None else {"zmq": zmq})


def _service(network: BitcoinNetwork) -> Plain:
    name = network.metadata.name
    ports = [{"name": port, "port": number} for port, number in _named_ports(network.spec).items()]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector(name), "ports": ports}
    return _object(network, SERVICES, service_name(name)) | {"spec": spec}


def _budget(network: BitcoinNetwork) -> Plain:
    """A node that is drained takes one pod of a network at a time; pods that are broken do not hold it up."""
    name = network.metadata.name
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector(name)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object(network, BUDGETS, budget_name(name)) | {"spec": spec}


def _policy(network: BitcoinNetwork, said: NetworkPolicy, controller_namespace: str) -> Plain:
    """A rule without peers would let everybody in, so what lets in nobody is left out."""
    spec, own = network.spec, {"podSelector": {"matchLabels": selector(network.metadata.name)}}
    rpc, p2p, zmq = ports_of(spec)
    place = {"matchLabels": {NAMESPACE_LABEL: controller_namespace}} if controller_namespace else {}
    controller = {"namespaceSelector": place, "podSelector": {"matchLabels": CONTROLLER_LABELS}}
    nodes = {"from": [own, *to_plain(said.p2p_from)]} if CHAINS[spec.chain].is_meshed else {}
    rules: list[Plain] = [
        nodes | {"ports": [{"port": p2p}]},
        {"from": [controller], "ports": [{"port": rpc}]},
    ]
    if said.rpc_from:
        ports = [{"port": port} for port in (rpc, zmq) if port is not None]
        rules.append({"from": to_plain(said.rpc_from), "ports": ports})
    body = {**own, "policyTypes": ["Ingress"], "ingress": rules}
    return _object(network, POLICIES, policy_name(network.metadata.name)) | {"spec": body}


def _statefulset(network: BitcoinNetwork, state: ConfigState, group: str, nodes: int, image: str) -> Plain:
    name, storage = network.metadata.name, network.spec.storage
    spec: Plain = {
        "replicas": nodes,
        "serviceName": service_name(name),
        "selector": {"matchLabels": selector(name, group)},
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "template": _template(network, state, group, image),
    }
    if not storage.ephemeral:
        spec["volumeClaimTemplates"] = [claim_template(storage.size, storage.class_name)]
        spec["persistentVolumeClaimRetentionPolicy"] = {
            "whenDeleted": str(storage.when_deleted),
            "whenScaled": str(storage.when_scaled),
        }
    return _object(network, STATEFULSETS, statefulset_name(name, group), group) | {"spec": spec}


def claim_template(size: str, class_name: str | None) -> Plain:
    """Return what the claims of nodes are made of."""
    spec: Plain = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if class_name is not None:
        spec["storageClassName"] = class_name
    return {"metadata": {"name": DATA_VOLUME}, "spec": spec}


def _template(network: BitcoinNetwork, state: ConfigState, group: str, image: str) -> Plain:
    spec, name, options = network.spec, network.metadata.name, options_of(network.spec, group)
    context = spec.security_context
    pod: Plain = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": context.run_as_user,
            "runAsGroup": context.run_as_group,
            "fsGroup": context.fs_group,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, options, image)],
        "volumes": [_config_volume(name, group), {"name": "tmp", "emptyDir": {}}],
    }
    if spec.storage.ephemeral:
        pod["volumes"].append({"name": DATA_VOLUME, "emptyDir": {}})
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in spec.image_pull_secrets]
    said = {
        "nodeSelector": options.node_selector,
        "affinity": options.affinity,
        "tolerations": options.tolerations,
    }
    pod |= {field: to_plain(value) for field, value in said.items() if value}
    annotations = {CONFIG_DIGEST: _conf_digest(spec, group, state.auth)}
    return {"metadata": {"labels": labels(name, group), "annotations": annotations}, "spec": pod}


def _config_volume(network: str, group: str) -> Plain:
    items = [{"key": conf_key(group), "path": CONF_FILE.removeprefix(f"{HOME}/")}]
    return {
        "name": "config",
        "secret": {"secretName": config_name(network), "items": items, "defaultMode": 0o440},
    }


def _container(spec: Spec, options: NodeOptions, image: str) -> Plain:
    ask = {"exec": {"command": ["bitcoin-cli", "getblockchaininfo"]}}
    ports = [{"name": name, "containerPort": number} for name, number in _named_ports(spec).items()]
    container: Plain = {
        "name": NODE_CONTAINER,
        "image": image,
        "command": ["bitcoind"],
        "args": list(arguments(spec)),
        "env": [{"name": "HOME", "value": HOME}],
        "ports": ports,
        "startupProbe": ask
        | {
            "periodSeconds": _STARTUP_PERIOD_S,
            "timeoutSeconds": _STARTUP_PERIOD_S,
            "failureThreshold": STARTUP_LIMIT_S // _STARTUP_PERIOD_S,
        },
        "readinessProbe": ask | {"periodSeconds": _PROBE_PERIOD_S, "timeoutSeconds": _PROBE_PERIOD_S},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": DATA_VOLUME, "mountPath": DATA_DIR},
            {"name": "config", "mountPath": HOME, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    resources = options.resources
    if resources is not None and (resources.requests or resources.limits):
        amounts = {"requests": resources.requests, "limits": resources.limits}
        container["resources"] = {field: value for field, value in amounts.items() if value}
    return container


# ---- the nodes -------------------------------------------------------------------------------------------------------


def members_of(
    network: BitcoinNetwork,
    statefulsets: Iterable[StatefulSet],
    pods: Iterable[Pod],
    claims: Iterable[Claim],
    state: ConfigState | None = None,
) -> tuple[Member, ...]:
    """
    Return the nodes that the spec asks for, each with the pod that runs it, in the order of groups and ordinals.

    Shape   The objects are those of the network's namespace with the names of ours; others do not matter. A pod counts
            where our StatefulSet controls it, or where nobody does and it has our labels: its StatefulSet is being made
            anew. It is updated where its revision is that of a StatefulSet whose controller has seen the newest
            template, and it was made for the bitcoin.conf that `state` gives, where that is known.
    """
    spec, name = network.spec, network.metadata.name
    sets = {one.metadata.name: one for one in statefulsets}
    pod_by_name = {pod.metadata.name: pod for pod in pods}
    claim_by_name = {claim.metadata.name: claim for claim in claims}
    members: list[Member] = []
    for group, nodes in groups_of(spec).items():
        statefulset = sets.get(statefulset_name(name, group))
        conf = "" if state is None else _conf_digest(spec, group, state.auth)
        for ordinal in range(nodes):
            node = pod_name(name, ordinal, group)
            pod = pod_by_name.get(node)
            if pod is not None and not _is_ours(pod, statefulset, selector(name, group)):
                pod = None
            mounted = (claim_name(node),) if pod is None else pod.claims
            has_claim = any(_keeps(claim_by_name.get(claim)) for claim in mounted)
            member = Member(name=node, group=group, ordinal=ordinal, has_claim=has_claim)
            members.append(member if pod is None else _run_by(pod, member, statefulset, conf))
    return tuple(members)


def _is_ours(pod: Pod, statefulset: StatefulSet | None, wanted: Mapping[str, str]) -> bool:
    if pod.metadata.controller is not None:
        return statefulset is not None and pod.metadata.is_controlled_by(statefulset.metadata)
    have = pod.metadata.labels or {}
    return all(have.get(label) == value for label, value in wanted.items())


def _keeps(claim: Claim | None) -> bool:
    """Whether what is on a claim is there after its pod."""
    return claim is not None and not claim.metadata.deleting and claim.status.phase != "Lost"


def _run_by(pod: Pod, member: Member, statefulset: StatefulSet | None, conf: str) -> Member:
    return replace(
        member,
        uid=pod.metadata.uid,
        address=pod.address,
        is_ready=pod.ready,
        is_deleting=pod.metadata.deleting,
        is_updated=_is_updated(pod, statefulset, conf),
        never_ran=pod.never_ran(),
        created=pod.metadata.creation_timestamp or "",
    )


_REVISION: Final = "controller-revision-hash"


def _is_updated(pod: Pod, statefulset: StatefulSet | None, conf: str) -> bool:
    if statefulset is None or not is_seen(statefulset):
        return False
    if (pod.metadata.labels or {}).get(_REVISION) != statefulset.status.update_revision:
        return False
    return not conf or (pod.metadata.annotations or {}).get(CONFIG_DIGEST) == conf


def is_seen(statefulset: StatefulSet) -> bool:
    """Whether the controller of a StatefulSet has seen it as it is now."""
    status = statefulset.status
    return bool(status.update_revision) and status.observed_generation >= statefulset.metadata.generation


def is_settled(network: BitcoinNetwork, statefulsets: Iterable[StatefulSet], state: ConfigState) -> bool:
    """
    Whether pods that are not updated really have to be replaced.

    So it is where the StatefulSet of each group is there, has today's bitcoin.conf, and its controller has seen it.
    """
    sets = {one.metadata.name: one for one in statefulsets}
    for group in groups_of(network.spec):
        found = sets.get(statefulset_name(network.metadata.name, group))
        if found is None or found.metadata.deleting or not is_seen(found):
            return False
        if (found.spec.template.metadata.annotations or {}).get(CONFIG_DIGEST) != _conf_digest(
            network.spec, group, state.auth
        ):
            return False
    return True


def running_images(network: BitcoinNetwork, statefulsets: Iterable[StatefulSet], pods: Iterable[Pod]) -> dict[str, str]:
    """
    Return the image that each group runs: the one in the status, which nobody but the controller writes; where that
    says nothing its StatefulSet's, or that of a pod. A group that never ran is not in it.
    """
    name = network.metadata.name
    sets = {one.metadata.name: one.image for one in statefulsets}
    made = {pod.metadata.name: image_in(pod.spec) for pod in pods}
    told = {group.name: group.image for group in network.status.groups}
    found = {}
    for group, nodes in groups_of(network.spec).items():
        of_pods: Sequence[str] = [made.get(pod_name(name, ordinal, group), "") for ordinal in range(nodes)]
        images = (told.get(group, ""), sets.get(statefulset_name(name, group), ""), *of_pods)
        image = next(filter(None, images), None)
        if image is not None:
            found[group] = image
    return found


def writers_of(network: BitcoinNetwork, pods: Iterable[Pod], claims: Iterable[Claim]) -> dict[str, str]:
    """
    Return the newest that ran on the claims of each group, as nodes name it; empty where there is no claim, or no word.

    It is what the status has kept, what nodes said, and the images of pods whose node was started. So it is known while
    the group rests, until its last claim is gone.
    """
    name, status = network.metadata.name, network.status
    kept = {group.name: group.written_by for group in status.groups}
    found = {}
    for group in groups_of(network.spec):
        prefix = f"{statefulset_name(name, group)}-"
        ours = [pod for pod in pods if _is_numbered(pod.metadata.name, prefix)]
        has_claims = any(_is_numbered(claim.metadata.name, claim_name(prefix)) for claim in claims)
        if not (has_claims or ours):
            found[group] = ""
            continue
        said = [node.version for node in status.nodes if (node.group or MAIN_GROUP) == group]
        found[group] = newest_of(
            [kept.get(group, ""), *said, *(agent_of(image_in(pod.spec)) for pod in ours if pod.ran())]
        )
    return found


def _is_numbered(name: str, prefix: str) -> bool:
    """Whether a name is a prefix and a number."""
    number = name.removeprefix(prefix)
    return number != name and number.isascii() and number.isdigit()
