"""The CustomResourceDefinition of a kind, made from the Python types of its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import StringIO
from typing import Any, Final

import yaml

from ctrlkit.crd.fields import APPROVED, SchemaError, fields_of, is_class_with_fields, is_protected
from ctrlkit.crd.schema import object_schema_of, schema_of
from ctrlkit.model import AnyResource, to_plain
from ctrlkit.model.definition import Column, Definition, ScaleFields

Manifest = dict[str, Any]

WIDTH: Final = 120
"""Of the lines of YAML, in characters."""
DOCUMENT_LINES: Final = 50
"""A text of so many lines is a document of its own, and stands line by line."""


class _WithoutAliases(yaml.SafeDumper):
    """Writes a part out wherever it stands, though it may be the same as another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Have no anchors."""
        return True

    def analyze_scalar(self, scalar: str) -> Any:
        """Look through a document once, wherever it is written: it takes long."""
        return _analysis(scalar) if _is_document(scalar) else super().analyze_scalar(scalar)


def _is_document(text: str) -> bool:
    return text.count("\n") >= DOCUMENT_LINES


@lru_cache(maxsize=1)
def _analysis(text: str) -> Any:
    return yaml.SafeDumper(StringIO()).analyze_scalar(text)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if _is_document(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_WithoutAliases.add_representer(str, _text)


def definition_of(*versions: AnyResource, conversion: Mapping[str, Any] | None = None) -> Manifest:
    """
    Return the CustomResourceDefinition of a kind as a plain dict; `versions` are its versions, each with its type.

        GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings").of(Greeting)
        definition_of(GREETINGS)["metadata"]["name"]      # greetings.demo.example.com

    Names, short names and categories are those of the stored version, which is the only one, or the one whose
    `Definition` says `storage=True`. `conversion` is how objects of one version become those of another, as it stands
    in the manifest; without it they stay as they are.
    Errors  SchemaError for a type that no schema can say, or without fields, for versions of several kinds, and for a
            group of the Kubernetes project without the annotation that servers ask for.
    """
    stored = _stored(versions)
    said = stored.definition
    if is_protected(stored):
        raise SchemaError(
            f"define {stored}: its group is of the Kubernetes project, and servers ask for the annotation "
            f"{APPROVED}; say it in Definition(annotations=...), or leave the definition to who made the kind"
        )
    names = {
        "kind": stored.kind,
        "listKind": stored.list_kind,
        "plural": stored.plural,
        "singular": said.singular or stored.kind.lower(),
        "shortNames": list(said.short_names) or None,
        "categories": list(said.categories) or None,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": _said({"name": str(stored), "annotations": dict(said.annotations) or None}),
        "spec": {
            "group": stored.group,
            "scope": stored.scope.value,
            "names": _said(names),
            "versions": [_version(one, is_stored=one is stored) for one in versions],
        }
        | ({"conversion": to_plain(conversion)} if conversion else {}),
    }


def to_yaml(*manifests: Manifest) -> str:
    """Return manifests as YAML text, the parts in their own order; the same manifests give the same text."""
    return "---\n".join(map(dump, manifests))


def dump(data: Any, *, width: int = WIDTH) -> str:
    """Return plain data as YAML, the parts in their own order; the same data give the same text."""
    text: str = yaml.dump(data, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=width)
    return text


def _stored(versions: Sequence[AnyResource]) -> AnyResource:
    if not versions:
        raise SchemaError("define a kind: none is named; give the Resource of each of its versions")
    first = versions[0]
    for one in versions:
        if (one.identity, one.kind, one.scope) != (first.identity, first.kind, first.scope):
            raise SchemaError(
                f"define {first}: {one} ({one.kind}, {one.scope.value}) is another kind; define it by itself"
            )
        if not is_class_with_fields(one.type):
            raise SchemaError(
                f"define {one}: its objects are {one.type.__name__}, which names no fields; give it a type: .of(...)"
            )
    names = [one.version for one in versions]
    if len(set(names)) < len(names):
        raise SchemaError(f"define {first}: versions {', '.join(names)} are not all different")
    stored = [
        one for one in versions if one.definition.storage or (len(versions) == 1 and one.definition.storage is None)
    ]
    if len(stored) != 1:
        said = ", ".join(one.version for one in stored) or "none"
        raise SchemaError(
            f"define {first}: {said} of {', '.join(names)} is stored; say Definition(storage=True) of one"
        )
    return stored[0]


def _version(resource: AnyResource, *, is_stored: bool) -> Manifest:
    said = resource.definition
    _check_names(resource)
    version = {
        "name": resource.version,
        "served": said.served,
        "storage": is_stored,
        "deprecated": True if said.deprecated else None,
        "deprecationWarning": said.deprecated or None,
        "subresources": _subresources(resource, said) or None,
        "additionalPrinterColumns": [_column(column) for column in said.columns] or None,
        "selectableFields": [{"jsonPath": path} for path in said.selectable_fields] or None,
        "schema": {"openAPIV3Schema": object_schema_of(resource.type)},
    }
    return _said(version)


def _check_names(resource: AnyResource) -> None:
    """Refuse a type that reads objects of another kind alone. Errors: SchemaError."""
    for field in fields_of(resource.type, described=False):
        name = {"kind": resource.kind, "apiVersion": resource.api_version}.get(field.wire_name, "")
        values = schema_of(field.type).get("enum") if name else None
        if values and name not in values:
            raise SchemaError(
                f"define {resource}: its type reads a {field.wire_name} of {', '.join(map(str, values))}, and its "
                f"objects have {name}; write one of the two otherwise"
            )


def _subresources(resource: AnyResource, said: Definition) -> Manifest:
    has_status = any(field.wire_name == "status" for field in fields_of(resource.type, described=False))
    status = has_status if said.status is None else said.status
    return ({"status": {}} if status else {}) | ({"scale": _scale(said.scale)} if said.scale else {})


def _scale(scale: ScaleFields) -> Manifest:
    return _said(
        {
            "specReplicasPath": scale.spec_replicas,
            "statusReplicasPath": scale.status_replicas,
            "labelSelectorPath": scale.label_selector or None,
        }
    )


def _column(column: Column) -> Manifest:
    return _said(
        {
            "name": column.name,
            "type": column.type,
            "format": column.format or None,
            "description": column.description or None,
            "priority": column.priority or None,
            "jsonPath": column.json_path,
        }
    )


def _said(parts: Manifest) -> Manifest:
    return {name: value for name, value in parts.items() if value is not None}
