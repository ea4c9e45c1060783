"""Which objects a list, a watch or a deletecollection is about."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.tracker.kinds.registry import Served
from ctrlkit.fakes.tracker.refusals import bad_request
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.malformed import field_selector_problem, selector_problem
from ctrlkit.fakes.tracker.verbs.patch import value_at
from ctrlkit.model import Action, FieldSelector, LabelSelector

_ALWAYS = ("metadata.name", "metadata.namespace")


class Selection:
    """
    A namespace ("" for all) and selectors.

    Errors  BadRequest where a selector cannot be read, or names a field that this kind cannot be selected by.
    """

    __slots__ = ("_fields", "_labels", "namespace", "takes_all")

    def __init__(self, served: Served, action: Action) -> None:
        options = action.options
        fields = options.field_selector
        if action.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={action.name}")))
        self.namespace = action.namespace
        self._labels = _parse_labels(options.label_selector)
        self._fields = _parse_fields(served, fields)
        self.takes_all = not self._labels.requirements and not self._fields.terms

    def matches(self, stored: Stored | None) -> bool:
        """Whether an object is there and selected, its namespace apart."""
        if stored is None:
            return False
        if self.takes_all:
            return True
        if not self._labels.matches(stored.labels):
            return False
        return not self._fields.terms or self._fields.matches(lambda path: _field(stored, path))

    def includes(self, namespace: str) -> bool:
        """Whether objects of a namespace are looked at."""
        return not self.namespace or self.namespace == namespace


def _parse_labels(text: str) -> LabelSelector:
    try:
        return LabelSelector.parse(text)
    except ValueError:
        raise bad_request(f"unable to parse requirement: {selector_problem(text)}") from None


def _parse_fields(served: Served, text: str) -> FieldSelector:
    try:
        selector = FieldSelector.parse(text)
    except ValueError:
        raise bad_request(field_selector_problem(text)) from None
    for path, _, _ in selector.terms:
        if path not in _ALWAYS and path not in served.selectable_fields:
            raise bad_request(_unsupported(served, path))
    return selector


def _unsupported(served: Served, path: str) -> str:
    if served.custom or served.selectable_fields:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _field(stored: Stored, path: str) -> Any:
    if path == "source":
        return value_at(stored.plain, "source.component") or value_at(stored.plain, "reportingComponent")
    if path in {"spec.unschedulable", "spec.hostNetwork"}:
        return bool(value_at(stored.plain, path))
    return value_at(stored.plain, path)


def selector_text(selector: Any) -> str:
    """
    A LabelSelector object as text, as the scale subresource shows it.

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
