"""No log lines are written here: what functions raise on purpose would be shown with long tracebacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Keep log lines to ourselves."""
    with capture_logs():
        yield
