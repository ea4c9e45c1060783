"""The kubectl that `make` puts beside the interpreter: one version, whatever the machine has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

KUBECTL = Path(sys.executable).parent / "kubectl"
VERSION = "v1.36.3"

needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="`make kubectl` has not fetched one for this machine")
