"""Random programs: lists of steps, which are data, so that a step that differs can be read and kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.client import Client, Propagation
from ctrlkit.errors import AlreadyExists, DisruptionBudgetViolated, Invalid, NotFound
from ctrlkit.model import AnyResource, MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from tests.stories.scene import pod, template

KINDS: Mapping[str, AnyResource] = {
    "deployment": DEPLOYMENTS,
    "replicaset": REPLICASETS,
    "controller": REPLICATION_CONTROLLERS,
    "service": SERVICES,
    "pod": PODS,
    "budget": POD_DISRUPTION_BUDGETS,
    "quota": RESOURCE_QUOTAS,
}
LABELS = {"app": "web"}
PORTS = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True)
class Step:
    """
    One change.

    `verb` is make, merge, scale, evict or delete; `name` of a pod or ReplicaSet may be `first` or `last` of those
    that are there, by image and name; what such a step asks of nothing is not asked at all.
    """

    verb: str
    kind: str
    name: str = "web"
    fields: Mapping[str, Any] = field(default_factory=dict)
    propagation: str = ""


def program_of(seed: int, length: int) -> list[Step]:
    """A program that begins with a Deployment and a Service, and goes on by chance."""
    chance = random.Random(seed)
    first = [make_deployment(chance), make_service(chance)]
    return [*first, *(chance.choices(CHANGES, WEIGHTS)[0](chance) for _ in range(length))]


def make_deployment(chance: random.Random) -> Step:
    """The Deployment, if it is not there."""
    fields = {"replicas": chance.randint(0, 4), "selector": {"matchLabels": LABELS}, "template": a_template(chance)}
    return Step("make", "deployment", fields={"spec": fields | chance.choice([{}, a_strategy(chance)])})


def make_service(chance: random.Random) -> Step:
    """The Service, if it is not there."""
    spec: dict[str, Any] = {"ports": some_ports(chance), "selector": LABELS}
    if chance.random() < 0.2:
        spec |= {"clusterIP": "None"}
    if chance.random() < 0.2:
        spec |= {"publishNotReadyAddresses": True}
    return Step("make", "service", fields={"spec": spec})


def a_template(chance: random.Random) -> dict[str, Any]:
    """Pods that run, or cannot pull their image, or wait to be ready for some time."""
    image = chance.choice(["web:1", "web:1", "web:2", "web:3", "missing:1"])
    made = template(image, containers=[{"name": "c", "image": image, "ports": PORTS[: chance.randint(0, 2)]}])
    if chance.random() < 0.2:
        made["metadata"]["labels"] = LABELS | {"track": chance.choice("ab")}
    return made


def a_strategy(chance: random.Random) -> dict[str, Any]:
    """How a Deployment is rolled out."""
    if chance.random() < 0.25:
        return {"strategy": {"type": "Recreate", "rollingUpdate": None}}
    surge, unavailable = chance.choice([(1, 0), (0, 1), ("50%", "25%"), (2, 2), ("100%", 0), (0, "34%")])
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


def some_ports(chance: random.Random) -> list[dict[str, Any]]:
    """Ports of a Service."""
    all_of_them: list[dict[str, Any]] = [
        {"name": "a", "port": 80, "targetPort": 8080},
        {"name": "b", "port": 81, "targetPort": "http"},
        {"name": "c", "port": 82, "targetPort": "nothing"},
        {"name": "d", "port": 83},
    ]
    return chance.sample(all_of_them, chance.randint(1, 3))


def a_pod(chance: random.Random) -> Step:
    """A pod of nobody that others may adopt; how cheap its end is, is settled."""
    name = f"bare-{chance.randint(1, 3)}"
    metadata = {"labels": LABELS | {"bare": name}, "annotations": {_COST: str(chance.choice([-5, 5]) + int(name[-1]))}}
    return Step("make", "pod", name, {"metadata": metadata, "spec": pod(chance.choice(["web:1", "missing:1"]))})


def a_set(chance: random.Random) -> Step:
    """A ReplicaSet or ReplicationController of the name `own`, whose pods no Deployment wants."""
    labels = {"own": "yes"}
    made = {"metadata": {"labels": labels}, "spec": pod("web:1")}
    kind, selector = chance.choice([("replicaset", {"matchLabels": labels}), ("controller", labels)])
    return Step(
        "make", kind, "own", {"spec": {"replicas": chance.randint(0, 3), "selector": selector, "template": made}}
    )


def a_budget(chance: random.Random) -> Step:
    """A budget for the pods of the Deployment."""
    allowed: dict[str, Any] = chance.choice(
        [{"minAvailable": 2}, {"minAvailable": "50%"}, {"maxUnavailable": 1}, {"maxUnavailable": "30%"}]
    )
    return Step("make", "budget", fields={"spec": {"selector": {"matchLabels": LABELS}, **allowed}})


def a_quota(chance: random.Random) -> Step:
    """A quota that nobody exceeds, but for a second Service."""
    hard = {"pods": "60", "services": "2", "count/replicasets.apps": "60", "count/pods": "70", "secrets": "5"}
    return Step("make", "quota", fields={"spec": {"hard": dict(chance.sample(sorted(hard.items()), 3))}})


def _merge(kind: str, name: str, fields: Callable[[random.Random], dict[str, Any]]) -> Callable[[random.Random], Step]:
    return lambda chance: Step("merge", kind, name, fields(chance))


def _spec(change: Callable[[random.Random], dict[str, Any]]) -> Callable[[random.Random], dict[str, Any]]:
    return lambda chance: {"spec": change(chance)}


def _delete(kind: str, name: str = "web") -> Callable[[random.Random], Step]:
    ways = ["Background", "Foreground", "Orphan"]
    return lambda chance: Step("delete", kind, name, propagation="Background" if kind == "pod" else chance.choice(ways))


_OF_THE_SPEC: Sequence[tuple[int, Callable[[random.Random], dict[str, Any]]]] = (
    (6, lambda chance: {"template": a_template(chance)}),
    (4, lambda chance: {"replicas": chance.randint(0, 5)}),
    (2, a_strategy),
    (2, lambda chance: {"paused": chance.random() < 0.4}),
    (1, lambda chance: {"revisionHistoryLimit": chance.randint(0, 2)}),
    (1, lambda chance: {"minReadySeconds": chance.choice([0, 1, 2])}),
)
_ALL: Sequence[tuple[int, Callable[[random.Random], Step]]] = (
    *((weight, _merge("deployment", "web", _spec(change))) for weight, change in _OF_THE_SPEC),
    (1, _merge("deployment", "web", lambda c: {"metadata": {"annotations": {"note": c.choice("ab")}}})),
    (2, lambda chance: Step("scale", "deployment", fields={"replicas": chance.randint(0, 5)})),
    (2, _delete("deployment")),
    (3, make_deployment),
    (2, _merge("service", "web", lambda c: {"spec": {"ports": some_ports(c)}})),
    (
        1,
        _merge(
            "service", "web", lambda c: {"spec": {"selector": c.choice([LABELS | {"track": "a"}, {"track": None}])}}
        ),
    ),
    (1, _merge("service", "web", lambda c: {"spec": {"publishNotReadyAddresses": c.random() < 0.5}})),
    (1, _merge("service", "web", lambda c: {"metadata": {"labels": {"note": c.choice("ab")}}})),
    (1, _delete("service")),
    (2, make_service),
    (2, a_pod),
    (2, _delete("pod", "first")),
    (1, _delete("pod", "last")),
    (1, _merge("pod", "first", lambda c: {"metadata": {"labels": {"app": c.choice(["web", "other"])}}})),
    (2, a_set),
    (1, a_budget),
    (1, a_quota),
    (2, lambda chance: Step("evict", "pod", chance.choice(["first", "last"]))),
    (1, _merge("replicaset", "own", lambda c: {"spec": {"replicas": c.randint(0, 3)}})),
    (1, _merge("controller", "own", lambda c: {"spec": {"replicas": c.randint(0, 3)}})),
    (1, _delete("replicaset", "own")),
    (1, _delete("controller", "own")),
    (1, _delete("replicaset", "first")),
    (1, _merge("replicaset", "last", lambda c: {"spec": {"replicas": c.randint(0, 3)}})),
)
CHANGES = [change for _, change in _ALL]
WEIGHTS = [weight for weight, _ in _ALL]


async def play(client: Client, namespace: str, step: Step) -> str:
    """Perform a step; the name of the refusal, "" for none."""
    resource = KINDS[step.kind]
    name = await _named(client, namespace, step) if step.name in ("first", "last") else step.name
    if not name:
        return ""
    key = ObjectKey(namespace, name)
    try:
        match step.verb:
            case "make" if name in {one.key.name for one in await client.list(resource, namespace=namespace)}:
                # Not asked: a real server counts as used up what it refuses so, until its quotas are counted anew.
                return AlreadyExists.__name__
            case "make":
                metadata = {**step.fields.get("metadata", {}), "name": name, "namespace": namespace}
                await client.create(resource.of(Unstructured), {**step.fields, "metadata": metadata})
            case "merge":
                await client.patch(resource, key, MergePatch(step.fields))
            case "scale":
                await client.set_scale(resource, key, step.fields["replicas"])
            case "evict":
                await client.evict(key)
            case _:
                await client.delete(resource, key, propagation=Propagation(step.propagation))
    except (NotFound, AlreadyExists, Invalid, DisruptionBudgetViolated) as error:
        return type(error).__name__
    return ""


async def _named(client: Client, namespace: str, step: Step) -> str:
    """The first or last of a kind, by image and by the part of the name that is not by chance."""
    found = await client.list(KINDS[step.kind].of(Unstructured), namespace=namespace)
    ready = [one for one in found if not one.metadata.deletion_timestamp]
    ready.sort(key=lambda one: (_image(one), one["metadata"].get("generateName", one.key.name)))
    return ready[0 if step.name == "first" else -1].key.name if ready else ""


def _image(found: Unstructured) -> str:
    spec = found.at("spec.template.spec") or found["spec"]
    return str(spec["containers"][0]["image"])
