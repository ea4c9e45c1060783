"""Calls: selects the API calls that a reactor or a fault applies to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ctrlkit.model import Action, AnyResource, ObjectKey, Verb


@dataclass(frozen=True, slots=True)
class Calls:
    """
    A pattern of API calls; a field that is left out matches everything.

    >>> from ctrlkit.model.kinds import PODS
    >>> scaling = Calls("update", "statefulsets/scale", "demo/*")
    >>> scaling.matches(Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")), str(scaling)
    (False, 'update statefulsets/scale demo/*')

    Shape   `resource` is a Resource, a plural, or a plural and a subresource such as `pods/status`. A bare plural
            matches the kind and all its subresources; a Resource matches by group and plural. `key` is a glob over
            `namespace/name`, or over `name` for a cluster-scoped kind; a call for a collection has the key
            `namespace/`, or "" for all namespaces.
    """

    verb: str = "*"
    resource: AnyResource | str = "*"
    key: str = "*"

    def matches(self, action: Action) -> bool:
        """Whether a call fits this pattern."""
        return self.verb in ("*", action.verb) and self._is_about(action) and fnmatchcase(key_of(action), self.key)

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, str(self.resource), self.key) if part != "*") or "any call"

    def _is_about(self, action: Action) -> bool:
        if not isinstance(self.resource, str):
            return self.resource.identity == action.resource.identity
        plural, _, subresource = self.resource.partition("/")
        return plural in ("*", action.resource.plural) and subresource in ("", action.subresource)


def key_of(action: Action) -> str:
    """
    Return the key of the object or collection that a call is for; for a create, of the object to create.

    >>> from ctrlkit.model.kinds import PODS
    >>> key_of(Action(verb=Verb.CREATE, resource=PODS, namespace="demo", body={"metadata": {"generateName": "a-"}}))
    'demo/'
    """
    if action.name:
        return str(action.key)
    metadata = action.body.get("metadata") if action.verb is Verb.CREATE and isinstance(action.body, Mapping) else None
    name = (metadata or {}).get("name") or ""
    return str(ObjectKey(action.namespace, name))
