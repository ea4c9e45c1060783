"""One valid object of each kind, to begin with: what is tried are changes to these."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.fakes.releases import KindFacts, SubresourceFacts

Plain = dict[str, Any]

NAMESPACE = "fuzz"
_NAMES = {"CSIDriver": "d.example.com", "APIService": "v1.g.example.com", "IPAddress": "10.0.0.77"}


@functools.cache
def _bodies() -> dict[str, Plain]:
    bodies: dict[str, Plain] = yaml.safe_load(Path(__file__).with_name("seeds.yaml").read_text())
    return bodies


def seed_of(kind: KindFacts) -> Plain:
    """Return a valid object of a kind; of some kinds it has no more than a name."""
    metadata: Plain = {"name": _NAMES.get(kind.kind, "a"), "labels": {"fuzz": "yes"}}
    if kind.namespaced:
        metadata["namespace"] = NAMESPACE
    body = _bodies().get(f"{kind.group or 'core'}/{kind.kind}", {})
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}


def part_seed(kind: KindFacts, part: SubresourceFacts) -> Plain:
    """Return a valid body for a subresource of a kind: the object with an empty status, or a form of its own."""
    seed = seed_of(kind)
    if part.kind == kind.kind:
        return {**seed, "status": {}}
    group, version = (part.group, part.version) if part.version else (kind.group, kind.version)
    api_version = f"{group}/{version}" if group else version
    return {**seed, **_bodies()[f"{group or 'core'}/{part.kind}"], "apiVersion": api_version, "kind": part.kind}
