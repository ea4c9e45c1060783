"""
Admission: the plug-ins that complete a request, or refuse one that breaks no rule of its kind.

`MUTATING` and `VALIDATING` name them in a server's order; which of them are on is a setting of the server. The modules
of plug-ins are below the package `plugins`, and are read when a request first needs them.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import namespace_terminating, not_found
from ctrlkit.fakes.tracker.store import Identity
from ctrlkit.model import Action, ObjectKey, kinds

Plain = dict[str, Any]
Object = Mapping[str, Any]

CREATE: Final = "CREATE"
UPDATE: Final = "UPDATE"
DELETE: Final = "DELETE"
CONNECT: Final = "CONNECT"


@dataclass(slots=True, kw_only=True)
class Attributes:
    """
    What admission knows of a request besides the object, which is passed along with it.

    Shape   Objects are without kind and apiVersion; that of a DELETE is None. `old` is the object as it was, None if
            there was none. `kind` is that of the object as group, version and kind: for a subresource with a form of
            its own it is not the kind of `served`.
    """

    served: Strategy
    """The kind that the request names."""
    action: Action
    operation: str
    name: str
    """The name of the object, "" if one is to be generated."""
    old: Object | None = None
    form: tuple[str, str, str] | None = None
    is_again: bool = False
    """Whether the mutating plug-ins run a second time, as one of them has asked for."""
    wants_again: bool = False
    """Set by a plug-in that changed the object in a way that others should see."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What plug-ins remember of their first run, by their names."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """The group, version and kind of the object."""
        resource = self.served.resource
        return self.form or (resource.group, resource.version, resource.kind)

    @property
    def of_object(self) -> Identity | None:
        """The kind whose own plug-ins see the request; None if it is not a create or update of an object itself."""
        is_object = not self.action.subresource and self.operation in (CREATE, UPDATE)
        return self.served.resource.identity if is_object else None

    @property
    def of_plugins(self) -> Identity | None:
        """By what plug-ins of a kind are found: as `of_object`, and for a pod's binding its subresource."""
        if self.action.subresource == "binding":
            group, plural = self.served.resource.identity
            return group, f"{plural}/binding"
        return self.of_object

    @property
    def subresource(self) -> str:
        """The subresource that the request names, "" for the object itself."""
        return self.action.subresource

    @property
    def namespace(self) -> str:
        """The namespace of the request; that of a Namespace is its own name."""
        return self.name if self.served.resource.identity == kinds.NAMESPACES.identity else self.action.namespace

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return self.action.options.dry_run


class Plugin(NamedTuple):
    """
    An admission plug-in, by the name that Kubernetes gives it; functions are `module:name` below `plugins`.

    Shape   A plug-in is for objects of certain kinds or for all requests. Functions for a kind, `(core, plain, old)`,
            see creates and updates of the objects themselves; they change `plain` in place or raise an ApiError.
            Those for all requests, `(core, attributes, plain)`, return the object, changed or not, if they mutate.
    """

    name: str
    of_kinds: Mapping[Identity, str] = {}
    of_all: str = ""
    needs: frozenset[Identity] = frozenset()
    """Kinds of which the plug-in needs an object to have anything to do; none: it always has."""


Steps = tuple[tuple[Plugin, Callable[..., Any]], ...]
"""Plug-ins, each with what it does about a request."""


class Chain:
    """Plug-ins in the order in which a request passes them."""

    def __init__(self, *plugins: Plugin) -> None:
        self.plugins: tuple[Plugin, ...] = plugins
        self._find = functools.lru_cache(maxsize=1024)(self._steps)

    def steps(self, core: Core, identity: Identity | None) -> Steps:
        """Return the plug-ins that are on and have work with a kind, None for no object, each with what it does."""
        return self._find(core.plugins, core.store.populated, identity)

    def _steps(self, on: frozenset[str], there: frozenset[Identity], identity: Identity | None) -> Steps:
        places = [(plugin, plugin.of_all or plugin.of_kinds.get(identity or ("", ""), "")) for plugin in self.plugins]
        return tuple(
            (plugin, _function(place))
            for plugin, place in places
            if place and plugin.name in on and (not plugin.needs or not plugin.needs.isdisjoint(there))
        )

    def sees_all(self, core: Core) -> bool:
        """Whether one that looks at all requests has anything to do."""
        return bool(self.steps(core, None))


_PODS: Identity = ("", "pods")
_CLAIMS: Identity = ("", "persistentvolumeclaims")
_SIGNING_REQUESTS: Identity = ("certificates.k8s.io", "certificatesigningrequests")
_GROUP = "admissionregistration.k8s.io"


def _policies(kind: str) -> frozenset[Identity]:
    return frozenset({(_GROUP, f"{kind}admissionpolicybindings")})


def _webhooks(kind: str) -> frozenset[Identity]:
    return frozenset({(_GROUP, f"{kind}webhookconfigurations")})


MUTATING: Final = Chain(
    Plugin("LimitRanger", {_PODS: "limits:fill_in_pod"}),
    Plugin("ServiceAccount", {_PODS: "accounts:admit_account"}),
    Plugin("TaintNodesByCondition", {("", "nodes"): "nodes:taint_new"}),
    Plugin("Priority", {_PODS: "pods:set_priority"}),
    Plugin("DefaultTolerationSeconds", {_PODS: "pods:add_tolerations"}),
    Plugin("DefaultStorageClass", {_CLAIMS: "storage:choose_class"}),
    Plugin(
        "StorageObjectInUseProtection",
        {
            _CLAIMS: "storage:protect_claim",
            ("", "persistentvolumes"): "storage:protect_volume",
            ("storage.k8s.io", "volumeattributesclasses"): "storage:protect_attributes",
        },
    ),
    Plugin("RuntimeClass", {_PODS: "pods:set_overhead"}),
    Plugin("DefaultIngressClass", {("networking.k8s.io", "ingresses"): "ingresses:choose_class"}),
    Plugin(
        "PodTopologyLabels",
        {_PODS: "pods:copy_topology", ("", "pods/binding"): "pods:copy_topology_to_binding"},
    ),
    Plugin("MutatingAdmissionPolicy", of_all="mutating_policies:mutate", needs=_policies("mutating")),
    Plugin("MutatingAdmissionWebhook", of_all="webhooks:mutate", needs=_webhooks("mutating")),
)
"""The plug-ins that may change a request, in order."""

VALIDATING: Final = Chain(
    Plugin("LimitRanger", {_PODS: "limits:check_pod", _CLAIMS: "limits:check_claim"}),
    Plugin("ServiceAccount", {_PODS: "accounts:check_account"}),
    Plugin("PersistentVolumeClaimResize", {_CLAIMS: "storage:check_growth"}),
    Plugin("RuntimeClass", {_PODS: "pods:refuse_overhead"}),
    Plugin("CertificateApproval", of_all="signers:check_approval", needs=frozenset({_SIGNING_REQUESTS})),
    Plugin("CertificateSigning", of_all="signers:check_signing", needs=frozenset({_SIGNING_REQUESTS})),
    Plugin("CertificateSubjectRestriction", {_SIGNING_REQUESTS: "signers:check_subject"}),
    Plugin("ValidatingAdmissionPolicy", of_all="validating_policies:validate", needs=_policies("validating")),
    Plugin("ValidatingAdmissionWebhook", of_all="webhooks:validate", needs=_webhooks("validating")),
    Plugin("ResourceQuota", of_all="quotas:check", needs=frozenset({("", "resourcequotas")})),
)
"""The plug-ins that may refuse a request whose object breaks no rule of its kind, in order."""

_NEEDED_BY_ALL: Final = frozenset[Identity]().union(
    *(plugin.needs for plugin in (*MUTATING.plugins, *VALIDATING.plugins) if plugin.of_all)
)
DECIDES_OF_NEW: Final = _NEEDED_BY_ALL | {kinds.NAMESPACES.identity}
"""The kinds whose objects decide whether there may be a new object that breaks no rule of its own kind."""

PLUGINS: Final = frozenset(
    {"NamespaceLifecycle"} | {plugin.name for plugin in (*MUTATING.plugins, *VALIDATING.plugins)}
)
"""The names of the plug-ins that there are here."""

DEFAULT_PLUGINS: Final = PLUGINS - {"ServiceAccount"}
"""Those that are on by default: of a default server's all but ServiceAccount."""


def sees_anything(core: Core) -> bool:
    """Whether a plug-in that looks at all requests may have anything to do."""
    return not _NEEDED_BY_ALL.isdisjoint(core.store.populated)


def check_plugins(names: frozenset[str]) -> None:
    """Refuse names of plug-ins that there are not. Errors: ValueError."""
    unknown = sorted(names - PLUGINS)
    if unknown:
        known = ", ".join(sorted(PLUGINS))
        raise ValueError(f"admission plug-ins {', '.join(unknown)}: there are none; there are {known}")


def admit_new(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> None:
    """Refuse a new object in a namespace that does not exist (NotFound) or is being deleted (Forbidden)."""
    if not served.resource.namespaced or "NamespaceLifecycle" not in core.plugins:
        return
    namespace = core.store.collection(kinds.NAMESPACES.identity).find(ObjectKey("", action.namespace))
    if namespace is None:
        raise not_found(kinds.NAMESPACES, action.namespace)
    if namespace.metadata.get("deletionTimestamp"):
        name = (body.get("metadata") or {}).get("name") or ""
        raise namespace_terminating(served.resource, name, action.namespace)


def mutate(core: Core, attributes: Attributes, plain: Any) -> Any:
    """
    Let the plug-ins complete the object of a request; return it.

    If one asks for that, all of them see it once more; those that keep a memory know what they have done already.
    """
    plain = _mutate_once(core, attributes, plain)
    if attributes.wants_again:
        attributes.is_again = True
        plain = _mutate_once(core, attributes, plain)
    return plain


def _mutate_once(core: Core, attributes: Attributes, plain: Any) -> Any:
    for plugin, perform in MUTATING.steps(core, attributes.of_plugins):
        if plugin.of_all:
            plain = perform(core, attributes, plain)
        else:
            perform(core, plain, attributes.old)
    return plain


def admit(core: Core, attributes: Attributes, plain: Any) -> None:
    """Let the plug-ins look at an object that breaks no rule of its kind. Errors: ApiError, Forbidden as a rule."""
    for plugin, perform in VALIDATING.steps(core, attributes.of_object):
        if plugin.of_all:
            perform(core, attributes, plain)
        else:
            perform(core, plain, attributes.old)


def admit_form(core: Core, attributes: Attributes, plain: Any) -> Any:
    """Let all plug-ins see an object of a form of its own, which has no rules between them; return it, completed."""
    plain = mutate(core, attributes, plain)
    admit(core, attributes, plain)
    return plain


def admit_delete(core: Core, served: Strategy, action: Action, old: Object) -> None:
    """Let all plug-ins see that an object is to be deleted. Errors: ApiError."""
    admit_form(core, Attributes(served=served, action=action, operation=DELETE, name=action.name, old=old), None)


@functools.cache
def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"ctrlkit.fakes.tracker.plugins.{module}"), name)
    return found
