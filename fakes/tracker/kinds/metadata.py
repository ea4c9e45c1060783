"""The server's rules for metadata: what it sets itself, what it keeps, and what it refuses (rows X3 and X5)."""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, NamedTuple

import msgspec

from ctrlkit import clock
from ctrlkit.fakes.releases import NEWEST, release
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, qualified_kind
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import AnyResource

Plain = Mapping[str, Any]

GENERATE_TRIES = 8
"""How many generated names the server tries before it answers that the name exists."""

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
BASE_MAX = 58
_SET_BY_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
    "managedFields",
)
_OTHER_VERSIONS = {
    "apps": ("v1beta1", "v1beta2"),
    "autoscaling": ("v1", "v2"),
    "batch": ("v1beta1",),
    "policy": ("v1beta1",),
    "apiextensions.k8s.io": ("v1beta1",),
    "coordination.k8s.io": ("v1alpha2", "v1beta1"),
    "events.k8s.io": ("v1beta1",),
    "rbac.authorization.k8s.io": ("v1alpha1", "v1beta1"),
}
_WELL_KNOWN_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_KEPT_ON_UPDATE = ("namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_SET_BY_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
_TOLD_MAX = 10
_ANNOTATION_BYTES_MAX = 256 * 1024
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_SET_OPERATORS = ("In", "NotIn")
_KEY_OPERATORS = ("Exists", "DoesNotExist")


def generate_name(base: str) -> str:
    """
    Make up a name: `base`, cut to leave room, and five random characters.

    >>> len(generate_name("x" * 80)), generate_name("net-")[:4]
    (63, 'net-')
    """
    suffix = "".join(exchanges.chance().choices(_SUFFIX_ALPHABET, k=SUFFIX_LENGTH))
    return base[:BASE_MAX] + suffix


UID_BITS = 128


def make_uid() -> str:
    """Make up a uid."""
    return str(uuid.UUID(int=exchanges.chance().getrandbits(UID_BITS), version=4))


def clean(metadata: Plain) -> dict[str, Any]:
    """Return the metadata without null and empty fields, which the server never stores."""
    return {name: value for name, value in metadata.items() if value not in (None, "", [], {})}


def sent(metadata: Plain, namespace: str) -> dict[str, Any]:
    """Return the metadata of a new object as its creator may say it; fields of the server are dropped."""
    kept = {name: value for name, value in clean(metadata).items() if name not in _SET_BY_SERVER}
    if metadata.get("generation"):
        kept["generation"] = metadata["generation"]  # it is the creator's where the server does not count
    kept.pop("namespace", None)
    return kept | {"namespace": namespace} if namespace else kept


def born(metadata: Plain, namespace: str, *, generation: bool) -> dict[str, Any]:
    """Return the metadata of a new object; what the caller sends in fields of the server is ignored."""
    fresh = sent(metadata, namespace)
    fresh["uid"] = make_uid()
    fresh["creationTimestamp"] = clock.timestamp(exchanges.now())
    if generation:
        fresh["generation"] = 1
    return fresh


def updated(metadata: Plain, current: Plain) -> dict[str, Any]:
    """Return the metadata of an updated object: the caller's, with the server's fields unchanged."""
    kept = (*_KEPT_ON_UPDATE, "generation", "resourceVersion", "managedFields")
    theirs = clean(metadata)
    merged = {name: value for name, value in theirs.items() if name not in kept and name not in _SET_BY_SERVER}
    merged |= {name: current[name] for name in kept if name in current}
    if "deletionTimestamp" not in current and "deletionTimestamp" in theirs:
        merged["deletionTimestamp"] = theirs["deletionTimestamp"]  # refused later, as is the next
    if "deletionGracePeriodSeconds" in theirs:
        merged["deletionGracePeriodSeconds"] = theirs["deletionGracePeriodSeconds"]
    return merged


def of(resource: AnyResource, body: Plain) -> Plain:
    """Return a body's metadata. Errors: BadRequest if it is not an object."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, (dict, Mapping)):
        kind = resource.kind
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {kind}: json: cannot unmarshal '
            f"{json_type(metadata)} into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    return metadata


def new_causes(strategy: Strategy, metadata: Plain) -> list[Cause]:
    """Return a cause for each rule that the metadata of a new object breaks."""
    name = metadata.get("name") or ""
    found = _base_causes(strategy, metadata)
    if not name:
        found.append(Cause.required("metadata.name", "name or generateName is required"))
    else:
        found += Cause.all_wrong("metadata.name", name, strategy.name_rule(name))
    return [*found, *metadata_causes(metadata), *_finalizer_causes(strategy, metadata), *_generation_causes(metadata)]


def late_causes(strategy: Strategy, metadata: Plain) -> list[Cause]:
    """Return a cause for each rule that a server looks at only if a new object breaks none of its kind's."""
    if not strategy.checks_metadata:
        return new_causes(strategy, metadata)
    base = metadata.get("generateName") or ""
    return Cause.all_wrong("metadata.generateName", base, formats.segment_start(base))


def update_causes(strategy: Strategy, metadata: Plain, current: Plain, subresource: str = "") -> list[Cause]:
    """Return a cause for each rule that a change of metadata breaks, as often as a server reports it."""
    if metadata == current:
        return []  # it broke none when it was stored
    checks = _STATUS_CHECKS if subresource else _CHECKS
    as_new, as_change, _ = checks.get(strategy.resource.kind, _USUAL_CHECKS)
    base = metadata.get("generateName") or ""
    everywhere = list(metadata_causes(metadata))
    change = _change_causes(metadata, current)
    change += [cause for cause in everywhere if cause.field != "metadata.finalizers"]
    return [
        *Cause.all_wrong("metadata.generateName", base, formats.segment_start(base)),
        *everywhere,
        *change,
        *[*_base_causes(strategy, metadata), *everywhere] * as_new,
        *change * as_change,
        *_finalizer_causes(strategy, metadata, subresource) * (as_new + as_change),
    ]


class _Checks(NamedTuple):
    """How often a server checks changed metadata by the rules of its kind, besides once by those of all kinds."""

    as_new: int
    """As often it is checked like the metadata of a new object."""
    as_change: int
    """As often it is compared with what it was."""
    knows_finalizers: bool = True
    """Whether a finalizer without a domain must be one of Kubernetes' own."""


_USUAL_CHECKS = _Checks(0, 1)
_BOTH_CHECKS = (
    *("ConfigMap", "Endpoints", "PersistentVolumeClaim", "Pod", "Secret", "ServiceAccount", "ControllerRevision"),
    *("Job", "IngressClass", "Ingress", "IPAddress", "ClusterRoleBinding", "ClusterRole", "RoleBinding", "Role"),
    *("CSIStorageCapacity", "StorageClass", "VolumeAttributesClass", "DeviceClass", "ResourceClaim"),
    *("ResourceClaimTemplate", "CertificateSigningRequest"),
)
_NEW_CHECKS = (
    *("LimitRange", "CSINode", "VolumeAttachment", "EndpointSlice", "FlowSchema", "PriorityLevelConfiguration"),
)
_ADMISSION_KINDS = (
    *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"),
)
_CHECKS: Mapping[str, _Checks] = {
    **dict.fromkeys(_BOTH_CHECKS, _Checks(1, 1)),
    **dict.fromkeys(_NEW_CHECKS, _Checks(1, 0)),
    **dict.fromkeys(_ADMISSION_KINDS, _Checks(1, 0, knows_finalizers=False)),
    **dict.fromkeys(("APIService", "RuntimeClass"), _Checks(1, 1, knows_finalizers=False)),
    "PersistentVolume": _Checks(2, 0),
    "PodDisruptionBudget": _Checks(0, 0),
    "Lease": _Checks(0, 1, knows_finalizers=False),
}
_STATUS_CHECKS: Mapping[str, _Checks] = {
    **dict.fromkeys(("PodDisruptionBudget", "CronJob"), _Checks(0, 0)),
    "ValidatingAdmissionPolicy": _Checks(0, 0, knows_finalizers=False),
    "APIService": _Checks(0, 1, knows_finalizers=False),
    "CertificateSigningRequest": _Checks(1, 1),
}


def _generation_causes(metadata: Plain) -> list[Cause]:
    generation = metadata.get("generation") or 0
    text = "must be greater than or equal to 0"
    return [Cause.wrong("metadata.generation", generation, text)] if generation < 0 else []


def _base_causes(strategy: Strategy, metadata: Plain) -> list[Cause]:
    base = metadata.get("generateName") or ""
    if not strategy.checks_base:
        return []
    whole = f"{base[:-2]}a" if base.endswith("-") and len(base) > 1 else base  # a dash may end it, after any letter
    return Cause.all_wrong("metadata.generateName", base, strategy.name_rule(whole)) if base else []


def _change_causes(metadata: Plain, current: Plain) -> list[Cause]:
    found: list[Cause] = []
    if current.get("deletionTimestamp"):
        had = frozenset(current.get("finalizers") or ())
        new = [name for name in metadata.get("finalizers") or () if name not in had]
        if new:
            names = ", ".join(f'"{name}"' for name in new)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{names}}}"
            )
            found.append(Cause.forbidden("metadata.finalizers", text))
    for name in _SET_BY_DELETION:
        found += Cause.changed(f"metadata.{name}", metadata.get(name), current.get(name))
    return found


def _finalizer_causes(strategy: Strategy, metadata: Plain, subresource: str = "") -> list[Cause]:
    checks = (_STATUS_CHECKS if subresource else _CHECKS).get(strategy.resource.kind, _USUAL_CHECKS)
    if not strategy.needs_known_finalizers or not checks.knows_finalizers:
        return []
    return finalizer_causes(metadata.get("finalizers") or (), "metadata.finalizers")


def finalizer_causes(names: Iterable[str], path: str, known: Container[str] = _WELL_KNOWN_FINALIZERS) -> list[Cause]:
    """Return a cause for each finalizer that has no domain and is not one of Kubernetes' own."""
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        Cause.wrong(f"{path}[{index}]", name, text)
        for index, name in enumerate(names)
        if "/" not in name and name not in known
    ]


def tell_of_finalizers(metadata: Plain, current: Plain) -> None:
    """Warn about a new finalizer without a domain on a custom object."""
    had = current.get("finalizers") or ()
    for name in metadata.get("finalizers") or ():
        if "/" not in name and name not in had and name not in _WELL_KNOWN_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            notice(
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name{path} to avoid accidental '
                "conflicts with other finalizer writers"
            )


def _versions_known(resource: AnyResource) -> Iterator[str]:
    """The apiVersions of a built-in kind that a real server can decode, served or not."""
    yield resource.api_version
    for version in _OTHER_VERSIONS.get(resource.group, ()):
        yield f"{resource.group}/{version}"


def check_kind(resource: AnyResource, body: Plain, *, custom: bool) -> None:
    """Refuse a body of another kind; kind and apiVersion may be missing."""
    if body.get("kind") == resource.kind and body.get("apiVersion") == resource.api_version:
        return
    for name in ("apiVersion", "kind"):
        if not isinstance(body.get(name, ""), (str, NoneType)):
            found = f"cannot unmarshal {json_type(body[name])} into Go struct field .{name} of type string"
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; "
                f"json parse error: json: {found}"
            )
    api_version = body.get("apiVersion") or resource.api_version
    kind = body.get("kind") or resource.kind
    problem = "" if custom else kind_problem(resource, kind, api_version)
    if problem:
        version = api_version.rpartition("/")[2]
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {problem}')
    if kind == resource.kind and api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        group, _, version = api_version.rpartition("/")
        theirs = f"{kind}.{group}" if group else kind
        why = f"unexpected kind {kind}"
        raise bad_request(f'{theirs} in version "{version}" cannot be handled as a {qualified_kind(resource)}: {why}')


def patched_kind_problem(resource: AnyResource, patched: Plain) -> str:
    """Describe what is wrong with the kind after a patch of a built-in object; "" if nothing is."""
    kind, api_version = patched.get("kind") or resource.kind, patched.get("apiVersion") or resource.api_version
    return kind_problem(resource, str(kind), str(api_version))


def kind_problem(resource: AnyResource, kind: str, api_version: str) -> str:
    """Describe why a body of this kind cannot be one of `resource`; "" if it can."""
    version = api_version.rpartition("/")[2]
    if kind == resource.kind and api_version in _versions_known(resource):
        return ""
    if kind == resource.kind or not _is_known(kind, api_version):
        return no_such_kind(kind, api_version)
    wanted = f"({(resource.group or 'core').partition('.')[0]}.{resource.kind})"
    return f"converting ({version}.{kind}) to {wanted}: unknown conversion"


def _is_known(kind: str, api_version: str) -> bool:
    return any((one.kind, one.api_version) == (kind, api_version) for one in release(NEWEST).kinds)


def unregistered(kind: str, api_version: str, wanted: str) -> str:
    """The server's message about a body of an unknown kind."""
    version = api_version.rpartition("/")[2]
    return f'{kind} in version "{version}" cannot be handled as a {wanted}: {no_such_kind(kind, api_version)}'


def no_such_kind(kind: str, api_version: str) -> str:
    """Say that the server has no such kind."""
    return f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'


# ---- labels, annotations, owners and selectors ----------------------------------------------------------------------


def metadata_causes(metadata: Plain, path: str = "metadata") -> Iterator[Cause]:
    """Yield a cause for each rule that metadata breaks, except for the rules of names."""
    if not metadata.keys() & {"labels", "annotations", "ownerReferences", "finalizers"}:
        return
    yield from label_causes(metadata.get("labels"), f"{path}.labels")
    yield from annotation_causes(metadata.get("annotations"), f"{path}.annotations")
    yield from _owner_causes(metadata.get("ownerReferences") or [], f"{path}.ownerReferences")
    finalizers = metadata.get("finalizers") or []
    for name in finalizers:
        yield from Cause.all_wrong(f"{path}.finalizers", name, formats.label_key(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield Cause.wrong(f"{path}.finalizers", finalizers, text)


def label_causes(labels: Plain | None, path: str) -> Iterator[Cause]:
    """Yield a cause for each label that is not valid."""
    for key, value in (labels or {}).items():
        yield from Cause.all_wrong(path, key, formats.label_key(key))
        yield from Cause.all_wrong(path, value, formats.label_value(value))


def annotation_causes(annotations: Plain | None, path: str) -> Iterator[Cause]:
    """Yield a cause for each annotation key that is not valid, and one if all are too large."""
    size_bytes = 0
    for key, value in (annotations or {}).items():
        yield from Cause.all_wrong(path, key, formats.label_key(key.lower()))
        size_bytes += len(key.encode()) + len(value.encode())
    if size_bytes > _ANNOTATION_BYTES_MAX:
        yield Cause.too_long(path, _ANNOTATION_BYTES_MAX)


def selector_causes(selector: Plain, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a LabelSelector breaks."""
    yield from label_causes(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression["operator"], expression.get("values") or []
        if operator in _SET_OPERATORS and not values:
            yield Cause.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in _KEY_OPERATORS and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Cause.forbidden(f"{here}.values", text)
        elif operator not in (*_SET_OPERATORS, *_KEY_OPERATORS):
            yield Cause.wrong(f"{here}.operator", operator, "not a valid selector operator")
        yield from Cause.all_wrong(f"{here}.key", expression["key"], formats.label_key(expression["key"]))
        for place, value in enumerate(values):
            yield from Cause.all_wrong(f"{here}.values[{place}]", value, formats.label_value(value))


def _owner_causes(owners: list[Plain], path: str) -> Iterator[Cause]:
    for owner in owners:
        version = owner.get("apiVersion") or ""
        if not version or version.count("/") > 1 or version.endswith("/"):
            yield Cause.wrong(f"{path}.apiVersion", version, "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                yield Cause.wrong(f"{path}.{name}", "", "must not be empty")
        if owner.get("kind") == "Event" and version in ("v1", "events.k8s.io/v1"):
            group = "" if version == "v1" else "events.k8s.io"
            text = f"{group}/v1, Kind=Event is disallowed from being an owner"
            yield Cause.invalid(path, _in_go_order([owner])[1:-1], text)
    controllers = [f"{one.get('kind')}/{one.get('name')}" for one in owners if one.get("controller")]
    for other in controllers[1:_TOLD_MAX]:  # each time the server tells of all references
        found = f'Found "true" in references for {controllers[0]} and {other}'
        yield Cause.invalid(path, _in_go_order(owners), f"Only one reference can have Controller set to true. {found}")


def _in_go_order(owners: list[Plain]) -> str:
    """Encode owner references with their fields in the order of the server's type."""
    return msgspec.json.encode([{name: one[name] for name in _OWNER_FIELDS if name in one} for one in owners]).decode()


def selector_text(selector: Any) -> str:
    """
    Format a LabelSelector as the scale subresource shows it.

    >>> selector_text({"matchLabels": {"app": "node"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]})
    'app=node,x'
    """
    if not isinstance(selector, dict):
        return selector if isinstance(selector, str) else ""
    parts = [f"{label}={value}" for label, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        values = ",".join(sorted(expression.get("values") or ()))
        match expression.get("operator"):
            case "In":
                parts.append(f"{expression['key']} in ({values})")
            case "NotIn":
                parts.append(f"{expression['key']} notin ({values})")
            case "Exists":
                parts.append(expression["key"])
            case "DoesNotExist":
                parts.append(f"!{expression['key']}")
    return ",".join(parts)
