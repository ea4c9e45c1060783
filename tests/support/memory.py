"""What is in memory: objects, a figure that is the same on every machine, and bytes."""

from __future__ import annotations

import gc
import resource
from collections import Counter


def objects_there_are() -> Counter[str]:
    """How many objects of each type the garbage collector knows."""
    gc.collect()
    return Counter(type(found).__qualname__ for found in gc.get_objects())


def rss_bytes() -> int:
    """The memory of this process now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
