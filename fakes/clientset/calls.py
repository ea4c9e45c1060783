"""Calls: selects the API calls that a reactor or a fault applies to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ctrlkit.model import Action, AnyResource, Resource, Verb

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.kinds.registry import Registry
    from ctrlkit.fakes.tracker.kinds.strategy import Strategy


_VERBS: Final = frozenset(verb.value for verb in Verb)
_OTHER_VERBS: Final[Mapping[str, str]] = {
    "apply": "patch",
    "replace": "update",
    "read": "get",
    "add": "create",
    "remove": "delete",
}
_LISTED_MAX: Final = 12
_ANYTHING: Final = "*?["
_IN_NAMESPACES: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-!]" + _ANYTHING)
_OF_COLLECTIONS: Final = frozenset((Verb.LIST, Verb.DELETE_COLLECTION))
_OF_OBJECTS: Final = frozenset((Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE))


@dataclass(frozen=True, slots=True)
class Calls:
    """
    A pattern of API calls; a field that is left out matches everything.

    >>> from ctrlkit.model.kinds import PODS
    >>> scaling = Calls("update", "statefulsets/scale", "demo/*")
    >>> scaling.matches(Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")), str(scaling)
    (False, 'update statefulsets/scale demo/*')

    Errors  ValueError for a verb that there is not and a key of more than two parts, TypeError for what is no verb,
            resource and key at all; `check` for the rest, where it is known what is served.
    Shape   `resource` is a Resource, a plural, or a plural and a subresource such as `pods/status`. A bare plural
            matches the kind and all its subresources; a Resource matches by group and plural. `key` is a glob over
            `namespace/name`, or over `name` for a cluster-scoped kind; a call for a collection has the key
            `namespace/`, or "" for all namespaces.
    """

    verb: str = "*"
    resource: AnyResource | str = "*"
    key: str = "*"

    def __post_init__(self) -> None:
        if not (isinstance(self.verb, str) and isinstance(self.key, str) and _is_resource(self.resource)):
            raise TypeError(
                f"choose calls by {self.verb!r}, {self.resource!r}, {self.key!r}: write a verb, a Resource or a plural "
                "and a key, as in Calls('create', PODS, 'demo/*'); leave out what may be any"
            )
        if self.verb != "*" and self.verb not in _VERBS:
            raise ValueError(f"choose calls by {self.verb!r}: {_instead(self.verb, _VERBS, 'verb')}")
        if self.key.count("/") > 1:
            raise ValueError(f"choose calls by the key {self.key!r}: it has one slash, between namespace and name")

    def check(self, registry: Registry) -> None:
        """
        Refuse what no call can fit at a server that serves these kinds.

        Errors  ValueError for a plural, subresource, verb of a kind, or key that there cannot be.
        """
        plural, _, subresource = str(self.resource).partition("/")
        if isinstance(self.resource, str):
            kinds = registry.of_plural(plural) if plural != "*" else ()
        else:
            found = registry.find(self.resource.group, self.resource.version, self.resource.plural)
            kinds, subresource = (() if found is None else (found,)), ""
        if isinstance(self.resource, str) and plural != "*" and not kinds:
            meant = _instead(plural, registry.plurals(), "plural", registry.other_names())
            raise ValueError(f"choose calls of {self.resource!r}: {meant}")
        if kinds:
            self._check_kinds(kinds, plural, subresource)

    def _check_kinds(self, kinds: Sequence[Strategy], plural: str, subresource: str) -> None:
        parts = {part for kind in kinds for part in kind.subresources}
        if subresource and subresource not in parts:
            raise ValueError(f"choose calls of {plural}/{subresource}: {_instead(subresource, parts, 'subresource')}")
        among = {subresource} if subresource else {"", *parts}
        if self.verb != "*" and not any(kind.answers(Verb(self.verb), part) for kind in kinds for part in among):
            what = f"{plural}/{subresource}" if subresource else plural
            raise ValueError(
                f"choose calls to {self.verb} {what}: a server answers none; leave out the verb, or mend it"
            )
        scopes = {kind.resource.namespaced for kind in kinds}
        problem = self._key_problem(namespaced=True in scopes) if len(scopes) == 1 else ""
        if problem:
            raise ValueError(f"choose calls of {plural} {self.key!r}: {problem}")
        if scopes == {True} and self.key and "/" not in self.key and self.key[0] not in _ANYTHING:
            raise ValueError(
                f"choose calls of {plural} {self.key!r}: they are in namespaces; write 'demo/{self.key}', or "
                f"'*/{self.key}' for all namespaces"
            )
        if scopes == {False} and "/" in self.key:
            name = self.key.rpartition("/")[2]
            raise ValueError(f"choose calls of {plural} {self.key!r}: they are in no namespace; write {name!r}")

    def _key_problem(self, *, namespaced: bool) -> str:
        """Say why no call has this key, but for a name with a namespace too many or too few."""
        namespace, slash, name = self.key.partition("/")
        if slash and not namespace:
            return f"a key begins with a namespace; write 'demo/{name}', or '*/{name}' for all namespaces"
        if slash and not _IN_NAMESPACES.issuperset(namespace):
            return f"no namespace is called {namespace!r}; names have small letters, digits and hyphens"
        named = name if slash or namespaced else namespace
        if self.verb in _OF_COLLECTIONS and named and named[0] not in _ANYTHING:
            instead = f"write '{namespace}/'" if namespaced else "leave the key out"
            return f"a call to {self.verb} is for a collection; {instead}"
        if self.verb in _OF_OBJECTS and not name and (slash or not self.key):
            return f"a call to {self.verb} is for one object; write its name, or '*'"
        return ""

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


def _is_resource(value: object) -> bool:
    return isinstance(value, str | Resource)


def _instead(wrong: str, right: Collection[str], what: str, other_names: Mapping[str, str] = _OTHER_VERBS) -> str:
    """Say that there is no such thing, and what may be meant."""
    word = wrong.lower()
    meant = other_names.get(word) or next(iter(get_close_matches(word, sorted(right), 1)), "")
    if meant in right:
        return f"that is no {what}; did you mean {meant!r}?"
    if len(right) > _LISTED_MAX:
        return f"that is no {what} of a kind that is served; serve a custom kind first"
    return f"that is no {what}; there are {', '.join(sorted(right)) or 'none'}"


def key_of(action: Action) -> str:
    """
    Return the key of the object or collection that a call is for; for a create, of the object to create.

    >>> from ctrlkit.model.kinds import PODS
    >>> key_of(Action(verb=Verb.CREATE, resource=PODS, namespace="demo", body={"metadata": {"generateName": "a-"}}))
    'demo/'
    """
    name, namespace = action.name, action.namespace
    if not name and action.verb is Verb.CREATE and isinstance(action.body, (dict, Mapping)):
        name = (action.body.get("metadata") or {}).get("name") or ""
    return f"{namespace}/{name}" if namespace else name
