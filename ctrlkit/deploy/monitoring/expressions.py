"""
Expressions of PromQL, in which `{@}` stands for the series of one program. Pure.

    of_series("sum by (controller) (controller_failing_keys{@})", 'job="greeter-metrics"')
    # sum by (controller) (controller_failing_keys{job="greeter-metrics"})

A dashboard chooses by its variables, alert rules by what a scraper calls the program. More matchers may stand beside
the mark: `{@, result="error"}`.
"""

from __future__ import annotations

import re
from typing import Final

from ctrlkit.errors import ConfigError

SERIES: Final = "@"
"""The matchers that select the series of a program, in the braces of an expression."""

_MATCHER: Final = r'[a-zA-Z_][a-zA-Z0-9_]* *(=|!=|=~|!~) *"([^"\\]|\\.)*"'
MATCHERS: Final = f"{_MATCHER}( *, *{_MATCHER})*"
"""Some matchers, as a regular expression."""


def checked(matchers: str) -> str:
    """
    Return matchers as they are.

    >>> checked('{job="greeter"}')
    Traceback (most recent call last):
      ...
    ctrlkit.errors.ConfigError: choose series by '{job="greeter"}': write matchers without braces, as in job="greeter"

    Errors  ConfigError for a text that is none.
    """
    if not re.fullmatch(MATCHERS, matchers):
        raise ConfigError(
            f"choose series by {matchers!r}: write matchers without braces, as in {matchers_of(job='greeter')}"
        )
    return matchers


def of_series(expression: str, matchers: str) -> str:
    """
    Return an expression for the series that matchers select.

    >>> of_series('count(ctrlkit_info{@}) + count(x{@, code="200"})', 'job="a"')
    'count(ctrlkit_info{job="a"}) + count(x{job="a", code="200"})'
    """
    return expression.replace(SERIES, matchers)


def matchers_of(**labels: str) -> str:
    """
    Return matchers for labels with exactly these values.

    >>> matchers_of(job="greeter-metrics", namespace="demo")
    'job="greeter-metrics", namespace="demo"'
    """
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())
