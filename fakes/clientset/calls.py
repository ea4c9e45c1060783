"""Which calls a reactor or a fault is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ctrlkit.model import Action, AnyResource, ObjectKey, Verb


@dataclass(frozen=True, slots=True)
class Calls:
    """
    A pattern of calls: all that is left out matches everything.

    >>> from ctrlkit.model.kinds import PODS
    >>> scaling = Calls("update", "statefulsets/scale", "demo/*")
    >>> scaling.matches(Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")), str(scaling)
    (False, 'update statefulsets/scale demo/*')

    Shape   `resource` is a Resource, a plural, or a plural and a subresource such as `pods/status`. A bare plural
            stands for the kind and all its subresources (row T3); a Resource is told from its namesakes by its group.
            `key` is a glob over `namespace/name`, or `name` for a cluster-scoped kind; a call about a collection has
            the key `namespace/`, or "" for all namespaces.
    """

    verb: str = "*"
    resource: AnyResource | str = "*"
    key: str = "*"

    def matches(self, action: Action) -> bool:
        """Whether a call is one of these."""
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
    The object or collection a call is about, as text; of a create, the object it wants to make.

    >>> from ctrlkit.model.kinds import PODS
    >>> key_of(Action(verb=Verb.CREATE, resource=PODS, namespace="demo", body={"metadata": {"generateName": "a-"}}))
    'demo/'
    """
    if action.name:
        return str(action.key)
    metadata = action.body.get("metadata") if action.verb is Verb.CREATE and isinstance(action.body, Mapping) else None
    name = (metadata or {}).get("name") or ""
    return str(ObjectKey(action.namespace, name))
