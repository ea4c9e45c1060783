"""Async tests run on virtual time unless marked `real_time`, and leave no task behind: see ctrlkit.fakes.pytest."""

from __future__ import annotations

import gc
import signal

from hypothesis import settings

from ctrlkit.fakes.pytest import pytest_asyncio_loop_factories, pytest_pyfunc_call
from tests.support.effort import THOROUGH

__all__ = ["pytest_asyncio_loop_factories", "pytest_pyfunc_call"]

settings.register_profile("no-clock", deadline=None, max_examples=12)  # how fast an example ran says nothing
settings.register_profile(THOROUGH, deadline=None)
settings.load_profile("no-clock")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in `make test &` of a script; programs of tests inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is imported and collected lives until the end: the garbage collector need not look at it in each test."""
    gc.collect()
    gc.freeze()
