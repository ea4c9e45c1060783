"""
The least roles for what a part did, out of what it asked a server for. Pure.

A World remembers what each of its managers asks for (`world.rights_used(manager)`); pytest gathers it over all tests
(`--rbac-write FILE`, `--rbac-check FILE`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ctrlkit.crd.fields import has_a_definition
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.manifests import documents_in, objects_of
from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_action
from ctrlkit.fakes.tracker.rights.rules import rules_of as rules_in
from ctrlkit.manager import Manager
from ctrlkit.model import Action, Verb
from ctrlkit.model.rules import Resources, rules_for

Manifest = dict[str, Any]

_KINDS: Final = ("ClusterRole", "Role")
_SHOWN: Final = 60
_GRANTING: Final = (Verb.CREATE, Verb.UPDATE, Verb.PATCH)
_RBAC: Final = "rbac.authorization.k8s.io"
_LEASES: Final = ("coordination.k8s.io", "leases")
_BY_NAME: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
"""Of these a program reads those that it knows by name."""

_EVENTS: Final = (("", "events"), ("events.k8s.io", "events"))
_OF_EVERYBODY: Final = (
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
)
"""What the role system:basic-user of each cluster lets every user create."""

_OF_ONE: Final = ("get", "update", "patch", "delete")
"""What is asked for an object by its name, so that roles with resourceNames may allow it."""


@dataclass(frozen=True, slots=True)
class HandedOn(Attributes):
    """
    What a role allows that was written: whoever writes it holds that, or may `escalate` roles of its kind.

    Shape   `by` is the plural of its kind, `role` its name; for all objects, as names in it are those of the tests.
    """

    by: str = ""
    role: str = ""


class Permission(NamedTuple):
    """A verb on a kind of objects, or on a subresource of theirs, as a rule of a role has it."""

    group: str
    resource: str
    verb: str
    name: str = ""
    """The only object that is meant; "" for all."""

    @classmethod
    def of(cls, wanted: Attributes) -> Permission:
        """
        Return the permission for what was asked for, on all objects.

        Only of definitions it is on the one that was read, and of roles on the one that was bound.
        """
        resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
        is_by_name = (wanted.group, wanted.resource, wanted.verb) == (*_BY_NAME, "get") or _is_bound(wanted)
        return cls(wanted.group, resource, wanted.verb, wanted.name if is_by_name else "")


def _is_bound(wanted: Attributes) -> bool:
    return wanted.group == _RBAC and wanted.verb == "bind"


FindPlural = Callable[[str, str], tuple[str, str] | None]
"""Returns group and plural of a kind that is named by apiVersion and kind; None for an unknown one."""


def asked_by(
    action: Action, *, made: bool, find_plural: FindPlural, written: Mapping[str, Any] | None = None
) -> Iterator[Attributes]:
    """
    Yield what servers ask of the caller of an action: the verb, `create` for an apply or an update that made the
    object, the right to keep owners from being deleted, which some clusters ask for, and what a role or binding hands
    on; `written` is the object as it is then, where the action is more than its body.

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
    if action.resource.group == _RBAC and action.verb in _GRANTING:
        yield from _granting(action, action.body if written is None else written)


def _granting(action: Action, written: Any) -> Iterator[Attributes]:
    """What a server asks of whoever writes a role, or binds one."""
    kind, place = action.resource.plural, action.namespace
    if not isinstance(written, Mapping):
        return
    name = str((written.get("metadata") or {}).get("name") or action.name)
    if reference := written.get("roleRef"):
        yield Attributes("bind", _RBAC, f"{reference['kind'].lower()}s", "", place, reference["name"])
    if kind not in ("roles", "clusterroles"):
        return
    rules = rules_in(written)
    if written.get("aggregationRule") or any(rule.urls for rule in rules):  # of which no rule for resources says it
        yield Attributes("escalate", _RBAC, kind, "", place, name)
    for rule in rules:
        for group, resource, verb in itertools.product(rule.groups, rule.resources, rule.verbs):
            plural, _, subresource = resource.partition("/")
            yield HandedOn(verb, group, plural, subresource, place, by=kind, role=name)


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
    escalated: str = ""
    """The plural of the roles that hand it on: `escalate` on them allows that too."""


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
    Divide what was used into the program's own namespace and the whole cluster.

    In its own are Leases there, and kinds that it lists and watches there alone: then it is the program that keeps to
    its namespace, not its tests. So are kinds that it never lists, if it lists all others there. All else is for the
    cluster, since the objects of tests are in namespaces that say nothing of those of a cluster. Events are for the
    cluster too, as they were used in other namespaces, or else as at home.

    >>> used = [Attributes("list", resource="pods"), Attributes("get", "coordination.k8s.io", "leases", namespace="me")]
    >>> roles = least_roles(used, home="me")
    >>> [one.resource for one in roles.everywhere], [one.resource for one in roles.at_home]
    (['pods'], ['leases'])
    """
    asked = [one for one in used if not _is_of_everybody(one)]
    written = {(one.by, one.namespace, one.role) for one in asked if isinstance(one, HandedOn)}
    asked = [one for one in asked if not (_is_bound(one) and (one.resource, one.namespace, one.name) in written)]
    places = _Places(asked, home)
    return Roles(frozenset(_use(kind, one, home) for one in asked for kind in places.kinds_for(one)), home)


def _is_of_everybody(wanted: Attributes) -> bool:
    return wanted.verb == "create" and (wanted.group, wanted.resource) in _OF_EVERYBODY


class _Places:
    """Where kinds were used, and which roles that asks for."""

    def __init__(self, asked: Iterable[Attributes], home: str) -> None:
        self._home = home
        self._used: dict[tuple[str, str], set[str]] = {}
        self._listed: dict[tuple[str, str], set[str]] = {}
        for one in asked:
            identity = (one.group, one.resource)
            self._used.setdefault(identity, set()).add(one.namespace)
            if one.verb in ("list", "watch") and not isinstance(one, HandedOn) and identity != _LEASES:
                self._listed.setdefault(identity, set()).add(one.namespace)
        self._keeps_home = bool(self._listed) and all(places == {home} for places in self._listed.values())

    def kinds_for(self, wanted: Attributes) -> tuple[str, ...]:
        """The kinds of the roles that are to allow it."""
        identity, home = (wanted.group, wanted.resource), self._home
        if wanted.namespace != home:
            return ("ClusterRole",)
        if identity == _LEASES or self._is_kept_home(identity):
            return ("Role",)
        if identity in _EVENTS:
            return ("Role",) if self._used[identity] - {"", home} else ("ClusterRole", "Role")
        return ("ClusterRole",)

    def _is_kept_home(self, identity: tuple[str, str]) -> bool:
        listed = self._listed.get(identity)
        is_listed_here = self._keeps_home if listed is None else listed == {self._home}
        return is_listed_here and self._used[identity] == {self._home}


def _use(kind: str, wanted: Attributes, home: str) -> Use:
    permission = Permission.of(wanted)
    name = wanted.name if wanted.verb in _OF_ONE else permission.name
    by = wanted.by if isinstance(wanted, HandedOn) else ""
    return Use(kind, permission, name, wanted.namespace == home, by)


def rules_of(permissions: Iterable[Permission]) -> list[Manifest]:
    """
    Return the rules of a role, one for each resource, in one order.

    >>> rules_of([Permission("", "pods", "watch"), Permission("", "pods", "list")])
    [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['list', 'watch']}]
    """
    verbs: dict[Resources, set[str]] = {}
    for one in permissions:
        verbs.setdefault((one.group, one.resource, (one.name,) if one.name else ()), set()).add(one.verb)
    return rules_for(verbs)


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
    used = roles.everywhere | roles.at_home | {_escalating(one.escalated) for one in roles.uses if one.escalated}
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


def _allowed(use: Use, granted: Collection[Permission]) -> bool:
    if use.escalated and any(_covers(one, _escalating(use.escalated)) for one in granted):
        return True
    return any(_covers(one, use.permission) for one in granted if one.name in ("", use.name))


def _escalating(roles: str) -> Permission:
    return Permission(_RBAC, roles, "escalate")


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


def manifests_in(text: str, name: str = "the text") -> list[Manifest]:
    """
    Return the objects in a YAML text, those of Lists one by one.

    >>> manifests_in("{kind: List, items: [{kind: Role, metadata: {name: web}}]}")
    [{'kind': 'Role', 'metadata': {'name': 'web'}}]

    Errors  ConfigError, on one line, for what is no YAML, no object, or a role whose rules have another shape.
    """
    found = [dict(one.body) for one in objects_of(documents_in(text, f"read {name}"), name)]
    for one in found:
        if not isinstance(one.get("metadata") or {}, dict):
            raise ConfigError(f"read {name}: the metadata of a {one.get('kind')} is no mapping")
        if one.get("kind") in _KINDS:
            _check_rules(one, name)
    return found


def _check_rules(role: Manifest, where: str) -> None:
    tried = f"read {where}"
    name = f"{role['kind']} {(role.get('metadata') or {}).get('name')}"
    rules = role.get("rules") or []
    if not isinstance(rules, list):
        raise ConfigError(f"{tried}: the rules of the {name} are no list: {_shortened(rules)}")
    for rule in rules:
        if not isinstance(rule, dict):
            raise ConfigError(f"{tried}: the {name} has a rule that is no object: {_shortened(rule)}")
        for key in ("apiGroups", "resources", "verbs", "resourceNames"):
            values = rule.get(key) or []
            if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                fact = f"the {name} has a rule whose {key} are no list of strings: {_shortened(values)}"
                raise ConfigError(f"{tried}: {fact}")


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
