"""
What does it cost to hold an object against the rules of its schema that are expressions?

Budget   A rule of the recorded scenario `cel`: 50 us at the median, the reading of the object included.
         A schema without rules: nothing, within a tenth, against the same that is not asked for rules.
Sketch   A rule is compiled once, to functions that look into the object's own dicts: some 0.1 us for each name, field
         and call in it.
Method   Each rule alone in a schema of its own, on an object that keeps it; the median of the best times of all.
Run      make bench ARGS=cel
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from ctrlkit.fakes.tracker.cel.validator import Validator
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from tests.bench.case import Case, Figure

SCENARIO = Path(__file__).parents[1] / "conformance" / "scenarios" / "cel.json"
RULES = "x-kubernetes-validations"
TIMES = 200
OBJECT = {
    "metadata": {"name": "good"},
    "spec": {
        "min": 1,
        "max": 2,
        "name": "n",
        "mode": "a",
        "list": [1, 2, 3, 4, 5],
        "kept": "k",
        "once": "a",
        "parts": {"a": "xa", "b": "xb", "c": "xc"},
        "quantity": "10Gi",
        "url": "https://example.com:8080/path?query=1",
        "when": "1h",
        "grow": 3,
        "old": "v1",
    },
}


def cases() -> list[Case | Figure]:
    """A rule; a schema without rules."""
    plain = CustomSchema(without_rules(schema()))
    assert plain.value_causes(OBJECT, OBJECT) == []
    return [
        Figure(name="cel: a rule on an object, the median", take=lambda: 1e3 * median_s(), unit="ms", budget=0.05),
        Case(
            name="cel: an object without rules against the same, not looked at",
            subject=lambda: [
                plain.expression_causes(OBJECT, None, plain.value_causes(OBJECT), print) for _ in range(TIMES)
            ],
            baseline=lambda: [plain.value_causes(OBJECT) for _ in range(TIMES)],
            operations=TIMES,
            budget=1.1,
        ),
    ]


def schema() -> Any:
    """The schema of the recorded definition."""
    steps = json.loads(SCENARIO.read_text())["steps"]
    (body,) = (step["body"] for step in steps if step["name"] == "define")
    return body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def median_s() -> float:
    """The median of what each rule costs alone, in seconds."""
    validators = [Validator(one) for one in with_one_rule(schema())]
    return statistics.median(map(seconds, validators))


def seconds(validator: Validator) -> float:
    """What it costs to hold the object against a schema, in seconds: the best of several rounds."""
    assert validator.causes(OBJECT, OBJECT) == []
    best = float("inf")
    for _ in range(5):
        start = perf_counter()
        for _ in range(TIMES):
            validator.causes(OBJECT, OBJECT)
        best = min(best, perf_counter() - start)
    return best / TIMES


def without_rules(node: Any) -> Any:
    """A schema without its rules."""
    if isinstance(node, Mapping):
        return {key: without_rules(value) for key, value in node.items() if key != RULES}
    return node


def with_one_rule(root: Any) -> Iterator[Any]:
    """The schema with each of its rules alone."""
    for path, count in places(root, ()):
        for index in range(count):
            alone = without_rules(root)
            node, original = alone, root
            for step in path:
                node, original = node[step], original[step]
            node[RULES] = [original[RULES][index]]
            yield alone


def places(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Where rules are, and how many."""
    for key, value in node.items():
        if key == RULES:
            yield path, len(value)
        elif isinstance(value, Mapping):
            yield from places(value, (*path, key))
