"""Objects of a kind from one of its versions to another, by way of declared functions. Pure."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from ctrlkit.errors import ConfigError, DecodeError
from ctrlkit.webhooks.changes import equal, with_changes, written_of
from ctrlkit.webhooks.declarations import ConversionFunction
from ctrlkit.webhooks.fitting import Fitting
from ctrlkit.wire.codec import Codec, codec_of

Plain = dict[str, Any]
AnyConversion = ConversionFunction[Any, Any]

_HEAD: Final = frozenset({"apiVersion", "kind", "metadata"})
_THEIRS: Final = ("labels", "annotations")
"""What of the metadata a function may change; a server refuses anything else."""


class ConversionFailed(Exception):
    """An object could not be converted; the message says which, and why."""


class Conversions:
    """
    The declared conversions of one kind.

    Shape   `versions` are the names of the versions that they know.
    Errors  ConfigError for two functions of one way, and for versions that do not lead to each other.
    """

    def __init__(self, functions: Iterable[AnyConversion]) -> None:
        self._steps: dict[str, dict[str, AnyConversion]] = {}
        self._prepared: dict[AnyConversion, _Step] = {}
        for each in functions:
            steps = self._steps.setdefault(each.source.version, {})
            if each.target.version in steps:
                raise ConfigError(f"{each}: {steps[each.target.version]} does that already; keep one of them")
            steps[each.target.version] = each
            self._prepared[each] = _Step(each)
        self.versions: tuple[str, ...] = tuple(dict.fromkeys(self._named()))
        self._ways = {
            (source, target): self._way(source, target)
            for source in self.versions
            for target in self.versions
            if source != target
        }

    def _named(self) -> Iterator[str]:
        for source, steps in self._steps.items():
            yield from (source, *steps)

    def _way(self, source: str, target: str) -> tuple[AnyConversion, ...]:
        """Return the shortest way."""
        ways: deque[tuple[str, tuple[AnyConversion, ...]]] = deque([(source, ())])
        seen = {source}
        while ways:
            at, way = ways.popleft()
            if at == target:
                return way
            for version, step in self._steps.get(at, {}).items():
                if version not in seen:
                    seen.add(version)
                    ways.append((version, (*way, step)))
        some = next(step for steps in self._steps.values() for step in steps.values())
        raise ConfigError(
            f"convert {some.source}: no way leads from {source} to {target}; write a function below "
            f"@conversion({source.upper()}, to={target.upper()})"
        )

    async def convert(self, raw: Plain, wanted: str) -> Plain:
        """Convert an object to the version of that name. Errors: ConversionFailed, and what a function raises."""
        version = str(raw.get("apiVersion") or "").rpartition("/")[2]
        if version == wanted:
            return raw
        way = self._ways.get((version, wanted))
        if way is None:
            raise ConversionFailed(
                f"no conversion from {version!r} to {wanted!r}; there are {', '.join(self.versions)}"
            )
        for step in way:
            raw = await _converted(self._prepared[step], raw)
        return raw


class _Step:
    """A function with what is made once for all its calls."""

    def __init__(self, conversion: AnyConversion) -> None:
        self.conversion = conversion
        self.codec: Codec[Any] = codec_of(conversion.source)
        self.known = _known(conversion.source.type, conversion.target.type)


async def _converted(prepared: _Step, raw: Plain) -> Plain:
    step, known = prepared.conversion, prepared.known
    try:
        source = prepared.codec.decode_object(msgspec.json.encode(raw))
    except DecodeError as error:
        source = _outside_limits(raw, step.source.type, error)
    before = written_of(source)
    result = step.function(source)
    if inspect.isawaitable(result):
        result = await result
    after = written_of(result)
    if not isinstance(after, dict):
        raise TypeError(f"{step.name} returned a {type(result).__name__}; return a {step.target.type.__name__}")
    neither = {} if known is None else {name: value for name, value in raw.items() if name not in known}
    rest = {name: value for name, value in after.items() if name not in _HEAD}
    head = {"apiVersion": step.target.api_version, "kind": step.target.kind}
    return {**head, "metadata": _metadata(raw, before, after), **neither, **rest}


def _outside_limits(raw: Plain, type_: Any, error: DecodeError) -> Any:
    """Return an object that is outside of limits alone, which are for a schema to check. Errors: ConversionFailed."""
    fitting = Fitting(raw, type_, cast(Exception, error.__cause__ or error))
    if fitting.is_readable:
        return fitting.value
    raise ConversionFailed("; ".join(map(str, fitting.causes))) from None


def _metadata(raw: Plain, before: Plain, after: Plain) -> Plain:
    """Return the metadata that came, with labels and annotations as a function changed them."""
    metadata = dict(raw.get("metadata") or {})
    new = after.get("metadata")
    if not isinstance(new, Mapping):
        return metadata
    old = before.get("metadata") or {}
    for name in _THEIRS:
        had, has = old.get(name) or {}, new.get(name) or {}
        if not equal(had, has):
            metadata[name] = with_changes(metadata.get(name) or {}, had, has)
    return metadata


def _known(source: type, target: type) -> frozenset[str] | None:
    """Return the fields at the top that one of two types has, as JSON has them; None if one knows all of them."""
    from ctrlkit.crd.fields import fields_of, is_class_with_fields  # noqa: PLC0415  # few programs convert

    if not (is_class_with_fields(source) and is_class_with_fields(target)):
        return None
    fields = (*fields_of(source, described=False), *fields_of(target, described=False))
    return _HEAD | {field.wire_name for field in fields}
