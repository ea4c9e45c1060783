"""Selections: the objects that a list, a watch or a deletecollection selects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, invalid_options
from ctrlkit.fakes.tracker.schema.selectors import read_field_selector, read_label_selector
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, FieldSelector, Options, Verb

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"
_ALWAYS = ("metadata.name", "metadata.namespace")
_MATCH = "resourceVersionMatch"

T = TypeVar("T")


class Selection:
    """
    A namespace ("" for all) and selectors.

    Errors  BadRequest where a selector cannot be read, or names a field that this kind cannot be selected by; Invalid
            where the options of the list or watch do not go together.
    """

    __slots__ = ("_fields", "_labels", "_value", "namespace", "takes_all")

    def __init__(self, served: Strategy, action: Action) -> None:
        options = action.options
        self.namespace: str = action.namespace
        self._value = served.selected_value
        self._labels = _read(read_label_selector, options.label_selector)
        self._fields = _named(_read(read_field_selector, options.field_selector), action.name)
        check_options(action)
        _check_fields(served, self._fields)
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


def _named(fields: FieldSelector, name: str) -> FieldSelector:
    return FieldSelector((*fields.terms, ("metadata.name", True, name))) if name else fields


def _read(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


def _check_fields(served: Strategy, selector: FieldSelector) -> None:
    for path, _, _ in selector.terms:
        if path not in _ALWAYS and path not in served.selectable_fields:
            raise bad_request(_unsupported(served, path))


def _unsupported(served: Strategy, path: str) -> str:
    if served.unselectable:
        return served.unselectable.format(path)
    if served.custom or served.selectable_fields:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def check_options(action: Action) -> None:
    """Refuse options of a list, a watch or a deletecollection that do not go together."""
    options = action.options
    if not options.resource_version_match and options.send_initial_events is None:
        if action.verb is Verb.WATCH and options.continue_token and options.resource_version in ("", "0"):
            raise invalid_options("ListOptions", _forbidden_with_continue())  # such a watch begins with what is there
        return
    causes = list(_watch_causes(options) if action.verb is Verb.WATCH else _list_causes(options))
    if causes:
        raise invalid_options("ListOptions", *causes)


def _list_causes(options: Options) -> Iterator[Cause]:
    match = options.resource_version_match
    if match:
        if not options.resource_version:
            yield Cause.forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if options.continue_token:
            yield _forbidden_with_continue()
        if match not in (EXACT, NOT_OLDER_THAN):
            yield Cause.unsupported(_MATCH, match, (EXACT, NOT_OLDER_THAN, ""))
        if match == EXACT and options.resource_version == "0":
            yield Cause.forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if options.send_initial_events is not None:
        yield Cause.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_causes(options: Options) -> Iterator[Cause]:
    match = options.resource_version_match
    if options.send_initial_events is not None and match != NOT_OLDER_THAN:
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        yield Cause.forbidden(_MATCH, text)
    if match:
        if options.send_initial_events is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            yield Cause.forbidden(_MATCH, text)
        if match != NOT_OLDER_THAN:
            yield Cause.unsupported(_MATCH, match, (NOT_OLDER_THAN,))
        if options.continue_token:
            yield _forbidden_with_continue()


def _forbidden_with_continue() -> Cause:
    return Cause.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided")
