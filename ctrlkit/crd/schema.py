"""
The structural schema of a Python type, as it stands in a CustomResourceDefinition.

Pure. Constraints are those of msgspec.Meta, annotated-types and pydantic's Field; what Python's annotations cannot say
is said by `Schema`. A type that no schema can say, or that its library does not read, is refused with the path of its
field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, is_dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from ctrlkit.crd.annotated import may_be_none, meant_by, merged, name_of, origin_of, peeled, union_of
from ctrlkit.crd.fields import MISSING, Field, SchemaError, description_of, fields_of, is_class_with_fields
from ctrlkit.crd.limits import constrain, decimal_rules, ordered
from ctrlkit.crd.scalars import ANY_OBJECT, ANYTHING, KNOWN, SCALARS, JsonSchema, NoSchema, scalar_of_pydantic
from ctrlkit.crd.unions import one_of, undescribed
from ctrlkit.model import Condition, ObjectMeta
from ctrlkit.model.pydantic_models import is_model
from ctrlkit.model.schema import NO_DEFAULT, Schema, said_of_class

OF_EACH_OBJECT: Final = ("apiVersion", "kind", "metadata")
"""The fields of each object, of which a definition says nothing of its own."""

_IN_ALL_METADATA: Final = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation"})
"""What the metadata of each object has that a server stored."""

_LIST_KEYS: Final[Mapping[object, tuple[str, ...]]] = {Condition: ("type",)}
"""The keys of lists of some types, where nothing else is said."""

_LISTS: Final = frozenset({list, tuple, Sequence, MutableSequence, Collection})
_SETS: Final = frozenset({set, frozenset, AbstractSet})
_MAPPINGS: Final = frozenset({dict, Mapping, MutableMapping})

EMPTY: Final[tuple[Any, ...]] = ("", None, [], {})
"""Defaults that need not be written."""

_PARSERS: Final = ("BeforeValidator", "PlainValidator", "WrapValidator")
_WRITERS: Final = ("PlainSerializer", "WrapSerializer")
"""Annotations of pydantic whose functions make a value of another one."""


def schema_of(type_: Any) -> JsonSchema:
    """
    Return the structural schema of a type.

    >>> class Spec(msgspec.Struct, rename="camel"):
    ...     host: str
    ...     max_size: int = 3
    >>> schema_of(Spec)["required"], schema_of(Spec)["properties"]
    (['host'], {'host': {'type': 'string'}, 'maxSize': {'type': 'integer', 'default': 3}})

    A field without a default is required. A default becomes the server's, unless it is empty ("", none, an empty list):
    a field that is absent reads the same. `X | None` is optional, and nullable only without a default.
    Errors  SchemaError names the field, the fact and the next step.
    """
    return _Builder(name_of(type_)).of(type_)


def object_schema_of(type_: Any, *, enforced: bool = False) -> JsonSchema:
    """
    Return the schema of the objects of a kind: schema_of, with apiVersion, kind and metadata as a definition has them.

    Defaults that classes have are left out in `status`, for a new object has no status. With `enforced` it says no more
    than what decoding to the type checks: what stands in `Schema` alone, a server checks.
    Errors  SchemaError as schema_of, and for a type that its library does not decode objects to.
    """
    name = name_of(type_)
    builder = _Builder(name, enforced=enforced, of_status="status")
    fields = fields_of(type_, described=not enforced)
    own = [field for field in fields if field.wire_name not in OF_EACH_OBJECT]
    schema = builder.entered(type_).of_fields(type_, own)
    metadata = next((field.type for field in fields if field.wire_name == "metadata"), ObjectMeta)
    more = next((one.more for one in peeled(metadata)[1] if isinstance(one, Schema)), {})
    whole = dict(zip(OF_EACH_OBJECT, ({"type": "string"}, {"type": "string"}, {"type": "object", **more}), strict=True))
    schema["properties"] = {**whole, **schema["properties"], **whole}  # a tag may be the kind
    schema["required"] = [one for one in schema.get("required") or () if one not in OF_EACH_OBJECT]
    schema = {part: one for part, one in schema.items() if part != "required" or one}
    _check_metadata(peeled(metadata)[0], name)
    if _forbids_others(type_) and not {field.wire_name for field in fields} >= set(OF_EACH_OBJECT):
        raise SchemaError(
            f"schema of {name}: it refuses fields that it does not name, and each object has apiVersion, "
            "kind and metadata; name them in it, or forbid unknown fields in the classes of spec and status alone"
        )
    _check_decoded(type_, name)
    return schema


def _check_metadata(type_: Any, name: str) -> None:
    """Refuse a class of metadata that cannot read each object's. Errors: SchemaError."""
    if type_ is ObjectMeta or not is_class_with_fields(type_):
        return
    needed = [field.wire_name for field in fields_of(type_, described=False) if not field.has_default]
    missing = [field for field in needed if field not in _IN_ALL_METADATA]
    if missing or _forbids_others(type_):
        fact = f"not each object has {', '.join(missing)}" if missing else "servers add fields to it"
        raise SchemaError(f"schema of {name}, field metadata: {fact}; give defaults in {name_of(type_)}, or ObjectMeta")


def _check_decoded(type_: Any, name: str) -> None:
    """Refuse a type that msgspec cannot decode. Errors: SchemaError."""
    if is_model(origin_of(type_)):
        return
    try:
        msgspec.json.Decoder(type_)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"schema of {name}: msgspec cannot read it: {error}; write the type otherwise") from error


@dataclass(frozen=True, slots=True)
class _Builder:
    root: str
    path: tuple[str, ...] = ()
    inside: tuple[Any, ...] = ()
    enforced: bool = False
    of_status: str = ""
    """The field below which the defaults of classes are left out, "*" for each."""
    config: Mapping[str, Any] | None = None
    """The configuration of the pydantic model that values are read by; None where msgspec reads them."""

    def of(self, type_: Any, annotations: Sequence[Any] = ()) -> JsonSchema:
        type_, own = peeled(type_)
        annotations = (*own, *annotations)
        said = merged(annotations)
        schema = self._bare(type_, said)
        constrain(schema, annotations)
        if schema.get("multipleOf", 1) % 1 and not self.enforced:
            raise self._refusal(
                "servers refuse whole numbers where multipleOf is a fraction",
                "write a rule, such as Schema(rules=(Rule(rule='self * 2.0 == double(int(self * 2.0))'),))",
            )
        if type_ is Decimal and not self.enforced and (rules := decimal_rules(annotations)):
            said = Schema(rules=rules).with_more(said or Schema())
        if any(type(one).__name__ in _PARSERS for one in annotations):
            schema = _as_parsed(schema)
        self._check_written(schema, annotations)
        if said is not None:
            schema |= _open_parts(said) if self.enforced else said.to_schema()
        self._check_list(schema)
        return ordered(schema)

    def _check_list(self, schema: JsonSchema) -> None:
        """Refuse a list whose items cannot be told from each other, as servers do."""
        items = schema.get("items") or {}
        is_whole = "atomic" in (items.get("x-kubernetes-list-type"), items.get("x-kubernetes-map-type"))
        if schema.get("x-kubernetes-list-type") == "set" and items.get("type") in ("object", "array") and not is_whole:
            raise self._refusal("the items of a set are plain values", "write a list, or a list with list_map_keys")
        known, required = items.get("properties") or {}, items.get("required") or ()
        for key in schema.get("x-kubernetes-list-map-keys") or ():
            if key not in known or (key not in required and "default" not in known[key]):
                raise self._refusal(
                    f"{key} is a key of its items, and they need not have it",
                    "make it a required field of their class, or give it a default",
                )

    def _check_written(self, schema: JsonSchema, annotations: Sequence[Any]) -> None:
        """Refuse a value that is written as another type than it is read, or is read from JSON in a text."""
        for one in annotations:
            if type(one).__name__ in _WRITERS or type(one).__name__ == "Written":
                written = self.of(one.return_type) if isinstance(one.return_type, type) else {}
                if not written or written.get("type") != schema.get("type"):
                    raise self._refusal(
                        f"it is read as {schema.get('type', 'any value')} and written as "
                        f"{written.get('type', 'something that is not said')}",
                        "give its serializer the return type of what is read",
                    )
            if type(one).__name__ == "Json" or getattr(one, "__name__", "") == "Json":
                raise self._refusal("it is read from JSON in a text and not written so", "write the type inside alone")
            if getattr(one, "tz", None) is False:
                raise self._refusal(
                    "a server takes times with a zone, and it reads those without", "leave out tz=False"
                )

    def _bare(self, type_: Any, said: Schema | None) -> JsonSchema:
        known = self._said_instead(type_, said)
        if known is None and not (self.enforced and type_ is Condition):
            known = next((schema for one, schema in (*KNOWN.items(), *SCALARS.items()) if type_ is one), None)
        if known is not None:
            return deepcopy(known) if self.config is None else self._as_pydantic_has_it(type_, deepcopy(known))
        found = union_of(type_)
        if found is not None:
            return self._union(found[0])
        if isinstance(type_, TypeVar):
            return self.of(meant_by(type_))
        if get_origin(type_) is Literal or (isinstance(type_, type) and issubclass(type_, Enum)):
            return self._enum(type_)
        if is_class_with_fields(type_):
            return self._object(type_)
        return self._container(type_, said)

    def _as_pydantic_has_it(self, type_: Any, schema: JsonSchema) -> JsonSchema:
        config = self.config or {}
        if type_ in (bytes, bytearray):
            if config.get("ser_json_bytes", "utf8") != config.get("val_json_bytes", "utf8"):
                raise self._refusal("bytes are written otherwise than they are read", "give both ..._json_bytes")
            return {"type": "string"}
        if type_ is timedelta and config.get("ser_json_timedelta") == "float":
            return {"type": "number"}
        if type_ is str:
            limits = {"minLength": config.get("str_min_length"), "maxLength": config.get("str_max_length")}
            return schema | {name: limit for name, limit in limits.items() if limit}
        return schema

    def _said_instead(self, type_: Any, said: Schema | None) -> JsonSchema | None:
        """What stands in place of a type's own schema where `said` says all of it; None where it does not."""
        if said is None:
            return None
        if said.type or said.int_or_string:
            if self.config is None and isinstance(msgspec.inspect.type_info(type_), msgspec.inspect.CustomType):
                raise self._refusal(
                    f"msgspec does not read {name_of(type_)}", "write a type that it reads, such as str"
                )
            return {}
        if (said.embedded or said.unknown_fields) and not is_class_with_fields(type_):
            return {"type": "object"} if said.embedded or get_origin(type_) in _MAPPINGS else {}
        return None

    def _container(self, type_: Any, said: Schema | None) -> JsonSchema:
        origin, arguments = origin_of(type_), get_args(type_)
        if origin in _MAPPINGS:
            return self._mapping(*(arguments or (str, Any)), said=said)
        if origin in _LISTS or origin in _SETS:
            if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
                raise self._refusal(
                    f"the items of {name_of(type_)} differ", "write a class with fields, or tuple[X, ...]"
                )
            item = arguments[0] if arguments else Any
            keys = _LIST_KEYS.get(peeled(item)[0], ())
            more = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {}
            if origin in _SETS:
                more = {"x-kubernetes-list-type": "set"}
            return {"type": "array", "items": self._below("[]")._value(item), **more}
        if hasattr(origin, "_fields") and issubclass(origin, tuple):
            raise self._refusal(f"{name_of(type_)} travels as a list of different items", "make it a class of fields")
        if self.config is not None:
            try:
                return scalar_of_pydantic(type_)
            except NoSchema as error:
                raise self._refusal(f"no schema says {name_of(type_)}: {error.args[0]}", error.args[1]) from error
        raise self._refusal(
            f"no schema says {name_of(type_)}",
            "use text, numbers, lists, mappings, enums and classes of fields, or write what a schema shall say as "
            "Annotated[..., Schema(type=...)]",
        )

    def _mapping(self, key: Any, value: Any, *, said: Schema | None) -> JsonSchema:
        keys = self.of(key)
        if keys.get("type") != "string":
            raise self._refusal(f"keys of a mapping are text, {name_of(peeled(key)[0])} is not", "write dict[str, ...]")
        if "enum" in keys:
            fields = {name: self._below(name)._value(value) for name in keys["enum"]}
            return {"type": "object", "properties": fields} | ({"additionalProperties": False} if self.enforced else {})
        if keys.keys() - {"type", "description"} and not self.enforced and not (said is not None and said.rules):
            raise self._refusal(
                "no schema limits the keys of a mapping",
                "write a rule of what they are, such as Schema(rules=(Rule(rule='self.all(key, size(key) < 64)'),))",
            )
        inner = self._below("{}")._value(value)
        return deepcopy(ANY_OBJECT) if inner == ANYTHING else {"type": "object", "additionalProperties": inner}

    def _value(self, type_: Any) -> JsonSchema:
        """The schema of what a list or a mapping holds."""
        schema = self.of(type_)
        if may_be_none(type_):
            self._allow_null(schema)
        return ordered(schema)

    def _allow_null(self, schema: JsonSchema) -> None:
        schema["nullable"] = True
        if "enum" in schema and not self.enforced:
            raise self._refusal(
                "it may be None, which servers refuse for a value that is one of some",
                "make None its default, so that it is left out, or give it a value that means nothing",
            )

    def _enum(self, type_: Any) -> JsonSchema:
        if isinstance(type_, type) and issubclass(type_, Flag):
            raise self._refusal(f"{name_of(type_)} is a flag, whose values add up", "write a list of an Enum's values")
        literals: Sequence[Any] = get_args(type_)
        if any(isinstance(one, Enum) and not isinstance(one, str | int) for one in literals):
            raise self._refusal(f"no JSON is read as {name_of(type_)}", "make its Enum a StrEnum, or write its values")
        members: Sequence[Any] = literals or list(cast(Any, type_))
        values = [one.value if isinstance(one, Enum) else one for one in members]
        kinds = {type(value) for value in values}
        if len(kinds) != 1 or not kinds <= {str, int, bool, float}:
            raise self._refusal(
                f"the values of {name_of(type_)} are of several types", "use text, or whole numbers, only"
            )
        return {**SCALARS[kinds.pop()], "enum": values}

    # ---- unions ------------------------------------------------------------------------------------------------------

    def _union(self, members: Sequence[Any]) -> JsonSchema:
        plain = [peeled(member)[0] for member in members]
        if len(members) == 1:
            return self.of(members[0])
        if all(map(is_class_with_fields, plain)):
            return self._tagged(plain)
        found = None
        if not any(is_class_with_fields(one) or origin_of(one) in (*_LISTS, *_SETS, *_MAPPINGS) for one in plain):
            found = one_of([self.of(member) for member in members])
        if found is not None:
            return found
        raise self._refusal(
            f"no schema says {' or '.join(map(name_of, plain))}",
            "use tagged Structs, int | str, or write what a schema shall say as Annotated[..., Schema(type=...)]",
        )

    def _tagged(self, classes: Sequence[Any]) -> JsonSchema:
        """The fields of all, and for each value of the tag the fields that one requires."""
        tag, tags = self._tags(classes)
        kind = "integer" if all(isinstance(value, int) for values in tags for value in values) else "string"
        values = [value for each in tags for value in each]
        properties: dict[str, Any] = {tag: {"type": kind, "enum": values}}
        branches: list[tuple[Any, JsonSchema, JsonSchema]] = []
        for cls, own in zip(classes, tags, strict=True):
            schema = self._object(cls)
            for name, whole in schema["properties"].items():
                value = {part: one for part, one in whole.items() if part != "default"}  # that is of one branch alone
                there = properties.setdefault(name, value)
                if name != tag and undescribed(there) != undescribed(value):
                    raise self._refusal(f"field {name} differs in {name_of(cls)}", "give it one type, or two names")
            required = [name for name in schema.get("required", ()) if name != tag]
            branches.append((cls, {"required": [tag, *required], "properties": {tag: {"enum": list(own)}}}, schema))
        whole = {"type": "object", "required": [tag], "properties": properties}
        return {**whole, "oneOf": [self._branch(*branch, properties) for branch in branches]} | (
            {"additionalProperties": False} if self.enforced and all(map(_forbids_others, classes)) else {}
        )

    def _branch(self, cls: Any, branch: JsonSchema, schema: JsonSchema, properties: JsonSchema) -> JsonSchema:
        """What one of several classes asks for; one that refuses fields refuses those of the others."""
        others = [name for name in properties if name not in schema["properties"] and name not in branch["required"]]
        if _forbids_others(cls) and others:
            return {**branch, "not": {"anyOf": [{"required": [name]} for name in others]}}
        return branch

    def _tags(self, classes: Sequence[Any]) -> tuple[str, list[list[Any]]]:
        """The field that tells classes from each other, and its values in each."""
        configs = [getattr(origin_of(cls), "__struct_config__", None) for cls in classes]
        names = {str(config.tag_field or "") if config is not None else "" for config in configs}
        if len(names) == 1 and "" not in names:
            return names.pop(), [[config.tag] for config in configs if config is not None]
        values = [self._literals(cls) for cls in classes] if self.config is not None else [{}]
        for name in values[0]:
            own = [one.get(name, []) for one in values]
            if all(own) and len({value for each in own for value in each}) == sum(map(len, own)):
                return name, own
        field = "a field of type Literal" if self.config is not None else 'each of them tag=..., tag_field="type"'
        raise self._refusal(f"{' or '.join(map(name_of, classes))} cannot be told from each other", f"give {field}")

    def _literals(self, cls: Any) -> dict[str, list[Any]]:
        """The fields of a class that have one of some values, and those values."""
        fields = [(field.wire_name, peeled(field.type)[0]) for field in fields_of(cls, described=False)]
        return {name: self._enum(type_)["enum"] for name, type_ in fields if get_origin(type_) is Literal}

    # ---- classes -----------------------------------------------------------------------------------------------------

    def _object(self, cls: Any) -> JsonSchema:
        if cls in self.inside:
            raise self._refusal(
                f"{name_of(cls)} contains itself, and a schema has an end",
                "keep what is below as Any, or write Annotated[..., Schema(unknown_fields=True)]",
            )
        config = getattr(origin_of(cls), "__struct_config__", None)
        if config is not None and config.array_like:
            raise self._refusal(f"{name_of(cls)} travels as a list", "leave out array_like=True")
        below = replace(self.entered(cls), inside=(*self.inside, cls))
        return below.of_fields(cls, fields_of(cls, described=not self.enforced))

    def entered(self, cls: Any) -> _Builder:
        """The builder for the fields of a class, which one library reads with all that is in it."""
        origin, name = origin_of(cls), name_of(cls)
        if is_model(origin) or hasattr(origin, "__pydantic_fields__"):
            if self.config is None and (self.path or self.inside or not is_model(origin)):
                raise self._refusal(
                    f"{name} is pydantic's, and msgspec reads what it stands in",
                    "make the class of the whole object a BaseModel, or this one a Struct or a dataclass",
                )
            return replace(self, config=getattr(origin, "model_config", None) or {})
        if self.config is None or is_dataclass(origin) or issubclass(origin, dict):
            return self
        if not hasattr(origin, "__get_pydantic_core_schema__"):
            raise self._refusal(f"pydantic does not read {name}", "make it a BaseModel, or a dataclass")
        return replace(self, config=None)

    def of_fields(self, cls: Any, fields: Sequence[Field]) -> JsonSchema:
        """The schema of a class with these of its fields."""
        origin = origin_of(cls)
        required = [field.wire_name for field in fields if not field.has_default and field.wire_name != self.of_status]
        schema: JsonSchema = {
            "description": description_of(origin) or None,
            "type": "object",
            "required": required or None,
            "properties": {field.wire_name: self._below(field.wire_name)._field(field) for field in fields},
        }
        config = getattr(origin, "__struct_config__", None)
        if config is not None and config.tag_field is not None:
            kind = "integer" if isinstance(config.tag, int) else "string"
            schema["properties"] = {config.tag_field: {"type": kind, "enum": [config.tag]}, **schema["properties"]}
            schema["required"] = [config.tag_field, *required]
        said = said_of_class(origin)
        more = said.to_schema() if said is not None and not self.enforced else {}
        if is_model(origin) and origin.model_config.get("extra") == "allow":
            more = {**more, **ANYTHING}
        if said is not None and said.unknown_fields and _forbids_others(cls):
            raise self._refusal(f"{name_of(cls)} keeps unknown fields and refuses them", "say one of the two")
        if self.enforced and _forbids_others(cls):
            more = {**more, "additionalProperties": False}
        return ordered({name: value for name, value in schema.items() if value is not None} | more)

    def _field(self, field: Field) -> JsonSchema:
        type_, annotations = peeled(field.type)
        annotations = (*annotations, *field.metadata)
        if type_ is None or type_ is type(None):
            raise self._refusal("its only value is None", "leave it out")
        schema = self.of(type_, annotations)
        if field.description:
            schema["description"] = field.description
        if may_be_none(type_) and (self.enforced or not field.has_default or field.default is not None):
            self._allow_null(schema)
        said = merged(annotations)
        default = MISSING if self.of_status == "*" and not self.enforced else field.default
        if said is not None and said.has_default:
            default = said.default
        if said is not None and said.default is NO_DEFAULT:
            default = MISSING
        elif said is not None and said.has_default:
            default = msgspec.to_builtins(default)
        shown = _shown_default(default, schema, is_said=said is not None and said.has_default)
        if shown is not MISSING:
            schema["default"] = shown
        return ordered(schema)

    def _below(self, name: str) -> _Builder:
        of_status = "*" if self.of_status in ("*", name) else ""
        return replace(self, path=(*self.path, name), of_status=of_status)

    def _refusal(self, fact: str, next_step: str) -> SchemaError:
        where = ".".join(self.path).replace(".[]", "[]").replace(".{}", "{}")
        return SchemaError(f"schema of {self.root}{f', field {where}' if where else ''}: {fact}; {next_step}")


def _shown_default(default: Any, schema: JsonSchema, *, is_said: bool) -> Any:
    """The default to write; MISSING for none. An object's is `{}` if there are defaults in it, so that they count."""
    if default is MISSING or is_said:
        return default
    default = _without_nulls(default, schema)
    if isinstance(default, dict) and schema.get("type") == "object" and "properties" in schema:
        inner = schema["properties"]
        if schema.get("required"):
            return default
        own = {
            name: value
            for name, value in default.items()
            if value not in EMPTY and inner.get(name, {}).get("default", MISSING) != value
        }
        return own if own or any("default" in one for one in inner.values()) else MISSING
    return default if default not in EMPTY else MISSING


def _without_nulls(value: Any, schema: JsonSchema) -> Any:
    """A default without fields that are None where a server takes no null: absent ones read the same."""
    if isinstance(value, list):
        return [_without_nulls(one, schema.get("items") or {}) for one in value]
    if not isinstance(value, dict):
        return value
    known: JsonSchema = schema.get("properties") or {}
    others: JsonSchema = schema.get("additionalProperties") or {}
    inner: dict[str, tuple[Any, JsonSchema]] = {name: (one, known.get(name, others)) for name, one in value.items()}
    return {
        name: _without_nulls(one, below)
        for name, (one, below) in inner.items()
        if one is not None or below.get("nullable") or not below
    }


def _as_parsed(schema: JsonSchema) -> JsonSchema:
    """What is left of a schema where a function of somebody's own makes the value of what is there."""
    return {name: one for name, one in schema.items() if name not in ("format", "pattern", "minLength", "maxLength")}


def _open_parts(said: Schema) -> JsonSchema:
    """What is said that makes a schema wider, which decoding relies on."""
    schema = said.to_schema()
    return {name: schema[name] for name in ("type", "x-kubernetes-int-or-string", *ANYTHING) if name in schema}


def _forbids_others(cls: Any) -> bool:
    """Whether a class refuses fields that it does not name."""
    cls = origin_of(cls)
    config = getattr(cls, "__struct_config__", None)
    return bool(config and config.forbid_unknown_fields) or (
        is_model(cls) and cls.model_config.get("extra") == "forbid"
    )
