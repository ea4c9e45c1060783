"""
What a program may do in a cluster: the roles of its file, and what its settings and webhooks ask for besides.

The file is the one that `ctrlkit rbac` and `--rbac-write` make of what the program did in its tests. No test takes a
Lease, so the rights for that, and for certificates of webhooks, are added here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctrlkit.crd.files import items_in
from ctrlkit.deploy.names import WEBHOOKS_MARK
from ctrlkit.errors import ConfigError
from ctrlkit.manager.settings import Settings
from ctrlkit.model.kinds import BUILT_IN
from ctrlkit.model.resource import Scope
from ctrlkit.model.rules import Resources, rules_for
from ctrlkit.webhooks import Webhooks

Rule = dict[str, Any]
Manifest = dict[str, Any]

_ADMISSION: Final = "admissionregistration.k8s.io"
_PATCHED: Final = ("list", "watch", "patch")
_ROLES: Final = ("ClusterRole", "Role")


@dataclass(frozen=True, slots=True)
class Rights:
    """
    The rules of a program's roles.

    Shape   `cluster` are for kinds without namespaces; `everywhere` for the namespaces in which the program works;
            `home` for its own; `elsewhere` for others, by their names.
    """

    cluster: tuple[Rule, ...] = ()
    everywhere: tuple[Rule, ...] = ()
    home: tuple[Rule, ...] = ()
    elsewhere: tuple[tuple[str, tuple[Rule, ...]], ...] = ()


def read_roles(path: str | Path) -> list[Manifest]:
    """
    Return the roles of a YAML file, which may hold other objects too.

    Errors  ConfigError for a file that cannot be read, is no YAML, or has no roles.
    """
    tried = f"read the roles from {path}"
    remedy = f"; `ctrlkit rbac TESTS > {path}` makes them of what the tests do"
    roles = items_in(path, *_ROLES, tried=tried, remedy=remedy)
    if not roles:
        raise ConfigError(f"{tried}: there is no Role and no ClusterRole; `ctrlkit rbac` makes them")
    for role in roles:
        _check(role, tried)
    return roles


def _check(role: Manifest, tried: str) -> None:
    """Refuse what would be lost or misread on the way. Errors: ConfigError."""
    name = f"{role['kind']} {(role.get('metadata') or {}).get('name')}"
    if role.get("aggregationRule"):
        raise ConfigError(f"{tried}: {name} gathers the rules of others; write its rules out")
    for rule in role.get("rules") or ():
        if not isinstance(rule, dict) or not all(isinstance(value, list) for value in rule.values()):
            raise ConfigError(f"{tried}: a rule of {name} is not of the form of rbac.authorization.k8s.io/v1: {rule}")


def rights_of(
    roles: Iterable[Manifest], *, namespace: str, cluster_kinds: Iterable[tuple[str, str]], more: Sequence[Rights] = ()
) -> Rights:
    """
    Sort the rules of roles, and add more; `cluster_kinds` are group and plural of custom kinds without namespaces.

    >>> role = {"kind": "ClusterRole", "rules": [{"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get"]}]}
    >>> rights = rights_of([role], namespace="me", cluster_kinds=())
    >>> rights.cluster[0]["resources"], rights.everywhere[0]["resources"]
    (['nodes'], ['pods'])
    """
    without_namespaces = {one.identity for one in BUILT_IN if one.scope is Scope.CLUSTER} | set(cluster_kinds)
    cluster: list[Rule] = []
    everywhere: list[Rule] = []
    by_namespace: dict[str, list[Rule]] = {namespace: [rule for one in more for rule in one.home]}
    for role in roles:
        rules = list(role.get("rules") or ())
        if role["kind"] == "Role":
            where = (role.get("metadata") or {}).get("namespace") or namespace
            by_namespace.setdefault(where, []).extend(rules)
            continue
        for rule in rules:
            apart = _without(rule, without_namespaces)
            cluster += apart[0]
            everywhere += apart[1]
    home = by_namespace.pop(namespace)
    return Rights(
        cluster=merged([*cluster, *(rule for one in more for rule in one.cluster)]),
        everywhere=merged([*everywhere, *(rule for one in more for rule in one.everywhere)]),
        home=merged(home),
        elsewhere=tuple((where, merged(rules)) for where, rules in sorted(by_namespace.items())),
    )


def _without(rule: Rule, without_namespaces: set[tuple[str, str]]) -> tuple[list[Rule], list[Rule]]:
    """A rule's part for kinds without namespaces, and the rest."""
    if "nonResourceURLs" in rule:
        return [rule], []
    found: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            is_cluster = (group, resource.partition("/")[0]) in without_namespaces
            found[0 if is_cluster else 1].setdefault(group, []).append(resource)
    first, second = (
        [{**rule, "apiGroups": [group], "resources": resources} for group, resources in part.items()] for part in found
    )
    return first, second


def merged(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """
    Return rules with the verbs of each resource together, in one order; rules of another form as they are, after them.

    Who may create Events may patch them: one that is told again is counted in the first, whatever tests have seen.

    >>> merged([{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]} for verb in ("watch", "list")])
    ({'apiGroups': [''], 'resources': ['pods'], 'verbs': ['list', 'watch']},)
    """
    verbs: dict[Resources, set[str]] = {}
    others: list[Rule] = []
    for rule in rules:
        if "nonResourceURLs" in rule:
            others.append(rule)
            continue
        names = tuple(sorted(rule.get("resourceNames") or ()))
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                found = verbs.setdefault((group, resource, names), set())
                found.update(rule.get("verbs") or ())
                if resource == "events" and "create" in found:
                    found.add("patch")
    return (*rules_for(verbs), *others)


def asked_by_settings(settings: Settings, definitions: Sequence[Mapping[str, Any]] = ()) -> Rights:
    """Return what a program's settings ask for: a Lease with its Events, and the definitions that it looks at."""
    home: list[Rule] = []
    if settings.leader_elect or settings.shards:
        verbs = ["get", "create", "update", *(["list", "delete"] if settings.shards else [])]
        home.append({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs})
        home.append({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]})
    names = [one["metadata"]["name"] for one in definitions] if settings.check_definitions else []
    cluster: list[Rule] = [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [name],
            "verbs": ["get"],
        }
        for name in names
    ]
    return Rights(cluster=tuple(cluster), home=tuple(home))


def asked_by_webhooks(webhooks: Webhooks) -> Rights:
    """
    Return what certificates ask for: the Secret that holds them, and the caBundles of configurations and definitions.

    Secret and configurations have the one name for which WEBHOOKS_MARK stands. Who makes an object is not asked its
    name by roles.
    """
    if not len(webhooks):
        return Rights()
    one = {"resourceNames": [WEBHOOKS_MARK]}
    secrets = {"apiGroups": [""], "resources": ["secrets"]}
    configurations = [
        {"apiGroups": [_ADMISSION], "resources": [f"{sort}webhookconfigurations"], **one, "verbs": list(_PATCHED)}
        for sort in ("mutating", "validating")
    ]
    definitions = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]}
    converted = [{**definitions, "resourceNames": [each], "verbs": list(_PATCHED)} for each in webhooks.converted]
    return Rights(
        cluster=(*configurations, *converted),
        home=({**secrets, "verbs": ["create"]}, {**secrets, **one, "verbs": ["list", "watch", "update"]}),
    )
