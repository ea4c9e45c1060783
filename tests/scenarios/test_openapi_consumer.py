"""A client that knows OpenAPI and nothing of Kubernetes reads every document of the embedded server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctrlkit.fakes.apiserver.openapi import OpenApi
from ctrlkit.fakes.releases import NAMES
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from tests.support import read_openapi
from tests.support.requests import DEFINITIONS

READER = Path(sys.prefix) / "openapi" / "bin" / "python"
"""Where `make openapi-spec-validator` puts it."""


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not READER.exists(), reason="no reader is installed: make openapi-spec-validator")
@pytest.mark.parametrize("release", NAMES)
def test_every_document_is_one(release: str, tmp_path: Path) -> None:
    """Those of the release's own kinds and of custom ones, in both versions of OpenAPI."""
    tracker = Tracker(server=release)
    for definition in DEFINITIONS:
        tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
    openapi = OpenApi(tracker.registry)
    documents = {"v2": openapi.whole(), **{root: openapi.document(root) for root in openapi.index()["paths"]}}
    for root, document in documents.items():
        assert document is not None
        tmp_path.joinpath(f"{root.replace('/', '_')}.json").write_bytes(document.json)
    files = sorted(map(str, tmp_path.iterdir()))
    assert len(files) == len(documents) > len(NAMES)
    ended = subprocess.run(
        [READER, read_openapi.__file__, *files], capture_output=True, text=True, timeout=1500, check=False
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "", "")
