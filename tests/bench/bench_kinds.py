"""
What do typed built-in kinds cost beside Structs that somebody wrote by hand?

Budget   Reading a pod of 4.5 KB: 1.2 x a hand-written Struct with the fields that this pod has. An apply of it: 1.2 x
         too, the server apart.
Sketch   Both are one pass of msgspec over the same JSON; a typed kind has more fields that could be there, which its
         decoder looks up by name, and fills with defaults those that are not: some 5 ns each, 300 of them in a pod.
Method   tests/bench/data/pod.json. The hand-written types have each field that it has, under the same settings.
Run      make bench ARGS=kinds
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctrlkit.client import Client
from ctrlkit.kinds import core
from ctrlkit.model import Action, ObjectMeta
from ctrlkit.model.kinds import PODS
from tests.bench.case import Case
from tests.bench.pods import POD, encode

TIMES = 500


def by_hand(name: str, value: Mapping[str, Any]) -> Any:
    """A Struct with the fields of a plain object, as somebody would write it who looks at that object."""
    fields = [(field, _type_of(f"{name}{field.capitalize()}", one)) for field, one in value.items()]
    return msgspec.defstruct(name, fields, frozen=True, kw_only=True, omit_defaults=True, gc=False)


def _type_of(name: str, value: Any) -> Any:
    match value:
        case dict() if name.endswith(("Limits", "Requests", "Nodeselector", "Labels")):
            return Mapping[str, str]
        case dict() if name.endswith("Metadata"):
            return ObjectMeta
        case dict():
            return by_hand(name, value)
        case list() if value and isinstance(value[0], dict):
            union = {field: one for item in value for field, one in item.items()}
            item = by_hand(name, union)
            optional = [(f.name, f.type | None, None) for f in msgspec.structs.fields(item)]
            made: Any = msgspec.defstruct(name, optional, frozen=True, kw_only=True, omit_defaults=True, gc=False)
            return tuple[made, ...]
        case list():
            return tuple[type(value[0]) if value else str, ...]  # type: ignore[misc]
    return type(value) | None


def cases() -> list[Case]:
    """Reading, and writing."""
    plain = {name: value for name, value in json.loads(encode(POD)).items() if name not in ("apiVersion", "kind")}
    hand, typed = by_hand("Pod", plain), core.Pod
    data = encode(plain)
    return [
        _case("kinds: a pod read to a typed kind against a hand-written one", _reads(typed, data), _reads(hand, data)),
        _case(
            "kinds: a pod applied, typed against hand-written",
            _writes(msgspec.json.decode(data, type=typed)),
            _writes(msgspec.json.decode(data, type=hand)),
        ),
    ]


def _case(name: str, subject: Callable[[], None], baseline: Callable[[], None]) -> Case:
    return Case(name=name, subject=subject, baseline=baseline, operations=TIMES, budget=1.2)


def _reads(python_type: Any, data: bytes) -> Callable[[], None]:
    decode = msgspec.json.Decoder(python_type).decode

    def run() -> None:
        for _ in range(TIMES):
            decode(data)

    return run


class _Echo:
    """A server that takes everything."""

    async def do(self, action: Action) -> bytes:
        """Encode the body, as a transport does, and answer with an object."""
        msgspec.json.encode(action.body)
        metadata = {"name": action.name, "namespace": action.namespace, "resourceVersion": "7"}
        return encode({"kind": "Pod", "apiVersion": "v1", "metadata": metadata})


def _writes(value: Any) -> Callable[[], None]:
    client = Client(_Echo())  # type: ignore[arg-type]  # nothing is watched

    async def apply() -> None:
        for _ in range(TIMES):
            await client.apply(PODS, value.metadata.key, value)

    return lambda: asyncio.run(apply())
