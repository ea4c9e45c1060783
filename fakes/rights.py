"""
The least roles for what a part did, out of what it asked a server for. Pure.

A World remembers what each of its managers asks for (`world.rights_used(manager)`); pytest gathers it over all tests
(`--rbac-write FILE`, `--rbac-check FILE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_action
from ctrlkit.manager import Manager
from ctrlkit.manager.definitions import has_a_definition
from ctrlkit.model import Action, Verb

Manifest = dict[str, Any]

_VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_RBAC: Final = "rbac.authorization.k8s.io"
_LEASES: Final = ("coordination.k8s.io", "leases")
_BY_NAME: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
"""Of these a program reads those that it knows by name."""

_EVENTS: Final = (("", "events"), ("events.k8s.io", "events"))


class Permission(NamedTuple):
    """A verb on a kind of objects, or on a subresource of theirs, as a rule of a role has it."""

    group: str
    resource: str
    verb: str
    name: str = ""
    """The only object that is meant; "" for all."""

    @classmethod
    def of(cls, wanted: Attributes) -> Permission:
        """Return the permission for what was asked for, on all objects; of definitions on the one that was read."""
        resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
        is_by_name = (wanted.group, wanted.resource, wanted.verb) == (*_BY_NAME, "get")
        return cls(wanted.group, resource, wanted.verb, wanted.name if is_by_name else "")


FindPlural = Callable[[str, str], tuple[str, str] | None]
"""Returns group and plural of a kind that is named by apiVersion and kind; None for an unknown one."""


def asked_by(action: Action, *, made: bool, find_plural: FindPlural) -> Iterator[Attributes]:
    """
    Yield what servers ask of the caller of an action: the verb, `create` for an apply or an update that made the
    object, and the right to keep owners from being deleted, which some clusters ask for.

    >>> from ctrlkit.model.kinds import PODS
    >>> apply = Action(verb=Verb.PATCH, resource=PODS, namespace="demo", name="a")
    >>> [one.verb for one in asked_by(apply, made=True, find_plural=lambda version, kind: None)]
    ['patch', 'create']
    """
    wanted = of_action(action)
    yield wanted
    if made and action.verb is not Verb.CREATE:
        yield replace(wanted, verb="create")
    metadata = action.body.get("metadata") if isinstance(action.body, Mapping) else None
    for owner in (metadata.get("ownerReferences") or ()) if isinstance(metadata, Mapping) else ():
        found = find_plural(owner.get("apiVersion", ""), owner.get("kind", ""))
        if owner.get("blockOwnerDeletion") and found is not None:
            yield Attributes("update", *found, "finalizers", action.namespace, owner.get("name", ""))


def asked_at_the_start(manager: Manager) -> Iterator[Attributes]:
    """Yield what a program asks for at its start, and the managers of a World do not: the definitions of its kinds."""
    for informer in manager.informers:
        if has_a_definition(informer.resource):
            yield Attributes("get", *_BY_NAME, name=str(informer.resource))


_gathered: dict[str, set[Attributes]] | None = None


def gather(name: str, asked: Iterable[Attributes]) -> None:
    """Remember what the managers of a name asked for in a World that has ended, if somebody gathers it."""
    if _gathered is not None:
        _gathered.setdefault(name, set()).update(asked)


def begin_to_gather() -> dict[str, set[Attributes]]:
    """Gather from now on, in this process, what managers ask for; returns where, by their names."""
    global _gathered  # noqa: PLW0603  # one test session has one
    _gathered = {}
    return _gathered


class Roles(NamedTuple):
    """The permissions for all namespaces, and those for the program's own alone."""

    everywhere: frozenset[Permission]
    at_home: frozenset[Permission]


def least_roles(used: Iterable[Attributes], *, home: str) -> Roles:
    """
    Divide what was used: Leases, and Events in the program's own namespace, are for that alone, all else for the whole
    cluster, since the objects of tests are in namespaces that say nothing of those of a cluster.

    >>> used = [Attributes("list", resource="pods"), Attributes("get", "coordination.k8s.io", "leases", namespace="me")]
    >>> roles = least_roles(used, home="me")
    >>> [one.resource for one in roles.everywhere], [one.resource for one in roles.at_home]
    (['pods'], ['leases'])
    """
    everywhere: set[Permission] = set()
    at_home: set[Permission] = set()
    elsewhere = {(one.group, one.resource) for one in used if one.namespace != home}
    for one in used:
        identity = (one.group, one.resource)
        is_own = identity == _LEASES or (identity in _EVENTS and one.namespace == home and identity in elsewhere)
        (at_home if is_own else everywhere).add(Permission.of(one))
    return Roles(frozenset(everywhere), frozenset(at_home))


def rules_of(permissions: Iterable[Permission]) -> list[Manifest]:
    """
    Return the rules of a role, one for each resource, in one order.

    >>> rules_of([Permission("", "pods", "watch"), Permission("", "pods", "list")])
    [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['list', 'watch']}]
    """
    verbs: dict[tuple[str, str, str], set[str]] = {}
    for one in permissions:
        verbs.setdefault((one.group, one.resource, one.name), set()).add(one.verb)
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            **({"resourceNames": [name]} if name else {}),
            "verbs": sorted(found, key=lambda verb: (_VERBS.index(verb) if verb in _VERBS else len(_VERBS), verb)),
        }
        for (group, resource, name), found in sorted(verbs.items())
    ]


def manifests_of(roles: Roles, *, name: str, namespace: str) -> list[Manifest]:
    """Return the ServiceAccount of a program, its roles and their bindings; no Role that would allow nothing."""
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    made: list[Manifest] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    ]
    for kind, metadata, permissions in (
        ("ClusterRole", {"name": name}, roles.everywhere),
        ("Role", {"name": name, "namespace": namespace}, roles.at_home),
    ):
        if permissions:
            head = {"apiVersion": f"{_RBAC}/v1"}
            made.append({**head, "kind": kind, "metadata": dict(metadata), "rules": rules_of(permissions)})
            made.append(
                {
                    **head,
                    "kind": f"{kind}Binding",
                    "metadata": dict(metadata),
                    "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
                    "subjects": [dict(account)],
                }
            )
    return made


class Findings(NamedTuple):
    """What roles lack, as the rules to add, by the kind of role; and what they allow and nobody used."""

    lacking: Mapping[str, Sequence[Manifest]]
    unused: Mapping[str, Sequence[Manifest]]


def compare(roles: Roles, manifests: Iterable[Mapping[str, Any]]) -> Findings:
    """
    Hold what was used against the roles among manifests.

    A ClusterRole allows everywhere what a Role allows in the program's own namespace. Unused are also `use` and the
    like, which no call shows, so that only a reader can tell.
    """
    items = [one for one in manifests if one.get("kind") in ("ClusterRole", "Role")]
    everywhere = {one for item in items if item["kind"] == "ClusterRole" for one in _granted(item)}
    at_home = {one for item in items if item["kind"] == "Role" for one in _granted(item)}
    lacking = {
        "ClusterRole": rules_of(one for one in roles.everywhere if not _allowed(one, everywhere)),
        "Role": rules_of(one for one in roles.at_home if not _allowed(one, everywhere | at_home)),
    }
    unused = {
        "ClusterRole": rules_of(one for one in everywhere if not _is_used(one, roles.everywhere | roles.at_home)),
        "Role": rules_of(one for one in at_home if not _is_used(one, roles.at_home | roles.everywhere)),
    }
    return Findings(*({kind: rules for kind, rules in one.items() if rules} for one in (lacking, unused)))


def _granted(role: Mapping[str, Any]) -> Iterator[Permission]:
    for rule in role.get("rules") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for verb in rule.get("verbs") or ():
                    for name in rule.get("resourceNames") or ("",):
                        yield Permission(group, resource, verb, name)


def _allowed(wanted: Permission, granted: Iterable[Permission]) -> bool:
    return any(_covers(one, wanted) for one in granted if one.name in ("", wanted.name))


def _is_used(granted: Permission, used: Iterable[Permission]) -> bool:
    return any(_covers(granted, one) for one in used)


def _covers(granted: Permission, wanted: Permission) -> bool:
    resources = ("*", wanted.resource, "*/" + wanted.resource.partition("/")[2])
    return granted.group in ("*", wanted.group) and granted.resource in resources and granted.verb in ("*", wanted.verb)


def line_of(rule: Manifest) -> str:
    """
    Return a rule as the line to add to a role.

    >>> line_of({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]})
    '- {apiGroups: [""], resources: [pods], verbs: [list, watch]}'
    """
    parts = (f"{name}: [{', '.join(value or chr(34) * 2 for value in values)}]" for name, values in rule.items())
    return f"- {{{', '.join(parts)}}}"
