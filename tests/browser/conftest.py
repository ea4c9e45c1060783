"""A Chromium for the tests of a module; they are skipped, with a sentence, where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if find_spec("playwright") is None:  # the extra `browser` is not installed
    collect_ignore_glob = ["*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the browser is long, and waits for real processes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.real_time)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Tests that use it are plain functions: it runs an event loop of its own."""
    from tests.browser.support import CHROMIUM, MISSING, launched

    if CHROMIUM is None:
        pytest.skip(MISSING)
    with launched() as browser:
        yield browser
