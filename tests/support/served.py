"""`ctrlkit apiserver` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(kubeconfig: Path, *flags: str) -> Iterator[None]:
    """Run a new server while the block lasts; it has written the kubeconfig when the block begins."""
    command = [sys.executable, "-m", "ctrlkit", "apiserver", "--kubeconfig", str(kubeconfig), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ready "), "the server does not start"
            yield
        finally:
            server.terminate()
