"""The match conditions of webhooks."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.admission import Attributes
from ctrlkit.fakes.tracker.cel.admission import Compiled, Compiler, condition_problem
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.plugins.policies import inputs_as
from ctrlkit.fakes.tracker.refusals import forbidden

Object = Mapping[str, Any]


def conditions_hold(core: Core, hook: Object, attributes: Attributes, form: Strategy, plain: Object | None) -> bool:
    """
    Whether the match conditions of a webhook hold; if that is not known, it is not called where failures are ignored.

    Errors  Forbidden if it is not known and failures count.
    """
    compiler, conditions = _compiled(tuple(one["expression"] for one in hook["matchConditions"]))
    holds, problem = condition_problem(compiler, conditions, inputs_as(core, attributes, plain, form))
    if not problem:
        return holds
    if hook.get("failurePolicy") == "Ignore":
        return False
    raise forbidden(attributes.served.resource, attributes.name, problem)


@functools.lru_cache(maxsize=256)
def _compiled(sources: tuple[str, ...]) -> tuple[Compiler, tuple[Compiled, ...]]:
    compiler = Compiler()
    return compiler, tuple(compiler.condition(source) for source in sources)
