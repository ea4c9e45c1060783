"""
Make protobuf.json, the messages in which a release sends its built-in types, from the Go modules of that release.

Run      python -m ctrlkit.fakes.releases.extract_protobuf MODULES VERSION OUT
In       MODULES has the folders `api@VERSION`, `apimachinery@VERSION` ..., as `go mod download` leaves them in
         `$(go env GOMODCACHE)/k8s.io`; VERSION is v0.36.3 for Kubernetes 1.36.3.
Out      {"packages": {"apps/v1": package}, "messages": {package: {message: {field: [number, type, options?, name?]}}}}
         The field is named as in JSON. A type is `string`, `int32`, `bytes` ... or a message, of the same package
         unless it has a full name; before it stands `*` (may be absent), `[]` (a list) or `{}` (a map of texts).
         Options are `omitempty`, `omitzero` and `inline`, as in JSON; an inline field's name is of no account. The
         name is the field's in Go, where it is not the field with a capital, for the words of errors.

The .proto files have the numbers; what may be absent, and what JSON shows if it is empty, only the Go files have.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")
_NOT_SERVED = (".testapigroup.", ".imagepolicy.", ".admission.", ".extensions.")
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_PROTO_FIELD = re.compile(r"^  (?:(optional|repeated) )?(map<string, [\w.]+>|[\w.]+) (\w+) = (\d+);", re.MULTILINE)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_GO_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([*\[\]\w.]+)\s+`([^`]*protobuf:\"\w+,(\d+)[^`]*)`", re.MULTILINE)

Field = list[object]
Messages = dict[str, dict[str, Field]]
_GoFields = dict[int, tuple[str, str, str]]
"""number -> (name, type, the value of the json tag)."""


def extract(modules: Path, version: str) -> dict[str, object]:
    """Return the document. Errors: FileNotFoundError for a module that is not there."""
    packages: dict[str, str] = {}
    messages: dict[str, Messages] = {}
    for folder in _folders(modules, version):
        text = (folder / "generated.proto").read_text(encoding="utf-8")
        package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
        if package is None or any(part in f"{package[1]}." for part in _NOT_SERVED):
            continue
        messages[package[1]] = _messages(text, _go_structs(folder))
        if api_version := _api_version(folder):
            packages[api_version] = package[1]
    return {"packages": dict(sorted(packages.items())), "messages": dict(sorted(messages.items()))}


def _folders(modules: Path, version: str) -> Iterator[Path]:
    for module in MODULES:
        root = modules / f"{module}@{version}"
        found = sorted(path.parent for path in root.rglob("generated.proto"))
        if not found:
            raise FileNotFoundError(f"there is no module {root}; download it with `go mod download`")
        yield from found


def _go_structs(folder: Path) -> dict[str, _GoFields]:
    structs: dict[str, _GoFields] = {}
    for path in sorted(folder.glob("*.go")):
        if path.name.startswith(("zz_generated", "generated.")) or path.name.endswith("_test.go"):
            continue
        for struct in _STRUCT.finditer(path.read_text(encoding="utf-8")):
            for name, go_type, tags, number in _GO_FIELD.findall(struct[2]):
                shown = re.search(r'json:"([^"]*)"', tags)
                embedded = go_type.lstrip("*").rpartition(".")[2]
                tag = shown[1] if shown else ""
                structs.setdefault(struct[1], {})[int(number)] = (name or embedded, go_type, tag)
    return structs


def _messages(proto: str, structs: dict[str, _GoFields]) -> Messages:
    return {
        name: dict(_field(found, structs.get(name, {})) for found in _PROTO_FIELD.findall(body))
        for name, body in _MESSAGE.findall(proto)
    }


def _field(found: tuple[str, str, str, str], fields: _GoFields) -> tuple[str, Field]:
    label, proto_type, proto_name, number = found
    go_name, go_type, tag = fields.get(int(number), ("", "", ""))
    json_name, *options = tag.split(",")
    name = json_name if json_name not in ("", "-") else proto_name
    kept = [option for option in options if option in ("omitempty", "omitzero", "inline")]
    field: Field = [int(number), _type(label, proto_type, go_type), " ".join(kept)]
    if go_name and go_name != f"{name[:1].upper()}{name[1:]}":
        field.append(go_name)
    while not field[-1]:
        field.pop()
    return name, field


def _type(label: str, proto_type: str, go_type: str) -> str:
    if proto_type.startswith("map<"):
        return "{}" + proto_type.removeprefix("map<string, ").rstrip(">").lstrip(".")
    mark = "[]" if label == "repeated" else "*" if go_type.startswith("*") else ""
    return mark + proto_type.lstrip(".")


def _api_version(folder: Path) -> str:
    """Return the group version whose types are in a folder; empty if it is none."""
    register = folder / "register.go"
    found = re.search(r'GroupName = "([^"]*)"', register.read_text(encoding="utf-8")) if register.exists() else None
    if found is None:
        return ""
    return f"{found[1]}/{folder.name}" if found[1] else folder.name


def main() -> None:
    """Write the file, a line for each message."""
    modules, version, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    document = extract(modules, version)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(as_lines(document), encoding="utf-8")


def as_lines(document: dict[str, object]) -> str:
    """
    Encode a document with a line for each message, so that two releases can be compared.

    >>> print(as_lines({"packages": {}, "messages": {"p": {"M": {"name": [1, "string"]}}}}), end="")
    {"packages":{},
    "messages":{
    "p":{
    "M":{"name":[1,"string"]}}}}
    """
    short = json.JSONEncoder(separators=(",", ":")).encode
    messages: dict[str, Messages] = document["messages"]  # type: ignore[assignment]
    parts = [
        f"{short(package)}:{{\n" + ",\n".join(f"{short(name)}:{short(fields)}" for name, fields in inside.items()) + "}"
        for package, inside in messages.items()
    ]
    return f'{{"packages":{short(document["packages"])},\n"messages":{{\n' + ",\n".join(parts) + "}}\n"


if __name__ == "__main__":
    main()
