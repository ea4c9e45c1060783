"""
The fields of a class as they travel: of a msgspec Struct, a dataclass, an attrs class, a TypedDict or a pydantic model.

No library is imported for it: a class of one that is not installed cannot be there.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import linecache
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NotRequired, Required, get_origin, get_type_hints, is_typeddict

import msgspec

from ctrlkit.crd.annotated import hints_of, origin_of
from ctrlkit.crd.limits import limits_of_validator
from ctrlkit.errors import CtrlkitError
from ctrlkit.model import AnyResource
from ctrlkit.model.pydantic_models import dump_plain, is_model
from ctrlkit.model.schema import unknown_name
from ctrlkit.names import is_kubernetes_group


class SchemaError(CtrlkitError):
    """No schema can say a Python type, or not as it is written; the message names the field, if it is one."""


class Missing(Enum):
    """There is no default."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    A field of a class: its name in Python and as it travels, its type with annotations, its default as JSON data.

    `has_default` is also true for a default that cannot be told as data, such as one that is made anew each time.
    """

    name: str
    wire_name: str
    type: Any
    default: Any = MISSING
    has_default: bool = False
    metadata: tuple[Any, ...] = ()
    description: str = ""


def is_class_with_fields(type_: object) -> bool:
    """
    Whether a type is a class of fields that this module reads.

    >>> is_class_with_fields(msgspec.Struct), is_class_with_fields(dict)
    (True, False)
    """
    cls = origin_of(type_)
    return isinstance(cls, type) and _reader(cls) is not None


def has_a_definition(resource: AnyResource) -> bool:
    """Return whether a kind is a custom one with a type of fields, of which a definition can be made."""
    return resource.is_custom and not resource.is_metadata_only and is_class_with_fields(resource.type)


APPROVED: Final = "api-approved.kubernetes.io"
"""The annotation that servers ask of definitions in groups of the Kubernetes project."""


def is_protected(resource: AnyResource) -> bool:
    """Return whether the group of a kind is of the Kubernetes project, and its definition lacks the annotation."""
    return is_kubernetes_group(resource.group) and APPROVED not in resource.definition.annotations


def is_owned(resource: AnyResource) -> bool:
    """Return whether a kind's definition is made of its type, and not by those who made the kind."""
    return has_a_definition(resource) and resource.definition.owned and not is_protected(resource)


def fields_of(cls: Any, *, described: bool = True) -> tuple[Field, ...]:
    """
    Return the fields of a class, in its order; without the texts that stand in its source if it is not `described`.

    >>> class Spec(msgspec.Struct, rename="camel"):
    ...     max_size: int = 3
    >>> [(field.name, field.wire_name, field.default) for field in fields_of(Spec)]
    [('max_size', 'maxSize', 3)]

    Errors  TypeError for another class; SchemaError for an annotation that names what is not there, and for a pydantic
            model that is read under another name than it is written, or is no object.
    """
    origin = origin_of(cls)
    read = _reader(origin)
    if read is None:
        raise TypeError(f"fields of {origin.__qualname__}: it is no Struct, dataclass, attrs class, TypedDict or model")
    try:
        found = tuple(read(cls))
    except NameError as error:
        raise SchemaError(unknown_name(origin, error)) from error
    if not described:
        return found
    said = {name: text for base in reversed(origin.__mro__) for name, text in _said_below(base).items()}
    return tuple(dataclasses.replace(one, description=one.description or said.get(one.name, "")) for one in found)


def description_of(cls: type) -> str:
    """
    Return the first paragraph of a class's own docstring, on one line; "" if it has none.

    >>> description_of(Field)
    'A field of a class: its name in Python and as it travels, its type with annotations, its default as JSON data.'
    """
    text = vars(cls).get("__doc__") or ""
    if dataclasses.is_dataclass(cls) and text.startswith(f"{cls.__name__}("):
        return ""  # it was made of the fields
    return _first_paragraph(text)


def _first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def _reader(cls: type) -> Callable[[type], Iterator[Field]] | None:
    if issubclass(cls, msgspec.Struct):
        return _of_struct
    if is_model(cls):
        return _of_model
    if hasattr(cls, "__pydantic_fields__"):
        return _of_pydantic_dataclass
    if dataclasses.is_dataclass(cls):
        return _of_dataclass
    if hasattr(cls, "__attrs_attrs__"):
        return _of_attrs
    return _of_typed_dict if is_typeddict(cls) else None


def _of_struct(cls: Any) -> Iterator[Field]:
    for field in msgspec.structs.fields(cls):
        yield Field(
            name=field.name,
            wire_name=field.encode_name,
            type=field.type,
            default=_default(field.default, field.default_factory, msgspec.NODEFAULT),
            has_default=not field.required,
        )


def _of_dataclass(cls: Any) -> Iterator[Field]:
    hints = hints_of(cls)
    for field in filter(_is_written, dataclasses.fields(origin_of(cls))):
        default = _default(field.default, field.default_factory, dataclasses.MISSING)
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        yield Field(
            name=field.name, wire_name=field.name, type=hints[field.name], default=default, has_default=has_default
        )


def _is_written(field: Any) -> bool:
    """Whether msgspec writes a field of a dataclass or an attrs class: not one whose name begins with an underscore."""
    if not field.name.startswith("_"):
        return True
    if not getattr(field, "default_factory", None) and type(field.default).__name__ in ("_MISSING_TYPE", "_Nothing"):
        raise SchemaError(f"field {field.name}: it is needed and never written; give it a default, or another name")
    return False


def _of_attrs(cls: Any) -> Iterator[Field]:
    import attrs  # noqa: PLC0415  # the class is one of it

    hints = hints_of(cls)
    for field in filter(_is_written, attrs.fields(origin_of(cls))):
        default: Any = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = attrs.NOTHING if default.takes_self else _made_twice(default.factory)
        yield Field(
            name=field.name,
            wire_name=field.name,
            type=hints[field.name],
            default=MISSING if default is attrs.NOTHING or default is MISSING else _as_data(default),
            has_default=field.default is not attrs.NOTHING,
            metadata=tuple(limits_of_validator(field.validator)),
        )


def _of_typed_dict(cls: Any) -> Iterator[Field]:
    for name, type_ in hints_of(cls).items():
        said = get_origin(type_)  # where types are text, the class does not know it
        is_required = said is Required or (name in origin_of(cls).__required_keys__ and said is not NotRequired)
        yield Field(name=name, wire_name=name, type=type_, has_default=not is_required)


def _of_model(cls: Any) -> Iterator[Field]:
    if getattr(cls, "__pydantic_root_model__", False):
        raise SchemaError(f"fields of {cls.__qualname__}: a RootModel is no object; write its type where it is used")
    if cls.__pydantic_decorators__.model_serializers:
        raise SchemaError(
            f"fields of {cls.__qualname__}: a model_serializer writes something else than its fields; write those"
        )
    yield from _of_pydantic(cls, cls.model_fields, cls.model_config)


def _of_pydantic_dataclass(cls: Any) -> Iterator[Field]:
    yield from _of_pydantic(cls, cls.__pydantic_fields__, getattr(cls, "__pydantic_config__", None) or {})


def _of_pydantic(cls: Any, fields: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Field]:
    own = _functions_of(cls)
    for name, field in fields.items():
        by_name = config.get("validate_by_alias") is False
        read = name if by_name else (field.validation_alias or field.alias or name)
        written = field.serialization_alias or field.alias or name
        if field.exclude and field.is_required():
            raise SchemaError(f"fields of {cls.__qualname__}: {name} is needed and never written; give it a default")
        if field.exclude:
            continue
        if read != written:
            raise SchemaError(
                f"fields of {cls.__qualname__}: {name} is read and written under different names; give it one alias"
            )
        default: Any = MISSING
        if not field.is_required() and not field.default_factory_takes_validated_data:
            default = _made_twice(functools.partial(_model_default, cls, name, field))
        yield Field(
            name=name,
            wire_name=str(written),
            type=field.annotation,
            default=default,
            has_default=not field.is_required(),
            metadata=(*field.metadata, *own.get(name, ())),
            description=field.description or "",
        )


@dataclass(frozen=True, slots=True)
class Written:
    """An annotation: a function writes the field as a value of this type; None where it does not say which."""

    return_type: Any


class BeforeValidator:
    """An annotation, as pydantic's: a function makes the value of the field of what is there."""


def _functions_of(cls: Any) -> Mapping[str, Sequence[Any]]:
    """What a model's own functions do with its fields, as annotations."""
    decorators, found = cls.__pydantic_decorators__, defaultdict[str, list[Any]](list)
    for one in decorators.field_validators.values():
        for name in one.info.fields if one.info.mode != "after" else ():
            found[name].append(BeforeValidator())
    for one in decorators.field_serializers.values():
        said = one.info.return_type
        hint = said if isinstance(said, type) else get_type_hints(inspect.unwrap(one.func)).get("return")
        for name in one.info.fields:
            found[name].append(Written(hint))
    return found


def _model_default(cls: Any, name: str, field: Any) -> Any:
    """The default of a model's field as the model writes it."""
    value = field.get_default(call_default_factory=True)
    if is_model(type(value)) or not is_model(cls):
        return value
    written = cls.model_construct(**{name: value}).model_dump(mode="json", include={name}, warnings=False)
    return written[name]


def _default(value: Any, factory: Any, missing: object) -> Any:
    if value is not missing:
        return _as_data(value)
    return MISSING if factory is missing else _made_twice(factory)


def _made_twice(factory: Callable[[], Any]) -> Any:
    """What a factory makes, as data; MISSING if it makes something else each time, or cannot be asked."""
    try:
        first, second = _as_data(factory()), _as_data(factory())
    except Exception:  # noqa: BLE001 - a user's function, which may ask for what is not there now
        return MISSING
    return first if first == second else MISSING


def _as_data(value: Any) -> Any:
    """A default as JSON data; MISSING for what is none."""
    if is_model(type(value)):
        value = dump_plain(value)
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError):
        return MISSING


def _said_below(cls: type) -> Mapping[str, str]:
    """The texts that stand below the fields in the class's source, by field; none where there is no source."""
    try:
        file = inspect.getsourcefile(cls) or ""
    except (OSError, TypeError):  # it is of no file
        return {}
    linecache.checkcache(file)
    source = "".join(linecache.getlines(file, vars(sys.modules[cls.__module__])))
    return _said_in(source).get(cls.__qualname__, {})


@functools.lru_cache(maxsize=16)  # a module of many classes is read once
def _said_in(source: str) -> Mapping[str, Mapping[str, str]]:
    """The texts below fields of all classes in a module's source, by the class's qualified name, then by field."""
    try:
        left: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    except SyntaxError:
        return {}
    said: dict[str, Mapping[str, str]] = {}
    while left:
        prefix, node = left.pop()
        match node:
            case ast.ClassDef(name=name, body=body):
                said.setdefault(prefix + name, dict(_said_between(body)))
                prefix += f"{name}."
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                prefix += f"{name}.<locals>."
            case ast.expr():
                continue
        left.extend((prefix, child) for child in reversed(list(ast.iter_child_nodes(node))))
    return said


def _said_between(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, after in itertools.pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, _first_paragraph(text)
