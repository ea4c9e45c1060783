"""Files that only their owner can read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that is never readable by others (mode 0600), replacing an older one atomically."""
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")  # its name cannot be guessed
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
