"""Dynamic resource allocation: DeviceClasses, ResourceClaims and their templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes, label_causes, new_causes
from ctrlkit.fakes.tracker.kinds.storage.volume_sources import driver_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, invalid, json_text
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import NAMESPACES

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.model import Action

_ADMIN_LABEL = "resource.kubernetes.io/admin-access"
_MODES = ("All", "ExactCount")
_MANY, _FEW = 32, 8
_PARTS_MAX = 2
_IDENTIFIER_MAX = 32
_PARAMETERS_BYTES_MAX = _EXPRESSION_BYTES_MAX = 10 * 1024
_OPERATORS = ("Equal", "Exists")
EFFECTS = ("NoExecute", "NoSchedule", "None")
_ONE_REQUEST = "exactly one of `exactly` or `firstAvailable` is required"


def list_causes(
    items: Sequence[Any],
    most: int,
    path: str,
    check: Callable[[Any, str], Iterable[Cause]],
    key: Callable[[Any], str] | None = None,
) -> Iterator[Cause]:
    """Yield what is wrong with a list: that it is too long, or else its items, and those whose key comes twice."""
    if len(items) > most:
        yield Cause.too_many(path, len(items), most)
        return
    for index, item in enumerate(items):
        yield from check(item, f"{path}[{index}]")
    seen: set[str] = set()
    for index, name in enumerate(map(key, items) if key is not None else ()):
        if name in seen:
            yield Cause.duplicate(f"{path}[{index}]", name)
        seen.add(name)


def named(item: Object) -> str:
    """Return the name of an item of a list."""
    return str(item["name"])


def _config_causes(config: Object, path: str) -> Iterator[Cause]:
    opaque = config.get("opaque")
    if opaque is None:
        yield Cause.required(f"{path}.opaque")
        return
    yield from driver_causes(opaque["driver"], f"{path}.opaque.driver")
    parameters, path = opaque.get("parameters"), f"{path}.opaque.parameters"
    if parameters is None:
        yield Cause.required(path)
    elif len(json_text(parameters).encode()) > _PARAMETERS_BYTES_MAX:
        yield Cause.too_long(path, _PARAMETERS_BYTES_MAX)
    elif not isinstance(parameters, Mapping):
        yield Cause.wrong(path, "<value omitted>", "must be a valid JSON object")


def qualified_causes(name: str, path: str) -> Iterator[Cause]:
    """Check the name of an attribute or capacity, which may have a domain."""
    domain, slash, rest = name.partition("/")
    if "/" in rest:  # a server does not look at these
        return
    if slash and not domain:
        yield Cause.wrong(path, "", "the domain must not be empty")
    elif slash:
        yield from driver_causes(domain, path)
    own = rest if slash else name
    if slash and not own:
        yield Cause.wrong(path, "", "the name must not be empty")
        return
    if len(own) > _IDENTIFIER_MAX:
        yield Cause.too_long(path, _IDENTIFIER_MAX)
    yield from Cause.all_wrong(path, own, formats.identifier(own))


def key_causes(key: str, path: str) -> list[Cause]:
    """Return a cause for each rule of label keys that a key breaks."""
    return Cause.all_wrong(path, key, formats.label_key(key))


def _fill_in_devices(devices: Plain | None) -> None:
    for request in (devices or {}).get("requests") or ():
        exactly = request.get("exactly")
        for one in (*([exactly] if exactly is not None else ()), *(request.get("firstAvailable") or ())):
            mode = one["allocationMode"] = one.get("allocationMode") or "ExactCount"
            if mode == "ExactCount" and not one.get("count"):
                one["count"] = 1
            for toleration in one.get("tolerations") or ():
                toleration["operator"] = toleration.get("operator") or "Equal"


# ---- rules of claims ------------------------------------------------------------------------------------------------


def _device_causes(devices: Object, path: str) -> Iterator[Cause]:
    requests = devices.get("requests") or ()
    known = {request["name"] for request in requests} | {
        f"{request['name']}/{one['name']}" for request in requests for one in request.get("firstAvailable") or ()
    }

    def reference(name: str, here: str) -> Iterator[Cause]:
        parts = name.split("/")
        for part in parts if len(parts) <= _PARTS_MAX else ():
            yield from Cause.all_wrong(here, part, formats.dns_label(part))
        if name not in known or len(parts) > _PARTS_MAX:
            text = "must be the name of a request in the claim or the name of a request and a subrequest "
            yield Cause.wrong(here, name, text + "separated by '/'")

    def constraint(one: Object, here: str) -> Iterator[Cause]:
        yield from list_causes(one.get("requests") or (), _MANY, f"{here}.requests", reference, str)
        yield from _constraint_causes(one, here)

    def config(one: Object, here: str) -> Iterator[Cause]:
        yield from list_causes(one.get("requests") or (), _MANY, f"{here}.requests", reference, str)
        yield from _config_causes(one, here)

    yield from list_causes(requests, _MANY, f"{path}.requests", _request_causes, named)
    yield from list_causes(devices.get("constraints") or (), _MANY, f"{path}.constraints", constraint)
    yield from list_causes(devices.get("config") or (), _MANY, f"{path}.config", config)


def _constraint_causes(one: Object, path: str) -> Iterator[Cause]:
    name = next((name for name in ("matchAttribute", "distinctAttribute") if one.get(name) is not None), None)
    if name is None:
        text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        yield Cause.required(path, text)
        return
    yield from qualified_causes(one[name], f"{path}.{name}")
    if "/" not in one[name]:
        text = "a fully qualified name must be a domain and a name separated by a slash"
        yield Cause.wrong(f"{path}.{name}", one[name], text)


def _request_causes(request: Object, path: str) -> Iterator[Cause]:
    name, exactly, first = request["name"], request.get("exactly"), request.get("firstAvailable") or ()
    yield from Cause.all_wrong(f"{path}.name", name, formats.dns_label(name))
    if exactly is None and not first:
        yield Cause.required(path, _ONE_REQUEST)
    elif exactly is not None and first:
        yield Cause.wrong(path, None, f"{_ONE_REQUEST}, but multiple fields are set")
    elif exactly is not None:
        yield from _exact_causes(exactly, f"{path}.exactly")
    else:
        yield from list_causes(first, _FEW, f"{path}.firstAvailable", _subrequest_causes, named)


def _subrequest_causes(one: Object, path: str) -> Iterator[Cause]:
    yield from Cause.all_wrong(f"{path}.name", one["name"], formats.dns_label(one["name"]))
    yield from _exact_causes(one, path)


def _exact_causes(one: Object, path: str) -> Iterator[Cause]:
    name, mode, count = one["deviceClassName"], one["allocationMode"], one.get("count") or 0
    if name:
        yield from Cause.all_wrong(f"{path}.deviceClassName", name, formats.subdomain(name))
    else:
        yield Cause.required(f"{path}.deviceClassName")
    yield from list_causes(one.get("selectors") or (), _MANY, f"{path}.selectors", _selector_causes)
    if mode not in _MODES:
        yield Cause.unsupported(f"{path}.allocationMode", mode, _MODES)
    elif mode == "All" and count:
        yield Cause.wrong(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield Cause.wrong(f"{path}.count", count, "must be greater than zero")
    for index, toleration in enumerate(one.get("tolerations") or ()):
        yield from _toleration_causes(toleration, f"{path}.tolerations[{index}]")


def _toleration_causes(one: Object, path: str) -> Iterator[Cause]:
    key, operator, value, effect = (one.get(name) or "" for name in ("key", "operator", "value", "effect"))
    if key:
        yield from key_causes(key, f"{path}.key")
    if operator not in _OPERATORS:
        yield Cause.unsupported(f"{path}.operator", operator, _OPERATORS)
    elif operator == "Equal":
        yield from Cause.all_wrong(f"{path}.value", value, formats.label_value(value))
    elif value:
        yield Cause.wrong(f"{path}.value", value, "must be empty for operator `Exists`")
    if effect and effect not in EFFECTS:
        yield Cause.unsupported(f"{path}.effect", effect, EFFECTS)


def _selector_causes(selector: Object, path: str) -> Iterator[Cause]:
    """Check that a selector has an expression; what it says is not compiled here."""
    if selector.get("cel") is None:
        yield Cause.required(f"{path}.cel")
    elif len(selector["cel"]["expression"].encode()) > _EXPRESSION_BYTES_MAX:
        yield Cause.too_long(f"{path}.cel.expression", _EXPRESSION_BYTES_MAX)


def _changed(plain: Object, old: Object) -> Iterator[Cause]:
    if plain["spec"] != old["spec"]:
        yield Cause.invalid("spec", json_text(plain["spec"]), "field is immutable")


def _checked_for_admin(requests: Callable[[Object], Sequence[Object]]) -> Callable[..., Plain]:
    """Return what refuses new objects whose requests need a namespace that allows access for administrators."""

    def prepare(core: Core, served: Strategy, plain: Plain, action: Action) -> Plain:
        asked = (section(one, "exactly").get("adminAccess") for one in requests(plain["spec"]))
        index = next((index for index, is_asked in enumerate(asked) if is_asked), None)
        if index is None or "resourceVersion" in plain["metadata"]:  # the spec of an old one cannot change
            return plain
        namespace = core.store.collection(NAMESPACES.identity).find(ObjectKey("", action.namespace))
        if namespace is not None and (namespace.metadata.get("labels") or {}).get(_ADMIN_LABEL) == "true":
            return plain
        text = f"admin access to devices requires the `{_ADMIN_LABEL}: true` label on the containing namespace"
        found = Cause.forbidden(f"spec.devices.requests[{index}].adminAccess", text)
        others = (*new_causes(served, plain["metadata"]), *served.validate(plain, None))
        raise invalid(served.refused_as, plain["metadata"]["name"], found, *others)

    return prepare


# ---- ResourceClaim --------------------------------------------------------------------------------------------------


def _fill_in_claim(claim: Plain) -> None:
    _fill_in_devices(claim["spec"].get("devices"))


def _claim_causes(claim: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from _changed(claim, old)
        return
    yield from _device_causes(section(claim["spec"], "devices"), "spec.devices")


def _claim_state(claim: Object) -> str:
    status = section(claim, "status")
    states = []
    if section(claim, "metadata").get("deletionTimestamp"):
        states.append("deleted")
    if status.get("allocation") is None:
        states += [] if states else ["pending"]
        return ",".join(states)
    states.append("allocated")
    states.append("reserved") if status.get("reservedFor") else None
    return ",".join(states)


def _claim_cells(claim: Object, now: datetime) -> list[Any]:
    return [name_of(claim), _claim_state(claim), age_of(claim, now)]


RESOURCE_CLAIMS = Strategy(
    kept_by_status=("metadata",),
    defaults=_fill_in_claim,
    prepare=_checked_for_admin(lambda spec: section(spec, "devices").get("requests") or ()),
    validate=_claim_causes,
    validate_status=lambda *_: (),
    cells=_claim_cells,
    deleted_is_shown=True,
)


# ---- ResourceClaimTemplate ------------------------------------------------------------------------------------------


def _fill_in_template(template: Plain) -> None:
    _fill_in_devices(section(template["spec"], "spec").get("devices"))


def _template_causes(template: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from _changed(template, old)
    meta = section(template["spec"], "metadata")
    yield from annotation_causes(meta.get("annotations"), "spec.metadata.annotations")
    yield from label_causes(meta.get("labels"), "spec.metadata.labels")
    for name in meta:
        if name not in ("annotations", "labels"):
            yield Cause.forbidden(f"spec.metadata.{'UID' if name == 'uid' else name}", "cannot be set")
    yield from _device_causes(section(section(template["spec"], "spec"), "devices"), "spec.spec.devices")


def _plain_cells(plain: Object, now: datetime) -> list[Any]:
    return [name_of(plain), age_of(plain, now)]


RESOURCE_CLAIM_TEMPLATES = Strategy(
    defaults=_fill_in_template,
    prepare=_checked_for_admin(lambda spec: section(section(spec, "spec"), "devices").get("requests") or ()),
    validate=_template_causes,
    cells=_plain_cells,
    deleted_is_shown=True,
)


# ---- DeviceClass ----------------------------------------------------------------------------------------------------


def _class_causes(device_class: Object, _old: object) -> Iterator[Cause]:
    spec = section(device_class, "spec")
    yield from list_causes(spec.get("selectors") or (), _MANY, "spec.selectors", _selector_causes)
    yield from list_causes(spec.get("config") or (), _MANY, "spec.config", _config_causes)
    name = spec.get("extendedResourceName")
    if name is not None and ("/" not in name or formats.label_key(name)):
        text = "must be a valid extended resource name"
        yield Cause.wrong("spec.extendedResourceName", name, text)


DEVICE_CLASSES = Strategy(
    checks_base=False, generation=True, validate=_class_causes, cells=_plain_cells, deleted_is_shown=True
)
