"""The service account of a program, its roles, and who is bound to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ctrlkit.deploy.description import Description
from ctrlkit.deploy.names import Names
from ctrlkit.deploy.places import Place, Tree, When, from_values
from ctrlkit.deploy.rights import Rule

_GROUP: Final = "rbac.authorization.k8s.io"
_HEAD: Final = {"apiVersion": f"{_GROUP}/v1"}


def account_and_roles(described: Description) -> Iterator[Tree]:
    """Yield the ServiceAccount, and the roles with their bindings; no role that would allow nothing."""
    names = Names(described.program)
    annotations = from_values("serviceAccount.annotations")
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**names.metadata(), "name": names.account, "annotations": annotations},
    }
    yield When("if $.Values.serviceAccount.create", account, plain=account)
    roles = list(_roles(described, names))
    if roles:
        yield When("if $.Values.rbac.create", roles, plain=roles)


def _roles(described: Description, names: Names) -> Iterator[Tree]:
    rights = described.rights
    if rights.cluster:
        yield _role("ClusterRole", names.cluster_metadata("-cluster"), names.placed(rights.cluster))
        yield _binding("ClusterRole", names, names.cluster_metadata("-cluster"))
    if rights.everywhere:
        yield _role("ClusterRole", names.cluster_metadata(), rights.everywhere)
        yield _bound_where_it_works(described, names)
    if rights.home:
        yield _role("Role", names.metadata(), names.placed(rights.home))
        yield _binding("Role", names, names.metadata())
    for where, rules in rights.elsewhere:
        metadata = {**names.metadata(), "namespace": where}
        yield _role("Role", metadata, rules)
        yield _binding("Role", names, metadata)


def _bound_where_it_works(described: Description, names: Names) -> Tree:
    """A ClusterRoleBinding, or a RoleBinding in each of the namespaces that the program is limited to."""

    def limited(namespace: Any) -> Tree:
        return _binding("ClusterRole", names, {**names.metadata("-works-here"), "namespace": namespace}, "")

    everywhere = _binding("ClusterRole", names, names.cluster_metadata())
    namespaces = described.program.loaded.namespaces
    setting = names.included("setting", "$.Values.settings.namespaces")
    return When(
        "if $.Values.settings.namespaces",
        When(f'range $namespace := splitList "," ({setting})', limited(Place("trim $namespace", ""))),
        plain=[limited(one) for one in namespaces] if namespaces else everywhere,
        otherwise=everywhere,
    )


def _role(kind: str, metadata: Tree, rules: Sequence[Rule]) -> Tree:
    return {**_HEAD, "kind": kind, "metadata": metadata, "rules": list(rules)}


def _binding(kind: str, names: Names, metadata: Tree, suffix: str | None = None) -> Tree:
    """A binding with its role's own name, or with that of another suffix; in a namespace it is a RoleBinding."""
    role = metadata["name"] if suffix is None else names.of(suffix)
    return {
        **_HEAD,
        "kind": "RoleBinding" if "namespace" in metadata else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": names.account, "namespace": names.namespace}],
    }
