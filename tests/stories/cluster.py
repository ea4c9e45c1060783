"""Stories of what looks after a cluster: quotas, budgets, services, namespaces, ownership, accounts, claims, roles."""

from __future__ import annotations

from typing import Any

from ctrlkit.client import Propagation
from ctrlkit.errors import DisruptionBudgetViolated
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from tests.stories.scene import Scene, conditions, pod
from tests.stories.workloads import AVAILABLE, SELECTOR, all_there, bound, claim_of, deployment, told, volume


async def a_budget_guards_pods(scene: Scene) -> None:
    """No pod may go, then one may, and another once there is one in its place."""
    await scene.make(POD_DISRUPTION_BUDGETS, "web", {"minAvailable": 3, "selector": SELECTOR})
    await scene.make(DEPLOYMENTS, "web", deployment(3))

    async def budget() -> tuple[dict[str, int], dict[str, tuple[str, str]]]:
        found = await scene.get(POD_DISRUPTION_BUDGETS, "web")
        return {name: value for name, value in found["status"].items() if isinstance(value, int)}, conditions(found)

    status = {"currentHealthy": 3, "desiredHealthy": 3, "disruptionsAllowed": 0, "expectedPods": 3}
    refused = {"DisruptionAllowed": ("False", "InsufficientPods")}
    await scene.becomes(budget, (status | {"observedGeneration": 1}, refused))
    first, *_ = await scene.all_of(PODS)
    try:
        await scene.client.evict(first.key)
    except DisruptionBudgetViolated as error:
        causes = [cause["message"] for cause in error.details["causes"]]
        assert causes == ["The disruption budget web needs 3 healthy pods and has 3 currently"]
    else:
        raise AssertionError("the budget allowed it")
    await scene.change(POD_DISRUPTION_BUDGETS, "web", {"spec": {"minAvailable": "50%"}})
    status |= {"desiredHealthy": 2, "disruptionsAllowed": 1, "observedGeneration": 2}
    allowed = {"DisruptionAllowed": ("True", "SufficientPods")}
    await scene.becomes(budget, (status, allowed))
    await scene.client.evict(first.key)
    await scene.is_gone(PODS, first.key.name)
    await scene.becomes(lambda: told(scene), (all_there(3, 1), AVAILABLE))
    await scene.becomes(budget, (status, allowed))
    assert not (await scene.get(POD_DISRUPTION_BUDGETS, "web"))["status"].get("disruptedPods")


async def a_quota_is_used_up(scene: Scene) -> None:
    """It counts what there is, keeps a Deployment small, and lets it grow when it is raised."""
    hard = {"pods": "2", "count/secrets": "5", "requests.cpu": "1"}
    await scene.make(RESOURCE_QUOTAS, "few", {"hard": hard})

    async def used() -> dict[str, str]:
        found: dict[str, str] = (await scene.get(RESOURCE_QUOTAS, "few")).at("status.used", {})
        return found

    await scene.becomes(used, {"pods": "0", "count/secrets": "0", "requests.cpu": "0"})
    await scene.make(SECRETS, "one")
    spec = deployment(3)
    spec["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    await scene.make(DEPLOYMENTS, "web", spec)
    await scene.becomes(used, {"pods": "2", "count/secrets": "1", "requests.cpu": "200m"})

    async def failure() -> tuple[str, str] | None:
        return conditions(await scene.get(DEPLOYMENTS, "web")).get("ReplicaFailure")

    await scene.becomes(failure, ("True", "FailedCreate"))
    await scene.change(RESOURCE_QUOTAS, "few", {"spec": {"hard": {"pods": "4"}}})
    await scene.becomes(lambda: told(scene), (all_there(3, 1), AVAILABLE))
    await scene.becomes(used, {"pods": "3", "count/secrets": "1", "requests.cpu": "300m"})
    await scene.delete(DEPLOYMENTS, "web")
    await scene.delete(SECRETS, "one")
    await scene.becomes(used, {"pods": "0", "count/secrets": "0", "requests.cpu": "0"})


async def a_service_knows_its_pods(scene: Scene) -> None:
    """Ready pods are its endpoints, by a named port; a pod that is not ready is told apart."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    await scene.make(SERVICES, "web", {"selector": {"app": "web"}, "ports": ports})
    container = {"name": "c", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    spec = deployment(2)
    spec["template"]["spec"]["containers"] = [container]
    await scene.make(DEPLOYMENTS, "web", spec)

    async def slices() -> list[Any]:
        return [
            [
                one["addressType"],
                [(port["name"], port["port"], port["protocol"]) for port in one.get("ports") or ()],
                sorted((each["targetRef"]["kind"], each["conditions"]["ready"]) for each in one.get("endpoints") or ()),
                one.at("metadata.labels"),
            ]
            for one in await scene.all_of(ENDPOINT_SLICES)
        ]

    labels = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    labels |= {"kubernetes.io/service-name": "web"}
    ready = ("Pod", True)
    await scene.becomes(slices, [["IPv4", [("http", 8080, "TCP")], [ready, ready], labels]])

    async def subsets() -> list[Any]:
        return [
            (
                [(port["name"], port["port"]) for port in one["ports"]],
                len(one.get("addresses") or ()),
                len(one.get("notReadyAddresses") or ()),
            )
            for one in (await scene.get(ENDPOINTS, "web")).get("subsets") or ()
        ]

    await scene.becomes(subsets, [([("http", 8080)], 2, 0)])
    await scene.make(PODS, "late", pod("missing:1"), metadata={"labels": {"app": "web"}})
    await scene.delete(DEPLOYMENTS, "web")
    await scene.becomes(scene.phases, {"late": "Pending"})
    await scene.delete(PODS, "late")
    await scene.becomes(subsets, [])
    await scene.becomes(slices, [["IPv4", [], [], labels]])
    await scene.delete(SERVICES, "web")
    await scene.becomes(lambda: scene.all_of(ENDPOINT_SLICES), [])
    await scene.is_gone(ENDPOINTS, "web")


async def a_namespace_ends(scene: Scene) -> None:
    """What is in it goes; what has a finalizer holds it up, and the namespace says so."""
    name = f"{scene.namespace}-other"
    await scene.make(NAMESPACES, name)
    held = {"metadata": {"name": "held", "namespace": name, "finalizers": ["example.com/hold"]}}
    await scene.client.create(CONFIG_MAPS, held)
    metadata = {"name": "web", "namespace": name}
    await scene.client.create(DEPLOYMENTS, {"metadata": metadata, "spec": deployment(2)})

    async def running() -> int:
        return sum(one.at("status.phase") == "Running" for one in await scene.client.list(PODS, namespace=name))

    await scene.becomes(running, 2)
    await scene.delete(NAMESPACES, name)
    waits = {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered"),
        "NamespaceDeletionGroupVersionParsingFailure": ("False", "ParsedGroupVersions"),
        "NamespaceDeletionContentFailure": ("False", "ContentDeleted"),
        "NamespaceContentRemaining": ("True", "SomeResourcesRemain"),
        "NamespaceFinalizersRemaining": ("True", "SomeFinalizersRemain"),
    }

    async def told_by_the_namespace() -> tuple[str, dict[str, tuple[str, str]]]:
        found = await scene.get(NAMESPACES, name)
        return found["status"]["phase"], conditions(found)

    await scene.becomes(told_by_the_namespace, ("Terminating", waits))

    async def left() -> dict[str, str]:
        found = (await scene.get(NAMESPACES, name))["status"]["conditions"]
        return {one["type"]: one["message"] for one in found if one["type"].endswith("Remaining")}

    await scene.becomes(
        left,
        {
            "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
            "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
            "example.com/hold in 1 resource instances",
        },
    )
    await scene.client.update(
        CONFIG_MAPS,
        await scene.client.get(CONFIG_MAPS, ObjectKey(name, "held"))
        | {"metadata": held["metadata"] | {"finalizers": []}},
    )
    await scene.is_gone(NAMESPACES, name)


def owner(found: Any, *, blocks: bool = False) -> dict[str, Any]:
    """A reference to a ConfigMap that owns something."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": found.key.name, "uid": found.metadata.uid}
    return reference | ({"blockOwnerDeletion": True} if blocks else {})


async def ownership_cascades(scene: Scene) -> None:
    """What is owned goes after its owner, or before it, or stays alone; what owners that never were had, goes."""

    async def names() -> set[str]:
        return {one.key.name for one in await scene.all_of(CONFIG_MAPS)} - {"kube-root-ca.crt"}

    top = await scene.make(CONFIG_MAPS, "top")
    middle = await scene.make(CONFIG_MAPS, "middle", metadata={"ownerReferences": [owner(top)]})
    await scene.make(CONFIG_MAPS, "bottom", metadata={"ownerReferences": [owner(middle)]})
    other = await scene.make(CONFIG_MAPS, "other")
    shared = [owner(top), owner(other)]
    await scene.make(CONFIG_MAPS, "shared", metadata={"ownerReferences": shared})
    await scene.delete(CONFIG_MAPS, "top")
    await scene.becomes(names, {"other", "shared"})

    async def owners_of_shared() -> list[str]:
        return [one["name"] for one in (await scene.get(CONFIG_MAPS, "shared"))["metadata"].get("ownerReferences", ())]

    await scene.becomes(owners_of_shared, ["other"])
    await scene.delete(CONFIG_MAPS, "other", propagation=Propagation.ORPHAN)
    await scene.becomes(names, {"shared"})
    await scene.becomes(owners_of_shared, [])

    first = await scene.make(CONFIG_MAPS, "first")
    hold = {"ownerReferences": [owner(first, blocks=True)], "finalizers": ["example.com/hold"]}
    await scene.make(CONFIG_MAPS, "second", metadata=hold)
    await scene.delete(CONFIG_MAPS, "first", propagation=Propagation.FOREGROUND)

    async def second_goes() -> bool:
        return bool((await scene.get(CONFIG_MAPS, "second")).metadata.deletion_timestamp)

    await scene.becomes(second_goes, True)
    assert (await scene.get(CONFIG_MAPS, "first"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await scene.change(CONFIG_MAPS, "second", {"metadata": {"finalizers": None}})
    await scene.becomes(names, {"shared"})
    missing = owner(top) | {"uid": "11111111-2222-3333-4444-555555555555"}
    await scene.make(CONFIG_MAPS, "orphan", metadata={"ownerReferences": [missing]})
    await scene.becomes(names, {"shared"})


async def a_namespace_has_an_account(scene: Scene) -> None:
    """The default account, and the authority of the server; both come back."""
    await scene.delete_when_there(SERVICE_ACCOUNTS, "default")

    async def there() -> tuple[str, list[str]]:
        account = await scene.get(SERVICE_ACCOUNTS, "default")
        authority = await scene.get(CONFIG_MAPS, "kube-root-ca.crt")
        return account.key.name, list(authority["data"])

    await scene.becomes(there, ("default", ["ca.crt"]))
    await scene.change(CONFIG_MAPS, "kube-root-ca.crt", {"data": {"ca.crt": "wrong"}})

    async def is_wrong() -> bool:
        return bool((await scene.get(CONFIG_MAPS, "kube-root-ca.crt"))["data"]["ca.crt"] == "wrong")

    await scene.becomes(is_wrong, False)


async def a_claim_is_bound(scene: Scene) -> None:
    """The smallest volume that is large enough; a claim in use stays until its pod has gone."""
    large = volume(scene) | {"capacity": {"storage": "5Gi"}}
    await scene.make(PERSISTENT_VOLUMES, f"{scene.namespace}-large", large)
    await scene.make(PERSISTENT_VOLUMES, f"{scene.namespace}-fits", volume(scene) | {"capacity": {"storage": "2Gi"}})

    async def phases() -> list[tuple[str, str]]:
        found = await scene.client.list(PERSISTENT_VOLUMES)
        mine = [one for one in found if one.at("spec.storageClassName") == scene.namespace]
        return sorted((one.at("spec.capacity.storage"), one.at("status.phase")) for one in mine)

    await scene.becomes(phases, [("2Gi", "Available"), ("5Gi", "Available")])
    await scene.make(PERSISTENT_VOLUME_CLAIMS, "data", claim_of(scene))
    await scene.becomes(lambda: bound(scene), {"data": "Bound"})
    assert (await scene.get(PERSISTENT_VOLUME_CLAIMS, "data"))["status"]["capacity"] == {"storage": "2Gi"}
    mounted = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    await scene.make(PODS, "user", pod("web:1", volumes=[mounted]))
    await scene.becomes(scene.phases, {"user": "Running"})
    await scene.delete(PERSISTENT_VOLUME_CLAIMS, "data")
    claim = await scene.get(PERSISTENT_VOLUME_CLAIMS, "data")
    assert (claim["metadata"]["finalizers"], bool(claim.metadata.deletion_timestamp)) == (
        ["kubernetes.io/pvc-protection"],
        True,
    )
    await scene.delete(PODS, "user")
    await scene.is_gone(PERSISTENT_VOLUME_CLAIMS, "data")
    await scene.becomes(phases, [("2Gi", "Released"), ("5Gi", "Available")])


async def roles_are_gathered(scene: Scene) -> None:
    """An aggregated role has the rules of those that it selects."""
    label = {f"example.com/{scene.namespace}": "true"}
    selectors = {"clusterRoleSelectors": [{"matchLabels": label}]}
    rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    await scene.make(CLUSTER_ROLES, f"{scene.namespace}-all", aggregationRule=selectors, rules=[])
    await scene.make(CLUSTER_ROLES, f"{scene.namespace}-one", metadata={"labels": label}, rules=[rule])

    async def rules() -> Any:
        return (await scene.get(CLUSTER_ROLES, f"{scene.namespace}-all"))["rules"]

    await scene.becomes(rules, [rule])
    for name in ("all", "one"):
        await scene.delete(CLUSTER_ROLES, f"{scene.namespace}-{name}")
