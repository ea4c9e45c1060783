"""
The least roles for what a part did, out of what it asked a server for. Pure.

A World remembers what each of its managers asks for (`world.rights_used(manager)`); pytest gathers it over all tests
(`--rbac-write FILE`, `--rbac-check FILE`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import yaml

from ctrlkit.crd.fields import has_a_definition
from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_action
from ctrlkit.manager import Manager
from ctrlkit.model import Action, Verb

Manifest = dict[str, Any]

_VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_KINDS: Final = ("ClusterRole", "Role")
_SHOWN: Final = 60
_RBAC: Final = "rbac.authorization.k8s.io"
_LEASES: Final = ("coordination.k8s.io", "leases")
_BY_NAME: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
"""Of these a program reads those that it knows by name."""

_EVENTS: Final = (("", "events"), ("events.k8s.io", "events"))
_OF_ONE: Final = ("get", "update", "patch", "delete")
"""What is asked for an object by its name, so that roles with resourceNames may allow it."""


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


class Use(NamedTuple):
    """What was asked for, and the kind of role that is to allow it."""

    kind: str
    permission: Permission
    name: str
    """The object that it was asked for; "" where no role can tell objects by their names."""
    is_at_home: bool


class Roles(NamedTuple):
    """The permissions for all namespaces, and those for the program's own alone, with the uses that ask for them."""

    uses: frozenset[Use]
    home: str

    @property
    def everywhere(self) -> frozenset[Permission]:
        """The permissions of the ClusterRole."""
        return frozenset(one.permission for one in self.uses if one.kind == "ClusterRole")

    @property
    def at_home(self) -> frozenset[Permission]:
        """The permissions of the Role in the program's own namespace."""
        return frozenset(one.permission for one in self.uses if one.kind == "Role")


def least_roles(used: Iterable[Attributes], *, home: str) -> Roles:
    """
    Divide what was used: Leases and Events in the program's own namespace are for that alone, all else for the whole
    cluster, since the objects of tests are in namespaces that say nothing of those of a cluster. So Events are for the
    cluster too, as they were used in other namespaces, or else as at home.

    >>> used = [Attributes("list", resource="pods"), Attributes("get", "coordination.k8s.io", "leases", namespace="me")]
    >>> roles = least_roles(used, home="me")
    >>> [one.resource for one in roles.everywhere], [one.resource for one in roles.at_home]
    (['pods'], ['leases'])
    """
    asked = list(used)
    elsewhere = {(one.group, one.resource) for one in asked if one.namespace not in ("", home)}
    uses = {_use(kind, one, home) for one in asked for kind in _kinds_for(one, home, elsewhere)}
    return Roles(frozenset(uses), home)


def _kinds_for(wanted: Attributes, home: str, elsewhere: Container[tuple[str, str]]) -> tuple[str, ...]:
    identity = (wanted.group, wanted.resource)
    if wanted.namespace != home or identity not in (_LEASES, *_EVENTS):
        return ("ClusterRole",)
    return ("Role",) if identity == _LEASES or identity in elsewhere else ("ClusterRole", "Role")


def _use(kind: str, wanted: Attributes, home: str) -> Use:
    permission = Permission.of(wanted)
    name = wanted.name if wanted.verb in _OF_ONE else permission.name
    return Use(kind, permission, name, is_at_home=wanted.namespace == home)


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

    What was used at home may be allowed by a Role there, too; one that names no namespace is there, one in another
    namespace counts for nothing. Unused are also `use` and the like, which no call shows, so that only a reader can
    tell.
    """
    items = list(manifests)
    everywhere = {one for item in items if item.get("kind") == "ClusterRole" for one in _granted(item)}
    at_home = {
        one
        for item in items
        if item.get("kind") == "Role" and identity_of(item, home=roles.home)[1] == roles.home
        for one in _granted(item)
    }
    missing = [one for one in roles.uses if not _allowed(one, everywhere | at_home if one.is_at_home else everywhere)]
    lacking = {kind: rules_of({one.permission for one in missing if one.kind == kind}) for kind in _KINDS}
    used = roles.everywhere | roles.at_home
    unused = {
        kind: rules_of(one for one in granted if not _is_used(one, used))
        for kind, granted in zip(_KINDS, (everywhere, at_home), strict=True)
    }
    return Findings(*({kind: rules for kind, rules in one.items() if rules} for one in (lacking, unused)))


def _granted(role: Mapping[str, Any]) -> Iterator[Permission]:
    for rule in role.get("rules") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for verb in rule.get("verbs") or ():
                    for name in rule.get("resourceNames") or ("",):
                        yield Permission(group, resource, verb, name)


def _allowed(use: Use, granted: Iterable[Permission]) -> bool:
    return any(_covers(one, use.permission) for one in granted if one.name in ("", use.name))


def _is_used(granted: Permission, used: Iterable[Permission]) -> bool:
    return any(_covers(granted, one) for one in used)


def _covers(granted: Permission, wanted: Permission) -> bool:
    resources = ("*", wanted.resource, "*/" + wanted.resource.partition("/")[2])
    return granted.group in ("*", wanted.group) and granted.resource in resources and granted.verb in ("*", wanted.verb)


def identity_of(manifest: Mapping[str, Any], *, home: str) -> tuple[str, str, str]:
    """
    Return kind, namespace and name, by which objects are told apart; what names no namespace is applied at home.

    >>> identity_of({"kind": "Role", "metadata": {"name": "web"}}, home="me")
    ('Role', 'me', 'web')
    """
    metadata = manifest.get("metadata") or {}
    return str(manifest.get("kind")), str(metadata.get("namespace") or home), str(metadata.get("name"))


def merge(there: Iterable[Manifest], made: Iterable[Manifest], *, home: str) -> list[Manifest]:
    """
    Return the manifests that are there, with new rules in the roles that were made anew, and after them what lacked.

    >>> there = [{"kind": "Role", "metadata": {"name": "web", "labels": {"a": "b"}}, "rules": []}]
    >>> merge(there, [{"kind": "Role", "metadata": {"name": "web", "namespace": "me"}, "rules": [{}]}], home="me")
    [{'kind': 'Role', 'metadata': {'name': 'web', 'labels': {'a': 'b'}}, 'rules': [{}]}]
    """
    lacking = {identity_of(one, home=home): one for one in made}
    merged = []
    for one in there:
        found = lacking.pop(identity_of(one, home=home), {})
        merged.append({**one, "rules": found["rules"]} if "rules" in found else one)
    return [*merged, *lacking.values()]


def manifests_in(text: str) -> list[Manifest]:
    """
    Return the objects in a YAML text, those of Lists one by one.

    >>> manifests_in("{kind: List, items: [{kind: Role, metadata: {name: web}}]}")
    [{'kind': 'Role', 'metadata': {'name': 'web'}}]

    Errors  ValueError, on one line, for what is no YAML, no object, or a role whose rules have another shape.
    """
    try:
        documents = [one for one in yaml.safe_load_all(text) if one is not None]
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"it is no YAML: {error.problem}{line}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())}") from error
    return [one for document in documents for one in _opened(document)]


def _opened(document: Any) -> Iterator[Manifest]:
    if not isinstance(document, dict) or not isinstance(document.get("metadata") or {}, dict):
        raise ValueError(f"it has what is no object: {_shortened(document)}")
    kind, items = str(document.get("kind") or ""), document.get("items")
    if kind == "List" or (kind.endswith("List") and isinstance(items, list)):
        if not isinstance(items or [], list):
            raise ValueError(f"the items of a List are no list: {_shortened(items)}")
        head = {} if kind == "List" else {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")}
        for item in items or ():
            yield from _opened({**head, **item} if isinstance(item, dict) else item)
        return
    if kind in _KINDS:
        _check_rules(document)
    yield document


def _check_rules(role: Manifest) -> None:
    name = f"{role['kind']} {(role.get('metadata') or {}).get('name')}"
    rules = role.get("rules") or []
    if not isinstance(rules, list):
        raise ValueError(f"the rules of the {name} are no list: {_shortened(rules)}")
    for rule in rules:
        if not isinstance(rule, dict):
            raise ValueError(f"the {name} has a rule that is no object: {_shortened(rule)}")
        for key in ("apiGroups", "resources", "verbs", "resourceNames"):
            values = rule.get(key) or []
            if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                raise ValueError(f"the {name} has a rule whose {key} are no list of strings: {_shortened(values)}")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def line_of(rule: Manifest) -> str:
    """
    Return a rule as the line to add to a role.

    >>> line_of({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]})
    '- {apiGroups: [""], resources: [pods], verbs: [list, watch]}'
    """
    parts = (f"{name}: [{', '.join(value or chr(34) * 2 for value in values)}]" for name, values in rule.items())
    return f"- {{{', '.join(parts)}}}"
