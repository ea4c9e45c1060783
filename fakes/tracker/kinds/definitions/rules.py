"""Rules of CustomResourceDefinitions: their names, their versions, and what of them stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.definitions.approval import approval_causes
from ctrlkit.fakes.tracker.kinds.definitions.conversions import conversion_causes
from ctrlkit.fakes.tracker.kinds.definitions.schemas import every_node, schema_causes
from ctrlkit.fakes.tracker.kinds.definitions.structural import unsupported
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.field_paths import field_path
from ctrlkit.fakes.tracker.schema.formats import label_1035, subdomain
from ctrlkit.fakes.tracker.schema.internal import go_json, internal_form

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REQUIRED_NAMES = ("plural", "singular", "kind", "listKind")
_SELECTABLE_MOST = 8
_SELECTABLE_TYPES = ("string", "boolean", "integer")
_WARNING_LONGEST = 256
_SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
"""Parts of a version that a server keeps once, for the whole definition, where all versions say the same."""


def definition_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
    """Yield a cause for each rule that a definition breaks; `old` is the definition as it was, None for a new one."""
    spec: Object = plain.get("spec") or {}
    names: Object = spec.get("names") or {}
    name = plain["metadata"].get("name")
    if old is None and name and name != f"{names.get('plural') or ''}.{spec.get('group') or ''}":
        yield Cause.wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _spec_causes(spec, names, old)
    if old is not None:
        yield from _fixed_causes(spec, old["spec"], is_served=is_true(old, "Established"))
    yield from names_causes((plain.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")
    yield from _stored_causes((plain.get("status") or {}).get("storedVersions"), spec.get("versions") or ())
    yield from approval_causes(plain, old)
    if spec.get("preserveUnknownFields") and not (old and old["spec"].get("preserveUnknownFields")):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield Cause.wrong("spec.preserveUnknownFields", value=True, text=text)


def status_causes(plain: Object, _old: Object) -> Iterator[Cause]:
    """Yield a cause for each rule that a definition's status breaks."""
    yield from names_causes((plain.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def is_true(definition: Object, condition: str) -> bool:
    """Whether a condition of a definition holds."""
    conditions: Sequence[Object] = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _spec_causes(spec: Object, names: Object, old: Object | None) -> Iterator[Cause]:
    yield from _group_causes(spec.get("group") or "")
    scope = spec.get("scope") or ""
    if not scope:
        yield Cause.required("spec.scope")
    elif scope not in _SCOPES:
        yield Cause.unsupported("spec.scope", scope, _SCOPES)
    versions = _Versions.of(spec, old)
    yield from versions.causes(spec)
    for part in _REQUIRED_NAMES:
        if not names.get(part):
            yield Cause.required(f"spec.names.{part}")
    yield from names_causes(names, "spec.names")
    yield from versions.shared_causes()
    yield from conversion_causes(spec, old)


def _group_causes(group: str) -> Iterator[Cause]:
    if not group:
        yield Cause.required("spec.group")
    elif complaints := subdomain(group):
        yield Cause.wrong("spec.group", group, ",".join(complaints))
    elif "." not in group:
        yield Cause.wrong("spec.group", group, "should be a domain with at least one dot")


def names_causes(names: Object, path: str) -> Iterator[Cause]:
    """Check the names of a kind; names that are missing are let pass."""
    for part in ("plural", "singular"):
        name = names.get(part) or ""
        if name and (complaints := label_1035(name)):
            yield Cause.wrong(f"{path}.{part}", name, ",".join(complaints))
    for part in ("kind", "listKind"):
        name = names.get(part) or ""
        if name and (complaints := label_1035(name.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(complaints)
            yield Cause.wrong(f"{path}.{part}", name, text)
    yield from _labels_causes(names, "shortNames", path)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield Cause.wrong(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")
    yield from _labels_causes(names, "categories", path)


def _labels_causes(names: Object, part: str, path: str) -> Iterator[Cause]:
    for index, name in enumerate(names.get(part) or ()):
        if complaints := label_1035(name):
            yield Cause.wrong(f"{path}.{part}[{index}]", name, ",".join(complaints))


def _fixed_causes(spec: Object, old: Object, *, is_served: bool) -> Iterator[Cause]:
    """What may not change: what its objects are stored by, and once they are served, what they are."""
    for path in ("scope", "names.kind", "group", "names.plural") if is_served else ("group", "names.plural"):
        section, _, part = path.rpartition(".")
        new, had = ((one.get(section) or {}) if section else one for one in (spec, old))
        if new.get(part) != had.get(part):
            yield Cause.wrong(f"spec.{path}", new.get(part) or "", "field is immutable")


def _stored_causes(stored: Sequence[str] | None, versions: Sequence[Object]) -> Iterator[Cause]:
    """Versions in which objects are stored are still there."""
    path = "status.storedVersions"
    if not stored:
        yield Cause.invalid(path, go_json(stored), "must have at least one stored version")
        return
    missing = {name: index for index, name in enumerate(stored)}
    for version in versions:
        name = version.get("name") or ""
        if version.get("storage") and name not in missing:
            yield Cause.invalid(path, go_json(stored), f"must have the storage version {name}")
        missing.pop(name, None)  # of two versions of one name, the second counts as not stored
    for name, index in missing.items():
        text = (
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
            f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
            "status.storedVersions"
        )
        yield Cause.wrong(f"{path}[{index}]", name, text)


# ---- versions --------------------------------------------------------------------------------------------------------


class _Versions(NamedTuple):
    """
    The versions as a server keeps them inside.

    Shape   `own` are the versions with the parts that are their own, `shared` the parts that all have in common;
            `unchanged` are the names of versions whose schema is as it was, `before` the versions as they were.
    """

    given: Sequence[Object] | None
    own: Sequence[Object]
    shared: Object
    unchanged: frozenset[str]
    before: Mapping[str, Object]

    @classmethod
    def of(cls, spec: Object, old: Object | None) -> _Versions:
        given: Sequence[Object] | None = spec.get("versions")
        versions = given or ()
        shared = {}
        for part in _SHARED:
            first = versions[0].get(part) if versions else None
            if first is not None and all(one.get(part) == first for one in versions):
                shared[part] = first
        own = [{part: value for part, value in one.items() if part not in shared} for one in versions]
        before = {one["name"]: one for one in (old["spec"]["versions"] if old else ())}
        same = (name for name, one in before.items() if any(_keeps_schema(new, one) for new in versions))
        return cls(given, own, shared, frozenset(same), before)

    def causes(self, spec: Object) -> Iterator[Cause]:
        """Check the versions, and what they are together."""
        versions = self.given or ()
        for index, version in enumerate(versions):
            if (version.get("schema") or {}).get("openAPIV3Schema") is None:
                yield Cause.required(f"spec.versions[{index}].schema.openAPIV3Schema")
        if spec.get("preserveUnknownFields") and any(map(_has_defaults, versions)):
            text = "must be false in order to use defaults in the schema"
            yield Cause.invalid("spec.preserveUnknownFields", "true", text)
        for index, version in enumerate(self.own):
            yield from self._version_causes(version, f"spec.versions[{index}]")
        names = [version.get("name") or "" for version in versions]
        if len(set(names)) < len(names):
            yield Cause.invalid("spec.versions", self._shown(), "must contain unique version names")
        if sum(bool(version.get("storage")) for version in versions) != 1:
            text = "must have exactly one version marked as storage version"
            yield Cause.invalid("spec.versions", self._shown(), text)
        if names and names[0] and (complaints := label_1035(names[0])):
            yield Cause.wrong("spec.version", names[0], ",".join(complaints))

    def _shown(self) -> str:
        """The versions as the server shows them."""
        if self.given is None:
            return "null"
        return go_json([internal_form("CustomResourceDefinitionVersion", one) for one in self.own])

    def _version_causes(self, version: Object, path: str) -> Iterator[Cause]:
        name = version.get("name") or ""
        if complaints := label_1035(name):
            yield Cause.wrong(f"{path}.name", name, ",".join(complaints))
        yield from _deprecation_causes(version, f"{path}.deprecationWarning")
        namesake = next(one for one in self.own if one.get("name") == version.get("name"))
        subresources = self.shared.get("subresources") or namesake.get("subresources") or {}
        yield from self._part_causes(
            version,
            path,
            "schema",
            has_status=subresources.get("status") is not None,
            is_unchanged=name in self.unchanged,
        )
        fields = version.get("selectableFields")
        if not fields:
            return
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            text = "may only be set when `version.schema.openAPIV3Schema` is not included"
            yield Cause.wrong(f"{path}.selectableFields", "", text)
        else:
            yield from self._selectable_causes(fields, schema, path, "schema", name)

    def shared_causes(self) -> Iterator[Cause]:
        """Check the parts that all versions have in common."""
        if not self.own:
            return
        has_status = any("status" in (one.get("subresources") or {}) for one in (self.shared, *self.own))
        first = self.own[0].get("name") or ""
        yield from self._part_causes(
            self.shared, "spec", "validation", has_status=has_status, is_unchanged=first in self.unchanged
        )
        fields = self.shared.get("selectableFields")
        if not fields:
            return
        if "schema" not in self.shared:
            yield Cause.wrong("spec.selectableFields", "", "may only be set when validations.schema is included")
        else:
            schema = self.shared["schema"].get("openAPIV3Schema") or {}
            yield from self._selectable_causes(fields, schema, "spec", "schema", "")

    @staticmethod
    def _part_causes(
        holder: Object, path: str, called: str, *, has_status: bool, is_unchanged: bool
    ) -> Iterator[Cause]:
        """Check the parts of a version, or those that all versions have in common."""
        schema = holder.get("schema")
        if schema is not None:
            yield from schema_causes(schema, f"{path}.{called}", has_status=has_status, is_unchanged=is_unchanged)
        scale = (holder.get("subresources") or {}).get("scale")
        if scale is not None:
            yield from _scale_causes(scale, f"{path}.subresources.scale")
        for index, column in enumerate(holder.get("additionalPrinterColumns") or ()):
            yield from _column_causes(column, f"{path}.additionalPrinterColumns[{index}]")

    def _selectable_causes(
        self, fields: Sequence[Object], schema: Object, path: str, called: str, version: str
    ) -> Iterator[Cause]:
        problem = unsupported(schema)
        if problem:
            yield Cause.wrong(f"{path}.{called}.openAPIV3Schema", "", problem)
            schema = {}
        had = self.before.get(version, {}).get("selectableFields") or ()
        keeps = len(had) > _SELECTABLE_MOST and list(had) == list(fields)
        yield from _selectable_causes(fields, schema, f"{path}.selectableFields", is_bounded=not keeps)


def _keeps_schema(version: Object, old: Object) -> bool:
    return bool(version.get("name") == old["name"] and version.get("schema") == old.get("schema"))


def _has_defaults(value: Any) -> bool:
    """Whether a version's schema has a default anywhere."""
    schema = (value.get("schema") or {}).get("openAPIV3Schema")
    return schema is not None and any("default" in node for node in every_node(schema))


def _deprecation_causes(version: Object, path: str) -> Iterator[Cause]:
    warning: str | None = version.get("deprecationWarning")
    if warning is None:
        return
    if not version.get("deprecated"):
        yield Cause.invalid(path, go_json(warning), "can only be set for deprecated versions")
        return
    if len(warning.encode()) > _WARNING_LONGEST:
        yield Cause.invalid(path, go_json(warning), "must be <= 256 characters long")
    if not warning:
        yield Cause.invalid(path, go_json(warning), "must not be an empty string")
    at = 0
    for letter in warning:
        if not letter.isprintable():
            text = f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
            yield Cause.invalid(path, go_json(warning), text)
            break
        at += len(letter.encode())


def _scale_causes(scale: Object, path: str) -> Iterator[Cause]:
    for name, sections, words in (
        ("specReplicasPath", (".spec.",), ".spec"),
        ("statusReplicasPath", (".status.",), ".status"),
        ("labelSelectorPath", (".spec.", ".status."), "either .spec or .status"),
    ):
        value: str = scale.get(name) or ""
        if not value:
            if name != "labelSelectorPath":
                yield Cause.required(f"{path}.{name}")
        elif not value.startswith("."):
            yield Cause.wrong(f"{path}.{name}", value, "must be a simple json path starting with .")
        elif not value.startswith(sections):
            yield Cause.wrong(f"{path}.{name}", value, f"should be a json path under {words}")


def _column_causes(column: Object, path: str) -> Iterator[Cause]:
    kind, form, way = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield Cause.required(f"{path}.name")
    if kind not in _COLUMN_TYPES:
        choices = f"must be one of {','.join(_COLUMN_TYPES)}"
        yield Cause.wrong(f"{path}.type", kind, choices) if kind else Cause.required(f"{path}.type", choices)
    if form and form not in _COLUMN_FORMATS:
        yield Cause.wrong(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not way:
        yield Cause.required(f"{path}.JSONPath")
    elif not way.startswith("."):
        yield Cause.wrong(f"{path}.JSONPath", way, "must be a simple json path starting with .")


def _selectable_causes(fields: Sequence[Object], schema: Object, path: str, *, is_bounded: bool) -> Iterator[Cause]:
    """Check the fields that objects can be selected by; `is_bounded` says that there may be only so many."""
    seen: set[str] = set()
    for index, field in enumerate(fields):
        here, text = f"{path}[{index}].jsonPath", field.get("jsonPath") or ""
        if not text:
            yield Cause.required(here)
            continue
        try:
            found = field_path(text, schema, has_brackets=False)
        except ValueError as error:
            yield Cause.wrong(here, text, f"is an invalid path: {error}")
            continue
        if found.steps[0].name == "metadata":
            yield Cause.wrong(here, text, "must not point to fields in metadata")
        if found.node is None or found.node.get("type") not in _SELECTABLE_TYPES:
            allowed = "Enum string fields and strings with formats are allowed."
            yield Cause.wrong(here, text, f"must point to a field of type string, boolean or integer. {allowed}")
        if str(found) in seen:
            yield Cause.duplicate(here, text)
        seen.add(str(found))
    if len(seen) > _SELECTABLE_MOST and is_bounded:
        yield Cause.too_many(path, len(seen), _SELECTABLE_MOST)
