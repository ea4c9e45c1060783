"""The types of built-in kinds for expressions, as the check of a policy's expressions knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.schemas import Decl, Node, declared, escaped
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.schema.types import Types

_SIMPLE: Mapping[str, Type] = {
    "s": types.STRING,
    "i32": types.INT,
    "i64": types.INT,
    "b": types.BOOL,
    "n": types.DOUBLE,
    "t": types.TIMESTAMP,
    "u": types.TIMESTAMP,
    "y": types.BYTES,
}
"""By the words of a release's facts; those that are not here have no type, and fields of them are not known."""

Made = Callable[[str], Decl | None]


def declared_kind(known: Types, name: str, *, within: frozenset[str] = frozenset()) -> Decl | None:
    """
    Return what expressions know of a type of a release, None if that is nothing.

    >>> from ctrlkit.fakes.tracker.schema.types import types_of
    >>> found = declared_kind(types_of(), "ConfigMap")
    >>> str(found.fields["data"].type) if found else ""
    'map(string, string)'
    """
    fields = known.fields_of(name)
    if not fields or name in within:
        return None
    decl = Decl(Type("struct", name))
    for field, facts in fields.items():
        called, found = escaped(field), _of_word(known, facts.word, within | {name})
        if called and found:
            decl.fields[called], decl.names[called] = found, field
    return decl


def _of_word(known: Types, word: str, within: frozenset[str]) -> Decl | None:
    for start in ("[]", "{}"):
        if word.startswith(start):
            element = _of_word(known, word.removeprefix(start), within)
            if element is None:
                return None
            kind = types.list_of(element.type) if start == "[]" else types.map_of(types.STRING, element.type)
            return Decl(kind, element=element)
    return Decl(_SIMPLE[word]) if word in _SIMPLE else declared_kind(known, word, within=within)


def declared_custom(known: Types, schema: Node, kind: str) -> Decl | None:
    """Return what expressions know of a custom kind by its schema, with the metadata that all objects have."""
    decl, metadata = declared(schema, kind, is_root=True), declared_kind(known, "ObjectMeta")
    if decl is not None and metadata is not None:
        decl.fields["metadata"] = metadata
    return decl
