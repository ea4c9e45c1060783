"""CustomResourceDefinitions, and the kinds that they add and take away at run time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.decode import tell_unknown
from ctrlkit.fakes.tracker.kinds.definitions.rules import definition_causes
from ctrlkit.fakes.tracker.kinds.deletion import delete_object, with_finalizers
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, ScalePaths, Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.store import Identity, Store, Stored
from ctrlkit.model import (
    Action,
    ObjectKey,
    Options,
    Resource,
    Scope,
    Unstructured,
    custom_resource,
    kinds,
    value_at,
)

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.kinds.registry import Registry

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition that is being deleted until the last of its objects is gone."""


# ---- definitions -----------------------------------------------------------------------------------------------------


def _complete(plain: Plain, others: Sequence[Object]) -> Plain:
    """
    Fill in a definition and its status, which says whether its names are accepted and its kind is served.

    Shape   `others` are the other definitions of its group.
    """
    spec: Plain = plain.get("spec") or {}
    names: Plain = spec.get("names") or {}
    kind = names.get("kind") or ""
    made_up = {"singular": kind.lower(), "listKind": f"{kind}List"} if kind else {}
    names = made_up | names
    spec = {"conversion": {"strategy": "None"}, **spec, "names": names}
    status: Plain = plain.get("status") or {}
    accepted, problem = _accept(names, status.get("acceptedNames") or {}, others)
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    kept = status.get("storedVersions") or []
    status = {
        "conditions": _conditions(status.get("conditions") or [], problem),
        "acceptedNames": accepted,
        "storedVersions": [*kept, *(name for name in stored if name not in kept)],
    }
    return plain | {"spec": spec, "status": status}


def _others_of(store: Store, plain: Object) -> list[Plain]:
    """The other definitions of a definition's group."""
    group, name = (plain.get("spec") or {}).get("group"), plain["metadata"].get("name")
    every = (stored.plain for stored in store.collection(kinds.CUSTOM_RESOURCE_DEFINITIONS.identity).all())
    return [one for one in every if one["spec"]["group"] == group and one["metadata"]["name"] != name]


def _accept(names: Plain, accepted: Object, others: Sequence[Object]) -> tuple[Plain, tuple[str, str] | None]:
    """Return the accepted names, and the reason and message if some were not accepted."""
    taken = [other["status"]["acceptedNames"] for other in others]
    resources = {name for one in taken for name in _resource_names(one)}
    named = {one.get(part) for one in taken for part in ("kind", "listKind")}
    got, problem = {**accepted, "categories": names.get("categories")}, None
    for part, reason, used in (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", named),
        ("listKind", "ListKindConflict", named),
    ):
        wanted = names.get(part)
        lost = [name for name in (wanted if isinstance(wanted, list) else [wanted]) if name in used]
        if lost and wanted != accepted.get(part):
            problem = (reason, ", ".join(f'"{name}" is already in use' for name in lost))
        else:
            got[part] = wanted
    return {part: value for part, value in got.items() if value}, problem


def _resource_names(accepted: Object) -> Iterator[str]:
    yield from (accepted.get("plural", ""), accepted.get("singular", ""), *(accepted.get("shortNames") or ()))


def _conditions(have: list[Plain], problem: tuple[str, str] | None) -> list[Plain]:
    before = {one["type"]: one for one in have}
    if problem:
        found = [_condition("NamesAccepted", "False", *problem)]
        if not is_established(have):
            found.append(_condition("Established", "False", "NotAccepted", "not all names are accepted"))
    else:
        found = [
            _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
    for one in found:
        if before.get(one["type"], {}).get("status") != one["status"]:
            before[one["type"]] = one
    return list(before.values())


def _condition(kind: str, status: str, reason: str, message: str) -> Plain:
    now = clock.timestamp(clock.now())
    return {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}


def is_established(conditions: Iterable[Object]) -> bool:
    """Whether a definition's kind is served, by its conditions."""
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _prepare(core: Core, _strategy: Strategy, plain: Plain, action: Action) -> Plain:
    return plain if action.subresource else _complete(plain, _others_of(core.store, plain))


def _writing(core: Core, _before: Stored | None, after: Object) -> Callable[[], None]:
    defined = _kinds_of(core.registry, after)
    return lambda: _serve(core.store, core.registry, _identity_of(after), defined)


def _removed(core: Core, strategy: Strategy, gone: Stored) -> None:
    """Stop serving a definition's kind, and let other definitions have the names that it held."""
    _stop_serving(core.store, core.registry, gone.plain)
    for other in _others_of(core.store, gone.plain):
        completed = _complete(other, _others_of(core.store, other))
        if completed != other:
            core.write(strategy, ObjectKey("", other["metadata"]["name"]), completed)


def _delete(core: Core, strategy: Strategy, stored: Stored, options: Options) -> tuple[Stored, bool]:
    """Delete a definition with its objects; it waits for those that have finalizers."""
    if options.dry_run or stored.metadata.get("deletionTimestamp"):
        return stored, True
    meta = stored.metadata | {"deletionTimestamp": clock.timestamp(clock.now())}
    meta = with_finalizers(meta, [*(meta.get("finalizers") or []), CLEANUP_FINALIZER])
    marked = core.write(strategy, stored.key, stored.plain | {"metadata": meta})
    identity = _identity_of(stored.plain)
    kind = core.registry.find_stored(identity)
    objects = tuple(core.store.collection(identity).all()) if _serves(core.registry, stored.plain) else ()
    if kind:
        for child in objects:
            delete_object(core, kind, child, Options())
    if not (kind and objects):
        _release(core, stored.key.name)
    return marked, True


def _release(core: Core, name: str) -> None:
    """Remove the cleanup finalizer of a definition that is being deleted and whose objects are gone."""
    definitions = core.served(kinds.CUSTOM_RESOURCE_DEFINITIONS)
    definition = core.find(definitions, ObjectKey("", name))
    if definition is None or CLEANUP_FINALIZER not in definition.metadata.get("finalizers", ()):
        return
    others = [one for one in definition.metadata["finalizers"] if one != CLEANUP_FINALIZER]
    if others:
        metadata = definition.metadata | {"finalizers": others}
        core.write(definitions, definition.key, definition.plain | {"metadata": metadata})
    else:
        core.remove(definitions, definition.key)


DEFINITIONS = Strategy(
    blind_updates=False,
    prepare=_prepare,
    validate=definition_causes,
    needs_known_finalizers=False,
    generation=True,
    kept_by_status=("metadata",),
    writing=_writing,
    removed=_removed,
    delete=_delete,
)

# ---- the kinds they define -------------------------------------------------------------------------------------------


def custom_kind(resource: Resource[Unstructured], *, schema: CustomSchema | None = None, **more: Any) -> Strategy:
    """The strategy of a custom kind; without a schema its objects may have any fields."""
    if schema is not None:
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        validate = functools.partial(_causes, schema, kind, more.get("scale"))
        more |= {"schema": schema, "prepare": _conform, "validate": validate}
    return Strategy(
        resource=resource,
        custom=True,
        blind_updates=False,
        needs_known_finalizers=False,
        generation=True,
        kept_by_status=("metadata",),
        removed=_custom_removed,
        **more,
    )


def _conform(_core: Core, strategy: Strategy, plain: Plain, action: Action) -> Plain:
    """Prune and default an object by its schema; warn about unknown fields or refuse them, as the request asks."""
    if strategy.schema is None:
        return plain
    completed, unknown = strategy.schema.complete(plain)
    if unknown:
        tell_unknown(strategy, action, sorted(unknown), plain)
    return completed


def _causes(
    schema: CustomSchema, kind: dict[str, str], scale: ScalePaths | None, plain: Object, old: Object | None
) -> list[Cause]:
    """Return a cause for each rule of the schema that an object breaks, and for replicas that cannot be scaled."""
    causes = schema.causes(plain, old, notice, kind)
    if scale:
        path = scale.spec_replicas
        replicas = value_at(plain, path)
        if isinstance(replicas, int) and replicas < 0:
            causes.append(Cause.invalid(f".{path}", str(replicas), "should be a non-negative integer"))
        elif isinstance(replicas, str):
            text = f".{path} accessor error: {replicas} is of the type string, expected int64"
            causes.append(Cause.invalid(f".{path}", "0", text))
    return causes


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


def _stop_serving(store: Store, registry: Registry, plain: Object) -> None:
    """Stop serving a definition's kind, and drop its objects and history."""
    if not _serves(registry, plain):
        return
    identity = _identity_of(plain)
    for served in registry.custom():
        if served.resource.identity == identity:
            registry.unregister(served.resource)
    store.drop(identity)


def _serves(registry: Registry, plain: Object) -> bool:
    """Whether a definition is established and its kind is not a built-in one."""
    served = registry.find_stored(_identity_of(plain))
    return is_established(plain["status"]["conditions"]) and (served is None or served.custom)


def _identity_of(plain: Object) -> Identity:
    """The group and plural of a definition's kind."""
    return (plain["spec"]["group"], plain["spec"]["names"]["plural"])


def _kinds_of(registry: Registry, plain: Object) -> list[Strategy]:
    """Return a definition's kind at each served version; none if another kind has its names."""
    return list(_custom_kinds(plain)) if _serves(registry, plain) else []


def _custom_kinds(definition: Object) -> Iterator[Strategy]:
    names = definition["spec"]["names"]
    for version in served_versions(definition):
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        yield custom_kind(
            resource_at(definition, version["name"]),
            schema=CustomSchema(version["schema"]["openAPIV3Schema"]),
            singular=names["singular"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=frozenset(name for name in ("status", "scale") if name in subresources),
            columns=tuple(version["additionalPrinterColumns"]) if version.get("additionalPrinterColumns") else None,
            scale=_scale_paths(scale) if scale else None,
            selectable_fields=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        )


def served_versions(definition: Object) -> list[Object]:
    """Return the served versions of a definition."""
    return [version for version in definition["spec"].get("versions") or () if version.get("served")]


def resource_at(definition: Object, version: str) -> Resource[Unstructured]:
    """Return a definition's kind at one of its versions."""
    spec, names = definition["spec"], definition["spec"]["names"]
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
