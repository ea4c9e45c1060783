"""APIServices: which server answers for a group version."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_PORT = 443
_STATUSES = ("False", "True", "Unknown")
_LOCAL = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}


def _fill_in(api_service: Plain) -> None:
    service = api_service["spec"].get("service")
    if service is not None and service.get("port") is None:
        service["port"] = _PORT


def _begin(api_service: Plain) -> None:
    """A group version that the server has itself is available at once."""
    api_service["status"] = {}
    if api_service["spec"].get("service") is None:
        now = clock.timestamp(exchanges.now())
        api_service["status"] = {"conditions": [{**_LOCAL, "lastTransitionTime": now}]}


def _causes(api_service: Object, old: Object | None) -> Iterator[Cause]:
    spec, name = api_service["spec"], name_of(api_service)
    group, version = spec.get("group") or "", spec.get("version") or ""
    wanted = f"{version}.{group}"
    if name and name != wanted and not formats.path_segment(name):
        yield Cause.wrong("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
    base = api_service["metadata"].get("generateName") or ""
    if base and base != wanted and not formats.path_segment(base):
        yield Cause.wrong("metadata.generateName", base, f'must be `spec.version+"."+spec.group`: "{wanted}"')
    if group:
        yield from Cause.all_wrong("spec.group", group, formats.subdomain(group))
    elif version != "v1":
        yield Cause.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from Cause.all_wrong("spec.version", version, formats.label_1035(version))
    for field, most in (("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)):
        value = spec.get(field) or 0
        if not 1 <= value <= most:
            yield Cause.wrong(f"spec.{field}", value, f"must be positive and less than {most}")
    yield from _service_causes(spec)


def _service_causes(spec: Object) -> Iterator[Cause]:
    service = spec.get("service")
    bundle, skips = spec.get("caBundle"), spec.get("insecureSkipTLSVerify")
    if service is None:
        if bundle:
            shown = f"{len(base64.b64decode(bundle))} bytes"
            yield Cause.wrong("spec.caBundle", shown, "local APIServices may not have a caBundle")
        if skips:
            text = "local APIServices may not have insecureSkipTLSVerify"
            yield Cause.wrong("spec.insecureSkipTLSVerify", skips, text)
        return
    for name in ("namespace", "name"):
        if not service.get(name):
            yield Cause.required(f"spec.service.{name}")
    port = service["port"]
    if not 1 <= port <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        yield Cause.wrong("spec.service.port", port, text)
    if skips and bundle:
        text = "may not be true if caBundle is present"
        yield Cause.wrong("spec.insecureSkipTLSVerify", skips, text)


def _status_causes(api_service: Object, _old: object) -> Iterator[Cause]:
    for index, condition in enumerate(section(api_service, "status").get("conditions") or ()):
        if condition["status"] not in _STATUSES:
            yield Cause.unsupported(f"status.conditions[{index}].status", condition["status"], _STATUSES)


def _cells(api_service: Object, now: datetime) -> list[Any]:
    service = section(api_service, "spec").get("service")
    conditions = section(api_service, "status").get("conditions") or ()
    available: Object = next((one for one in conditions if one.get("type") == "Available"), {})
    state = available.get("status", "Unknown")
    if state != "True" and available.get("reason"):
        state = f"{state} ({available['reason']})"
    return [
        name_of(api_service),
        f"{service['namespace']}/{service['name']}" if service else "Local",
        state,
        age_of(api_service, now),
    ]


API_SERVICES = Strategy(
    kept_by_status=("metadata",),
    name_rule=formats.path_segment,
    blind_updates=False,
    defaults=_fill_in,
    begin=_begin,
    validate=_causes,
    validate_status=_status_causes,
    cells=_cells,
)
