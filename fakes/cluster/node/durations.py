"""Times as Go writes them in the texts of a kubelet. Pure."""

from __future__ import annotations


def go_duration(seconds: float) -> str:
    """
    Write a duration as Go does.

    >>> [go_duration(seconds) for seconds in (0, 0.0015, 0.25, 10, 80, 3600, 300.5)]
    ['0s', '1.5ms', '250ms', '10s', '1m20s', '1h0m0s', '5m0.5s']
    """
    if seconds < 1:
        for unit, size in (("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
            if seconds >= size:
                return f"{round(seconds / size, 6):.15g}{unit}"
        return "0s"
    minutes, rest = divmod(round(seconds, 9), 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{round(rest, 9):.15g}s"
