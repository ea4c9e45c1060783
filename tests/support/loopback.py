"""
Addresses of 127.0.0.0/8 that no other test process uses at the same time: not those of another worker or run.

They lie below the blocks that clusters draw for their pods.
"""

from __future__ import annotations

import os


def own_address(number: int) -> str:
    """
    The address of that number, 1 to 254, in a block that belongs to this process.

    >>> own_address(1) == own_address(1) != own_address(2)
    True
    """
    pid = os.getpid()
    return f"127.{2 + (pid >> 8) % 14}.{pid & 255}.{number}"
