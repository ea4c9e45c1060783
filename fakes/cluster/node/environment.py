"""The environment of a container, resolved from its spec, Secrets, ConfigMaps and fields of its pod."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

BYTES_MAX = 2 * 1024 * 1024
"""Largest size of a container's variables, command or arguments: Linux allows a process no more."""

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['.*'\]")
_REFERENCE = re.compile(r"\$(\$|\((?P<name>[^()]+)\))")


class SourceKind(Enum):
    """A kind that variables can refer to."""

    SECRET = "Secret"
    CONFIG_MAP = "ConfigMap"


LookUp = Callable[[SourceKind, str], Mapping[str, Any] | None]
"""Returns a Secret or ConfigMap of the pod's namespace by name, as plain JSON data; None if there is none."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables by name, and those of their values that come from Secrets and must not be shown."""

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Environment({sorted(self.variables)})"

    def expand(self, texts: Sequence[str]) -> tuple[str, ...]:
        """
        Replace `$(NAME)` by variables, as in a command; unknown names stay, `$$` is a dollar.

        >>> Environment({"A": "1"}).expand(["$(A) $(B)", "$$(A)"])
        ('1 $(B)', '$(A)')

        Errors  ContainerRefused (RunContainerError) if the result exceeds `BYTES_MAX`.
        """
        budget = _SizeBudget()
        return tuple(_expand(text, self.variables, budget) for text in texts)


@dataclass(slots=True)
class _SizeBudget:
    """How much of `BYTES_MAX` is left: with references, a few bytes of a spec can expand to many."""

    left: int = BYTES_MAX

    def take(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise ContainerRefused(
                "RunContainerError", f"argument list too long: its variables or arguments exceed {BYTES_MAX} bytes"
            )
        return text


def _expand(text: str, variables: Mapping[str, str], budget: _SizeBudget) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return budget.take(variables.get(found["name"], found[0]))

    return _REFERENCE.sub(put, budget.take(text))


def references(container: Mapping[str, Any]) -> set[tuple[SourceKind, str]]:
    """
    Return the Secrets and ConfigMaps that a container's environment refers to.

    >>> references({"envFrom": [{"secretRef": {"name": "login"}}]})
    {(<SourceKind.SECRET: 'Secret'>, 'login')}
    """
    found = {(kind, reference.get("name") or "") for kind, reference in map(_env_from, container.get("envFrom") or ())}
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for field_name, kind in (("secretKeyRef", SourceKind.SECRET), ("configMapKeyRef", SourceKind.CONFIG_MAP)):
            if field_name in source:
                found.add((kind, source[field_name].get("name") or ""))
    return found


def resolve_environment(container: Mapping[str, Any], *, look_up: LookUp, pod_fields: Mapping[str, str]) -> Environment:
    """
    Build the environment of a container as the kubelet does: `envFrom`, then `env`; later ones win.

    >>> container = {"env": [{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)y"}]}
    >>> dict(resolve_environment(container, look_up=lambda kind, name: None, pod_fields={}).variables)
    {'A': 'x', 'B': 'xy'}

    Shape   `pod_fields` are the values of `fieldRef` paths, such as `status.podIP`.
    Errors  ContainerRefused with reason CreateContainerConfigError for a missing reference that is not optional, and
            with RunContainerError for more than `BYTES_MAX`.
    """
    budget = _SizeBudget()
    variables: dict[str, str] = {}
    secrets: set[str] = set()
    for source in container.get("envFrom") or ():
        kind, reference = _env_from(source)
        data = _data_of(kind, reference, look_up)
        prefix = source.get("prefix") or ""
        for key, value in data.items():
            variables[budget.take(prefix + key)] = budget.take(value)
        if kind is SourceKind.SECRET:
            secrets.update(data.values())
    for variable in container.get("env") or ():
        for value, is_secret in _values_of(variable, look_up, pod_fields, variables, budget):
            variables[budget.take(variable["name"])] = value
            if is_secret:
                secrets.add(value)
    return Environment(variables, frozenset(secrets - {""}))


def _env_from(source: Mapping[str, Any]) -> tuple[SourceKind, Mapping[str, Any]]:
    if "secretRef" in source:
        return SourceKind.SECRET, source["secretRef"]
    return SourceKind.CONFIG_MAP, source.get("configMapRef") or {}


def _values_of(
    variable: Mapping[str, Any],
    look_up: LookUp,
    pod_fields: Mapping[str, str],
    known: Mapping[str, str],
    budget: _SizeBudget,
) -> Iterator[tuple[str, bool]]:
    """Yield the value of a variable and whether it is secret; nothing for an optional reference without a value."""
    match variable.get("valueFrom"):
        case {"secretKeyRef": reference}:
            found = _key_of(SourceKind.SECRET, reference, look_up)
            if found is not None:
                yield budget.take(found), True
        case {"configMapKeyRef": reference}:
            found = _key_of(SourceKind.CONFIG_MAP, reference, look_up)
            if found is not None:
                yield budget.take(found), False
        case {"fieldRef": {"fieldPath": path}}:
            if path not in pod_fields and _SUBSCRIPT.fullmatch(path):
                yield "", False  # a label or annotation that the pod does not have
                return
            if path not in pod_fields:
                raise _refused(f"variable {variable['name']}: field {path} is not supported here")
            yield pod_fields[path], False
        case None:
            yield _expand(variable.get("value") or "", known, budget), False
        case _:
            raise _refused(f"variable {variable['name']}: its valueFrom is not supported here")


def _key_of(kind: SourceKind, reference: Mapping[str, Any], look_up: LookUp) -> str | None:
    data = _data_of(kind, reference, look_up)
    key = reference.get("key", "")
    if key not in data and not reference.get("optional"):
        raise _refused(f"{kind.value} {reference.get('name', '')} has no key {key}")
    return data.get(key)


def _data_of(kind: SourceKind, reference: Mapping[str, Any], look_up: LookUp) -> dict[str, str]:
    name = reference.get("name") or ""
    found = look_up(kind, name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise _refused(f"{kind.value} {name} not found")
    data: Mapping[str, str] = found.get("data") or {}
    if kind is SourceKind.CONFIG_MAP:
        return dict(data)
    try:
        return {key: base64.b64decode(value or "").decode() for key, value in data.items()}
    except (binascii.Error, UnicodeDecodeError):
        raise _refused(f"Secret {name} holds a value that is no text") from None


def _refused(fact: str) -> ContainerRefused:
    return ContainerRefused("CreateContainerConfigError", fact)
