"""Where a pod may run: affinity, tolerations, topology spread constraints and gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NO_OPERATOR = "not a valid selector operator"
_WEIGHT_TEXT = "must be in the range 1-100"
_NO_SELECTOR = "must not be specified when labelSelector is not set"

# ---- nodes -----------------------------------------------------------------------------------------------------------


def node_selector_causes(selector: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a NodeSelector breaks."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield Cause.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _term_causes(term, f"{path}.nodeSelectorTerms[{index}]", checks_values=True)


def _term_causes(term: Object, path: str, *, checks_values: bool) -> Iterator[Cause]:
    for index, one in enumerate(term.get("matchExpressions") or ()):
        yield from _expression_causes(one, f"{path}.matchExpressions[{index}]", checks_values=checks_values)
    for index, one in enumerate(term.get("matchFields") or ()):
        yield from _field_causes(one, f"{path}.matchFields[{index}]")


def _expression_causes(one: Object, path: str, *, checks_values: bool) -> Iterator[Cause]:
    values = one.get("values") or ()
    match one["operator"]:
        case "In" | "NotIn":
            if not values:
                yield Cause.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield Cause.forbidden(f"{path}.values", text)
        case "Gt" | "Lt":
            if len(values) != 1:
                text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                yield Cause.required(f"{path}.values", text)
        case operator:
            yield Cause.wrong(f"{path}.operator", operator, _NO_OPERATOR)
    yield from Cause.all_wrong(f"{path}.key", one["key"], formats.label_key(one["key"]))
    for index, value in enumerate(values if checks_values else ()):
        yield from Cause.all_wrong(f"{path}.values[{index}]", value, formats.label_value(value))


def _field_causes(one: Object, path: str) -> Iterator[Cause]:
    values = one.get("values") or ()
    if one["operator"] not in ("In", "NotIn"):
        yield Cause.wrong(f"{path}.operator", one["operator"], _NO_OPERATOR)
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield Cause.required(f"{path}.values", text)
    if one["key"] != "metadata.name":
        yield Cause.wrong(f"{path}.key", one["key"], "not a valid field selector key")
        return
    for index, value in enumerate(values):
        yield from Cause.all_wrong(f"{path}.values[{index}]", value, formats.subdomain(value))


# ---- affinity --------------------------------------------------------------------------------------------------------


def affinity_causes(affinity: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that an Affinity breaks."""
    nodes = affinity.get("nodeAffinity") or {}
    if REQUIRED in nodes:
        yield from node_selector_causes(nodes[REQUIRED], f"{path}.nodeAffinity.{REQUIRED}")
    for index, one in enumerate(nodes.get(PREFERRED) or ()):
        here = f"{path}.nodeAffinity.{PREFERRED}[{index}]"
        if not 1 <= one["weight"] <= 100:
            yield Cause.wrong(f"{here}.weight", one["weight"], _WEIGHT_TEXT)
        yield from _term_causes(one["preference"], f"{here}.preference", checks_values=False)
    for name in ("podAffinity", "podAntiAffinity"):
        for term, here, weight in _pod_terms(affinity.get(name) or {}, f"{path}.{name}"):
            if weight is not None and not 1 <= weight <= 100:
                yield Cause.wrong(f"{here.removesuffix('.podAffinityTerm')}.weight", weight, _WEIGHT_TEXT)
            yield from _pod_term_causes(term, here)


def _pod_terms(affinity: Object, path: str) -> Iterator[tuple[Object, str, int | None]]:
    for index, term in enumerate(affinity.get(REQUIRED) or ()):
        yield term, f"{path}.{REQUIRED}[{index}]", None
    for index, one in enumerate(affinity.get(PREFERRED) or ()):
        yield one["podAffinityTerm"], f"{path}.{PREFERRED}[{index}].podAffinityTerm", one["weight"]


def _pod_term_causes(term: Object, path: str) -> Iterator[Cause]:
    for name in ("labelSelector", "namespaceSelector"):
        if name in term:
            yield from selector_causes(term[name], f"{path}.{name}")
    for name in term.get("namespaces") or ():
        yield from Cause.all_wrong(f"{path}.namespace", name, formats.dns_label(name))
    yield from _label_keys_causes(term, path)
    key = term["topologyKey"]
    if not key:
        yield Cause.required(f"{path}.topologyKey", "can not be empty")
    yield from Cause.all_wrong(f"{path}.topologyKey", key, formats.label_key(key))


def _label_keys_causes(term: Object, path: str) -> Iterator[Cause]:
    selector, same, other = term.get("labelSelector"), term.get("matchLabelKeys"), term.get("mismatchLabelKeys")
    if not same and not other:
        return
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(name) or ()
        if keys and selector is None:
            yield Cause.forbidden(f"{path}.{name}", _NO_SELECTOR)
            continue
        for index, key in enumerate(keys):
            yield from Cause.all_wrong(f"{path}.{name}[{index}]", key, formats.label_key(key))
    places = {key: index for index, key in enumerate(same or ())}
    if selector is not None:
        seen = set(selector.get("matchLabels") or ())
        for one in selector.get("matchExpressions") or ():
            key = one["key"]
            if key in places and key in seen:
                yield Cause.wrong(f"{path}[{places[key]}]", key, "exists in both matchLabelKeys and labelSelector")
            seen.add(key)
    for index, key in enumerate(same or ()):
        if key in (other or ()):
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield Cause.wrong(f"{path}.matchLabelKeys[{index}]", key, text)


def apply_label_keys(spec: Plain, labels: Mapping[str, str]) -> None:
    """Put what matchLabelKeys and mismatchLabelKeys name into the selectors of a new pod."""
    for name in ("podAffinity", "podAntiAffinity"):
        for term, _, _ in _pod_terms((spec.get("affinity") or {}).get(name) or {}, ""):
            _apply(term, labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _apply(constraint, labels)


def _apply(term: Object, labels: Mapping[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(name) or ():
            if key in labels:
                found = {"key": key, "operator": operator, "values": [labels[key]]}
                selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), found]


# ---- topology spread constraints -------------------------------------------------------------------------------------


def spread_causes(constraints: Iterable[Object], path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that topology spread constraints break."""
    pairs = [(one["topologyKey"], one["whenUnsatisfiable"]) for one in constraints]
    for index, one in enumerate(constraints):
        here = f"{path}[{index}]"
        key, action = pairs[index]
        if one["maxSkew"] <= 0:
            yield Cause.wrong(f"{here}.maxSkew", one["maxSkew"], "must be greater than zero")
        if not key:
            yield Cause.required(f"{here}.topologyKey", "can not be empty")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            yield Cause.unsupported(f"{here}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        if pairs[index] in pairs[index + 1 :]:
            yield Cause.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        yield from _min_domains_causes(one, f"{here}.minDomains")
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if name in one and one[name] not in ("Honor", "Ignore"):
                yield Cause.unsupported(f"{here}.{name}", one[name], ("Honor", "Ignore"))
        yield from _label_keys_causes(one, here)
        if "labelSelector" in one:
            yield from selector_causes(one["labelSelector"], f"{here}.labelSelector")


def _min_domains_causes(one: Object, path: str) -> Iterator[Cause]:
    count, action = one.get("minDomains"), one["whenUnsatisfiable"]
    if count is None:
        return
    if count <= 0:
        yield Cause.wrong(path, count, "must be greater than zero")
    if action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield Cause.wrong(path, count, text)


# ---- tolerations and gates -------------------------------------------------------------------------------------------


def toleration_causes(tolerations: Iterable[Object], path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that tolerations break."""
    for index, one in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator, effect = one.get("key") or "", one.get("operator") or "", one.get("effect") or ""
        if key:
            yield from Cause.all_wrong(f"{here}.key", key, formats.label_key(key))
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield Cause.wrong(f"{here}.operator", operator, text)
        if "tolerationSeconds" in one and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield Cause.wrong(f"{here}.effect", effect, text)
        yield from _operator_causes(operator, one.get("value") or "", f"{here}.operator")
        if effect and effect not in _EFFECTS:
            yield Cause.unsupported(f"{here}.effect", effect, _EFFECTS)


def _operator_causes(operator: str, value: str, path: str) -> Iterator[Cause]:
    match operator:
        case "Equal" | "":
            complaints = formats.label_value(value)
            if complaints:
                yield Cause.wrong(path, value, ";".join(complaints))
        case "Exists":
            if value:
                yield Cause.wrong(path, value, "value must be empty when `operator` is 'Exists'")
        case "Lt" | "Gt":
            yield Cause.unsupported(path, operator, ("Equal", "Exists", "Lt", "Gt"))
        case _:
            yield Cause.unsupported(path, operator, ("Equal", "Exists"))


def gate_causes(gates: Iterable[Object], path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that scheduling gates break."""
    names: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate["name"]
        yield from Cause.all_wrong(f"{path}[{index}]", name, formats.label_key(name))
        if name in names:
            yield Cause.duplicate(f"{path}[{index}]", name)
        names.add(name)


def merged_tolerations(first: Iterable[Plain], second: Iterable[Plain]) -> list[Plain]:
    """Return tolerations of both lists, without those that another makes needless."""
    whole = [*first, *second]
    merged: list[Plain] = []
    for index, one in enumerate(whole):
        if any(_is_wider(other, one) for other in merged):
            continue
        if any(other != one and _is_wider(other, one) for other in whole[index + 1 :]):
            continue
        merged.append(one)
    return merged


def _is_wider(wide: Plain, one: Plain) -> bool:
    if wide == one:
        return True
    key, effect, operator = wide.get("key") or "", wide.get("effect") or "", wide.get("operator") or ""
    if one.get("key", "") != key and (key or operator != "Exists"):
        return False
    if effect and one.get("effect", "") != effect:
        return False
    most = wide.get("tolerationSeconds")
    if effect == "NoExecute" and most is not None:
        seconds = one.get("tolerationSeconds")
        if seconds is None or seconds > most:
            return False
    if operator == "Exists":
        return True
    return one.get("operator") == "Equal" and one.get("value", "") == wide.get("value", "")
