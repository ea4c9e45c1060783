"""
Make openapi_messages.json, the messages in which OpenAPI documents are sent, from the .proto files of gnostic-models.

Run      python -m ctrlkit.fakes.apiserver.protobuf.extract_openapi MODULE
In       MODULE is the folder of the Go module github.com/google/gnostic-models.
Out      {"v2": {message: {field: [number, type]}}, "v3": ...} beside this module. A field has its name in JSON; a type
         is a scalar or a message, behind `[]` for a list and behind `|` for an alternative of a oneof.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

OUT = Path(__file__).with_name("openapi_messages.json")
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^( +)(repeated )?([\w.]+) (\w+) = (\d+);", re.MULTILINE)

Messages = dict[str, dict[str, tuple[int, str]]]


def extract(proto: str) -> Messages:
    """
    Return the messages of a .proto file.

    >>> extract("message A {\\n  repeated string b_c = 1;\\n  oneof oneof {\\n    B d = 2;\\n  }\\n}\\n")
    {'A': {'bC': (1, '[]string'), 'd': (2, '|B')}}
    """
    return {
        name: {
            _json_name(field): (int(number), ("|" if len(indent) > 2 else "[]" if repeated else "") + kind)
            for indent, repeated, kind, field, number in _FIELD.findall(body)
        }
        for name, body in _MESSAGE.findall(proto)
    }


def _json_name(field: str) -> str:
    first, *rest = field.split("_")
    return f"${rest[0]}" if not first else first + "".join(part.capitalize() for part in rest)


def main() -> None:
    """Write the file, a line for each message."""
    module = Path(sys.argv[1])
    versions = []
    for version in ("v2", "v3"):
        messages = extract((module / f"openapi{version}" / f"OpenAPI{version}.proto").read_text(encoding="utf-8"))
        lines = (f'"{name}":{json.dumps(fields, separators=(",", ":"))}' for name, fields in messages.items())
        versions.append(f'"{version}":{{\n' + ",\n".join(lines) + "}")
    OUT.write_text("{" + ",\n".join(versions) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
