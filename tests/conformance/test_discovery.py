"""For each release, discovery is what a server of that release answered, document by document, in both forms."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes.apiserver import discovery
from ctrlkit.fakes.releases import NAMES
from ctrlkit.fakes.tracker import Registry

RECORDED = {
    name: json.loads(gzip.decompress(Path(__file__).with_name("discovery").joinpath(f"{name}.json.gz").read_bytes()))
    for name in NAMES
}


def answer(registry: Registry, path: str) -> Any:
    """What the server answers at a path; `aggregated` stands before it where the client asks for that form."""
    match path.rpartition(" ")[::2]:
        case "aggregated", root:
            return discovery.aggregated(registry, core=root == "/api")
        case _, "/apis":
            return discovery.group_list(registry)
    _, root, *parts = path.split("/")
    return discovery.resource_list(registry, "" if root == "api" else parts[0], parts[-1])


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in RECORDED.items() for path in paths if path != "/api"]
)
def test_a_document_is_the_one_that_a_server_of_the_release_sent(name: str, path: str) -> None:
    """Kinds, names, verbs, subresources, the versions they are stored in, and their order."""
    assert answer(Registry(name), path) == RECORDED[name][path]
