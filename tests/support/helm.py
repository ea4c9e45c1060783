"""The helm that tests use: one on PATH, beside $KUBEBUILDER_ASSETS, or one that `make foreign` has put into .venv."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def _places() -> Iterator[Path]:
    yield Path(sys.prefix) / "foreign" / "v36"
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        yield from (Path(assets), Path(assets).parent)


def _found() -> str | None:
    on_path = shutil.which("helm")
    beside = (str(place / "helm") for place in _places() if (place / "helm").is_file())
    return on_path or next(beside, None)


HELM = _found()

needs_helm = pytest.mark.skipif(
    HELM is None, reason="there is no helm on PATH or beside $KUBEBUILDER_ASSETS; `make foreign` fetches one"
)
