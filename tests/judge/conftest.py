"""A real control plane for one test, where its programs are; the fixture `control_plane` is shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrlkit.fakes import ControlPlane, NoControlPlane
from ctrlkit.fakes.controlplane import programs
from tests.judge.controllers import programs as all_programs


@pytest.fixture
def own_control_plane() -> Iterator[ControlPlane]:
    """A real control plane that the test may stop and start anew."""
    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def kubernetes() -> Path:
    """The folder of all four programs; skips where they are not."""
    try:
        return all_programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
