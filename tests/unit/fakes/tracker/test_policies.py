"""Admission policies in a tracker: when they hold, what they say, what they change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import Forbidden, InternalError, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.admission import MUTATING, VALIDATING
from ctrlkit.fakes.tracker.cel.admission import (
    BUDGET,
    BudgetSpent,
    Compiler,
    Evaluation,
    Inputs,
    TypeChecker,
    condition_problem,
)
from ctrlkit.fakes.tracker.cel.kind_types import declared_kind
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.fakes.tracker.verbs.json_patch import performed
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    MUTATING_ADMISSION_POLICIES,
    MUTATING_ADMISSION_POLICY_BINDINGS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
)

NOTHING = Inputs({"data": {"a": "1"}}, None, None, {"operation": "CREATE"})


def constraints(*operations: str) -> dict[str, Any]:
    """What a policy for ConfigMaps matches."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": list(operations), "resources": ["configmaps"]}
    return {"resourceRules": [rule]}


def validate(tracker: Tracker, *validations: dict[str, str], actions: tuple[str, ...] = ("Deny",), **spec: Any) -> None:
    """Add a validating policy and its binding."""
    spec = {"matchConstraints": constraints("*"), "validations": list(validations), **spec}
    tracker.create(VALIDATING_ADMISSION_POLICIES, {"metadata": {"name": "p"}, "spec": spec})
    binding = {"policyName": "p", "validationActions": list(actions)}
    tracker.create(VALIDATING_ADMISSION_POLICY_BINDINGS, {"metadata": {"name": "b"}, "spec": binding})


def mutate(tracker: Tracker, name: str, *expressions: str, again: str = "Never", **spec: Any) -> None:
    """Add a mutating policy and its binding; an expression of a list makes a JSON patch."""
    mutations = [
        {"patchType": "JSONPatch", "jsonPatch": {"expression": one}}
        if one.startswith("[")
        else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": one}}
        for one in expressions
    ]
    spec = {
        "matchConstraints": constraints("CREATE", "UPDATE"),
        "mutations": mutations,
        "reinvocationPolicy": again,
    } | spec
    tracker.create(MUTATING_ADMISSION_POLICIES, {"metadata": {"name": name}, "spec": spec})
    tracker.create(MUTATING_ADMISSION_POLICY_BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name}})


def config_map(**data: str) -> dict[str, Any]:
    """A ConfigMap of the default namespace."""
    return {"metadata": {"name": "a", "namespace": "default"}, "data": data}


# ---- in force --------------------------------------------------------------------------------------------------------


def test_a_policy_holds_from_its_binding_until_its_end() -> None:
    """At once, for creates, updates and deletes; a server takes a moment for it."""
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, config_map())
    validate(tracker, {"expression": "object != null && object.data.a == 'x'"})
    said = "Policy 'p' with binding 'b' denied request: failed expression"
    with pytest.raises(Invalid, match=said):
        tracker.update(CONFIG_MAPS, config_map(a="y"))
    with pytest.raises(Invalid, match=said):
        tracker.delete(CONFIG_MAPS, "default/a")
    tracker.delete(VALIDATING_ADMISSION_POLICY_BINDINGS, "b")
    tracker.delete(CONFIG_MAPS, "default/a")


def test_without_bindings_no_policy_is_asked() -> None:
    """The chain has nothing to do, so nothing about policies is even imported for a request."""
    core = Tracker()._core
    asked = {plugin.name for chain in (MUTATING, VALIDATING) for plugin, _ in chain.steps(core, CONFIG_MAPS.identity)}
    assert not {name for name in asked if name.endswith("AdmissionPolicy")}


@pytest.mark.parametrize(
    ("reason", "code"), [("Forbidden", 403), ("Invalid", 422), ("RequestEntityTooLarge", 413), (None, 422)]
)
def test_the_reason_of_a_validation_is_that_of_the_refusal(reason: str | None, code: int) -> None:
    tracker = Tracker()
    validate(tracker, {"expression": "false", "message": " no ", **({"reason": reason} if reason else {})})
    with pytest.raises(Exception, match="denied request: no") as caught:
        tracker.create(CONFIG_MAPS, config_map())
    assert (caught.value.code, caught.value.reason) == (code, reason or "Invalid")  # type: ignore[attr-defined]


def test_a_warning_does_not_refuse_and_an_audited_failure_says_nothing() -> None:
    tracker = Tracker()
    validate(tracker, {"expression": "false", "message": "odd"}, actions=("Warn", "Audit"))
    with noticed() as texts:
        tracker.create(CONFIG_MAPS, config_map())
    assert texts == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': odd"]


def test_an_expression_without_a_value_counts_by_the_failure_policy() -> None:
    for failure_policy in ("Fail", "Ignore"):
        tracker = Tracker()
        validate(tracker, {"expression": "object.data.nope == 'x'"}, failurePolicy=failure_policy)
        if failure_policy == "Ignore":
            tracker.create(CONFIG_MAPS, config_map(a="1"))
            continue
        with pytest.raises(Invalid, match="resulted in error: no such key: nope"):
            tracker.create(CONFIG_MAPS, config_map(a="1"))


# ---- changes ---------------------------------------------------------------------------------------------------------


def test_mutations_see_what_those_before_them_have_made_and_own_nothing() -> None:
    tracker = Tracker()
    mutate(
        tracker,
        "m",
        "Object{data: {'b': object.data.a + '!'}}",
        "[JSONPatch{op: 'add', path: '/data/c', value: object.data.b + '?'}]",
    )
    made = tracker.create(CONFIG_MAPS, config_map(a="1"))
    assert made["data"] == {"a": "1", "b": "1!", "c": "1!?"}
    assert made.at("metadata.managedFields")[0]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_a_policy_that_wants_it_sees_the_changes_of_later_ones() -> None:
    tracker = Tracker()
    mutate(tracker, "m1", "Object{data: {'first': 'saw ' + string(object.data.size())}}", again="IfNeeded")
    mutate(tracker, "m2", "Object{data: {'second': 'x'}}")
    assert tracker.create(CONFIG_MAPS, config_map(a="1"))["data"] == {"a": "1", "first": "saw 3", "second": "x"}


@pytest.mark.parametrize(
    ("expression", "error", "said"),
    [
        ("Object{nope: 1}", Forbidden, ".nope: field not declared in schema"),
        ("Object{data: Object.date{a: 'x'}}", Forbidden, 'unexpected type name "Object.date", expected "Object.data"'),
        ("[JSONPatch{op: 'remove', path: '/data/z'}]", Forbidden, "Unable to remove nonexistent key: z"),
        ("[JSONPatch{op: 'add', path: '/nope', value: 1}]", InternalError, 'unknown field "nope"'),
    ],
)
def test_a_mutation_that_does_not_fit_refuses_the_request(expression: str, error: type[Exception], said: str) -> None:
    tracker = Tracker()
    mutate(tracker, "m", expression)
    with pytest.raises(error) as caught:
        tracker.create(CONFIG_MAPS, config_map(a="1"))
    assert said in str(caught.value)


def test_a_failed_test_of_a_patch_leaves_the_object_as_it_is() -> None:
    tracker = Tracker()
    mutate(tracker, "m", "[JSONPatch{op: 'test', path: '/data/a', value: 'z'}, JSONPatch{op: 'remove', path: '/data'}]")
    assert tracker.create(CONFIG_MAPS, config_map(a="1"))["data"] == {"a": "1"}


# ---- expressions -----------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(alphabet="a~/01", min_size=1, max_size=6), st.text(max_size=3), max_size=4))
def test_any_key_is_reached_by_its_escaped_form(labels: dict[str, str]) -> None:
    """For any keys, a patch with `jsonpatch.escapeKey` sets each of them."""

    compiler = Compiler()
    source = (
        "object.labels.map(k, JSONPatch{op: 'add', path: '/new/' + jsonpatch.escapeKey(k), value: object.labels[k]})"
    )
    inputs = NOTHING._replace(object={"labels": labels})
    made = Evaluation(compiler, inputs).value(compiler.patch(source)).value
    assert performed({"new": {}}, made) == {"new": labels}


def test_variables_are_evaluated_when_they_are_used_and_once() -> None:
    compiler = Compiler(has_variables=True)
    compiler.add("wrong", "object.data.nope + 'x'")
    compiler.add("long", "[1, 2, 3, 4].all(i, i > 0)")
    evaluation = Evaluation(compiler, NOTHING)
    assert evaluation.value(compiler.condition("true || variables.wrong == 'x'")).value is True
    once = evaluation.left
    assert evaluation.value(compiler.condition("variables.long")).value is True
    first = once - evaluation.left
    assert evaluation.value(compiler.condition("variables.long")).value is True
    assert once - evaluation.left - first < first
    said = evaluation.value(compiler.condition("variables.wrong == 'x'")).problem
    assert said.endswith('composited variable "wrong" fails to evaluate: no such key: nope')


def test_the_expressions_of_a_policy_share_a_budget() -> None:
    compiler = Compiler()
    evaluation = Evaluation(compiler, NOTHING, budget=5)
    with pytest.raises(BudgetSpent, match="running out of cost budget"):
        evaluation.value(compiler.condition("[1, 2, 3].all(i, i > 0)"))
    assert Evaluation(compiler, NOTHING).left == BUDGET


def test_a_condition_that_does_not_hold_decides_whatever_is_wrong_with_others() -> None:
    compiler = Compiler()
    wrong, false, true = map(compiler.condition, ("object.nope == 1", "object.data.a == '2'", "true"))
    assert condition_problem(compiler, [wrong, false], NOTHING) == (False, "")
    holds, problem = condition_problem(compiler, [wrong, true], NOTHING)
    assert holds
    assert "no such key: nope" in problem
    assert condition_problem(compiler, [true], NOTHING) == (True, "")


def test_types_of_what_is_matched_are_known_to_the_check_alone() -> None:
    """`object` may be anything when a policy is made; the check of its types knows the kind's fields."""
    objects = declared_kind(types_of(), "apps.v1.Deployment") or declared_kind(types_of(), "Deployment")
    assert objects is not None
    checker = TypeChecker(
        objects, None, has_params=False, variables=[{"name": "n", "expression": "object.spec.replicas"}]
    )
    assert checker.problem("variables.n > 1") == ""
    assert "undefined field 'nope'" in checker.problem("object.spec.nope == 1")
    assert "found no matching overload for '_>_' applied to '(int, string)'" in checker.problem("variables.n > 'a'")
    assert Compiler().condition("object.spec.nope == 1").problem == ""
