"""The rules of custom resources: of their schema, of the objects within them, and of what the scale shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.tracker.kinds.definitions import embedded
from ctrlkit.fakes.tracker.kinds.strategy import ScalePaths
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.schema.go_text import decoded_type, go_text

Object = Mapping[str, Any]
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """
    What a custom kind's objects must hold to at one version.

    Shape   `named` has the kind and the apiVersion, which objects here do not say themselves.
    """

    schema: CustomSchema
    named: Mapping[str, str]
    scale: ScalePaths | None = None

    def causes(self, plain: Object, old: Object | None) -> list[Cause]:
        """Return a cause for each rule that an object breaks, in the order of a server."""
        new, before = self._whole(plain, old)
        found = self.schema.value_causes(new, before)
        found += self._scale_causes(plain)
        found += embedded.causes(plain, self.schema.structural)
        return self._with_lists_and_expressions(new, before, found)

    def status_causes(self, plain: Object, old: Object) -> list[Cause]:
        """The same for a write of the status: only the rules of the status count, and all expressions."""
        new, before = self._whole(plain, old)
        found = self.schema.status_causes(new, before or {})
        if self.scale:
            found += _status_scale_causes(plain, self.scale)
        return self._with_lists_and_expressions(new, before, found)

    def _whole(self, plain: Object, old: Object | None) -> tuple[Object, Object | None]:
        return {**self.named, **plain}, None if old is None else {**self.named, **old}

    def _with_lists_and_expressions(self, new: Object, before: Object | None, found: list[Cause]) -> list[Cause]:
        found += self.schema.list_causes(new, before)
        return [*found, *self.schema.expression_causes(new, before, found, notice)]

    def _scale_causes(self, plain: Object) -> Iterator[Cause]:
        if self.scale:
            yield from _replica_causes(plain, self.scale.spec_replicas)
            yield from _status_scale_causes(plain, self.scale)


def _status_scale_causes(plain: Object, scale: ScalePaths) -> Iterator[Cause]:
    yield from _replica_causes(plain, scale.status_replicas)
    if scale.selector:
        _, problem = _typed_at(plain, scale.selector, str, "string")
        if problem:
            yield Cause.wrong(f".{scale.selector}", "", problem)


def _replica_causes(plain: Object, path: str) -> Iterator[Cause]:
    number, problem = _typed_at(plain, path, int, "int64")
    if problem:
        yield Cause.wrong(f".{path}", 0, problem)
    elif number < 0:
        yield Cause.wrong(f".{path}", number, "should be a non-negative integer")
    elif number > _INT32_MAX:
        yield Cause.wrong(f".{path}", number, f"should be less than or equal to {_INT32_MAX}")


def _typed_at(plain: Any, path: str, wanted: type, name: str) -> tuple[Any, str]:
    """Return the value at a path, which is nothing where there is none, and what is wrong with its type."""
    value, steps = plain, path.split(".")
    for at, step in enumerate(steps):
        if value is None or (isinstance(value, Mapping) and step not in value):
            return wanted(), ""
        if not isinstance(value, Mapping):
            said = f"{go_text(value)} is of the type {decoded_type(value)}, expected map[string]interface{{}}"
            return wanted(), f".{'.'.join(steps[: at + 1])} accessor error: {said}"
        value = value[step]
    if type(value) is not wanted:
        kind = "<nil>" if value is None else decoded_type(value)
        return wanted(), f".{path} accessor error: {go_text(value)} is of the type {kind}, expected {name}"
    return value, ""
