"""Servers for tests of what a controller needs before it starts."""

from __future__ import annotations

from ctrlkit.bitcoin.manifests import objects
from ctrlkit.errors import Forbidden
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import Action


def with_definition() -> FakeClientset:
    """A server that knows the kind."""
    return FakeClientset(None, *objects("crd"))


def forbid(clientset: FakeClientset, verb: str, plural: str) -> None:
    """Have RBAC refuse a verb for a kind."""

    def refuse(action: Action) -> object:
        raise Forbidden(f'{plural} is forbidden: User "eve" cannot {verb} resource "{plural}"')

    if verb == "watch":
        clientset.add_watch_reactor(plural, refuse)  # type: ignore[arg-type]  # it never returns
    else:
        clientset.add_reactor(verb, plural, refuse)
