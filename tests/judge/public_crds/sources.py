"""The definitions, read from a folder with clones of the repositories that `sources.json` names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SOURCES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("sources.json").read_text())
_BASIC = ("group", "names", "scope", "versions")


class Public(NamedTuple):
    """A definition, where it is from, and the number of fields in the schema of the version that is stored."""

    source: str
    definition: dict[str, Any]
    fields: int

    @property
    def version(self) -> dict[str, Any]:
        """The version that is stored."""
        return next(one for one in self.definition["spec"]["versions"] if one["storage"])

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema of that version."""
        found: Mapping[str, Any] = self.version["schema"]["openAPIV3Schema"]
        return found


def how_to_fill(folder: Path) -> str:
    """Say how the folder is filled; the host is where you get these repositories from."""
    lines = (
        f"git clone $HOST/{one['repository']} {folder}/{one['repository']} && "
        f"git -C {folder}/{one['repository']} checkout {one['commit']}"
        for one in SOURCES
    )
    return "\n".join(lines)


def definitions(folder: Path) -> Iterator[Public]:
    """
    Yield the definitions in the folder; files that are not there are passed over.

    Webhooks that convert are left out, since nobody answers for them: objects are converted by their apiVersion alone.
    """
    for one in SOURCES:
        for name in one["files"]:
            path = folder / one["repository"] / name
            if path.exists():
                yield from _read(path, f"{one['repository']}@{one['commit'][:12]}")


def _read(path: Path, source: str) -> Iterator[Public]:
    with path.open() as file:
        for document in yaml.load_all(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document and document.get("kind") == "CustomResourceDefinition":
                metadata: dict[str, Any] = {"name": document["metadata"]["name"]}
                annotations = document["metadata"].get("annotations") or {}
                approval = {key: value for key, value in annotations.items() if key == "api-approved.kubernetes.io"}
                metadata |= {"annotations": approval} if approval else {}
                spec = {name: document["spec"][name] for name in _BASIC}
                plain = {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": document["kind"],
                    "metadata": metadata,
                    "spec": spec,
                }
                stored = next(version for version in spec["versions"] if version["storage"])
                yield Public(source, plain, count_fields(stored["schema"]["openAPIV3Schema"]))


def count_fields(node: Any) -> int:
    """
    Count the named fields of a schema.

    >>> count_fields({"properties": {"a": {"items": {"properties": {"b": {}}}}, "c": {}}})
    3
    """
    if not isinstance(node, Mapping):
        return 0
    named = node.get("properties") or {}
    below = (*named.values(), node.get("items"), node.get("additionalProperties"))
    return len(named) + sum(map(count_fields, below))
