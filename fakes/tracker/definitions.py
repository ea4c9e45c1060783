"""Custom resource definitions: kinds that appear and go at run time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.model import Action, Scope, custom_resource
from fakes.tracker.patching import value_at
from fakes.tracker.refusals import Cause
from fakes.tracker.registry import Identity, Registry, ScalePaths, Served
from fakes.tracker.schema import CustomSchema
from fakes.tracker.store import Store
from fakes.tracker.strict import tell_unknown

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition that is being deleted until the last of its objects is gone."""

Plain = dict[str, Any]


def complete(plain: Plain) -> Plain:
    """A definition with what the server fills in, and the status it has once its kind is served."""
    spec: Plain = plain.get("spec") or {}
    names: Plain = spec.get("names") or {}
    kind = names.get("kind") or ""
    names = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    spec = {"conversion": {"strategy": "None"}, **spec, "names": names}
    status: Plain = plain.get("status") or {}
    now = clock.timestamp(clock.now())
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    kept = status.get("storedVersions") or []
    status = {
        "conditions": status.get("conditions")
        or [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
        ],
        "acceptedNames": names,
        "storedVersions": [*kept, *(name for name in stored if name not in kept)],
    }
    return plain | {"spec": spec, "status": status}


def _condition(kind: str, reason: str, message: str, now: str) -> Plain:
    return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}


def definition_causes(plain: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a definition, as far as the tracker depends on it."""
    spec = plain.get("spec") or {}
    names = spec.get("names") or {}
    causes = []
    if plain["metadata"].get("name") != f"{names.get('plural')}.{spec.get('group')}":
        text = 'must be spec.names.plural+"."+spec.group'
        causes.append(Cause.invalid("metadata.name", f'"{plain["metadata"].get("name")}"', text))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(Cause.required("spec.scope"))
    versions = spec.get("versions") or ()
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        causes.append(Cause.invalid("spec.versions", "null", text))
    causes += [
        Cause.required(f"spec.versions[{index}].schema.openAPIV3Schema")
        for index, version in enumerate(versions)
        if not (version.get("schema") or {}).get("openAPIV3Schema")
    ]
    return causes


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


def serve(store: Store, registry: Registry, plain: Mapping[str, Any]) -> None:
    """Serve what a definition says, and no longer what it said before."""
    kinds = list(_kinds(plain))
    now_served = {served.resource for served in kinds}
    identity = identity_of(plain)
    for old in registry.served():
        if old.resource.identity == identity and old.resource not in now_served:
            registry.unregister(old.resource)
    store.open(identity)
    for served in kinds:
        registry.register(served)


def stop_serving(store: Store, registry: Registry, plain: Mapping[str, Any]) -> None:
    """Serve a definition's kind no longer, and forget its history."""
    identity = identity_of(plain)
    for served in registry.served():
        if served.resource.identity == identity:
            registry.unregister(served.resource)
    store.drop(identity)


def identity_of(plain: Mapping[str, Any]) -> Identity:
    """What names a definition's kind."""
    return (plain["spec"]["group"], plain["spec"]["names"]["plural"])


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
