"""Which rules hold for a user: resolved from roles and their bindings, which are data here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker.refusals import quoted
from ctrlkit.fakes.tracker.rights.rules import Rule, rules_of

Object = Mapping[str, Any]
GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
"""The group whose members may do everything, whatever roles say."""


class Policy(Protocol):
    """Roles and bindings; bindings come in the order of their names."""

    def bindings(self, namespace: str) -> Iterable[Object]:
        """Return the RoleBindings of a namespace, the ClusterRoleBindings for ""."""
        ...

    def role(self, namespace: str, name: str) -> Object | None:
        """Return a Role, or a ClusterRole for the namespace ""."""
        ...


class Subject(NamedTuple):
    """A user as bindings know it."""

    username: str
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, user: Object) -> Subject:
        """Return the subject that a `UserInfo` is."""
        return cls(user.get("username", ""), tuple(user.get("groups") or ()))


class Grant(NamedTuple):
    """The rules that one binding gives, and how a server names it in its reasons."""

    source: str
    rules: tuple[Rule, ...]


def grants(policy: Policy, subject: Subject, namespace: str) -> tuple[list[Grant], list[NotFound]]:
    """Return what bindings give to a user in a namespace, "" for the cluster, and which of their roles are missing."""
    found: list[Grant] = []
    problems = []
    for place in dict.fromkeys(("", namespace)):
        for binding in policy.bindings(place):
            bound = next((one for one in binding.get("subjects") or () if _is(subject, one, place)), None)
            if bound is None:
                continue
            try:
                rules = referred_rules(policy, binding["roleRef"], place)
            except NotFound as error:
                problems.append(error)
            else:
                found.append(Grant(_source(binding, bound, place), rules))
    return found, problems


def referred_rules(policy: Policy, reference: Object, namespace: str) -> tuple[Rule, ...]:
    """Return the rules of the role that a binding in a namespace refers to. Errors: NotFound."""
    kind, name = reference["kind"], reference["name"]
    role = policy.role(namespace if kind == "Role" else "", name)
    if role is None:
        details = {"name": name, "group": GROUP, "kind": kind.lower()}
        raise NotFound(f"{kind.lower()}.{GROUP} {quoted(name)} not found", details=details)
    return rules_of(role)


def rules_for(granted: Iterable[Grant]) -> Iterator[Rule]:
    """Yield the rules of grants."""
    for grant in granted:
        yield from grant.rules


def is_node(user: Object) -> bool:
    """Whether a user is a node, which has rights of its own on a real server."""
    return user.get("username", "").startswith("system:node:") and "system:nodes" in (user.get("groups") or ())


def problems_text(problems: Iterable[NotFound], *, said_of: str = "") -> str:
    """
    Errors as a server writes several into one.

    >>> problems_text([NotFound("a"), NotFound("b"), NotFound("a")])
    '[a, b]'

    `said_of` is the kind that a request writes, which is what its writer is told to be missing.
    """
    texts = [problem.message for problem in problems]
    if said_of:
        texts = [f"{said_of} {quoted(problem.details['name'])} not found" for problem in problems]
    texts = list(dict.fromkeys(texts))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def _is(subject: Subject, named: Object, namespace: str) -> bool:
    name = named["name"]
    match named["kind"]:
        case "User":
            return bool(subject.username == name)
        case "Group":
            return name in subject.groups
        case "ServiceAccount":
            place = named.get("namespace") or namespace
            return bool(place) and subject.username == f"system:serviceaccount:{place}:{name}"
    return False


def _source(binding: Object, subject: Object, namespace: str) -> str:
    reference, name = binding["roleRef"], binding["metadata"]["name"]
    role = f"of {reference['kind']} {quoted(reference['name'])}"
    bound = subject["name"]
    if subject["kind"] == "ServiceAccount":
        bound = f"{bound}/{subject.get('namespace') or namespace}"
    to = f"to {subject['kind']} {quoted(bound)}"
    if not namespace:
        return f"ClusterRoleBinding {quoted(name)} {role} {to}"
    return f"RoleBinding {quoted(f'{name}/{namespace}')} {role} {to}"
