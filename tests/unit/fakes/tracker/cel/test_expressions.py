"""
Expressions have the values, the costs and the faults that a real server finds.

`expressions.json` has them as recorded: `true` are true on `object`, whose schema is `schema`; `refused` cannot be
compiled, with the compiler's words; `without_value` have no value there, with what a message says of it; `costs` are
the most that an expression is estimated to cost, what it cost, and whether it was true.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.cel.checker import Checked
from ctrlkit.fakes.tracker.cel.estimate import highest_cost
from ctrlkit.fakes.tracker.cel.program import Program
from ctrlkit.fakes.tracker.cel.rules import Rule, checked_expression
from ctrlkit.fakes.tracker.cel.schemas import Decl, declared
from ctrlkit.fakes.tracker.cel.values import OutOfBudget
from ctrlkit.fakes.tracker.schema.go_text import double_text

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "expressions.json").read_text())
OBJECT = RECORDED["object"]
INTEGERS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def decl() -> Decl:
    """What expressions know of the recorded object."""
    found = declared(RECORDED["schema"], "selfType", is_root=True)
    assert found is not None
    return found


def checked(expression: str, decl: Decl) -> Checked:
    """An expression on the object and what it was before."""
    return checked_expression(expression, {"self": decl.type, "oldSelf": decl.type}, decl)


def evaluated(expression: str, decl: Decl) -> tuple[Any, int, str]:
    """The value of an expression on the object, what it cost, and what is said if it has no value."""
    return Program(checked(expression, decl), {"self": decl, "oldSelf": decl}).evaluate(OBJECT, OBJECT)


def test_every_function_has_its_value(decl: Decl) -> None:
    """All that is true on a real server is true here."""
    assert len(RECORDED["true"]) > 130
    found = {one: evaluated(one, decl) for one in RECORDED["true"]}
    assert [(one, *said) for one, said in found.items() if said[0] is not True] == []


def test_what_cannot_be_compiled_is_said_in_the_compilers_words(decl: Decl) -> None:
    """Syntax, names, types and literals; with the line and the place in it."""
    said = {one: Rule({"rule": one}, RECORDED["schema"], decl).problem for one in RECORDED["refused"]}
    assert said == RECORDED["refused"]


def test_what_has_no_value_is_said(decl: Decl) -> None:
    """Missing keys, indexes beyond the end, texts that are no numbers, types that no function takes."""
    found = {one: evaluated(one, decl)[2] for one in RECORDED["without_value"]}
    assert found == RECORDED["without_value"]


def test_costs_are_a_real_servers(decl: Decl) -> None:
    """Those that are estimated, and those of an evaluation."""
    found = {}
    for one in RECORDED["costs"]:
        value, cost, _ = evaluated(one, decl)
        found[one] = [highest_cost(checked(one, decl), decl), cost, value]
    assert found == RECORDED["costs"]


@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_slice_of_a_list_is_estimated_by_its_length(decl: Decl, length: int) -> None:
    """One for each item beyond what an empty one costs."""
    costs = [highest_cost(checked(f"[1, 2, 3, 4].slice(0, {end}) == []", decl), decl) for end in (0, length)]
    assert costs[1] - costs[0] == length


def test_what_is_made_has_to_be_a_type(decl: Decl) -> None:
    """A name that stands for a value is none."""
    problem = Rule({"rule": "self{a: 1} == self"}, RECORDED["schema"], decl).problem
    assert problem.startswith("compilation failed: ERROR: <input>:1:5: 'selfType' is not a type\n")


@pytest.mark.parametrize(("item", "said"), [("'b'", ""), ("1", "'_==_' applied to '(int, string)'")])
def test_what_an_empty_list_has_is_known_from_its_neighbours(decl: Decl, item: str, said: str) -> None:
    """All lists of one list have items of one type, and these are compared with that type alone."""
    problem = Rule({"rule": f"[[], [{item}]].all(one, one.all(inner, inner == 'a'))"}, RECORDED["schema"], decl).problem
    assert (said in problem) if said else not problem


def test_an_evaluation_ends_when_it_costs_too_much(decl: Decl) -> None:
    """It does not go on for as long as the lists allow."""
    deep = "lists.range(900).all(a, lists.range(900).all(b, lists.range(900).all(c, a + b + c >= 0)))"
    for one in (deep, "lists.range(9223372036854775807).size() > 0"):
        with pytest.raises(OutOfBudget):
            evaluated(one, decl)


@given(text=st.text(max_size=20))
def test_a_text_that_is_quoted_is_read_back(text: str) -> None:
    """For any text: written out with escapes, and as strings.quote writes it."""
    decl = declared({"type": "string"}, "t", is_root=False)
    assert decl is not None
    escaped = "".join(f"\\U{ord(letter):08x}" for letter in text)
    program = Program(checked_expression(f"'{escaped}' == self", {"self": decl.type}, decl), {"self": decl})
    assert program.evaluate(text)[0] is True
    back = checked_expression(
        "self.replace('', '') == self && strings.quote(self).size() > 1", {"self": decl.type}, decl
    )
    assert Program(back, {"self": decl}).evaluate(text)[0] is True


@given(one=INTEGERS, other=INTEGERS)
def test_integers_are_those_of_processors(one: int, other: int) -> None:
    """For any two: a result outside of 64 bits is an overflow, division goes towards zero."""
    decl = declared({"type": "array", "items": {"type": "integer"}}, "t", is_root=False)
    assert decl is not None
    for sign, wanted in (("+", one + other), ("-", one - other), ("*", one * other)):
        source = f"self[0] {sign} self[1]"
        value, _, problem = Program(checked_expression(source, {"self": decl.type}, decl), {"self": decl}).evaluate(
            [one, other]
        )
        fits = -(2**63) <= wanted < 2**63
        assert (value, problem) == ((wanted, "") if fits else (None, "integer overflow"))
    if other != 0 and (one, other) != (-(2**63), -1):
        source = "self[0] / self[1] * self[1] + self[0] % self[1]"
        program = Program(checked_expression(source, {"self": decl.type}, decl), {"self": decl})
        assert program.evaluate([one, other])[0] == one


@given(number=st.floats())
def test_a_number_as_text_is_the_same_number(number: float) -> None:
    """For any double: what is written is read back as it was."""
    text = double_text(number)
    assert math.isnan(float(text)) if math.isnan(number) else float(text) == number
