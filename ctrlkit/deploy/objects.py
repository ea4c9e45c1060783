"""A description of a program as the objects that run it in a cluster: the one source of kustomize base and chart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.deploy.cert_manager import INJECT, injected, issuer_and_certificate, patches
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.names import NAMESPACE_MARK, WEBHOOKS_MARK, WEBHOOKS_SUFFIX, Names
from ctrlkit.deploy.places import Place, Tree, When, plain
from ctrlkit.deploy.roles import account_and_roles
from ctrlkit.deploy.workload import (
    WITH_CERT_MANAGER,
    deployment,
    disruption_budget,
    network_policy,
    service_monitor,
    services,
)
from ctrlkit.webhooks import ServiceAddress


@dataclass(frozen=True, slots=True)
class Part:
    """
    Some objects that belong together, and stand in one file.

    Shape   `option` is the value of a chart that turns the part on, and the component of kustomize that has it; "" for
            a part that is always there.
    """

    name: str
    objects: tuple[Tree, ...]
    option: str = ""
    patches: tuple[Tree, ...] = ()
    """What an option changes of other objects, which know of it by themselves in a chart."""

    @property
    def plain_objects(self) -> list[dict[str, Any]]:
        """The objects as they are without a chart."""
        found: list[dict[str, Any]] = plain(self.objects)
        return found


def namespace_of(described: Description) -> dict[str, Any]:
    """Return the Namespace, which holds pods to the strictest standard; a chart has none, as helm makes it."""
    labels = {
        **Names(described.program).labels.plain,
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": described.program.own_namespace, "labels": labels},
    }


def parts_of(described: Description) -> list[Part]:
    """Return all that runs a program, in the order in which a server takes it."""
    parts = [
        Part("crds", tuple(_definitions(described))),
        Part("rbac", tuple(account_and_roles(described))),
        Part("service", tuple(services(described))),
        Part("deployment", (deployment(described), disruption_budget(described))),
        Part("webhooks", tuple(_configurations(described))),
        Part(
            "cert-manager",
            tuple(issuer_and_certificate(described)),
            option="certManager",
            patches=tuple(patches(described)),
        ),
        Part("service-monitor", (service_monitor(described),), option="serviceMonitor"),
        Part("network-policy", (network_policy(described),), option="networkPolicy"),
    ]
    return [part for part in parts if part.objects]


def objects_of(described: Description, *, options: Iterable[str] = ()) -> list[dict[str, Any]]:
    """
    Return the objects of a program, its Namespace first, and those that options add: `serviceMonitor` and the like.

    Errors  ValueError for an option that there is not.
    """
    parts, chosen = parts_of(described), {"", *options}
    if unknown := chosen - {part.option for part in parts}:
        raise ValueError(f"make the objects of {described.program.name}: there is no option {', '.join(unknown)}")
    chosen_parts = [part for part in parts if part.option in chosen]
    return [namespace_of(described), *(one for part in chosen_parts for one in part.plain_objects)]


def _definitions(described: Description) -> Iterator[Tree]:
    names = Names(described.program)
    for definition in described.definitions:
        name, said = definition["metadata"]["name"], definition["metadata"].get("annotations") or {}
        more = {"helm.sh/resource-policy": When("if $.Values.crds.keep", Place('"keep"', ""))}
        conditions = "$.Values.crds.keep"
        if name in described.webhooks.converted:
            more[INJECT] = When(WITH_CERT_MANAGER, injected(names))
            conditions = "or $.Values.crds.keep $.Values.certManager.enabled"
        annotations: Tree = {**said, **more} if said else When(f"if {conditions}", more)
        whole = {
            **definition,
            "metadata": {"name": name, "labels": names.labels, "annotations": annotations},
            "spec": _spec(described, definition),
        }
        yield When("if $.Values.crds.install", whole, plain=whole)


def _spec(described: Description, definition: dict[str, Any]) -> Tree:
    """A definition's spec, with who converts its objects."""
    webhooks = described.webhooks
    if definition["metadata"]["name"] not in webhooks.converted:
        return definition["spec"]
    return {**definition["spec"], "conversion": Names(described.program).placed(webhooks.conversion(_ADDRESS))}


# ---- webhooks -------------------------------------------------------------------------------------------------------

_ADDRESS: Final = ServiceAddress(namespace=NAMESPACE_MARK, name=WEBHOOKS_MARK)


def _configurations(described: Description) -> Iterator[Tree]:
    """
    The configurations of admission webhooks. There is no caBundle in them: the program owns that field, and whatever
    applies these objects again leaves it as it is.
    """
    program, names = described.program, Names(described.program)
    own = {"app.kubernetes.io/name": program.name}
    for one in described.webhooks.configurations(_ADDRESS, name=_ADDRESS.name, own_labels=own):
        annotations = When(WITH_CERT_MANAGER, {INJECT: injected(names)})
        yield {**names.placed(one), "metadata": names.cluster_metadata(WEBHOOKS_SUFFIX, annotations=annotations)}
