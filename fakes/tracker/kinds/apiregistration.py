"""APIServices."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.schema import formats

API_SERVICES = Strategy(name_rule=formats.path_segment)
