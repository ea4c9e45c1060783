"""Whom a token of this server stands for, as long as its account and what it is bound to are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ctrlkit.fakes.tracker.tokens import ISSUER, Account, InvalidToken, Read
from ctrlkit.model import AnyResource, ObjectKey, kinds

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

BOUND: Mapping[str, AnyResource] = {"Pod": kinds.PODS, "Node": kinds.NODES, "Secret": kinds.SECRETS}
"""What a token can be bound to, by its kind."""

_GONE = "service account token has been invalidated"


def authenticate(core: Core, token: str, audiences: Sequence[str] = (ISSUER,)) -> Read:
    """Return whom a token stands for. Errors: InvalidToken, with what a server says of it."""
    read = core.tokens.read(token, audiences)
    account = read.account
    kind = kinds.SERVICE_ACCOUNTS
    uid = _uid(core, kind, account.namespace, account.name)
    if uid is None:
        raise InvalidToken(f'{kind.plural} "{account.name}" not found')
    if uid != account.uid:
        raise InvalidToken(f"service account UID ({uid}) does not match claim ({account.uid})")
    for name, resource in BOUND.items():
        if name.lower() in account.bound and not (name == "Node" and "pod" in account.bound):
            _check_bound(core, account, name, resource)
    return read


def _check_bound(core: Core, account: Account, kind: str, resource: AnyResource) -> None:
    reference = account.bound[kind.lower()]
    uid = _uid(core, resource, account.namespace if resource.namespaced else "", reference["name"])
    if uid is None:
        raise InvalidToken(_GONE)
    if uid != reference["uid"]:
        text = f"{kind} UID ({uid}) does not match service account {kind.lower()} ref claim ({reference['uid']})"
        raise InvalidToken(text if kind != "Node" else text.replace("Node", "node", 1))


def _uid(core: Core, resource: AnyResource, namespace: str, name: str) -> str | None:
    found = core.store.collection(resource.identity).find(ObjectKey(namespace, name))
    return str(found.metadata["uid"]) if found is not None else None
