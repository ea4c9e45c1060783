"""Rules of roles, as the manifests of rbac.authorization.k8s.io/v1 have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ctrlkit.model.action import Verb

Resources = tuple[str, str, tuple[str, ...]]
"""API group, plural with a subresource if one is meant, and the names of the only objects that are; () for all."""

_VERBS: Final[tuple[str, ...]] = tuple(Verb)


def rules_for(verbs: Mapping[Resources, Iterable[str]]) -> list[dict[str, Any]]:
    """
    Return the rules that allow verbs, one for each resource, in one order.

    >>> rules_for({("", "pods", ()): {"watch", "list"}})
    [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['list', 'watch']}]
    """
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            **({"resourceNames": list(names)} if names else {}),
            "verbs": sorted(found, key=_order),
        }
        for (group, resource, names), found in sorted(verbs.items())
    ]


def _order(verb: str) -> tuple[int, str]:
    """As Kubernetes lists them; others after them."""
    return (_VERBS.index(verb) if verb in _VERBS else len(_VERBS), verb)
