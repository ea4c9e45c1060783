"""Selections: the objects that a list, a watch or a deletecollection selects."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import bad_request
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.malformed import field_selector_problem, selector_problem
from ctrlkit.model import Action, FieldSelector, LabelSelector

_ALWAYS = ("metadata.name", "metadata.namespace")


class Selection:
    """
    A namespace ("" for all) and selectors.

    Errors  BadRequest where a selector cannot be read, or names a field that this kind cannot be selected by.
    """

    __slots__ = ("_fields", "_labels", "_value", "namespace", "takes_all")

    def __init__(self, served: Strategy, action: Action) -> None:
        options = action.options
        fields = options.field_selector
        if action.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={action.name}")))
        self.namespace: str = action.namespace
        self._value = served.selected_value
        self._labels = _parse_labels(options.label_selector)
        self._fields = _parse_fields(served, fields)
        self.takes_all: bool = not self._labels.requirements and not self._fields.terms

    def matches(self, stored: Stored | None) -> bool:
        """Whether an object exists and the selectors match it; the namespace is not checked."""
        if stored is None:
            return False
        if self.takes_all:
            return True
        if not self._labels.matches(stored.labels):
            return False
        return not self._fields.terms or self._fields.matches(lambda path: self._value(stored.plain, path))

    def includes(self, namespace: str) -> bool:
        """Whether objects of a namespace are selected."""
        return not self.namespace or self.namespace == namespace


def _parse_labels(text: str) -> LabelSelector:
    try:
        return LabelSelector.parse(text)
    except ValueError:
        raise bad_request(f"unable to parse requirement: {selector_problem(text)}") from None


def _parse_fields(served: Strategy, text: str) -> FieldSelector:
    try:
        selector = FieldSelector.parse(text)
    except ValueError:
        raise bad_request(field_selector_problem(text)) from None
    for path, _, _ in selector.terms:
        if path not in _ALWAYS and path not in served.selectable_fields:
            raise bad_request(_unsupported(served, path))
    return selector


def _unsupported(served: Strategy, path: str) -> str:
    if served.unselectable:
        return served.unselectable.format(path)
    if served.custom or served.selectable_fields:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
