"""Which kinds the server knows: those of its release, and those that custom resource definitions add and take away."""

from __future__ import annotations

import functools
import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ctrlkit.fakes.releases import NEWEST, KindFacts, release
from ctrlkit.fakes.tracker.kinds.definitions.definitions import custom_kind
from ctrlkit.fakes.tracker.kinds.definitions.forms import Forms
from ctrlkit.fakes.tracker.kinds.selectable import SELECTABLE, selected
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.model import Action, AnyResource, Unstructured

_STRATEGIES: Mapping[tuple[str, str], str] = {
    ("", "limitranges"): "core.limits:LIMIT_RANGES",
    ("", "resourcequotas"): "core.limits:RESOURCE_QUOTAS",
    ("node.k8s.io", "runtimeclasses"): "scheduling:RUNTIME_CLASSES",
    ("scheduling.k8s.io", "priorityclasses"): "scheduling:PRIORITY_CLASSES",
    ("authentication.k8s.io", "selfsubjectreviews"): "reviews:SELF",
    ("authentication.k8s.io", "tokenreviews"): "reviews:TOKENS",
    ("authorization.k8s.io", "localsubjectaccessreviews"): "reviews:LOCAL_ACCESS",
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "reviews:OWN_ACCESS",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "reviews:OWN_RULES",
    ("authorization.k8s.io", "subjectaccessreviews"): "reviews:ACCESS",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): "admission_policies:MUTATING_POLICIES",
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): "admission_policies:MUTATING_BINDINGS",
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): "admission_kinds:MUTATING_WEBHOOKS",
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): "admission_policies:VALIDATING_POLICIES",
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): "admission_policies:VALIDATING_BINDINGS",
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): "admission_kinds:VALIDATING_WEBHOOKS",
    ("certificates.k8s.io", "certificatesigningrequests"): "certificates:SIGNING_REQUESTS",
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): "flow_control:FLOW_SCHEMAS",
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): "flow_control:PRIORITY_LEVELS",
    ("resource.k8s.io", "deviceclasses"): "devices:DEVICE_CLASSES",
    ("resource.k8s.io", "resourceclaims"): "devices:RESOURCE_CLAIMS",
    ("resource.k8s.io", "resourceclaimtemplates"): "devices:RESOURCE_CLAIM_TEMPLATES",
    ("resource.k8s.io", "resourceslices"): "device_slices:RESOURCE_SLICES",
    ("", "persistentvolumes"): "storage.volumes:PERSISTENT_VOLUMES",
    ("storage.k8s.io", "csidrivers"): "storage.drivers:CSI_DRIVERS",
    ("storage.k8s.io", "csinodes"): "storage.drivers:CSI_NODES",
    ("storage.k8s.io", "csistoragecapacities"): "storage.drivers:CSI_STORAGE_CAPACITIES",
    ("storage.k8s.io", "storageclasses"): "storage.classes:STORAGE_CLASSES",
    ("storage.k8s.io", "volumeattachments"): "storage.drivers:VOLUME_ATTACHMENTS",
    ("storage.k8s.io", "volumeattributesclasses"): "storage.classes:VOLUME_ATTRIBUTES_CLASSES",
    ("", "endpoints"): "networking.endpoints:ENDPOINTS",
    ("discovery.k8s.io", "endpointslices"): "networking.endpoints:ENDPOINT_SLICES",
    ("networking.k8s.io", "ingressclasses"): "networking.ingresses:INGRESS_CLASSES",
    ("networking.k8s.io", "ingresses"): "networking.ingresses:INGRESSES",
    ("networking.k8s.io", "ipaddresses"): "networking.service_ranges:IP_ADDRESSES",
    ("networking.k8s.io", "networkpolicies"): "networking.policies:NETWORK_POLICIES",
    ("networking.k8s.io", "servicecidrs"): "networking.service_ranges:SERVICE_RANGES",
    ("", "componentstatuses"): "core.componentstatuses:COMPONENT_STATUSES",
    ("", "configmaps"): "core.configmaps_and_secrets:CONFIG_MAPS",
    ("", "events"): "core.events:EVENTS",
    ("", "namespaces"): "core.namespaces:NAMESPACES",
    ("", "nodes"): "core.nodes:NODES",
    ("", "persistentvolumeclaims"): "core.claims:PERSISTENT_VOLUME_CLAIMS",
    ("", "pods"): "core.pods:PODS",
    ("", "podtemplates"): "core.podtemplates:POD_TEMPLATES",
    ("", "replicationcontrollers"): "core.replicationcontrollers:REPLICATION_CONTROLLERS",
    ("", "secrets"): "core.configmaps_and_secrets:SECRETS",
    ("", "serviceaccounts"): "core.serviceaccounts:SERVICE_ACCOUNTS",
    ("", "services"): "core.services:services",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "definitions.definitions:DEFINITIONS",
    ("apiregistration.k8s.io", "apiservices"): "api_services:API_SERVICES",
    ("apps", "controllerrevisions"): "apps.controllerrevisions:CONTROLLER_REVISIONS",
    ("apps", "daemonsets"): "apps.daemonsets:DAEMON_SETS",
    ("apps", "deployments"): "apps.deployments:DEPLOYMENTS",
    ("apps", "replicasets"): "apps.replicasets:REPLICA_SETS",
    ("apps", "statefulsets"): "apps.statefulsets:STATEFULSETS",
    ("autoscaling", "horizontalpodautoscalers"): "autoscaling:AUTOSCALERS",
    ("batch", "cronjobs"): "batch.cronjobs:CRON_JOBS",
    ("batch", "jobs"): "batch.jobs:JOBS",
    ("coordination.k8s.io", "leases"): "leases:LEASES",
    ("policy", "poddisruptionbudgets"): "policy:POD_DISRUPTION_BUDGETS",
    ("rbac.authorization.k8s.io", "clusterrolebindings"): "rbac:BINDING",
    ("rbac.authorization.k8s.io", "clusterroles"): "rbac:ROLE",
    ("rbac.authorization.k8s.io", "rolebindings"): "rbac:BINDING",
    ("rbac.authorization.k8s.io", "roles"): "rbac:ROLE",
}
"""
The strategies that are written by hand, by group and plural: a module below this package and the name in it, either of
a Strategy or of a function that makes one, which has state of its own in each server.
"""

_FORMS: Mapping[tuple[str, str, str], str] = {
    ("autoscaling", "v1", "horizontalpodautoscalers"): "autoscaling_v1:AUTOSCALERS_V1",
    ("events.k8s.io", "v1", "events"): "core.events_v1:EVENTS_STRATEGY_V1",
}
"""The strategies of forms that are not stored, by group, version and plural."""

_CONVERTED: Mapping[Identity, str] = {("", "bindings"): "core.pods:as_binding"}
"""Kinds that are written but not stored, each with the function that converts a write of it."""


Path = tuple[str, str, str]
"""Group, version and plural."""


class Registry:
    """
    The kinds that are served, by group, version and plural.

    A built-in kind is looked up in the facts of the release; its strategy is made when the kind is first found.
    """

    def __init__(self, release_name: str = NEWEST) -> None:
        self._by_path: dict[Path, Strategy | KindFacts] = dict(_built_in(release_name))
        self._versions: Counter[tuple[str, str]] = Counter(_versions_in(release_name))
        self._by_kind: dict[tuple[str, str], Path] = dict(_paths_by_kind(release_name))
        self._custom: dict[Path, Strategy] = {}
        self.custom_forms: dict[Identity, Forms] = {}
        """How the objects of custom kinds are stored and shown, by group and plural."""
        self.release: str = release_name
        """The Kubernetes release that is served, such as "1.36"."""

    def find(self, group: str, version: str, plural: str) -> Strategy | None:
        """Return the kind at a path of the API, None if it is not served."""
        path = (group, version, plural)
        found = self._by_path.get(path)
        if isinstance(found, KindFacts):
            found = self._by_path[path] = _maker(self.release, path)()
        return found

    def find_kind(self, api_version: str, kind: str) -> Strategy | None:
        """Return the kind with this apiVersion and kind, None if it is not served."""
        path = self._by_kind.get((api_version, kind))
        return self.find(*path) if path else None

    def kinds_of(self, api_version: str) -> tuple[str, ...]:
        """Return the kinds that are served at an apiVersion."""
        return tuple(kind for version, kind in self._by_kind if version == api_version)

    def versions_of(self, group: str, kind: str) -> tuple[str, ...]:
        """Return the apiVersions at which a kind of a group is served; of the group extensions, of those it became."""
        named = (version for version, name in self._by_kind if name == kind)
        return tuple(version for version in named if group in (version.rpartition("/")[0], "extensions"))

    def of_plural(self, plural: str) -> tuple[Strategy, ...]:
        """Return the kinds of all groups that have a plural."""
        paths = [path for path in self._by_path if path[2] == plural]
        return tuple(found for path in paths if (found := self.find(*path)))

    def plurals(self) -> frozenset[str]:
        """Return the plurals of all kinds that are served."""
        return frozenset(plural for _, _, plural in self._by_path)

    def other_names(self) -> dict[str, str]:
        """Map kinds, singulars and short names, in lower case, to plurals."""
        kinds = {path: kind for (_, kind), path in self._by_kind.items()}
        return {
            name.lower(): path[2]
            for path, one in self._by_path.items()
            for name in (kinds.get(path, ""), one.singular, f"{path[2]}.{path[0]}", *one.short_names)
        }

    def find_stored(self, identity: Identity) -> Strategy | None:
        """Return the stored form of the kind with this group and plural, None if there is none."""
        paths = [path for path in self._by_path if (path[0], path[2]) == identity]
        return self.find(*next((path for path in paths if path not in _FORMS), paths[0])) if paths else None

    def forms(self, identity: Identity) -> tuple[Strategy, ...]:
        """Return every form and version of a kind, which is stored under this group and plural."""
        paths = [path for path in self._by_path if path[2] == identity[1]]
        return tuple(found for path in paths if (found := self.find(*path)) and found.stored_identity == identity)

    def has_version(self, group: str, version: str) -> bool:
        """Whether any kind is served in a group at a version."""
        return self._versions[group, version] > 0

    def is_own(self, group: str) -> bool:
        """Whether the release itself serves a group."""
        return any(facts.group == group for facts in release(self.release).kinds)

    def served(self) -> tuple[Strategy, ...]:
        """Return every kind at every version: those of the release in its order, then the others as they came."""
        return tuple(found for path in list(self._by_path) if (found := self.find(*path)))

    def custom(self) -> tuple[Strategy, ...]:
        """Return the custom kinds at every version, as they came."""
        return tuple(self._custom.values())

    def register(self, served: Strategy) -> None:
        """Serve a kind, or replace its strategy."""
        resource = served.resource
        path = (resource.group, resource.version, resource.plural)
        self._versions[path[:2]] += path not in self._by_path
        self._by_path[path] = served
        if served.custom:
            self._custom[path] = served
        named = self._by_kind.get((resource.api_version, resource.kind), path)
        if named == path:
            self._by_kind[resource.api_version, resource.kind] = path

    def register_custom(self, resource: AnyResource) -> bool:
        """
        Serve a custom kind that has no definition: no schema, and a status subresource.

        A built-in kind stays as it is; returns whether it was a custom one.
        """
        found = self.find(resource.group, resource.version, resource.plural)
        if found is not None and not found.custom:
            return False
        self.register(custom_kind(resource.of(Unstructured), subresources=frozenset({"status"})))
        return True

    def stored_form(self, action: Action) -> Action:
        """Convert a write of a kind that is not stored to the one it stands for; other Actions stay."""
        place = _CONVERTED.get(action.resource.identity)
        if not place:
            return action
        convert: Callable[[Action], Action] = _named(place)
        return convert(action)

    def unregister(self, resource: AnyResource) -> None:
        """Stop serving a kind at this version."""
        path = (resource.group, resource.version, resource.plural)
        if self._by_path.pop(path, None) is not None:
            self._versions[path[:2]] -= 1
            self._custom.pop(path, None)
        if self._by_kind.get((resource.api_version, resource.kind)) == path:
            del self._by_kind[resource.api_version, resource.kind]


def has_strategy(group: str, plural: str) -> bool:
    """Whether rules for a built-in kind are written by hand."""
    return (group, plural) in _STRATEGIES or any((path[0], path[2]) == (group, plural) for path in _FORMS)


@functools.cache
def _built_in(release_name: str) -> Mapping[Path, KindFacts]:
    """The kinds of a release by their paths."""
    return {(facts.group, facts.version, facts.plural): facts for facts in release(release_name).kinds}


@functools.cache
def _versions_in(release_name: str) -> Mapping[tuple[str, str], int]:
    """How many kinds a release has in a group at a version."""
    return Counter(path[:2] for path in _built_in(release_name))


@functools.cache
def _paths_by_kind(release_name: str) -> Mapping[tuple[str, str], Path]:
    return {(facts.api_version, facts.kind): path for path, facts in _built_in(release_name).items()}


@functools.cache
def _maker(release_name: str, path: Path) -> Callable[[], Strategy]:
    """Return what makes the strategy of a kind of a release: the same one for all servers, if it has no state."""
    facts, types = _built_in(release_name)[path], types_of(release_name)
    found = _strategy(*path)
    if isinstance(found, Strategy):
        served = found.as_served(facts, types)
        return lambda: served
    return lambda: found().as_served(facts, types)


def _strategy(group: str, version: str, plural: str) -> Strategy | Callable[[], Strategy]:
    place = _FORMS.get((group, version, plural)) or _STRATEGIES.get((group, plural))
    if place is None:
        fields = SELECTABLE.get((group, plural), ())
        return Strategy(selectable_fields=fields, selected_value=selected) if fields else Strategy()
    found: Strategy | Callable[[], Strategy] = _named(place)
    return found


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"ctrlkit.fakes.tracker.kinds.{module}"), name)
