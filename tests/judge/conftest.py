"""A real control plane for one test, where its programs are; the fixture `control_plane` is shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctrlkit.fakes import ControlPlane, NoControlPlane
from ctrlkit.fakes.controlplane import programs


@pytest.fixture
def own_control_plane() -> Iterator[ControlPlane]:
    """A real control plane that the test may stop and start anew."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    with ControlPlane() as plane:
        yield plane
