"""The state that all verbs share, and the only place that writes to it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.conversion import ConvertedCollection
from ctrlkit.fakes.tracker.kinds.definitions.forms import View
from ctrlkit.fakes.tracker.kinds.registry import Registry
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import not_found, unknown_resource
from ctrlkit.fakes.tracker.rights.authorizer import Rights
from ctrlkit.fakes.tracker.runtime import PodRuntime
from ctrlkit.fakes.tracker.schema.typed import untyped
from ctrlkit.fakes.tracker.store import Collection, Store, Stored, encode_tail
from ctrlkit.fakes.tracker.tokens import Issuer
from ctrlkit.model import Action, AnyResource, ObjectKey

_ASKS = operator.attrgetter("asks")
_GROUP = "admissionregistration.k8s.io"
_CONFIGURATIONS = frozenset({(_GROUP, "mutatingwebhookconfigurations"), (_GROUP, "validatingwebhookconfigurations")})
_BINDINGS = frozenset({(_GROUP, "mutatingadmissionpolicybindings"), (_GROUP, "validatingadmissionpolicybindings")})
_ADMITTING = _CONFIGURATIONS | _BINDINGS
_DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")


class Core:
    """
    The synchronous server: the store, and the registry of kinds.

    Owner   `ctrlkit.fakes.tracker.Tracker`.
    """

    def __init__(self, *, begins_at: int, server: str, plugins: frozenset[str], rbac: bool = False) -> None:
        self.store: Store = Store(begins_at=begins_at)
        self.registry: Registry = Registry(server)
        self.tokens: Issuer = Issuer()
        self.plugins: frozenset[str] = plugins
        """The admission plug-ins that are on, by Kubernetes' names."""
        self.rights: Rights | None = Rights(self.store) if rbac else None
        """Who may do what; None: everybody may do everything."""
        self.known_forms: dict[tuple[Any, ...], dict[str, Any]] = {}
        """What became of the first usual object of each form (verbs/usual.py)."""
        self.last: tuple[Stored, Action, bytes] | None = None
        """The newest write, where it made an object that may be made again, and what was sent (verbs/again.py)."""
        self.runtime: PodRuntime | None = None
        """What runs the pods, and answers for their logs, commands and ports."""

    def may_ask(self, action: Action) -> bool:
        """Whether there is a webhook that a request may have to wait for."""
        forms, populated = self.registry.custom_forms, self.store.populated
        if not _ADMITTING.isdisjoint(populated):  # parameters of policies are of any kind
            return not _CONFIGURATIONS.isdisjoint(populated) or any(map(_ASKS, forms.values()))
        if not forms:
            return False
        identity = action.resource.identity
        if identity == _DEFINITIONS:
            return any(map(_ASKS, forms.values()))
        found = forms.get(identity)
        return found is not None and found.asks

    def foresee(self, served: Strategy, plain: Mapping[str, Any]) -> None:
        """Ask the webhook that converts an object which is about to be written. Errors: Unanswered."""
        if served.forms is not None and served.forms.asks_at(served.resource.version):
            served.forms.foresee(untyped(plain), served.resource.version)

    def served(self, resource: AnyResource) -> Strategy:
        """Return the strategy of a kind. Errors: NotFound if it is not served."""
        served = self.registry.find(resource.group, resource.version, resource.plural)
        if served is None:
            raise unknown_resource()
        return served

    def collection(self, served: Strategy) -> Collection | ConvertedCollection:
        """Return the objects of a kind, in the form that the strategy serves."""
        forms, version = served.forms, served.resource.version
        if forms is not None and not forms.is_as_stored(version):
            return ConvertedCollection(self.store.collection(served.resource.identity), View(forms, version))
        if served.conversion is None:
            return self.store.collection(served.resource.identity)
        return ConvertedCollection(self.store.collection(served.conversion.stored.identity), served.conversion)

    def find(self, served: Strategy, key: ObjectKey) -> Stored | None:
        """Return an object as it is now."""
        if served.forms is None and served.conversion is None:
            return self.store.collection(served.resource.identity).find(key)
        return self.collection(served).find(key)

    def get(self, served: Strategy, key: ObjectKey) -> Stored:
        """Return an object as it is now. Errors: NotFound."""
        stored = self.find(served, key)
        if stored is None:
            raise not_found(served.resource, key.name)
        return stored

    def write(self, served: Strategy, key: ObjectKey, plain: Mapping[str, Any], *, dry_run: bool = False) -> Stored:
        """Store a new state of an object; in a dry run only return what would be stored."""
        conversion = served.conversion
        if conversion is not None:
            stored_form = self.served(conversion.stored)
            return conversion.shown(self.write(stored_form, key, conversion.store(plain), dry_run=dry_run))
        if served.custom:
            read = {name: value if name == "metadata" else untyped(value) for name, value in plain.items()}
            return self._write_custom(served, key, read, dry_run=dry_run)
        before = self.find(served, key)
        if dry_run:
            return Stored(key, before.version if before else 0, encode_tail(plain))
        follow = served.writing(self, before, plain)
        stored = self.store.write(served.resource.identity, key, plain)
        follow()
        return stored

    def _write_custom(self, served: Strategy, key: ObjectKey, plain: Mapping[str, Any], *, dry_run: bool) -> Stored:
        """Store a custom object as the version that its kind is stored as; nothing if that changes nothing."""
        identity, forms, version = served.resource.identity, served.forms, served.resource.version
        if forms is not None and forms.asks_at(version):
            forms.foresee(plain, version)
        plain = plain if forms is None else forms.stored(plain, version)
        before = self.store.collection(identity).find(key)
        if dry_run:
            stored = Stored(key, before.version if before else 0, encode_tail(plain))
            return stored if forms is None else Stored(key, stored.version, encode_tail(forms.read(plain, version)))
        if before is not None and forms is not None and forms.is_same(before, plain):
            return forms.shown(before, version)
        stored = self.store.write(identity, key, plain)
        return stored if forms is None else forms.shown(stored, version)

    def remove(self, served: Strategy, key: ObjectKey, *, dry_run: bool = False) -> None:
        """Remove an object, which must be there."""
        if not dry_run:
            served.removed(self, served, self.store.remove(served.stored_identity, key))
