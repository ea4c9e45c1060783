"""Which kinds the server knows: the built-in ones, and those that custom resource definitions add and take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ctrlkit.fakes.tracker.kinds import leases, rbac
from ctrlkit.fakes.tracker.kinds.apps import controllerrevisions, deployments, statefulsets
from ctrlkit.fakes.tracker.kinds.core import (
    claims,
    configmaps_and_secrets,
    events,
    namespaces,
    nodes,
    pods,
    serviceaccounts,
    services,
)
from ctrlkit.fakes.tracker.kinds.definitions.definitions import DEFINITIONS, custom_kind
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.model import Action, AnyResource, Unstructured


def _built_in() -> tuple[Strategy, ...]:
    """Return the built-in kinds of one server; a strategy that is made here has state of its own."""
    return (
        namespaces.NAMESPACES,
        nodes.NODES,
        pods.PODS,
        services.services(),
        configmaps_and_secrets.SECRETS,
        configmaps_and_secrets.CONFIG_MAPS,
        events.EVENTS,
        serviceaccounts.SERVICE_ACCOUNTS,
        claims.PERSISTENT_VOLUME_CLAIMS,
        statefulsets.STATEFULSETS,
        deployments.DEPLOYMENTS,
        controllerrevisions.CONTROLLER_REVISIONS,
        leases.LEASES,
        rbac.ROLES,
        rbac.ROLE_BINDINGS,
        rbac.CLUSTER_ROLES,
        rbac.CLUSTER_ROLE_BINDINGS,
        DEFINITIONS,
        events.EVENTS_V1,
    )


_CONVERTED: Mapping[Identity, Callable[[Action], Action]] = {("", "bindings"): pods.as_binding}
"""Kinds that are written but not stored, each with the function that converts a write of it."""


class Registry:
    """The kinds that are served, by group, version and plural."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Strategy] = {}
        self._by_kind: dict[tuple[str, str], Strategy] = {}
        for strategy in _built_in():
            self.register(strategy)

    def find(self, group: str, version: str, plural: str) -> Strategy | None:
        """Return the kind at a path of the API, None if it is not served."""
        return self._by_path.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Strategy | None:
        """Return the kind with this apiVersion and kind, None if it is not served."""
        return self._by_kind.get((api_version, kind))

    def served(self) -> tuple[Strategy, ...]:
        """Return every kind at every version, in the order of registration."""
        return tuple(self._by_path.values())

    def register(self, served: Strategy) -> None:
        """Serve a kind, or replace its strategy."""
        resource = served.resource
        self._by_path[resource.group, resource.version, resource.plural] = served
        named = self._by_kind.get((resource.api_version, resource.kind))
        if named is None or named.resource.plural == resource.plural:
            self._by_kind[resource.api_version, resource.kind] = served

    def register_custom(self, resource: AnyResource) -> None:
        """Serve a custom kind that has no definition: no schema, and a status subresource."""
        self.register(custom_kind(resource.of(Unstructured), subresources=frozenset({"status"})))

    def stored_form(self, action: Action) -> Action:
        """Convert a write of a kind that is not stored to the one it stands for; other Actions stay."""
        convert = _CONVERTED.get(action.resource.identity)
        return convert(action) if convert else action

    def unregister(self, resource: AnyResource) -> None:
        """Stop serving a kind at this version."""
        self._by_path.pop((resource.group, resource.version, resource.plural), None)
        named = self._by_kind.get((resource.api_version, resource.kind))
        if named is not None and named.resource.plural == resource.plural:
            del self._by_kind[resource.api_version, resource.kind]
