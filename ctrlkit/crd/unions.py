"""Unions of single values, such as `int | str`, in one schema: structural schemas have no types inside of `anyOf`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ctrlkit.crd.scalars import JsonSchema


def one_of(schemas: Sequence[JsonSchema]) -> JsonSchema | None:
    """
    Return the schema of a value that has one of several schemas; None where no schema says it.

    >>> one_of([{"type": "integer", "minimum": 1}, {"type": "string", "enum": ["all"]}])
    {'x-kubernetes-int-or-string': True, 'minimum': 1, 'pattern': '^(all)$'}
    """
    kinds = {schema.get("type", "") for schema in schemas}
    if kinds == {"integer", "string"}:
        return _integer_or_string(*([one for one in schemas if one["type"] == kind] for kind in ("integer", "string")))
    limits = [{name: one for name, one in undescribed(schema).items() if name != "type"} for schema in schemas]
    if kinds == {"integer", "number"} and all(one == limits[0] for one in limits):
        return {"type": "number", **limits[0]}
    if len(kinds) != 1 or not kinds <= {"string", "integer", "number", "boolean"}:
        return None
    (kind,) = kinds
    if all(one == limits[0] for one in limits) or {} in limits:
        return {"type": kind, **(limits[0] if {} not in limits else {})}
    if all(one.keys() == {"enum"} for one in limits):
        return {"type": kind, "enum": list(dict.fromkeys(value for one in limits for value in one["enum"]))}
    return None


def _integer_or_string(numbers: Sequence[JsonSchema], texts: Sequence[JsonSchema]) -> JsonSchema | None:
    """The limits of both; a limit on numbers says nothing of texts, and the other way round."""
    number, text = (one_of(each) if len(each) > 1 else dict(each[0]) for each in (numbers, texts))
    if number is None or text is None or "enum" in number or "format" in text:  # a format refuses numbers
        return None
    if "enum" in text:
        text["pattern"] = f"^({'|'.join(map(re.escape, text.pop('enum')))})$"
    both = {name: one for name, one in {**number, **text}.items() if name not in ("type", "description")}
    return {"x-kubernetes-int-or-string": True, **both}


def undescribed(schema: JsonSchema) -> JsonSchema:
    """Return a schema without its description."""
    return {name: one for name, one in schema.items() if name != "description"}
