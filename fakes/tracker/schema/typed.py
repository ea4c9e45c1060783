"""
Reading objects of built-in kinds as Go's decoder does: unknown fields are dropped and reported, empty ones left out.

The types are in types.py; here are a reader for each, and the decoder's messages about values that do not fit.
"""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ctrlkit.fakes.releases import go_type
from ctrlkit.fakes.tracker.schema.depth import may_have_null
from ctrlkit.fakes.tracker.schema.go_text import decoded_type
from ctrlkit.fakes.tracker.schema.quantities import canonical
from ctrlkit.fakes.tracker.schema.times import MICROSECONDS, SECONDS, NoTime, canonical_time
from ctrlkit.fakes.tracker.schema.types import Field, Types, types_of
from ctrlkit.model import AnyResource

Plain = dict[str, Any]
Path = tuple[Any, Any] | None
"""The path of what holds a value, and the value's field name, list index or (in a tuple) map key."""

_SCALARS: Mapping[str, type] = {"s": str, "b": bool}
_INTEGERS = {"i32": range(-(2**31), 2**31), "i64": range(-(2**63), 2**63)}
_NO_INTEGERS = range(0)
_SCHEMA_FIELDS = {
    "items": Field("schema or list"),
    "additionalItems": Field("schema or bool"),
    "additionalProperties": Field("schema or bool"),
    "default": Field("json"),
    "example": Field("json"),
    "enum": Field("[]json"),
}
"""Fields of a JSONSchemaProps that may be of two types or any, which OpenAPI does not say."""

_GO_NAMES = {"s": "string", "b": "bool", "i32": "int32", "i64": "int64", "n": "float64", "y": "[]uint8"}
_GO_NAMES |= {"q": "resource.Quantity", "t": "v1.Time", "u": "v1.MicroTime", "x": "intstr.IntOrString"}
_NOTHING: Mapping[str, Any] = {}
_WHOLE_MAX = 2**53  # beyond, not every integer is a float64
_SHOWN_WHOLE_MAX = 1e21  # from here on a float64 is shown with an exponent
_SHOWN_BITS_MAX = 10_000  # Python refuses to write down an integer of more than 4,300 digits
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class DoesNotFit(ValueError):
    """
    A value does not have the type of its field; the message is the server's.

    Shape   `converted` is what it says where the value did not come as JSON text, as in a strategic merge.
    """

    def __init__(self, text: str, converted: str = "") -> None:
        super().__init__(text)
        self.converted: str = converted or text


def read(
    types: Types, resource: AnyResource, plain: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[Plain, list[str]]:
    """
    Return an object's fields as the server keeps them, and the paths of unknown fields.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> read(types_of(), CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {}, "bogus": 1}, {})
    ({'metadata': {'name': 'a'}}, ['bogus'])

    Shape   All but `metadata` and what is not typed is a new value, so that defaults can be put into it; parts equal
            to those of `known`, the object as it is stored, are taken from there and must not be changed, nor must
            schemas of definitions.
    Errors  DoesNotFit.
    """
    struct = struct_of(types, resource)
    if struct is None:
        return dict(plain), []
    unknown: list[str] = []
    same = {name: known[name] for name, value in plain.items() if name in known and known[name] == value}
    rest = {name: value for name, value in plain.items() if name not in same} if same else plain
    kept = struct.read(rest, None, unknown, same)
    return {**kept, **same}, unknown


@functools.cache
def struct_of(types: Types, resource: AnyResource) -> Struct | None:
    """The type of a kind's objects, None where the kind is not built in."""
    name = types.type_of(resource)
    return struct_named(types, name) if name else None


@functools.cache
def blank_status(types: Types, resource: AnyResource) -> Plain | None:
    """Return the status of a kind's new objects, None if they have none; not to be changed."""
    struct = struct_of(types, resource)
    blank: Plain | None = struct.read({}, None, []).get("status") if struct else None
    return blank


@functools.cache
def may_be_null(types: Types, resource: AnyResource) -> bool:
    """Whether objects of a kind have lists or maps that are null where they are sent empty, below their metadata."""
    name = types.type_of(resource)
    return bool(name) and _has_nulls(types, name, {"ObjectMeta"})


def _has_nulls(types: Types, name: str, seen: set[str]) -> bool:
    seen.add(name)
    for field in types.fields_of(name).values():
        bare = field.word.lstrip("[]{}")
        if field.mark == "!" and field.word.startswith(("[]", "{}")):
            return True
        if types.is_described(bare) and bare not in seen and _has_nulls(types, bare, seen):
            return True
    return False


def read_metadata(plain: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Plain, list[str]]:
    """Read the metadata of a custom object; see `read`."""
    if plain == known:
        return dict(known), []
    unknown: list[str] = []
    return struct_named(types_of(), "ObjectMeta").read(plain, (None, "metadata"), unknown), unknown


def read_form(types: Types, name: str, plain: Mapping[str, Any]) -> tuple[Plain, list[str]]:
    """
    Read a form of a subresource, such as a Scale; return it and the paths of unknown fields.

    >>> read_form(types_of(), "Scale", {"spec": {"replicas": 2, "bogus": 1}})[1]
    ['spec.bogus']

    Errors  DoesNotFit.
    """
    unknown: list[str] = []
    return struct_named(types, name).read(plain, None, unknown), unknown


def untyped(value: Any) -> Any:
    """
    Convert an untyped value as Go does by reading and writing it: integers beyond int64 become floats, and floats
    without a fraction integers. What needs no change is not copied.

    >>> untyped({"a": [1, 2**64, 3.0, 3.5]})
    {'a': [1, 1.8446744073709552e+19, 3, 3.5]}

    Errors  DoesNotFit for a number that is no float64 either.
    """
    return _converted(value, _untyped_number)


def _converted(value: Any, read_number: Callable[[float], float]) -> Any:
    kind = type(value)
    if kind is dict:
        places: Any = value.items()
    elif kind is list:
        places = enumerate(value)
    else:
        return read_number(value) if kind is int or kind is float else value
    converted: Any = None
    for place, inner in places:
        kind = type(inner)
        if kind in _UNCONVERTED or (kind is int and _INT64_MIN <= inner <= _INT64_MAX):
            continue
        if not inner and kind is not float:
            continue
        read = _converted(inner, read_number)
        if read is not inner:
            converted = copy.copy(value) if converted is None else converted
            converted[place] = read
    return value if converted is None else converted


_UNCONVERTED = frozenset({str, bool, type(None)})
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def in_range(value: Any) -> Any:
    """
    Convert integers beyond int64 to floats, as Go reads an untyped value; what needs no change is not copied.

    >>> in_range([1, 2**64, 3.0])
    [1, 1.8446744073709552e+19, 3.0]

    Errors  DoesNotFit for a number that is no float64 either.
    """
    return _converted(value, _read_number_in_range)


def _read_number_in_range(number: float) -> float:
    return number if isinstance(number, int) and number in _INTEGERS["i64"] else _as_float(number)


def _untyped_number(number: float) -> float:
    if isinstance(number, int):
        return number if number in _INTEGERS["i64"] else _as_float(number)
    is_whole = math.isfinite(number) and number.is_integer() and abs(number) <= _WHOLE_MAX
    return int(number) if is_whole else _as_float(number)


def _as_float(number: float) -> float:
    try:
        read = float(number)
    except OverflowError:
        read = math.inf
    if not math.isfinite(read):
        raise DoesNotFit(f"json: cannot unmarshal number {_shown_number(number)} into Go value of type float64")
    return read


def _shown_number(number: float) -> str:
    """Format a number; of an integer with very many digits only its size."""
    if isinstance(number, int) and number.bit_length() > _SHOWN_BITS_MAX:
        return f"of {number.bit_length()} bits"
    return str(number)


class Word(NamedTuple):
    """The type of a field, and its name in Go, "" where it follows from the word."""

    word: str
    go_name: str = ""


_Reader = Callable[[Any, Path, str, list[str]], Any]
"""Reads a value at a path, a field of the type named; adds paths of unknown fields to the list."""


class _EmbeddedStep(str):
    """The name of a field that Go embeds with a struct, which its decoder's messages name too."""

    go_path: str

    @staticmethod
    def of(name: str, within: str) -> _EmbeddedStep:
        """Return the step of a field in these structs."""
        step = _EmbeddedStep(name)
        step.go_path = f"{within}.{name}"
        return step


class _Field:
    """
    One field of a type: a value of type `scalar` or in `integers` needs no reading; `keeps`: empty values are kept.

    `nulls` says that an empty list or map is shown as null, as the server shows what it has read from its storage.
    `struct` is the type of its values, if that is described.
    """

    __slots__ = ("_zero", "integers", "keeps", "nulls", "read", "scalar", "step", "struct")

    def __init__(self, types: Types, field: Field, name: str = "") -> None:
        word = field.word
        self.step = _EmbeddedStep.of(name, field.within) if field.within else name
        self.struct: Struct | None = struct_named(types, word) if types.is_described(word) else None
        self._zero = _ZEROS.get(word)
        self.keeps = (
            bool(field.mark) or self.struct is not None or word in ("?", "json", "schema or bool", "schema or list")
        )
        self.nulls = False
        self.scalar = _SCALARS.get(word)
        self.integers = _INTEGERS.get(word, _NO_INTEGERS)
        self.read = _reader(types, word, field.go_type)
        if field.off:
            self.integers = _NO_INTEGERS
            self.keeps, self.scalar, self.read = False, None, _dropping(self.scalar, self.read)
            self.struct = None

    def read_item(self, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
        """Read an item of a list or map, where null stands for the empty value of the type."""
        if value is None:
            return self.read({}, path, owner, unknown) if self.struct is not None else self._zero
        return self.read(value, path, owner, unknown)


def _dropping(scalar: type | None, read: _Reader) -> _Reader:
    """Read values, which must fit, and keep nothing of them."""

    def drop(value: Any, path: Path, owner: str, unknown: list[str]) -> None:
        if type(value) is not scalar:
            read(value, path, owner, unknown)

    return drop


class Struct:
    """One type; its fields are looked up when the first value is read."""

    __slots__ = ("_always", "_fields", "_types", "name")

    def __init__(self, types: Types, name: str) -> None:
        self.name: str = name
        self._types = types
        self._fields: dict[str, _Field] = {}
        self._always: tuple[tuple[str, _Reader | None, Any], ...] = ()

    def read(
        self, value: Mapping[str, Any], path: Path, unknown: list[str], present: Mapping[str, Any] = _NOTHING
    ) -> Plain:
        """Read a value as the server keeps it; missing fields that are in `present` are not filled in."""
        if not self._fields:
            self._learn()
        fields = self._fields
        kept: Plain = {}
        for name, inner in value.items():
            if name not in fields:
                unknown.append(path_text((path, name)))
                continue
            field = fields[name]
            if type(inner) is field.scalar or (type(inner) is int and inner in field.integers):
                if inner or field.keeps:
                    kept[name] = inner
            elif field.struct is not None and type(inner) is dict:
                kept[name] = field.struct.read(inner, (path, field.step), unknown)
            elif inner is not None:
                found = field.read(inner, (path, field.step), self.name, unknown)
                if found or (field.keeps and found is not None):
                    kept[name] = found or None if field.nulls else found
        if self._always:
            self._fill_in(kept, present, unknown)
        return kept

    def _fill_in(self, kept: Plain, present: Mapping[str, Any], unknown: list[str]) -> None:
        for name, reader, zero in self._always:
            if name not in kept and name not in present:
                kept[name] = reader({}, None, "", unknown) if reader else zero

    def _learn(self) -> None:
        types = self._types
        fields: Mapping[str, Field] = types.fields_of(self.name)
        if self.name == "JSONSchemaProps":
            fields = {**fields, **_SCHEMA_FIELDS}
        self._fields = {name: _Field(types, field, name) for name, field in fields.items()}
        always = []
        is_definition = self.name.startswith("CustomResourceDefinition")  # stored as JSON, the others as protobuf
        for name, field in fields.items():
            self._fields[name].nulls = field.mark == "!" and field.word.startswith(("[]", "{}")) and not is_definition
            if field.mark.startswith("!"):
                is_made = field.mark == "!" and types.is_described(field.word)
                zero = None if is_made or field.mark == "!*" else _ZEROS.get(field.word)
                always.append((name, self._fields[name].read if is_made else None, zero))
        self._always = tuple(always)


class _ReadOnce(Struct):
    """
    A type whose values are long and come again: what became of one without unknown fields is remembered.

    It is the same for all servers of a process, and not to be changed.
    """

    __slots__ = ("_known",)

    def __init__(self, types: Types, name: str) -> None:
        super().__init__(types, name)
        self._known: dict[bytes, Plain] = {}

    def read(
        self, value: Mapping[str, Any], path: Path, unknown: list[str], present: Mapping[str, Any] = _NOTHING
    ) -> Plain:
        """Read a value; see Struct.read."""
        try:
            text = msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError):  # no value that comes from JSON
            text = b"null"
        if may_have_null(text):
            return super().read(value, path, unknown, present)
        found = self._known.get(text)
        if found is not None:
            return found
        told = len(unknown)
        kept = super().read(value, path, unknown, present)
        if len(unknown) == told:
            if len(self._known) >= _READ_ONCE_MAX:
                self._known.clear()
            self._known[text] = kept
        return kept


_LONG = frozenset({"CustomResourceValidation"})
"""The types of values that are given to each server anew."""

_READ_ONCE_MAX = 64
"""How many values of such a type are remembered."""


@functools.cache
def struct_named(types: Types, name: str) -> Struct:
    """Return a type by its name."""
    return _ReadOnce(types, name) if name in _LONG else Struct(types, name)


_ZEROS: Mapping[str, Any] = {"s": "", "b": False, "i32": 0, "i64": 0, "n": 0, "q": "0", "x": 0}
"""What is sent of a field that is missing, null for any other."""


@functools.cache
def _reader(types: Types, word: str, go_name: str = "") -> _Reader:
    if word.startswith("[]"):
        return _list_reader(types, word, go_name)
    if word.startswith("{}"):
        return _map_reader(types, word, go_name)
    if word in _READERS:
        return functools.partial(_READERS[word], Word(word, go_name))
    return _struct_reader(types, word)


def _struct_reader(types: Types, word: str) -> _Reader:
    struct = struct_named(types, word)

    def read_struct(value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
        if not isinstance(value, (dict, Mapping)):
            _refuse(Word(word), value, path, owner, unknown)
        return struct.read(value, path, unknown)

    return read_struct


def _list_reader(types: Types, word: str, go_name: str) -> _Reader:
    item = _Field(types, Field(word[2:], go_type=go_name.removeprefix("[]") if go_name.startswith("[]") else ""))
    whole, struct = Word(word, go_name), item.struct

    def read_list(value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
        if not isinstance(value, list | tuple):
            _refuse(whole, value, path, owner, unknown)
        if struct is not None:
            return [
                struct.read(one, (path, index), unknown)
                if type(one) is dict
                else item.read_item(one, (path, index), owner, unknown)
                for index, one in enumerate(value)
            ]
        return [
            one if type(one) is item.scalar else item.read_item(one, (path, index), owner, unknown)
            for index, one in enumerate(value)
        ]

    return read_list


def _map_reader(types: Types, word: str, go_name: str) -> _Reader:
    item = _Field(types, Field(word[2:]))
    whole = Word(word, go_name)

    def read_map(value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
        if not isinstance(value, (dict, Mapping)):
            _refuse(whole, value, path, owner, unknown)
        return {
            name: one if type(one) is item.scalar else item.read_item(one, (path, (name,)), owner, unknown)
            for name, one in value.items()
        }

    return read_map


def _keep(_word: Word, value: Any, _path: Path, _owner: str, _unknown: list[str]) -> Any:
    return value


def _read_number(word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        if not (is_number and math.isfinite(value)):
            _refuse(word, value, path, owner, unknown)
        read = float(value)
        return int(read) if read.is_integer() and abs(read) < _SHOWN_WHOLE_MAX else read
    except OverflowError:  # an integer that no float64 comes near
        return _refuse(Word("i64"), value, path, owner, unknown)


def _read_integer(word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    return value if type(value) is int and value in _INTEGERS[word.word] else _refuse(word, value, path, owner, unknown)


def _read_int_or_text(_word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    return value if type(value) is str else _read_integer(Word("i32"), value, path, owner, unknown)


def _read_quantity(word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        value = "?"  # a quantity reads any JSON as text
    try:
        return canonical(str(value).strip())
    except ValueError as error:
        raise DoesNotFit(str(error)) from None


def _read_bytes(word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    if not isinstance(value, str):
        _refuse(word, value, path, owner, unknown)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        good = re.match(r"(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]*={0,2}", value)
        text = f"illegal base64 data at input byte {good.end() if good else 0}"
        raise DoesNotFit(text, f"error decoding from json: {text}") from None
    return value


def _read_schema_or_list(_word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    """Read one schema or several; anything else is ignored, as the server does."""
    if isinstance(value, list) and value:
        return _reader(types_of(), "[]JSONSchemaProps")(value, path, owner, unknown)
    return (
        struct_named(types_of(), "JSONSchemaProps").read(value, path, unknown) if isinstance(value, Mapping) else None
    )


def _read_schema_or_bool(_word: Word, value: Any, path: Path, _owner: str, unknown: list[str]) -> Any:
    if isinstance(value, Mapping):
        return struct_named(types_of(), "JSONSchemaProps").read(value, path, unknown)
    if isinstance(value, bool):
        return value
    raise DoesNotFit("boolean or JSON schema expected")


def _read_json(_word: Word, value: Any, _path: Path, _owner: str, _unknown: list[str]) -> Any:
    """Read any value as one of its own: it is not part of the request any more."""
    return copy.deepcopy(untyped(value))


def _read_time(word: Word, value: Any, path: Path, owner: str, unknown: list[str]) -> Any:
    if not isinstance(value, str):
        _refuse(Word(word.word, "string"), value, path, owner, unknown)
    if (_SECONDS if word.word == "t" else _MICROSECONDS).fullmatch(value):
        return value
    try:
        return canonical_time(value, SECONDS if word.word == "t" else MICROSECONDS)
    except NoTime as error:
        raise DoesNotFit(str(error)) from None


def _refuse(word: Word, value: Any, path: Path, owner: str, _unknown: list[str]) -> Any:
    raise DoesNotFit(
        f"json: cannot unmarshal {json_type(value, word.word)} into Go struct field {_bare(owner)}.{_go_path(path)} "
        f"of type {word.go_name or _go_name(word.word)}",
        _not_converted(word, value),
    )


def _not_converted(word: Word, value: Any) -> str:
    found = decoded_type(value)
    kind = "slice" if found.startswith("[]") else "map" if found.startswith("map") else found
    if word.word.startswith("[]") or word.word == "y":
        return f"cannot restore slice from {kind}"
    if word.word.startswith("{}"):
        return f"cannot restore map from {kind}"
    name = word.go_name or _go_name(word.word)
    if word.word in "qtux":
        return f"json: cannot unmarshal {json_type(value)} into Go value of type {name}"
    if word.word not in _GO_NAMES:
        return f"cannot restore struct from: {kind}"
    is_convertible = (found, word.word) in _CONVERTIBLE
    return f"cannot convert {found} to {name}" if is_convertible else f"unrecognized type: {_GO_NAMES[word.word]}"


_CONVERTIBLE = {("int64", "s"), ("float64", "i32"), ("float64", "i64")}
"""Pairs of types that Go converts, and a server does not."""


_READERS: Mapping[str, Callable[[Word, Any, Path, str, list[str]], Any]] = {
    "?": _keep,
    "json": _read_json,
    "s": _refuse,
    "b": _refuse,
    "i32": _read_integer,
    "i64": _read_integer,
    "n": _read_number,
    "x": _read_int_or_text,
    "q": _read_quantity,
    "y": _read_bytes,
    "t": _read_time,
    "u": _read_time,
    "schema or list": _read_schema_or_list,
    "schema or bool": _read_schema_or_bool,
}


def path_text(path: Path) -> str:
    """
    Format a path as the server does.

    >>> path_text((((None, "spec"), "containers"), 0))
    'spec.containers[0]'
    """
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step[0] if isinstance(step, tuple) else step}")
    return "".join(reversed(steps)).lstrip(".")


def _go_path(path: Path) -> str:
    """A path as Go's decoder writes it: field names only."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        if isinstance(step, str):
            steps.append(step.go_path if isinstance(step, _EmbeddedStep) else step)
    return ".".join(reversed(steps))


def _go_name(word: str) -> str:
    if word.startswith("[]"):
        return f"[]{_go_name(word[2:])}"
    if word.startswith("{}"):
        return f"map[string]{_go_name(word[2:])}"
    return _GO_NAMES.get(word) or go_type(word)


def _bare(name: str) -> str:
    """A type's name without the group that tells it from others."""
    return name.rpartition(".")[2]


def json_type(value: object, word: str = "") -> str:
    """Name the JSON type of a value, as Go's decoder does of one that does not fit `word`."""
    match value:
        case bool():
            return "bool"
        case int() | float() if word.startswith("i"):
            return f"number {_shown_number(value)}"
        case int() | float():
            return "number"
        case list() | tuple():
            return "array"
        case str():
            return "string"
    return "object"
