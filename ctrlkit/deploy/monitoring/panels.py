"""
What rows and panels of a dashboard are: some queries with a title and words about them.

Expressions have `{@}` where the series of the program are chosen, and Grafana's variables: `$__rate_interval`, and
`$controller` in the rows about controllers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """What a number is, by Grafana's name."""

    NUMBER = "short"
    RATE = "ops"
    SECONDS = "s"
    BYTES = "bytes"
    PART = "percentunit"


class Form(StrEnum):
    """How numbers are shown, by Grafana's name."""

    LINES = "timeseries"
    VALUE = "stat"
    TABLE = "table"


class Wanted(StrEnum):
    """Which values are well."""

    ANY = "any"
    NONE = "none"
    """More than 0 is shown in red."""
    SOME = "some"
    """0 is shown in red."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and the name of each of its lines: `{{controller}}` is the value of a label."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """
    Some queries that belong together.

    Shape   `about` says what is shown and what to look for. `width` is a part of 24.
    """

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: Unit = Unit.NUMBER
    form: Form = Form.LINES
    width: int = 8
    wanted: Wanted = Wanted.ANY


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a heading; a collapsed row is opened by a click."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


def value(title: str, about: str, expression: str, *, unit: Unit = Unit.NUMBER, wanted: Wanted = Wanted.NONE) -> Panel:
    """One number at the head of the page."""
    return Panel(
        title=title, about=about, queries=(Query(expression),), unit=unit, form=Form.VALUE, width=4, wanted=wanted
    )


def quantiles(metric: str, by: str, more: str = "") -> tuple[Query, ...]:
    """The median and the slowest of a hundred, for each value of a label."""
    return tuple(
        Query(
            f"histogram_quantile({quantile}, sum by ({by}, le) (rate({metric}_bucket{{@{more}}}[$__rate_interval])))",
            f"{{{{{by}}}}} {name}",
        )
        for quantile, name in ((0.5, "median"), (0.99, "p99"))
    )


def rates(by: str, metrics: dict[str, str], more: str = "") -> tuple[Query, ...]:
    """How often in a second, by a label or some; `metrics` are counters by what they count, in words."""
    told = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return tuple(
        Query(f"sum by ({by}) (rate({metric}{{@{more}}}[$__rate_interval]))", f"{told} {name}".strip())
        for name, metric in metrics.items()
    )


CHOSEN: Final = ', controller=~"$controller"'
"""Beside `{@}`: the controllers that somebody has chosen."""
