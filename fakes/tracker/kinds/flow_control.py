"""FlowSchemas and PriorityLevelConfigurations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_PRECEDENCE, _PRECEDENCE_MAX = 1000, 10_000
_METHODS = ("ByNamespace", "ByUser")
_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_RULES_TEXT = "at least one of resourceRules and nonResourceRules has to be non-empty"


def _status_causes(plain: Object, _old: object) -> Iterator[Cause]:
    kinds: set[str] = set()
    for index, condition in enumerate(section(plain, "status").get("conditions") or ()):
        kind, path = condition.get("type") or "", f"status.conditions[{index}].type"
        if kind in kinds:
            yield Cause.duplicate(path, kind)
        kinds.add(kind)
        if not kind:
            yield Cause.required(path)


# ---- FlowSchema -----------------------------------------------------------------------------------------------------


def _fill_in_schema(schema: Plain) -> None:
    if not schema["spec"].get("matchingPrecedence"):
        schema["spec"]["matchingPrecedence"] = _PRECEDENCE


def _schema_causes(schema: Object, old: Object | None) -> Iterator[Cause]:
    spec = schema["spec"]
    if old is not None and spec is old["spec"]:
        return
    precedence, path = spec["matchingPrecedence"], "spec.matchingPrecedence"
    if precedence <= 0:
        yield Cause.wrong(path, precedence, "must be a positive value")
    if precedence > _PRECEDENCE_MAX:
        yield Cause.wrong(path, precedence, f"must not be greater than {_PRECEDENCE_MAX}")
    if precedence == 1 and name_of(schema) != "exempt":
        yield Cause.wrong(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method["type"] not in _METHODS:
        shown = f'{{"Type":"{method["type"]}"}}'
        values = ", ".join(f'"{one}"' for one in _METHODS)
        text = f"Unsupported value: {shown}: supported values: {values}"
        yield Cause("spec.distinguisherMethod.type", "FieldValueNotSupported", text)
    level = spec["priorityLevelConfiguration"].get("name")
    if level:
        yield from Cause.all_wrong("spec.priorityLevelConfiguration.name", level, formats.subdomain(level))
    else:
        yield Cause.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _rule_causes(rule, f"spec.rules[{index}]")


def _rule_causes(rule: Object, path: str) -> Iterator[Cause]:
    subjects = rule.get("subjects") or ()
    if not subjects:
        yield Cause.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(subjects):
        yield from _subject_causes(subject, f"{path}.subjects[{index}]")
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        yield Cause.required(path, _RULES_TEXT)
    for index, one in enumerate(resources):
        yield from _resource_causes(one, f"{path}.resourceRules[{index}]")
    for index, one in enumerate(others):
        here = f"{path}.nonResourceRules[{index}]"
        yield from _verb_causes(one.get("verbs") or [], here)
        text = "nonResourceURLs must contain at least one value"
        yield from _values_causes(
            one.get("nonResourceURLs") or [], f"{here}.nonResourceURLs", text, "non-resource URLs"
        )


def _subject_causes(subject: Object, path: str) -> Iterator[Cause]:
    kind = subject["kind"]
    if kind not in _SUBJECTS:
        yield Cause.unsupported(f"{path}.kind", kind, _SUBJECTS)
        return
    field = _SUBJECTS[kind]
    given = subject.get(field)
    if given is None:
        yield Cause.required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")
    elif kind == "ServiceAccount":
        yield from _account_causes(given, f"{path}.{field}")
    elif not given["name"]:
        yield Cause.required(f"{path}.{field}.name")
    for other in ("ServiceAccount", "User", "Group"):
        name = _SUBJECTS[other]
        if other != kind and subject.get(name) is not None:
            yield Cause.forbidden(f"{path}.{name}", f"{name} is forbidden when subject kind is not '{other}'")


def _account_causes(account: Object, path: str) -> Iterator[Cause]:
    name, namespace = account["name"], account["namespace"]
    if not name:
        yield Cause.required(f"{path}.name")
    elif name != "*":
        yield from Cause.all_wrong(f"{path}.name", name, formats.subdomain(name))
    if namespace:
        yield from Cause.all_wrong(f"{path}.namespace", namespace, formats.dns_label(namespace))
    else:
        yield Cause.required(f"{path}.namespace", "must specify namespace for service account")


def _verb_causes(verbs: Sequence[str], path: str) -> Iterator[Cause]:
    if not verbs:
        yield Cause.required(f"{path}.verbs", "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            yield Cause.wrong(f"{path}.verbs", verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(_VERBS):
        values = ", ".join(f'"{one}"' for one in _VERBS)
        shown = ",".join(f'"{one}"' for one in verbs)
        text = f"Unsupported value: [{shown}]: supported values: {values}"
        yield Cause(f"{path}.verbs", "FieldValueNotSupported", text)


def _values_causes(values: Sequence[str], path: str, text: str, what: str) -> Iterator[Cause]:
    if not values:
        yield Cause.required(path, text)
    elif len(values) > 1 and "*" in values:
        yield Cause.wrong(path, values, f"if '*' is present, must not specify other {what}")


def _resource_causes(rule: Object, path: str) -> Iterator[Cause]:
    yield from _verb_causes(rule.get("verbs") or [], path)
    for name, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        text = f"resource rules must supply at least one {one}"
        yield from _values_causes(rule.get(name) or [], f"{path}.{name}", text, many)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        yield Cause.required(f"{path}.namespaces", text)
    elif "*" in namespaces:
        if len(namespaces) > 1:
            text = "if '*' is present, must not specify other namespaces"
            yield Cause.wrong(f"{path}.namespaces", namespaces, text)
    else:
        for index, name in enumerate(namespaces):
            yield from Cause.all_wrong(f"{path}.namespaces[{index}]", name, formats.dns_label(name))


def _schema_cells(schema: Object, now: datetime) -> list[Any]:
    spec = section(schema, "spec")
    conditions = section(schema, "status").get("conditions") or ()
    dangling = next((one.get("status") for one in conditions if one.get("type") == "Dangling"), "?")
    return [
        name_of(schema),
        section(spec, "priorityLevelConfiguration").get("name", ""),
        spec.get("matchingPrecedence", 0),
        section(spec, "distinguisherMethod").get("type") or NONE,
        age_of(schema, now),
        dangling,
    ]


FLOW_SCHEMAS = Strategy(
    kept_by_status=("metadata", "metadata.generateName"),
    generation=True,
    defaults=_fill_in_schema,
    validate=_schema_causes,
    validate_status=_status_causes,
    cells=_schema_cells,
)


# ---- PriorityLevelConfiguration -------------------------------------------------------------------------------------


def _fill_in_level(level: Plain) -> None:
    spec = level["spec"]
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if spec["type"] == "Exempt" and exempt is None and limited is None:
        exempt = spec["exempt"] = {}
    if exempt is not None:
        exempt |= {name: 0 for name in ("nominalConcurrencyShares", "lendablePercent") if exempt.get(name) is None}
    if limited is None:
        return
    for name, value in (("nominalConcurrencyShares", 30), ("lendablePercent", 0)):
        if limited.get(name) is None:
            limited[name] = value
    queuing = section(limited, "limitResponse").get("queuing")
    if queuing is not None:
        for name, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
            queuing[name] = queuing.get(name) or value


def _level_causes(level: Object, old: Object | None) -> Iterator[Cause]:
    spec = level["spec"]
    if old is not None and spec is old["spec"]:
        return
    kind, exempt, limited = spec["type"], spec.get("exempt"), spec.get("limited")
    name = name_of(level)
    if (name == "exempt") != (kind == "Exempt"):
        yield Cause.wrong("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    if not kind:
        yield Cause.required("spec.type")
    elif kind not in _TYPES:
        yield Cause.unsupported("spec.type", kind, _TYPES)
    else:
        yield from _share_of_type_causes(kind, exempt, limited)


def _share_of_type_causes(kind: str, exempt: Object | None, limited: Object | None) -> Iterator[Cause]:
    if kind == "Exempt" and limited is not None:
        yield Cause.forbidden("spec.limited", "must be nil if the type is not Limited")
    if kind == "Exempt" and exempt:
        yield from _share_causes(exempt, "spec.exempt")
    if kind == "Limited" and exempt is not None:
        yield Cause.forbidden("spec.exempt", "must be nil if the type is Limited")
    if kind == "Limited" and limited is None:
        yield Cause.required("spec.limited", "must not be empty when type is Limited")
    elif kind == "Limited" and limited is not None:
        yield from _limit_causes(limited, "spec.limited")


def _share_causes(one: Object, path: str) -> Iterator[Cause]:
    shares, percent = one["nominalConcurrencyShares"], one["lendablePercent"]
    if shares < 0:
        yield Cause.wrong(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")
    if not 0 <= percent <= 100:
        yield Cause.wrong(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive")


def _limit_causes(limited: Object, path: str) -> Iterator[Cause]:
    yield from _share_causes(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        text = "if specified, must be a non-negative integer"
        yield Cause.wrong(f"{path}.borrowingLimitPercent", borrowing, text)
    response = section(limited, "limitResponse")
    kind, queuing, here = response.get("type", ""), response.get("queuing"), f"{path}.limitResponse"
    if kind == "Reject" and queuing is not None:
        yield Cause.forbidden(f"{here}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue" and queuing is None:
        text = "must not be empty if limited.limitResponse.type is Limited"
        yield Cause.required(f"{here}.queuing", text)
    elif kind == "Queue" and queuing is not None:
        yield from _queue_causes(queuing, f"{here}.queuing")
    elif not kind:
        yield Cause.required(f"{here}.type")
    elif kind not in _RESPONSES:
        yield Cause.unsupported(f"{here}.type", kind, _RESPONSES)


def _queue_causes(queuing: Object, path: str) -> Iterator[Cause]:
    for name, text in (("queueLengthLimit", "must be positive"), ("queues", "must be positive")):
        if queuing[name] <= 0:
            yield Cause.wrong(f"{path}.{name}", queuing[name], text)
    size, queues = queuing["handSize"], queuing["queues"]
    if size <= 0:
        yield Cause.wrong(f"{path}.handSize", size, "must be positive")
    elif size > queues:
        text = f"should not be greater than queues ({queues})"
        yield Cause.wrong(f"{path}.handSize", size, text)


def _level_cells(level: Object, now: datetime) -> list[Any]:
    spec = section(level, "spec")
    limited = spec.get("limited") or spec.get("exempt") or {}
    queuing = section(section(limited, "limitResponse"), "queuing")
    return [
        name_of(level),
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        *(queuing.get(name, NONE) for name in ("queues", "handSize", "queueLengthLimit")),
        age_of(level, now),
    ]


PRIORITY_LEVELS = Strategy(
    kept_by_status=("metadata", "metadata.generateName"),
    generation=True,
    defaults=_fill_in_level,
    validate=_level_causes,
    validate_status=_status_causes,
    cells=_level_cells,
)
