"""
Writes the typed kinds of ctrlkit.kinds from the facts of the newest release.

Run      python -m ctrlkit.fakes.releases.typed_kinds
Out      ctrlkit/kinds/GROUP.py for each group: a class for each type that the group's kinds are made of, and for each
         kind its Resource. Types that core's kinds have are in core.py alone.

A field is required if the server asks for it, in what a user writes; in a status nothing is. A field that has no value
apart from its empty one has that as its default, a struct that is always there too; a field that tells an empty value
from none, or that a server may send as null, may be None.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ctrlkit
from ctrlkit.fakes.releases import NEWEST, KindFacts, release
from ctrlkit.model import kinds as untyped
from ctrlkit.model.resource import Resource

GROUPS: Final[Mapping[str, tuple[str, str]]] = {
    "core": ("", "v1"),
    "apps": ("apps", "v1"),
    "batch": ("batch", "v1"),
    "networking": ("networking.k8s.io", "v1"),
    "policy": ("policy", "v1"),
    "rbac": ("rbac.authorization.k8s.io", "v1"),
    "autoscaling": ("autoscaling", "v2"),
    "storage": ("storage.k8s.io", "v1"),
    "coordination": ("coordination.k8s.io", "v1"),
}
"""The group and the version of each module."""

_SCALARS: Final = {
    "s": ("str", '""'),
    "b": ("bool", "False"),
    "i32": ("int", "0"),
    "i64": ("int", "0"),
    "n": ("float", "0.0"),
    "y": ("bytes", 'b""'),
    "q": ("str", '""'),
    "t": ("str | None", "None"),
    "u": ("str | None", "None"),
    "x": ("int | str", "0"),
    "?": ("Any", "None"),
}
"""The Python type and the default of each word."""

_NULL_THOUGH_REQUIRED: Final = frozenset({("CSINodeSpec", "drivers"), ("LimitRangeSpec", "limits")})
"""Lists that are required, and may be empty: a server then sends null."""

_OURS: Final = {"ObjectMeta": "ObjectMeta", "OwnerReference": "OwnerReference", "Condition": "Condition"}
"""Types that the framework has."""

_FIELD: Final = re.compile(r"(?P<list>\[\])?(?P<map>\{\})?(?P<inner>\[\])?(?P<word>[\w.?]+)(?P<marks>[!*]*)")
_PLURAL: Final = re.compile(r"([A-Z]{2,})s(?=[A-Z]|$)")
_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a type: its name in Python and as it travels, its type, its default ("" if required), its values."""

    name: str
    wire_name: str
    type: str
    default: str
    values: tuple[str, ...]
    reads: str
    """The type of ours that it has, "" for a scalar."""

    is_mapping: bool


def snake_case(name: str) -> str:
    """
    Return a field's name as Python writes it.

    >>> [snake_case(name) for name in ("clusterIP", "podCIDRs", "hostIPC", "from", "fsGroup", "wwids", "targetWWNs")]
    ['cluster_ip', 'pod_cidrs', 'host_ipc', 'from_', 'fs_group', 'wwids', 'target_wwns']
    """
    text = _PLURAL.sub(lambda found: found[1].capitalize() + "s", name)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()
    return f"{text}_" if keyword.iskeyword(text) else text


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class _Types:
    """The types of a release, and which of them a class can be made without arguments."""

    def __init__(self, types: Mapping[str, Mapping[str, str]], kinds: Sequence[KindFacts]) -> None:
        self.types = types
        self.kinds = kinds
        self._of_status = self._only_in_statuses()

    def roots(self, group: str, version: str) -> Sequence[KindFacts]:
        """The kinds of a group."""
        return [one for one in self.kinds if (one.group, one.version) == (group, version)]

    def below(self, name: str) -> Iterator[str]:
        """The types that a type's fields have."""
        for word in self.types[name].values():
            found = _FIELD.match(word)
            if found and found["word"] in self.types and found["word"] not in _OURS:
                yield found["word"]

    def reached(self, names: list[str]) -> dict[str, None]:
        """Types with all below them, those that others are made of first."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in order:
                for inner in self.below(name):
                    visit(inner)
                order[name] = None

        for name in names:
            visit(name)
        return order

    def _only_in_statuses(self) -> set[str]:
        """Types that no spec has, so that nobody writes them but servers and controllers."""
        tops = [one.type for one in self.kinds]
        written: set[str] = set()

        def visit(name: str) -> None:
            if name in written:
                return
            written.add(name)
            for field, word in self.types[name].items():
                found = _FIELD.match(word)
                if found and found["word"] in self.types and not (field == "status" and name in tops):
                    visit(found["word"])

        for name in tops:
            visit(name)
        return set(self.types) - written

    def fields(self, name: str) -> list[Field]:
        """The fields of a type, those that are required first."""
        is_top = any(one.type == name for one in self.kinds)
        made = [
            self._field(name, wire_name, word, is_top=is_top)
            for wire_name, word in self.types[name].items()
            if wire_name not in ("apiVersion", "kind")
            or not ({"apiVersion", "kind"} <= self.types[name].keys() and "metadata" in self.types[name])
        ]
        return sorted(made, key=lambda field: field.default != "")

    def needs_arguments(self, name: str) -> bool:
        """Whether a type has a field that is required."""
        return name not in _OURS and any(not field.default for field in self.fields(name))

    def _field(self, owner: str, wire_name: str, word: str, *, is_top: bool) -> Field:
        head, *attributes = word.split(" ")
        found = _FIELD.fullmatch(head)
        assert found is not None, (owner, wire_name, word)
        inner, marks = found["word"], found["marks"]
        is_required = "required" in attributes and owner not in self._of_status
        python_type, default = self._bare(inner)
        if found["inner"]:
            python_type = f"tuple[{python_type}, ...]"
        if found["map"]:
            python_type, default = f"Mapping[str, {python_type}]", "{}"
        if found["list"]:
            python_type, default = f"tuple[{python_type}, ...]", "()"
            may_be_null = not is_required or (owner, wire_name) in _NULL_THOUGH_REQUIRED
            if "!" in marks and may_be_null:  # none is sent as null
                python_type, default = f"{python_type} | None", "None"
        if "*" in marks and not python_type.endswith("None") and python_type != "Any":
            python_type, default = f"{python_type} | None", "None"
        if is_required or (is_top and wire_name == "metadata"):
            default = ""
        enum = next((one.removeprefix("enum=") for one in attributes if one.startswith("enum=")), "")
        return Field(
            name=snake_case(wire_name),
            wire_name=wire_name,
            type=python_type,
            default=default,
            values=tuple(enum.split("|")) if enum else (),
            reads=inner if inner in self.types and inner not in _OURS else "",
            is_mapping=bool(found["map"]),
        )

    def _bare(self, word: str) -> tuple[str, str]:
        if word in _SCALARS:
            return _SCALARS[word]
        name = class_name(word)
        return name, "" if self.needs_arguments(word) else f"{name}()"


def class_name(type_name: str) -> str:
    """
    Return the name of a type's class.

    >>> class_name("Container"), class_name("autoscaling.v2.MetricSpec")
    ('Container', 'MetricSpec')
    """
    return type_name.rpartition(".")[2]


def modules() -> dict[str, str]:
    """Return the text of each module of ctrlkit.kinds, by its name."""
    known = release(NEWEST)
    types = _Types(known.types, known.kinds)
    reached = {name: types.reached([one.type for one in types.roots(*group)]) for name, group in GROUPS.items()}
    return {name: _module(name, types, list(reached[name]), set(reached["core"])) for name in GROUPS}


def _module(module: str, types: _Types, names: list[str], in_core: set[str]) -> str:
    group, version = GROUPS[module]
    own = [name for name in names if module == "core" or name not in in_core]
    fields = {name: types.fields(name) for name in own}
    used = {field.reads for some in fields.values() for field in some if field.reads}
    from_core = sorted(class_name(name) for name in used if module != "core" and name in in_core)
    roots = types.roots(group, version)
    classes = [_class(name, fields[name], roots=[one.type for one in roots]) for name in own]
    resources = sorted(_resources(roots))
    body = "\n\n\n".join(classes) + "\n\n\n" + "\n".join(text for _, text in resources) + "\n"
    exported = sorted([class_name(name) for name in own])
    listed = "".join(f'    "{name}",\n' for name in [*(name for name, _ in resources), *exported])
    said = f"{group}/{version}" if group else version
    typing = [word for word in ("Any",) if re.search(rf"\b{word}\b", body)]
    ours = [word for word in ("Condition", "ObjectMeta", "OwnerReference") if re.search(rf"\b{word}\b", body)]
    lines = [
        f'"""The kinds of {said} with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""\n',
        "from __future__ import annotations\n",
        *(["from collections.abc import Mapping"] if "Mapping[" in body else []),
        *([f"from typing import {', '.join(typing)}"] if typing else []),
        "" if "Mapping[" in body or typing else None,
        *(["import msgspec\n"] if "msgspec." in body else []),
        "from ctrlkit.kinds.base import TypedKind" + (", show_read_only" if "show_read_only(" in body else ""),
        *([f"from ctrlkit.kinds.core import {', '.join(from_core)}"] if from_core else []),
        *([f"from ctrlkit.model import {', '.join(sorted([*ours, 'Resource', 'kinds']))}"]),
        f"\n__all__ = [\n{listed}]\n\n",
        body,
    ]
    return "\n".join(line for line in lines if line is not None)


def _class(name: str, fields: list[Field], *, roots: list[str]) -> str:
    said = f"A {class_name(name)} with all its fields." if name in roots else f"The fields of a {class_name(name)}."
    lines = [f"class {class_name(name)}(TypedKind, frozen=True, kw_only=True):", f'    """{said}"""', ""]
    for field in fields:
        lines += _line(field)
    if not fields:
        lines.pop()
    mappings = [f'"{field.name}"' for field in fields if field.is_mapping]
    if mappings:
        lines += ["", "", f"show_read_only({class_name(name)}, {', '.join(mappings)})"]
    return "\n".join(lines)


def _line(field: Field) -> Iterator[str]:
    is_renamed = _camel_case(field.name) != field.wire_name
    value = field.default
    if is_renamed:
        arguments = [*([f"default={value}"] if value else []), f'name="{field.wire_name}"']
        if value == "{}":
            arguments[0] = "default_factory=dict"
        value = f"msgspec.field({', '.join(arguments)})"
    yield f"    {field.name}: {field.type}" + (f" = {value}" if value else "")
    *others, last = field.values or ("",)
    text = f'    """{", ".join(others)} or {last}."""' if others else f'    """{last}."""'
    if last and len(text) <= _WIDTH:
        yield text


def _resources(roots: Sequence[KindFacts]) -> Iterator[tuple[str, str]]:
    for one in roots:
        for name, resource in vars(untyped).items():
            if not isinstance(resource, Resource) or not name.isupper():
                continue
            if (resource.identity, resource.version) == ((one.group, one.plural), one.version):
                kind = class_name(one.type)
                yield name, f"{name}: Resource[{kind}] = kinds.{name}.of({kind})"


def main() -> None:
    """Write the modules; `ruff format` brings them into their final form."""
    folder = Path(ctrlkit.__file__).parent / "kinds"
    for name, text in modules().items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
