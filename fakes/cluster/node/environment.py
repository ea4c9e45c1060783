"""The environment of a container, resolved from its spec, Secrets, ConfigMaps, Services, files and its pod. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ctrlkit.fakes.cluster.node.pod_fields import Around, SourceError, field_value, variable_resource
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused
from ctrlkit.fakes.tracker.schema.go_text import quoted

BYTES_MAX = 2 * 1024 * 1024
"""Largest size of a container's variables, command or arguments: Linux allows a process no more."""

VOLUMES_OF_POD = "/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~{plugin}/{volume}"
"""Where a kubelet keeps a volume of a pod, as its messages say it."""

_REFERENCE = re.compile(r"\$(\$|\((?P<name>[^)]*)\))")


class SourceKind(Enum):
    """A kind that variables and volumes can refer to."""

    SECRET = "Secret"
    CONFIG_MAP = "ConfigMap"


LookUp = Callable[[SourceKind, str], Mapping[str, Any] | None]
"""Returns a Secret or ConfigMap of the pod's namespace by name, as plain JSON data; None if there is none."""

ReadFile = Callable[[str, str], bytes | None]
"""Returns a file of a volume of the pod by the volume's name and its path in it; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """
    What the variables of a pod's containers are made of, besides the containers.

    Shape   `services` are the variables that tell of Services: what the container says itself goes before them.
    """

    pod: Mapping[str, Any]
    around: Around
    look_up: LookUp
    services: Mapping[str, str] = field(default_factory=dict)
    read_file: ReadFile = lambda volume, path: None


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables by name, and those of their values that come from Secrets, which no refusal quotes."""

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

    def expand_sub_path(self, text: str) -> str:
        """
        Replace the variables of a mount's subPathExpr, all of which need a value.

        >>> Environment({"POD": "web-0"}).expand_sub_path("logs/$(POD)")
        'logs/web-0'

        Errors  ContainerRefused (CreateContainerConfigError).
        """
        names = {found["name"] for found in _REFERENCE.finditer(text) if found["name"] is not None}
        missing = sorted(name for name in names if not self.variables.get(name))
        if missing:
            raise _refused(f"missing value for {', '.join(missing)}")
        return self.expand([text])[0]


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


def environment_of(container: Mapping[str, Any], sources: Sources) -> Environment:
    """
    Build the environment of a container as the kubelet does: `envFrom`, then `env`; later ones win.

    >>> container = {"env": [{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)y"}]}
    >>> sources = Sources(pod={}, around=Around(allocatable={}), look_up=lambda kind, name: None)
    >>> dict(environment_of(container, sources).variables)
    {'A': 'x', 'B': 'xy'}

    Errors  ContainerRefused with reason CreateContainerConfigError for a missing reference that is not optional, and
            with RunContainerError for more than `BYTES_MAX`.
    """
    try:
        return _Resolving(container, sources).resolve()
    except SourceError as error:
        raise _refused(str(error)) from None


@dataclass(slots=True)
class _Resolving:
    container: Mapping[str, Any]
    sources: Sources
    variables: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    budget: _SizeBudget = field(default_factory=_SizeBudget)

    def resolve(self) -> Environment:
        for source in self.container.get("envFrom") or ():
            self._take_all(source)
        for variable in self.container.get("env") or ():
            for value, is_secret in self._values_of(variable):
                self.variables[self.budget.take(variable["name"])] = value
                if is_secret:
                    self.secrets.add(value)
        return Environment({**self.sources.services, **self.variables}, frozenset(self.secrets - {""}))

    def _take_all(self, source: Mapping[str, Any]) -> None:
        kind, reference = _env_from(source)
        prefix = source.get("prefix") or ""
        data = _data_of(kind, reference, self.sources.look_up) or {}
        for key, value in data.items():
            self.variables[self.budget.take(prefix + key)] = self.budget.take(value)
        if kind is SourceKind.SECRET:
            self.secrets.update(data.values())

    def _values_of(self, variable: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        """Yield the value of a variable and whether it is secret; nothing for an optional reference without a value."""
        source, text = variable.get("valueFrom") or {}, variable.get("value") or ""
        if text or not source:
            known = {**self.sources.services, **self.variables} if "$" in text else {}
            yield _expand(text, known, self.budget), False
            return
        if "secretKeyRef" in source:
            found = self._key_of(SourceKind.SECRET, source["secretKeyRef"])
        elif "configMapKeyRef" in source:
            found = self._key_of(SourceKind.CONFIG_MAP, source["configMapKeyRef"])
        else:
            found = self._fact(source)
        if found is not None:
            yield self.budget.take(found), "secretKeyRef" in source

    def _fact(self, source: Mapping[str, Any]) -> str | None:
        pod, around = self.sources.pod, self.sources.around
        match source:
            case {"fieldRef": {"fieldPath": path}}:
                return field_value(pod, path, around)
            case {"resourceFieldRef": selector}:
                return variable_resource(pod, self.container, selector, around)
            case {"fileKeyRef": reference}:
                return self._line_of(reference)
        return ""

    def _key_of(self, kind: SourceKind, reference: Mapping[str, Any]) -> str | None:
        data = _data_of(kind, reference, self.sources.look_up)
        name, key = reference.get("name") or "", reference.get("key") or ""
        if data is not None and key not in data and not reference.get("optional"):
            place = f"{self.sources.pod['metadata'].get('namespace')}/{name}"
            raise SourceError(f"couldn't find key {key} in {kind.value} {place}")
        return data.get(key) if data is not None else None

    def _line_of(self, reference: Mapping[str, Any]) -> str | None:
        volume, path, key = reference["volumeName"], reference["path"], reference["key"]
        content = self.sources.read_file(volume, path)
        found = None if content is None else read_line(content.decode(errors="replace"), key)
        if found is None:
            raise SourceError("couldn't parse env file")
        if found:
            return found
        if reference.get("optional"):
            return None
        uid = self.sources.pod["metadata"]["uid"]
        folder = VOLUMES_OF_POD.format(uid=uid, plugin="empty-dir", volume=volume)
        raise SourceError(f"environment variable key {quoted(key)} not found in file {quoted(f'{folder}/{path}')}")


def _env_from(source: Mapping[str, Any]) -> tuple[SourceKind, Mapping[str, Any]]:
    if "secretRef" in source:
        return SourceKind.SECRET, source["secretRef"]
    return SourceKind.CONFIG_MAP, source.get("configMapRef") or {}


def not_found(kind: SourceKind, name: str) -> SourceError:
    """Return the error for an object that is not there, in the words of a kubelet, which has them from its cache."""
    return SourceError(f"{kind.value.lower()} {quoted(name)} not found")


def _data_of(kind: SourceKind, reference: Mapping[str, Any], look_up: LookUp) -> dict[str, str] | None:
    """Return what an object holds; None if it may be missing and is. Errors: SourceError, ContainerRefused."""
    name = reference.get("name") or ""
    found = look_up(kind, name)
    if found is None:
        if reference.get("optional"):
            return None
        raise not_found(kind, name)
    data: Mapping[str, str] = found.get("data") or {}
    if kind is SourceKind.CONFIG_MAP:
        return dict(data)
    try:
        return {key: base64.b64decode(value or "").decode() for key, value in data.items()}
    except (binascii.Error, UnicodeDecodeError):  # as a kubelet fails to send it to its container runtime
        text = "grpc: error while marshaling: string field contains invalid UTF-8"
        raise ContainerRefused("CreateContainerError", text) from None


def _refused(fact: str) -> ContainerRefused:
    return ContainerRefused("CreateContainerConfigError", fact)


# ---- files of variables ----------------------------------------------------------------------------------------------


def read_line(text: str, key: str) -> str | None:
    """
    Read a variable from a file of lines `NAME='value'`; "" if it is not in it, None if the file breaks a rule.

    >>> read_line("# of the job\\nA='1'\\nB='two\\nlines' # more\\n", "B")
    'two\\nlines'
    >>> read_line("A='1'", "B"), read_line("A=1", "A")
    ('', None)

    A value stands in single quotation marks, between which all is kept as it is; a blank before it makes it empty.
    """
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    for whole in lines:
        line = whole.lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, has_value, value = line.partition("=")
        if not has_value or not name or name != name.rstrip(" \t"):
            return None
        if value != value.lstrip(" \t"):
            found: str | None = ""
        else:
            found = _quoted_value(value, lines)
        if found is None or name == key:
            return found
    return ""


def _quoted_value(text: str, more: Iterator[str]) -> str | None:
    """Read a value up to its second quotation mark, over as many lines as it takes."""
    if not text.startswith("'"):
        return None
    whole = text[1:]
    while "'" not in whole:
        following = next(more, None)
        if following is None:
            return None
        whole += f"\n{following}"
    value, _, rest = whole.partition("'")
    rest = rest.lstrip(" \t")
    return value if not rest or rest.startswith("#") else None
