"""What becomes of each manifest, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.manifests.sitting import ARTICLES, Outcomes

RECORDED = Path(__file__).with_name("recorded.json")

_HEAD = """# What becomes of manifests

Manifests as articles about Kubernetes have them, old and new, applied with kubectl to `ctrlkit apiserver`. What kubectl
says, and what each object has become when nothing moves any more, was recorded of a real control plane with the same
node (`tests/manifests/record.py`); `tests/manifests/test_manifests.py` compares. The page is made by
`python -m tests.manifests > docs/manifests.md`, and a test holds it.

Images run as stand-ins: programs that are ready and do nothing. No traffic flows, and there is no cloud: a load
balancer stays pending, an Ingress has no address, and a volume of a cloud is as good as any other, a folder. A
claim that names no class has that of the server's own provisioner, as in most clusters; volumes for claims of other
provisioners are made as these would make them.

| manifest | object | becomes |
|---|---|---|
"""


class Batch(msgspec.Struct, frozen=True):
    """Files that were applied in one go, what kubectl said, and what all objects had become then."""

    files: tuple[str, ...]
    said: list[str]
    become: Outcomes


def recorded() -> list[Batch]:
    """Read what was recorded."""
    return msgspec.json.decode(RECORDED.read_bytes(), type=list[Batch])


def document() -> str:
    """Return the text of docs/manifests.md."""
    return _HEAD + "".join(row for batch in recorded() for name in batch.files for row in _rows(batch, name))


def _rows(batch: Batch, name: str) -> Iterator[str]:
    for body in yaml.safe_load_all(ARTICLES.joinpath(name).read_text()):
        metadata = body["metadata"]
        key = f"{body['kind']} {metadata['name']}"
        words = _refusal(batch, name, body) or _become(batch, body) or "stored"
        yield f"| {name} | {key} | {words} |\n"


def _become(batch: Batch, body: Mapping[str, Any]) -> str:
    metadata = body["metadata"]
    names = (metadata["name"], f"{metadata.get('namespace', 'default')}/{metadata['name']}")
    found = (batch.become[key] for name in names for key in _keys(body["kind"], name) if key in batch.become)
    return "; endpoints: ".join(found)


def _keys(kind: str, name: str) -> tuple[str, ...]:
    """Return what is told of an object: of a Service, how many pods it leads to as well."""
    return (f"{kind} {name}", f"Endpoints {name}") if kind == "Service" else (f"{kind} {name}",)


def _refusal(batch: Batch, name: str, body: Mapping[str, Any]) -> str:
    """Return the words of a refusal: kubectl names the file, or else the object, of which a batch then has one only."""
    by_file, by_name = f'from "{name}": ', f'The {body["kind"]} "{body["metadata"]["name"]}" is invalid: '
    for line in batch.said:
        for words in (by_file, by_name):
            if words in line:
                return f"refused: {line.partition(words)[2]}"
    return ""
