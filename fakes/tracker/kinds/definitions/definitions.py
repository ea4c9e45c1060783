"""Custom resource definitions: kinds that appear and go at run time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.kinds.registry import Identity, Registry, ScalePaths, Served
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.schema.strict import tell_unknown
from ctrlkit.fakes.tracker.store import Store
from ctrlkit.fakes.tracker.verbs.patch import value_at
from ctrlkit.model import Action, Scope, custom_resource
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition that is being deleted until the last of its objects is gone."""

Plain = dict[str, Any]


def complete(plain: Plain, others: Sequence[Mapping[str, Any]]) -> Plain:
    """
    A definition with what the server fills in, and its status: whether its names are free, and its kind served.

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


def others_of(store: Store, plain: Mapping[str, Any]) -> list[Plain]:
    """The other definitions of a definition's group."""
    group, name = (plain.get("spec") or {}).get("group"), plain["metadata"].get("name")
    every = (stored.plain for stored in store.collection(CUSTOM_RESOURCE_DEFINITIONS.identity).all())
    return [one for one in every if one["spec"]["group"] == group and one["metadata"]["name"] != name]


def _accept(
    names: Plain, accepted: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> tuple[Plain, tuple[str, str] | None]:
    """The names a definition has now, and the reason and text of why it does not have all it asks for."""
    taken = [other["status"]["acceptedNames"] for other in others]
    resources = {name for one in taken for name in _resource_names(one)}
    kinds = {one.get(part) for one in taken for part in ("kind", "listKind")}
    got, problem = {**accepted, "categories": names.get("categories")}, None
    for part, reason, used in (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    ):
        wanted = names.get(part)
        lost = [name for name in (wanted if isinstance(wanted, list) else [wanted]) if name in used]
        if lost and wanted != accepted.get(part):
            problem = (reason, ", ".join(f'"{name}" is already in use' for name in lost))
        else:
            got[part] = wanted
    return {part: value for part, value in got.items() if value}, problem


def _resource_names(accepted: Mapping[str, Any]) -> Iterator[str]:
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


def is_established(conditions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a definition's kind is served, by its conditions."""
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def conform(served: Served, plain: Plain, action: Action) -> Plain:
    """A custom object pruned and defaulted by its schema; unknown fields told of or refused, as the caller wants."""
    if served.schema is None:
        return plain
    completed, unknown = served.schema.complete(plain)
    if unknown:
        tell_unknown(served, action, sorted(unknown), plain)
    return completed


def custom_causes(served: Served, plain: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a custom object: its schema's rules, and replicas that cannot be scaled."""
    if served.schema is None:
        return []
    causes = served.schema.causes(plain)
    if served.scale:
        path = served.scale.spec_replicas
        replicas = value_at(plain, path)
        if isinstance(replicas, int) and replicas < 0:
            causes.append(Cause.invalid(f".{path}", str(replicas), "should be a non-negative integer"))
        elif isinstance(replicas, str):
            text = f".{path} accessor error: {replicas} is of the type string, expected int64"
            causes.append(Cause.invalid(f".{path}", "0", text))
    return causes


def serve(store: Store, registry: Registry, identity: Identity, kinds: Sequence[Served]) -> None:
    """Serve a definition's kind as `kinds_of` says, and no longer as before; this does not fail."""
    now_served = {served.resource for served in kinds}
    for old in registry.served():
        if old.custom and old.resource.identity == identity and old.resource not in now_served:
            registry.unregister(old.resource)
    if kinds:
        store.open(identity)
    for served in kinds:
        registry.register(served)


def stop_serving(store: Store, registry: Registry, plain: Mapping[str, Any]) -> None:
    """Serve a definition's kind no longer, and forget its history."""
    if not serves(registry, plain):
        return
    identity = identity_of(plain)
    for served in registry.served():
        if served.resource.identity == identity:
            registry.unregister(served.resource)
    store.drop(identity)


def serves(registry: Registry, plain: Mapping[str, Any]) -> bool:
    """Whether the kind served under a definition's names is that definition's own."""
    served = (one for one in registry.served() if one.resource.identity == identity_of(plain))
    return is_established(plain["status"]["conditions"]) and all(one.custom for one in served)


def identity_of(plain: Mapping[str, Any]) -> Identity:
    """What names a definition's kind."""
    return (plain["spec"]["group"], plain["spec"]["names"]["plural"])


def kinds_of(registry: Registry, plain: Mapping[str, Any]) -> list[Served]:
    """A definition's kind at every version it is served at; none where its names are another's."""
    return list(_kinds(plain)) if serves(registry, plain) else []


def _kinds(plain: Mapping[str, Any]) -> Iterator[Served]:
    spec = plain["spec"]
    names = spec["names"]
    for version in spec.get("versions") or ():
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        yield Served(
            resource=custom_resource(
                group=spec["group"],
                version=version["name"],
                kind=names["kind"],
                plural=names["plural"],
                scope=Scope(spec["scope"]),
                list_kind=names["listKind"],
            ),
            singular=names["singular"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=frozenset(name for name in ("status", "scale") if name in subresources),
            columns=tuple(version["additionalPrinterColumns"]) if version.get("additionalPrinterColumns") else None,
            scale=_scale_paths(scale) if scale else None,
            custom=True,
            generation=True,
            blind_updates=False,
            selectable_fields=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
            schema=CustomSchema(version["schema"]["openAPIV3Schema"]),
        )


def _scale_paths(scale: Mapping[str, str]) -> ScalePaths:
    return ScalePaths(
        scale["specReplicasPath"].lstrip("."),
        scale["statusReplicasPath"].lstrip("."),
        scale.get("labelSelectorPath", "").lstrip("."),
    )
