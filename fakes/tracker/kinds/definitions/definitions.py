"""CustomResourceDefinitions, and the kinds that they add and take away at run time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.definitions.forms import Era, Forms, deprecation, unconverted
from ctrlkit.fakes.tracker.kinds.definitions.naming import ESTABLISHED, TERMINATING, next_status, with_condition
from ctrlkit.fakes.tracker.kinds.definitions.objects import ObjectRules
from ctrlkit.fakes.tracker.kinds.definitions.rules import definition_causes, is_true, status_causes
from ctrlkit.fakes.tracker.kinds.definitions.schemas import unknown_formats
from ctrlkit.fakes.tracker.kinds.definitions.webhook_conversion import WebhookConversion
from ctrlkit.fakes.tracker.kinds.deletion import delete_object, with_finalizers
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, ScalePaths, Strategy
from ctrlkit.fakes.tracker.ownership import managed_fields
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.store import Identity, Store, Stored
from ctrlkit.model import (
    Action,
    ObjectKey,
    Options,
    Resource,
    Scope,
    Unstructured,
    Verb,
    custom_resource,
    kinds,
)

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.kinds.registry import Registry

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition that is being deleted until the last of its objects is gone."""

_SERVER = "kube-apiserver"


# ---- definitions -----------------------------------------------------------------------------------------------------


def _fill_in(plain: Plain) -> None:
    """Fill in the names that follow from the kind, and how versions are converted."""
    spec: Plain = plain["spec"]
    names: Plain = spec["names"]
    kind = names.get("kind") or ""
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    webhook: Plain = spec["conversion"].get("webhook") or {}
    service: Plain | None = (webhook.get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)


def _storage_versions(spec: Object) -> list[str]:
    """The first version that is marked as the one objects are stored in, if there is one."""
    return [version["name"] for version in spec.get("versions") or () if version.get("storage")][:1]


def _prepare(_core: Core, _strategy: Strategy, plain: Plain, action: Action) -> Plain:
    """Note in which versions objects are stored."""
    status: Plain = dict(plain.get("status") or {})
    kept: list[str] = list(status.get("storedVersions") or ())
    if action.subresource and kept:
        return plain
    new = [name for name in _storage_versions(plain["spec"]) if name not in kept]
    return plain | {"status": {**status, "storedVersions": [*kept, *new] or None}}


def _others_of(store: Store, plain: Object) -> list[Plain]:
    """The other definitions of a definition's group."""
    group, name = (plain.get("spec") or {}).get("group"), plain["metadata"].get("name")
    every = (stored.plain for stored in store.collection(kinds.CUSTOM_RESOURCE_DEFINITIONS.identity).all())
    return [one for one in every if one["spec"]["group"] == group and one["metadata"]["name"] != name]


def _writing(core: Core, before: Stored | None, after: Object) -> Callable[[], None]:
    defined = _kinds_of(core.registry, core.store.version, after)
    gives_up = before is not None and _accepted(before.plain) != _accepted(after)

    def follow() -> None:
        _serve(core.store, core.registry, _identity_of(after), defined)
        name = after["metadata"]["name"]
        written = core.find(core.served(kinds.CUSTOM_RESOURCE_DEFINITIONS), ObjectKey("", name))
        if written is not None:
            written.keep(after)
        if not _tell(core, name) and gives_up:
            _tell_others(core, after)
        if after["metadata"].get("deletionTimestamp"):
            _release(core, name)

    return follow


def _accepted(plain: Object) -> Any:
    return (plain.get("status") or {}).get("acceptedNames")


def _tell(core: Core, name: str) -> bool:
    """Write the next thing that the server's controllers say of a definition; return whether there was any."""
    strategy = core.served(kinds.CUSTOM_RESOURCE_DEFINITIONS)
    stored = core.find(strategy, ObjectKey("", name))
    status = None if stored is None else next_status(stored.plain, _others_of(core.store, stored.plain))
    if stored is None or status is None:
        return False
    _write_status(core, strategy, stored, status)
    return True


def _tell_others(core: Core, plain: Object) -> None:
    """Let the other definitions of a group have the names that one has given up."""
    for other in _others_of(core.store, plain):
        _tell(core, other["metadata"]["name"])


def _write_status(
    core: Core, strategy: Strategy, stored: Stored, status: Plain, finalizers: Sequence[str] | None = None
) -> Stored:
    """Write a definition's status, as the server itself; `finalizers` are its finalizers from now on."""
    plain = stored.plain | {"status": status, "metadata": dict(stored.metadata)}
    if finalizers is not None:
        plain["metadata"] = with_finalizers(plain["metadata"], list(finalizers))
    by_server = Options(field_manager=_SERVER)
    action = Action(
        verb=Verb.UPDATE,
        resource=strategy.resource,
        name=stored.key.name,
        subresource="status",
        body=plain,
        options=by_server,
    )
    owners = managed_fields.of_update(strategy, action, stored, plain, plain)
    managed_fields.settle(plain, stored.plain, owners)
    return core.write(strategy, stored.key, plain)


def _removed(core: Core, _strategy: Strategy, gone: Stored) -> None:
    """Stop serving a definition's kind, and let other definitions have the names that it held."""
    _stop_serving(core.store, core.registry, gone.plain)
    _tell_others(core, gone.plain)


def _delete(core: Core, strategy: Strategy, stored: Stored, options: Options) -> tuple[Stored, bool]:
    """Delete a definition with its objects; it waits for those that have finalizers."""
    if stored.metadata.get("deletionTimestamp"):
        return stored, True
    meta = stored.metadata | {"deletionTimestamp": clock.timestamp(exchanges.now())}
    have = meta.get("finalizers") or []
    if CLEANUP_FINALIZER not in have:
        meta = with_finalizers(meta, [*have, CLEANUP_FINALIZER])
    pending = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    status = with_condition(stored.plain["status"], TERMINATING, ("True", "InstanceDeletionPending", pending))
    plain = stored.plain | {"metadata": meta, "status": status}
    return core.write(strategy, stored.key, plain, dry_run=options.dry_run), True


def _release(core: Core, name: str) -> None:
    """Delete the objects of a definition that is being deleted, and let it go when they are gone."""
    strategy = core.served(kinds.CUSTOM_RESOURCE_DEFINITIONS)
    definition = core.find(strategy, ObjectKey("", name))
    if definition is None or CLEANUP_FINALIZER not in definition.metadata.get("finalizers", ()):
        return
    identity = _identity_of(definition.plain)
    kind = _as_stored(core.registry, identity)
    progress = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
    status = with_condition(definition.plain["status"], TERMINATING, progress)
    if status != definition.plain["status"]:
        _write_status(core, strategy, definition, status)  # what follows a write comes back here
        return
    if kind is not None and kind.custom:
        for child in tuple(core.collection(kind).within("")):
            if not child.metadata.get("deletionTimestamp"):
                delete_object(core, kind, child, Options())
    definition = core.find(strategy, definition.key)  # gone with the last of its objects, if there were any
    if definition is not None and not (kind is not None and kind.custom and core.store.collection(identity)):
        _let_go(core, strategy, definition, kind)


def _as_stored(registry: Registry, identity: Identity) -> Strategy | None:
    """Return a kind at the version as which its objects are stored, if that is served: then nobody converts them."""
    kind = registry.find_stored(identity)
    if kind is None or kind.forms is None:
        return kind
    versions = {one.resource.version: one for one in registry.custom() if one.resource.identity == identity}
    return versions.get(kind.forms.stored_as, kind)


def _let_go(core: Core, strategy: Strategy, definition: Stored, kind: Strategy | None) -> None:
    """Remove a definition's own finalizer; others may hold it."""
    others = [one for one in definition.metadata["finalizers"] if one != CLEANUP_FINALIZER]
    if not others:
        core.remove(strategy, definition.key)
        return
    if kind is None:
        said = ("False", "NeverEstablished", "resource was never established")
    elif kind.custom:
        said = ("False", "InstanceDeletionCompleted", "removed all instances")
    else:
        said = ("False", "OverlappingBuiltInResource", "instances overlap with built-in resources in storage")
    _write_status(core, strategy, definition, with_condition(definition.plain["status"], TERMINATING, said), others)


def _warnings(plain: Object, old: Object | None) -> Iterator[str]:
    """Yield a warning for each format that a schema names for the first time and the server does not know."""
    found = dict.fromkeys(unknown_formats(plain))
    had = set(unknown_formats(old)) if found and old is not None else set()
    for form in found:
        if form not in had:
            yield f'unrecognized format "{form}"'


DEFINITIONS = Strategy(
    blind_updates=False,
    defaults=_fill_in,
    prepare=_prepare,
    validate=definition_causes,
    validate_status=status_causes,
    warn=_warnings,
    needs_known_finalizers=False,
    generation=True,
    writing=_writing,
    removed=_removed,
    delete=_delete,
)

# ---- the kinds they define -------------------------------------------------------------------------------------------


def custom_kind(resource: Resource[Unstructured], *, schema: CustomSchema | None = None, **more: Any) -> Strategy:
    """The strategy of a custom kind; without a schema its objects may have any fields."""
    if schema is not None:
        rules = ObjectRules(schema, {"apiVersion": resource.api_version, "kind": resource.kind}, more.get("scale"))
        more |= {"schema": schema, "validate": rules.causes, "validate_status": rules.status_causes}
    return Strategy(
        resource=resource,
        custom=True,
        blind_updates=False,
        needs_known_finalizers=False,
        generation=True,
        kept_by_status=("metadata", "metadata.generateName"),
        removed=_custom_removed,
        **more,
    )


def _custom_removed(core: Core, strategy: Strategy, _gone: Stored) -> None:
    if not core.store.collection(strategy.resource.identity):
        _release(core, str(strategy.resource))


def _serve(store: Store, registry: Registry, identity: Identity, defined: Sequence[Strategy]) -> None:
    """Replace the versions at which a definition's kind is served by those of `_kinds_of`; this does not fail."""
    now_served = {served.resource for served in defined}
    for old in registry.custom():
        if old.resource.identity == identity and old.resource not in now_served:
            registry.unregister(old.resource)
    if defined:
        store.open(identity)
    for served in defined:
        registry.register(served)
        if served.forms is not None:
            registry.custom_forms[identity] = served.forms


def _stop_serving(store: Store, registry: Registry, plain: Object) -> None:
    """Stop serving a definition's kind, and drop its objects and history."""
    if not _serves(registry, plain):
        return
    identity = _identity_of(plain)
    for served in registry.custom():
        if served.resource.identity == identity:
            registry.unregister(served.resource)
    registry.custom_forms.pop(identity, None)
    store.drop(identity)


def _serves(registry: Registry, plain: Object) -> bool:
    """Whether a definition is established and its kind is not a built-in one."""
    served = registry.find_stored(_identity_of(plain))
    return is_true(plain, ESTABLISHED) and (served is None or served.custom)


def _identity_of(plain: Object) -> Identity:
    """The group and plural of a definition's kind."""
    return (plain["spec"]["group"], plain["spec"]["names"]["plural"])


def _kinds_of(registry: Registry, now: int, plain: Object) -> list[Strategy]:
    """Return a definition's kind at each served version; none if another kind has its names."""
    if not _serves(registry, plain):
        return []
    return list(_custom_kinds(plain, _forms_of(registry, now, plain)))


def _custom_kinds(definition: Object, forms: Forms) -> Iterator[Strategy]:
    names = _accepted(definition)
    for version in definition["spec"].get("versions") or ():
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        yield custom_kind(
            _resource_at(definition, version["name"]),
            schema=forms.schemas[version["name"]],
            forms=forms,
            deprecated=deprecation(definition, version),
            singular=names["singular"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=frozenset(name for name in ("status", "scale") if name in subresources),
            columns=tuple(version["additionalPrinterColumns"]) if version.get("additionalPrinterColumns") else None,
            scale=_scale_paths(scale) if scale else None,
            selectable_fields=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        )


def _forms_of(registry: Registry, now: int, definition: Object) -> Forms:
    """Return how a definition's objects are stored and shown; schemas in use are kept, with what they have compiled."""
    known = registry.custom_forms.get(_identity_of(definition))
    schemas: dict[str, CustomSchema] = {}
    for version in definition["spec"]["versions"]:
        name, openapi = version["name"], version["schema"]["openAPIV3Schema"]
        had = known.schemas.get(name) if known is not None else None
        schemas[name] = had if had is not None and had.openapi == openapi else CustomSchema.shared(openapi)
    stored_as = next(version["name"] for version in definition["spec"]["versions"] if version.get("storage"))
    forms = Forms(schemas, (Era(-1, stored_as),)) if known is None else known.changed(schemas, stored_as, now)
    return forms.converted_by(WebhookConversion.of(definition) or unconverted)


def _resource_at(definition: Object, version: str) -> Resource[Unstructured]:
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or spec["names"]
    return custom_resource(
        group=spec["group"],
        version=version,
        kind=names["kind"],
        plural=names["plural"],
        scope=Scope(spec["scope"]),
        list_kind=names["listKind"],
    )


def _scale_paths(scale: Mapping[str, str]) -> ScalePaths:
    return ScalePaths(
        scale["specReplicasPath"].lstrip("."),
        scale["statusReplicasPath"].lstrip("."),
        scale.get("labelSelectorPath", "").lstrip("."),
    )
