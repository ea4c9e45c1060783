"""
The decision whether a user may do something, by the roles and bindings that a server has.

What was decided is remembered as long as no role and no binding changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ctrlkit.errors import ApiError, NotFound
from ctrlkit.fakes.tracker.callers import caller
from ctrlkit.fakes.tracker.rights.attributes import Attributes, Decision, of_action, refused
from ctrlkit.fakes.tracker.rights.policy import GROUP, MASTERS, Grant, Subject, grants, problems_text
from ctrlkit.fakes.tracker.rights.rules import allows
from ctrlkit.model import Action, ObjectKey, Verb

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.store import Store

User = Mapping[str, Any]

_KEPT_MAX = 4096
"""Decisions, and users with what they are granted, that are remembered at most."""

_YES, _NO = Decision(allowed=True), Decision(allowed=False)


class Granted(NamedTuple):
    """What a user is granted in a namespace, and the roles that were not found."""

    grants: list[Grant]
    problems: list[NotFound]


class Rights:
    """
    The roles and bindings of a store, and what was decided by them.

    Owner   `ctrlkit.fakes.tracker.core.Core`, if its server asks who may do what.
    """

    def __init__(self, store: Store) -> None:
        plurals = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
        self._cluster_roles, self._cluster_bindings, self._roles, self._bindings = self._collections = tuple(
            store.collection((GROUP, plural)) for plural in plurals
        )
        self._places: tuple[int, ...] = ()
        self._granted: dict[tuple[Subject, str], Granted] = {}
        self._decided: dict[tuple[Subject, Attributes], Decision] = {}

    def bindings(self, namespace: str) -> Iterable[Mapping[str, Any]]:
        """Return the RoleBindings of a namespace, the ClusterRoleBindings for "" (Policy)."""
        found = self._bindings.within(namespace) if namespace else self._cluster_bindings.all()
        return (stored.plain for stored in found)

    def role(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return a Role, or a ClusterRole for the namespace "" (Policy)."""
        roles = self._roles if namespace else self._cluster_roles
        stored = roles.find(ObjectKey(namespace, name))
        return stored.plain if stored else None

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Decide whether a user may do something."""
        subject = Subject.of(user)
        self._catch_up()
        known = self._decided.get((subject, wanted))
        if known is None:
            known = self._decided[subject, wanted] = self._decision(subject, wanted)
        return known

    def granted(self, user: User, namespace: str) -> Granted:
        """Return what a user is granted in a namespace, "" for the cluster."""
        self._catch_up()
        return self._granted_to(Subject.of(user), namespace)

    def _catch_up(self) -> None:
        """Forget everything if a role or a binding has changed, or too much is remembered."""
        one, two, three, four = self._collections
        places = (one.end, two.end, three.end, four.end)
        if places != self._places or len(self._decided) > _KEPT_MAX or len(self._granted) > _KEPT_MAX:
            self._places = places
            self._granted.clear()
            self._decided.clear()

    def _granted_to(self, subject: Subject, namespace: str) -> Granted:
        found = self._granted.get((subject, namespace))
        if found is None:
            found = self._granted[subject, namespace] = Granted(*grants(self, subject, namespace))
        return found

    def _decision(self, subject: Subject, wanted: Attributes) -> Decision:
        if MASTERS in subject.groups:
            return _YES
        granted = self._granted_to(subject, wanted.namespace)
        source = next(_allowing(granted.grants, wanted), None)
        if source is not None:
            return Decision(allowed=True, reason=f"RBAC: allowed by {source}")
        return Decision(allowed=False, reason=f"RBAC: {problems_text(granted.problems)}") if granted.problems else _NO


def _allowing(granted: Iterable[Grant], wanted: Attributes) -> Iterator[str]:
    return (grant.source for grant in granted for rule in grant.rules if allows(rule, wanted))


def allowed(core: Core, user: User, wanted: Attributes) -> Decision:
    """Decide whether a user, a `UserInfo`, may do something; a server without role-based access control allows all."""
    return _YES if core.rights is None else core.rights.decide(user, wanted)


def check(core: Core, user: User, wanted: Attributes) -> None:
    """Refuse what a user may not do. Errors: Forbidden, in the words of a real server."""
    error = refusal(core, user, wanted)
    if error is not None:
        raise error


def check_made(core: Core, action: Action) -> None:
    """Refuse an object that an update or an apply makes, if the caller may not create it. Errors: Forbidden."""
    if core.rights is not None and action.verb is not Verb.CREATE:
        check(core, caller(), replace(of_action(action), verb="create"))


def refusal(core: Core, user: User, wanted: Attributes) -> ApiError | None:
    """Return the refusal of what a user may not do, None if it is allowed."""
    decision = allowed(core, user, wanted)
    return None if decision.allowed else refused(user.get("username", ""), wanted, decision.reason)
