"""The rules of roles: what they allow, which of them others cover, and how a server writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ctrlkit.fakes.tracker.refusals import quoted
from ctrlkit.fakes.tracker.rights.attributes import Attributes

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule; `names` are its resourceNames, none: all, and `urls` its nonResourceURLs."""

    verbs: Texts = ()
    groups: Texts = ()
    resources: Texts = ()
    names: Texts = ()
    urls: Texts = ()

    def __str__(self) -> str:
        """The rule as a server writes it into its refusals."""
        parts = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.urls),
            ("ResourceNames", self.names),
            ("Verbs", self.verbs),
        )
        return "{" + ", ".join(f"{name}:{quoted_list(values)}" for name, values in parts if values) + "}"


EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))


def quoted_list(texts: Iterable[str]) -> str:
    """
    Texts as a server writes a list of them.

    >>> quoted_list(["a", "b"])
    '["a" "b"]'
    """
    return f"[{' '.join(map(quoted, texts))}]"


def rules_of(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return the rules of a Role or ClusterRole."""
    fields = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    return tuple(Rule(*(tuple(rule.get(name) or ()) for name in fields)) for rule in role.get("rules") or ())


def allows(rule: Rule, wanted: Attributes) -> bool:
    """
    Whether a rule allows what is asked for.

    >>> allows(Rule(("get",), ("",), ("*/status",)), Attributes("get", resource="pods", subresource="status"))
    True
    """
    if not _has(rule.verbs, wanted.verb):
        return False
    if wanted.path is not None:
        return any(_url_covers(url, wanted.path) for url in rule.urls)
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    return (
        _has(rule.groups, wanted.group)
        and (
            _has(rule.resources, resource) or (bool(wanted.subresource) and f"*/{wanted.subresource}" in rule.resources)
        )
        and (not rule.names or wanted.name in rule.names)
    )


def missing(owned: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """
    Return what rules allow that no owned rule covers; verbs on one resource stand together.

    >>> [str(rule) for rule in missing([Rule(("get",), ("",), ("pods",))], [Rule(("get", "list"), ("",), ("pods",))])]
    ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}']
    """
    owned = tuple(owned)
    found: dict[Rule, list[str]] = {}
    others = []
    for rule in wanted:
        for part in _parts(rule):
            if any(_covers(own, part) for own in owned):
                continue
            if part.urls:
                others.append(part)
            else:
                found.setdefault(Rule((), part.groups, part.resources, part.names), []).extend(part.verbs)
    together = (Rule(tuple(verbs), rule.groups, rule.resources, rule.names) for rule, verbs in found.items())
    return [*others, *together]


def _parts(rule: Rule) -> Iterator[Rule]:
    """Break a rule into those with one verb on one resource, name or path."""
    names: list[Texts] = [(name,) for name in rule.names]
    for group, resource, verb, named in product(rule.groups, rule.resources, rule.verbs, names or [()]):
        yield Rule((verb,), (group,), (resource,), named)
    for url in rule.urls:
        for verb in rule.verbs:
            yield Rule((verb,), urls=(url,))


def _covers(owned: Rule, part: Rule) -> bool:
    """Whether a rule allows all that a part of another one does."""
    return (
        _has_all(owned.verbs, part.verbs)
        and _has_all(owned.groups, part.groups)
        and all(_has(owned.resources, one) or _covers_part(owned.resources, one) for one in part.resources)
        and (not owned.names or (bool(part.names) and set(part.names) <= set(owned.names)))
        and all(any(_url_covers(own, url) for own in owned.urls) for url in part.urls)
    )


def _covers_part(owned: Texts, resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned


def _has(texts: Texts, text: str) -> bool:
    return "*" in texts or text in texts


def _has_all(texts: Texts, wanted: Texts) -> bool:
    return "*" in texts or set(wanted) <= set(texts)


def _url_covers(owned: str, url: str) -> bool:
    return owned == url or (owned.endswith("*") and url.startswith(owned.rstrip("*")))
