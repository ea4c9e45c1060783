"""
Rules of CustomResourceDefinitions, as far as their kind could not be served otherwise.

Of a schema these are the rules that make it structural, as far as they concern types, items, patterns and metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import CustomSchema, has_expressions
from ctrlkit.fakes.tracker.schema.formats import label_1035, subdomain
from ctrlkit.fakes.tracker.schema.patterns import compiled

_APPROVAL = "api-approved.kubernetes.io"
_SCOPES = ("Cluster", "Namespaced")
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_NESTED = ("allOf", "anyOf", "oneOf")
_REQUIRED_NAMES = ("plural", "singular", "kind", "listKind")


def definition_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Yield a cause for each rule that a definition breaks; `old` is the definition as it was, None for a new one."""
    spec: Object = plain.get("spec") or {}
    names: Object = spec.get("names") or {}
    name = plain["metadata"].get("name")
    if old is None and name != f"{names.get('plural') or ''}.{spec.get('group') or ''}":
        yield Cause.wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _group_causes(spec.get("group") or "")
    scope = spec.get("scope") or ""
    if not scope:
        yield Cause.required("spec.scope")
    elif scope not in _SCOPES:
        yield Cause.unsupported("spec.scope", scope, _SCOPES)
    yield from _versions_causes(spec.get("versions"))
    for part in _REQUIRED_NAMES:
        if not names.get(part):
            yield Cause.required(f"spec.names.{part}")
    yield from _name_causes(names)
    if old is not None:
        yield from _fixed_causes(spec, old["spec"])
    if not (plain.get("status") or {}).get("storedVersions"):
        yield Cause.invalid("status.storedVersions", "null", "must have at least one stored version")
    if old is None:
        yield from _approval_causes(spec.get("group") or "", plain["metadata"].get("annotations") or {})


def _group_causes(group: str) -> Iterator[Cause]:
    if not group:
        yield Cause.required("spec.group")
    elif complaints := subdomain(group):
        yield Cause.wrong("spec.group", group, ",".join(complaints))
    elif "." not in group:
        yield Cause.wrong("spec.group", group, "should be a domain with at least one dot")


def _approval_causes(group: str, annotations: Object) -> Iterator[Cause]:
    """Groups of the project's own are for kinds that it has approved."""
    if not f".{group}".endswith((".k8s.io", ".kubernetes.io")):
        return
    approval = annotations.get(_APPROVAL) or ""
    where = "see https://github.com/kubernetes/enhancements/pull/1111"
    text = f'protected groups must have approval annotation "{_APPROVAL}"'
    if not approval:
        yield Cause.required(f"metadata.annotations[{_APPROVAL}]", f"{text}, {where}")
    elif not approval.startswith("unapproved") and not re.match(r"\w+://\S", approval):
        text += f' with either a URL or a reason starting with "unapproved", {where}'
        yield Cause.wrong(f"metadata.annotations[{_APPROVAL}]", approval, text)


def _name_causes(names: Object) -> Iterator[Cause]:
    for part in ("plural", "singular"):
        name = names.get(part) or ""
        if name and (complaints := label_1035(name)):
            yield Cause.wrong(f"spec.names.{part}", name, ",".join(complaints))
    for part in ("kind", "listKind"):
        name = names.get(part) or ""
        if name and (complaints := label_1035(name.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(complaints)
            yield Cause.wrong(f"spec.names.{part}", name, text)
    for part in ("shortNames", "categories"):
        for index, name in enumerate(names.get(part) or ()):
            if complaints := label_1035(name):
                yield Cause.wrong(f"spec.names.{part}[{index}]", name, ",".join(complaints))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield Cause.wrong("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")


def _fixed_causes(spec: Object, old: Object) -> Iterator[Cause]:
    """What may not change once a kind is served."""
    for path in ("scope", "names.kind", "group", "names.plural"):
        section, _, part = path.rpartition(".")
        new, had = ((one.get(section) or {}) if section else one for one in (spec, old))
        if new.get(part) != had.get(part):
            yield Cause.wrong(f"spec.{path}", new.get(part) or "", "field is immutable")


def _versions_causes(given: Sequence[Object] | None) -> Iterator[Cause]:
    versions = given or ()
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield Cause.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    yield from _parts_causes(versions)
    named = [version.get("name") for version in versions]
    if len(set(named)) < len(named):
        yield Cause.wrong("spec.versions", _as_go_shows(versions), "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield Cause.wrong("spec.versions", None if given is None else _as_go_shows(versions), text)
    if versions and (complaints := label_1035(versions[0].get("name") or "")):
        yield Cause.wrong("spec.version", versions[0].get("name") or "", ",".join(complaints))


def _parts_causes(versions: Sequence[Object]) -> Iterator[Cause]:
    """Check the versions; parts that are the same in all are reported once, at the top of the spec."""
    for index, version in enumerate(versions):
        if complaints := label_1035(version.get("name") or ""):
            yield Cause.wrong(f"spec.versions[{index}].name", version.get("name") or "", ",".join(complaints))
    for part, top, causes in _PARTS:
        every = [version.get(part) for version in versions]
        if every and every[0] and all(one == every[0] for one in every):
            yield from causes(every[0], f"spec.{top}")
        else:
            for index, one in enumerate(every):
                if one:
                    yield from causes(one, f"spec.versions[{index}].{part}")


def _as_go_shows(versions: Sequence[Object]) -> list[dict[str, Any]]:
    """Versions as Go's JSON of its own type shows them, without what they hold."""
    flags = ("Name", "Served", "Storage", "Deprecated")
    rest = ("DeprecationWarning", "Schema", "Subresources", "AdditionalPrinterColumns", "SelectableFields")
    return [{name: one.get(name.lower(), False) for name in flags} | dict.fromkeys(rest) for one in versions]


def _subresource_causes(subresources: Object, path: str) -> Iterator[Cause]:
    if subresources.get("scale") is not None:
        yield from _scale_causes(subresources["scale"], f"{path}.scale")


def _columns_causes(columns: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, column in enumerate(columns):
        yield from _column_causes(column, f"{path}[{index}]")


def _selectable_causes(fields: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, field in enumerate(fields):
        if not field.get("jsonPath"):
            yield Cause.required(f"{path}[{index}].jsonPath")


def _scale_causes(scale: Object, path: str) -> Iterator[Cause]:
    for name, section in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(name) or ""
        if not value:
            yield Cause.required(f"{path}.{name}")
        elif not value.startswith("."):
            yield Cause.wrong(f"{path}.{name}", value, "must be a simple json path starting with .")
        elif not value.startswith(section):
            yield Cause.wrong(f"{path}.{name}", value, f"should be a json path under {section[:-1]}")


def _column_causes(column: Object, path: str) -> Iterator[Cause]:
    choices = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.get("name"):
        yield Cause.required(f"{path}.name")
    if not column.get("type"):
        yield Cause.required(f"{path}.type", choices)
    elif column["type"] not in _COLUMN_TYPES:
        yield Cause.wrong(f"{path}.type", column["type"], choices)
    if not column.get("jsonPath"):
        yield Cause.required(f"{path}.JSONPath")


# ---- schemas ---------------------------------------------------------------------------------------------------------


def _schema_causes(validation: Object, path: str) -> Iterator[Cause]:
    """What is wrong with a schema; one in which nothing is found can be worked with."""
    schema = validation.get("openAPIV3Schema")
    if not schema:
        return
    root = f"{path}.openAPIV3Schema"
    if schema.get("nullable"):
        yield Cause.forbidden(f"{root}.nullable", "nullable cannot be true at the root")
    found = sorted(_structural_causes(schema, root, "at the root"), key=lambda cause: (cause.field, cause.message))
    found += _type_causes(schema, root)
    found += _expression_causes(schema, root, is_structural=not found)
    yield from found
    if found:
        return
    try:
        CustomSchema(schema).check()
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        yield Cause.invalid(path, '""', f"error building validator: {reason}")


def _expression_causes(schema: Object, root: str, *, is_structural: bool) -> list[Cause]:
    """What is wrong with rules that are expressions; those of a schema with other faults are not compiled."""
    if not has_expressions(schema):
        return []
    from ctrlkit.fakes.tracker.cel import definitions  # noqa: PLC0415  # only schemas with rules need it

    found = list(_form_causes(schema, root, definitions.form_causes))
    return found or (list(definitions.rule_causes(schema, root)) if is_structural else [])


def _form_causes(node: Object, path: str, causes: Callable[[Object, str], Iterator[Cause]]) -> Iterator[Cause]:
    for name, inner in (node.get("properties") or {}).items():
        yield from _form_causes(inner, f"{path}.properties[{name}]", causes)
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), Mapping):
            yield from _form_causes(node[word], f"{path}.{word}", causes)
    for inner, below in _combined(node, path):
        yield from _form_causes(inner, below, causes)
    yield from causes(node, path)


def _structural_causes(node: Object, path: str, place: str) -> Iterator[Cause]:
    """What keeps a schema from being structural; `place` says what it is the schema of."""
    is_root = place == "at the root"
    for name, inner in (node.get("properties") or {}).items():
        if not (is_root and name == "metadata"):
            yield from _structural_causes(inner, f"{path}.properties[{name}]", "for specified object fields")
    yield from _items_causes(node, path)
    additional = node.get("additionalProperties")
    if additional is not None and is_root:
        yield Cause.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, Mapping):
        yield from _structural_causes(additional, f"{path}.additionalProperties", "for specified object fields")
    yield from _kind_causes(node, f"{path}.type", place)
    if node.get(_INT_OR_STRING) and node.get(_PRESERVE):
        yield Cause.invalid(f"{path}.{_PRESERVE}", "true", f"must be false if {_INT_OR_STRING} is true")
    yield from _pattern_causes(node, path)


def _items_causes(node: Object, path: str) -> Iterator[Cause]:
    items = node.get("items")
    if isinstance(items, list):
        yield Cause.forbidden(f"{path}.items", "items must be a schema object and not an array")
    elif isinstance(items, Mapping) and items:
        yield from _structural_causes(items, f"{path}.items", "for specified array items")
    elif node.get("type") == "array":
        yield Cause.required(f"{path}.items", "must be specified")


def _kind_causes(node: Object, path: str, place: str) -> Iterator[Cause]:
    """What a schema's type has to be."""
    kind = node.get("type") or ""
    if node.get(_EMBEDDED) and kind != "object":
        text = f"must be object if {_EMBEDDED} is true"
        yield Cause.wrong(path, kind, text) if kind else Cause.required(path, text)
    elif not kind and not node.get(_INT_OR_STRING) and not node.get(_PRESERVE):
        yield Cause.required(path, f"must not be empty {place}")
    elif place == "at the root" and kind not in ("", "object"):
        yield Cause.wrong(path, kind, "must be object at the root")


def _pattern_causes(node: Object, path: str) -> Iterator[Cause]:
    """Patterns that are none, of a node and of what it is combined with."""
    pattern = node.get("pattern") or ""
    if pattern:
        try:
            compiled(pattern)
        except ValueError as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield Cause.wrong(f"{path}.pattern", pattern, text)
    for inner, below in _combined(node, path):
        yield from _pattern_causes(inner, below)


def _combined(node: Object, path: str) -> Iterator[tuple[Object, str]]:
    for word in _NESTED:
        for index, inner in enumerate(node.get(word) or ()):
            yield inner, f"{path}.{word}[{index}]"
    if node.get("not"):
        yield node["not"], f"{path}.not"


def _type_causes(node: Object, path: str) -> Iterator[Cause]:
    """Types that are none of JSON's, anywhere in a schema."""
    kind = node.get("type") or ""
    if kind and kind not in _TYPES:
        yield Cause.unsupported(f"{path}.type", kind, _TYPES)
    for name, inner in (node.get("properties") or {}).items():
        yield from _type_causes(inner, f"{path}.properties[{name}]")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), Mapping):
            yield from _type_causes(node[word], f"{path}.{word}")
    for inner, below in _combined(node, path):
        yield from _type_causes(inner, below)


_PARTS: tuple[tuple[str, str, Callable[[Any, str], Iterator[Cause]]], ...] = (
    ("schema", "validation", _schema_causes),
    ("subresources", "subresources", _subresource_causes),
    ("additionalPrinterColumns", "additionalPrinterColumns", _columns_causes),
    ("selectableFields", "selectableFields", _selectable_causes),
)
"""Parts of a version, what they are called where all versions share them, and their rules."""
