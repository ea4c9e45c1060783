"""YAML answers, laid out as a real server's: keys in order, texts in double quotes where plain ones would mislead."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ctrlkit.wire.yaml_numbers import number_in

_Base: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_OLD_BOOLEANS = re.compile(r"^(?:y|Y|n|N)$")
_TO_THE_BASE_OF_60 = re.compile(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_MISLEADING = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "null", "timestamp"))


class _Dumper(_Base):  # type: ignore[misc]
    """Writes no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    if "\n" in text:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    is_number = number_in(text) is not None or _TO_THE_BASE_OF_60.match(text)
    is_other = is_number or dumper.resolve(yaml.ScalarNode, text, (True, False)) in _MISLEADING
    style = '"' if is_other or _OLD_BOOLEANS.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def to_yaml(value: Any, *, in_order: bool = True) -> bytes:
    """
    Encode JSON-able data, the names of an object in order or as they come.

    >>> print(to_yaml({"b": ["1", "x"], "a": {}, "c": None}).decode(), end="")
    a: {}
    b:
    - "1"
    - x
    c: null
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, sort_keys=in_order, allow_unicode=True, width=80
    )
    return text.encode()
