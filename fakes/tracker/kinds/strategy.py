"""The strategy of a kind: how the server serves it, and what it does with its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ctrlkit.fakes.releases import KindFacts
from ctrlkit.fakes.tracker.conversion import Conversion
from ctrlkit.fakes.tracker.kinds import deletion
from ctrlkit.fakes.tracker.kinds.definitions.forms import Forms
from ctrlkit.fakes.tracker.kinds.tables import Cells
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.schema.types import Types, types_of
from ctrlkit.fakes.tracker.store import Identity, Stored
from ctrlkit.model import Action, AnyResource, Options, Resource, Scope, Unstructured, Verb, custom_resource, value_at

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

Plain = dict[str, Any]
Object = Mapping[str, Any]


class ScalePaths(NamedTuple):
    """Where a kind keeps what the scale subresource shows, as dotted paths without a leading dot; "" is not kept."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


class Part(NamedTuple):
    """A part of an object that a subresource of its kind writes, such as a pod's `resize`."""

    combine: Callable[[Object, Object], Plain]
    """Makes the new object of what was sent and what is stored."""
    validate: Callable[[Object, Object], Iterable[Cause]]
    """Yields a cause for each rule that the new object breaks, given the stored one."""
    keeps_metadata: bool = True
    """Whether the metadata stays as it is stored."""
    resets: tuple[str, ...] = ()
    """Paths of fields that nobody can own by a write of the part."""


def _nothing(*_: object) -> None:
    """Do nothing."""


def _no_causes(_plain: Object, _old: Object | None) -> Iterable[Cause]:
    return ()


def _nothing_taken(_core: Core, _plain: Plain, _old: Object) -> Iterable[Cause]:
    return ()


def _no_warnings(_plain: Object, _old: Object | None) -> Iterable[str]:
    return ()


def _unchanged(_core: Core, _strategy: Strategy, plain: Plain, _action: Action) -> Plain:
    return plain


def _never(_plain: Object) -> bool:
    return False


_NOT_SERVED = custom_resource(group="", kind="NotServed", plural="notserved")
"""Stands for the kind of a strategy that no registry has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """
    All that the server knows of one kind at one version; the defaults suit a plain built-in kind.

    A strategy that is written by hand says what data cannot: `as_served` adds the facts of a release.

    Shape   Functions that are given a `Plain` change it in place: it is a new value, typed by the kind's schema. `old`
            is the object as it is stored, None for a new one; parts that both share were not changed.
    """

    resource: Resource[Unstructured] = _NOT_SERVED
    types: Types = field(default_factory=types_of, repr=False)
    """The types of the server's release."""
    facts: KindFacts | None = None
    """How the server's release serves a built-in kind; None for a custom one."""

    # How it is served; that of a built-in kind follows from its facts.
    singular: str = ""
    """The kind in lower case, unless a definition says otherwise."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    scale: ScalePaths | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The subresources that write a part of the object by rules of their own, besides the status."""
    cells: Cells | None = None
    """Makes the cells of an object's row in a Table, in the order of the facts' columns."""
    columns: tuple[Object, ...] | None = None
    """A definition's additionalPrinterColumns, which stand for the cells of a custom kind."""
    selectable_fields: tuple[str, ...] = ()
    """Paths for field selectors, besides metadata.name and metadata.namespace."""
    selected_value: Callable[[Object, str], Any] = value_at
    """What a field selector compares: the object's value at a path."""
    unselectable: str = ""
    """What the server says of a path that objects cannot be selected by, with `{}` for that; "" for its usual words."""
    answer_annotations: tuple[str, ...] = ()
    """Annotations that the server's answers have, but for the rows of a Table."""
    blind_updates: bool = True
    """Whether an update may leave out the resourceVersion."""
    creates_on_update: bool = False
    """Whether an update of an object that is not there creates it."""

    review: Callable[[Core, Plain], Plain] | None = None
    """Answers a create of a kind that is not stored."""
    report: Callable[[], Iterable[Plain]] | None = None
    """Makes the objects of a kind that is read and not stored, in the order of a list."""

    conversion: Conversion | None = None
    """How objects of this form come from the stored ones; None if this is the stored form."""

    # A custom kind.
    custom: bool = False
    schema: CustomSchema | None = None
    forms: Forms | None = None
    """How its objects are stored, and shown at each version; None for a kind without a definition."""

    is_usual: Callable[[Object], bool] | None = None
    """Whether a new object breaks no rule, and is stored as it was sent, but for what follows from the names in it."""

    is_repeated: bool = False
    """Whether objects that are created of one body, one after the other, differ in nothing but their name and uid."""

    # What is made of an object, in the order of the calls.
    defaults: Callable[[Plain], None] = _nothing
    """Fills in fields, status and metadata apart."""
    defaults_beside_spec: Callable[[Plain], None] = _nothing
    """Fills in labels and the status of a changed object; for a new one `defaults` and `begin` do it."""
    takes_status: bool = False
    """Whether a new object keeps the status that its creator gives it."""
    first_status: Object | None = None
    """The status of a new object, if it differs from the empty status of its type."""
    drop: Callable[[Plain], None] = _nothing
    """Drops fields of features that are off; who wrote them owns them all the same."""
    begin: Callable[[Plain], None] = _nothing
    """Completes a new object."""
    keep: Callable[[Plain, Object], None] = _nothing
    """Restores fields of `old` that an update must not change."""
    keep_status: Callable[[Plain, Object], None] = _nothing
    """The same for an update of the status."""
    prepare: Callable[[Core, Strategy, Plain, Action], Plain] = _unchanged
    """Completes a new or changed object; what it returns is stored."""
    allocate: Callable[[Core, Plain, Object], Iterable[Cause]] = _nothing_taken
    """
    Assigns what must be unique, such as addresses; called if the spec changed. `old` is empty for a new object.

    Its causes end the request before any other rule is looked at.
    """
    validate: Callable[[Object, Object | None], Iterable[Cause]] = _no_causes
    """Yields a cause for each rule of the kind that the object breaks; metadata has rules of its own."""
    validate_status: Callable[[Object, Object], Iterable[Cause]] | None = None
    """The same for an update of the status; None if `validate` says it."""
    warn: Callable[[Object, Object | None], Iterable[str]] = _no_warnings
    """Yields warnings about an object that breaks no rule."""
    deprecated: str = ""
    """The warning that comes with each request for the kind, if its version is deprecated."""
    name_rule: Callable[[str], formats.Complaints] = formats.subdomain
    checks_base: bool = True
    """Whether the kind's rule for names holds for generateName too."""
    generates_names: bool = True
    """Whether a generateName is completed; if not, it is the name."""
    checks_metadata: bool = True
    """Whether the kind has rules for metadata; if not, a server looks at it when all else is right."""
    needs_known_finalizers: bool = True
    """Whether finalizers without a domain are refused, unless they are Kubernetes' own."""
    generation: bool = False
    """Whether metadata.generation counts the changes of the spec."""
    counted: Callable[[Object], Any] | None = None
    """What metadata.generation counts the changes of; None for all but metadata and status."""

    # Who owns its fields.
    set_by_server: tuple[str, ...] = ()
    """Paths of fields that the server sets in new objects; their creator owns them only if the request has them."""
    resets: tuple[str, ...] = ()
    """Paths of fields that nobody can own by a write of the object, besides its status."""
    kept_by_status: tuple[str, ...] = ()
    """Paths of fields that a write of the status does not change, besides the spec."""

    # What follows from a write.
    writing: Callable[[Core, Stored | None, Object], Callable[[], None]] = lambda *_: _nothing
    """Called before a write, with the object as it was and as it will be; what it returns is called after the write."""
    removed: Callable[[Core, Strategy, Stored], None] = _nothing
    """Called after an object was removed."""

    # Deletion.
    delete: Callable[[Core, Strategy, Stored, Options], tuple[Stored, bool]] = deletion.delete_object
    """Deletes an object; returns its last state, and whether the server answers with that."""
    grace_s: Callable[[Object, Options], int] | None = None
    """The grace period of a delete; None if the kind has none and objects are removed at once."""
    is_held: Callable[[Object], bool] = _never
    """Whether something besides metadata.finalizers holds an object that is being deleted."""
    has_dependents: bool = True
    """Whether a delete's propagation policy means anything."""
    orphans: bool = False
    """Whether a delete without a policy leaves the dependents alone."""
    delete_warning: str = ""
    """The warning that comes with each delete without a propagation policy, whatever becomes of it."""
    deleted_is_shown: bool = False
    """Whether the server answers a delete with the object instead of a Status."""

    head: bytes = field(init=False, repr=False)
    """The beginning of an object's JSON: its kind and apiVersion."""

    def __post_init__(self) -> None:
        resource = self.resource
        object.__setattr__(self, "singular", self.singular or resource.kind.lower())
        object.__setattr__(self, "head", f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode())

    @property
    def keeps_objects(self) -> bool:
        """Whether objects of the kind are stored; others are questions, or told of what runs."""
        return self.review is None and self.report is None

    @property
    def has_status(self) -> bool:
        """Whether the status is written through its own subresource only."""
        return "status" in self.subresources

    @property
    def stored_identity(self) -> Identity:
        """The group and plural under which the objects are stored."""
        return self.refused_as.identity

    @property
    def refused_as(self) -> AnyResource:
        """The kind that a refusal of an object's content names, which is the stored form."""
        return self.resource if self.conversion is None else self.conversion.stored

    def as_served(self, facts: KindFacts, types: Types) -> Strategy:
        """Return this strategy for a kind as a release serves it."""
        resource = Resource(
            type=Unstructured,
            group=facts.group,
            version=facts.version,
            kind=facts.kind,
            plural=facts.plural,
            scope=Scope.NAMESPACED if facts.namespaced else Scope.CLUSTER,
        )
        return replace(
            self,
            resource=resource,
            types=types,
            facts=facts,
            singular=facts.singular,
            short_names=facts.short_names,
            categories=facts.categories,
            subresources=frozenset(facts.subresources),
        )

    def answers(self, verb: Verb, subresource: str = "") -> bool:
        """Whether there are calls with a verb to the kind, or to a subresource, which it may not have."""
        return (not subresource or subresource in self.subresources) and self.supports(verb, subresource)

    def supports(self, verb: Verb, subresource: str = "") -> bool:
        """Whether the kind, or a subresource that it has, can be called with a verb."""
        if self.facts is None:
            return not subresource or verb in (Verb.GET, Verb.PATCH, Verb.UPDATE)
        return verb in (self.facts.subresources[subresource].verbs if subresource else self.facts.verbs)
