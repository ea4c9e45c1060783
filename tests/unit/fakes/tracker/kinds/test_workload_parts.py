"""The parts of workload kinds that stand for themselves: schedules, indexes, conversions, what follows from a write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.autoscaling_v1 import AUTOSCALERS_V1
from ctrlkit.fakes.tracker.kinds.batch.indexes import count_indexes, first_shared
from ctrlkit.fakes.tracker.kinds.batch.schedules import has_zone, schedule_problem
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import AnyResource, MergePatch, Options, custom_resource
from ctrlkit.model.kinds import DEPLOYMENTS
from tests.support.objects import a_workload

JOBS = custom_resource(group="batch", version="v1", kind="Job", plural="jobs")
CRON_JOBS = custom_resource(group="batch", version="v1", kind="CronJob", plural="cronjobs")
DAEMON_SETS = custom_resource(group="apps", version="v1", kind="DaemonSet", plural="daemonsets")
BUDGETS = custom_resource(group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")
CONTROLLERS = custom_resource(group="", version="v1", kind="ReplicationController", plural="replicationcontrollers")
HPA_V1, HPA_V2 = (
    custom_resource(
        group="autoscaling", version=version, kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
    )
    for version in ("v1", "v2")
)
META: dict[str, Any] = {"name": "one", "namespace": "default"}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "c", "image": "i:1"}]},
}
TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}


def job(**spec: Any) -> dict[str, Any]:
    template = TEMPLATE | {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}}
    return {"metadata": META, "spec": {"template": template} | spec}


def autoscaler(**spec: Any) -> dict[str, Any]:
    return {"metadata": META, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 3} | spec}


# ---- schedules and indexes -------------------------------------------------------------------------------------------

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@st.composite
def schedules(draw: st.DrawFn) -> str:
    fields = []
    for low, high in BOUNDS:
        start = draw(st.integers(low, high))
        end = draw(st.integers(start, high))
        step = draw(st.sampled_from(("", "/1", "/7")))
        fields.append(draw(st.sampled_from(("*", "?", f"{start}", f"{start}-{end}", f"{start},{end}"))) + step)
    return " ".join(fields)


@given(schedules())
def test_any_schedule_within_bounds_is_right(text: str) -> None:
    assert schedule_problem(text) == ""


@given(st.text(alphabet="0159*/-,? @aMonEvryTZ=", max_size=24))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    assert isinstance(schedule_problem(text), str)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* 5-3 * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("CRON_TZ=Mars/X * * * * *", "provided bad location Mars/X: unknown time zone Mars/X"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said_as_the_server_says_it(text: str, problem: str) -> None:
    assert schedule_problem(text) == problem


def test_zones_are_those_of_the_time_zone_database() -> None:
    assert has_zone("Europe/Berlin")
    assert not has_zone("Mars/Olympus")
    assert not has_zone("../etc/passwd")


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_any_indexes_are_counted_and_the_first_shared_one_is_found(completed: set[int], failed: set[int]) -> None:
    texts = [",".join(map(str, sorted(one))) for one in (completed, failed)]
    assert count_indexes(texts[0], 31) == len(completed)
    assert first_shared(texts[0], texts[1], 31) == min(completed & failed, default=None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2-1", "non-increasing order, previous: 2, current: 1"),
        ("1,1", "non-increasing order, previous: 1, current: 1"),
        ("5", 'too large index: "5"'),
        ("", ""),
        ("0-", 'cannot convert string to integer for index: ""'),
    ],
)
def test_what_is_wrong_with_indexes(text: str, problem: str) -> None:
    if not problem:
        assert count_indexes(text, 5) == 0
        return
    with pytest.raises(ValueError, match=problem.replace("(", "\\(")):
        count_indexes(text, 5)


# ---- Jobs ------------------------------------------------------------------------------------------------------------


async def test_a_new_job_selects_its_pods_by_its_uid() -> None:
    made = Tracker().create(JOBS, job())
    uid = made.metadata.uid
    assert made.at("spec.selector") == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = {
        "app": "a",
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "one",
        "controller-uid": uid,
        "job-name": "one",
    }
    assert made.at("spec.template.metadata.labels") == labels
    assert made.at("metadata.labels") == labels


@pytest.mark.parametrize("kind", [JOBS, CONTROLLERS])
async def test_a_delete_without_a_policy_orphans(kind: AnyResource) -> None:
    """It waits for the garbage collector, which lets the pods go first."""
    tracker = Tracker()
    body = job() if kind is JOBS else {"metadata": META, "spec": {"template": TEMPLATE}}
    tracker.create(kind, body)
    with noticed() as texts:
        left = tracker.delete(kind, "default/one")
    assert left.at("metadata.finalizers") == ["orphan"]
    assert bool(texts) is (kind is JOBS)
    other = tracker.create(kind, body | {"metadata": META | {"name": "two"}})
    tracker.delete(kind, "default/two", Options(propagation_policy="Background"))
    assert [one.metadata.name for one in tracker.list(kind)] == ["one"], other


async def test_the_template_of_a_job_changes_only_while_it_is_suspended() -> None:
    tracker = Tracker()
    tracker.create(JOBS, job(suspend=True))
    tracker.patch(JOBS, "default/one", MergePatch({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}))
    tracker.patch(JOBS, "default/one", MergePatch({"spec": {"suspend": False}}))
    with pytest.raises(Invalid) as caught:
        tracker.patch(JOBS, "default/one", MergePatch({"spec": {"template": {"spec": {"nodeSelector": None}}}}))
    (cause,) = caught.value.details["causes"]
    assert cause["field"] == "spec.template"
    assert cause["message"].endswith("field is immutable")


async def test_the_status_of_a_job_keeps_what_was_decided() -> None:
    tracker = Tracker()
    tracker.create(JOBS, job())
    target = [{"type": "FailureTarget", "status": "True"}]
    status = {"startTime": "2026-01-01T00:00:00Z", "failed": 1, "conditions": target}
    tracker.patch(JOBS, "default/one", MergePatch({"status": status}), subresource="status")
    for change, text in (
        ({"conditions": []}, "cannot disable the terminal FailureTarget=True condition"),
        ({"failed": 0}, "cannot decrease the failed counter"),
        ({"startTime": "2026-01-02T00:00:00Z"}, "field is immutable for unsuspended job once set"),
        ({"active": 1, "ready": 2}, "cannot set more ready pods than active"),
    ):
        with pytest.raises(Invalid, match=text):
            tracker.patch(JOBS, "default/one", MergePatch({"status": change}), subresource="status")


# ---- counting --------------------------------------------------------------------------------------------------------


async def test_the_generation_of_a_deployment_counts_annotations_too() -> None:
    tracker = Tracker()
    made = tracker.create(DEPLOYMENTS, a_workload())
    key = f"default/{made.metadata.name}"
    annotated = tracker.patch(DEPLOYMENTS, key, MergePatch({"metadata": {"annotations": {"a": "b"}}}))
    labelled = tracker.patch(DEPLOYMENTS, key, MergePatch({"metadata": {"labels": {"a": "b"}}}))
    assert [one.at("metadata.generation") for one in (made, annotated, labelled)] == [1, 2, 2]


async def test_a_daemon_set_counts_the_changes_of_its_template() -> None:
    tracker = Tracker()
    body = {"metadata": META, "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}}
    name = "deprecated.daemonset.template.generation"
    counts = [tracker.create(DAEMON_SETS, body)["metadata"]["annotations"][name]]
    changes: list[dict[str, Any]] = [
        {"spec": {"minReadySeconds": 3}},
        {"spec": {"template": {"spec": {"hostNetwork": True}}}},
        {"metadata": {"annotations": {name: "40"}}},
    ]
    for change in changes:
        patched = tracker.patch(DAEMON_SETS, "default/one", MergePatch(change))
        counts.append(patched["metadata"]["annotations"][name])
    assert counts == ["1", "1", "2", "2"]


async def test_a_budget_is_updated_at_a_version_only() -> None:
    tracker = Tracker()
    tracker.create(BUDGETS, {"metadata": META, "spec": {"minAvailable": 1}})
    with pytest.raises(Invalid, match=r'poddisruptionbudgets\.policy "one" is invalid: metadata'):
        tracker.update(BUDGETS, {"metadata": META, "spec": {"minAvailable": 2}})


# ---- two forms of an autoscaler --------------------------------------------------------------------------------------

QUANTITIES = st.sampled_from(("1", "500m", "2k", "1Gi"))
IDENTIFIERS = st.fixed_dictionaries(
    {"name": st.sampled_from(("m", "n"))}, optional={"selector": st.just({"matchLabels": {"a": "b"}})}
)


def _value(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    field = {"Value": "value", "AverageValue": "averageValue"}[kind]
    return st.fixed_dictionaries({"type": st.just(kind), field: QUANTITIES})


_USE = st.fixed_dictionaries({"type": st.just("Utilization"), "averageUtilization": st.integers(1, 100)})
_EITHER = st.one_of(_value("Value"), _value("AverageValue"))
METRICS = st.one_of(
    st.fixed_dictionaries({"metric": IDENTIFIERS, "target": _value("AverageValue")}).map(
        lambda one: {"type": "Pods", "pods": one}
    ),
    st.fixed_dictionaries({"metric": IDENTIFIERS, "target": _EITHER, "describedObject": st.just(TARGET)}).map(
        lambda one: {"type": "Object", "object": one}
    ),
    st.fixed_dictionaries({"metric": IDENTIFIERS, "target": _EITHER}).map(
        lambda one: {"type": "External", "external": one}
    ),
    st.fixed_dictionaries({"name": st.just("memory"), "target": st.one_of(_USE, _value("AverageValue"))}).map(
        lambda one: {"type": "Resource", "resource": one}
    ),
    st.fixed_dictionaries({"name": st.just("cpu"), "container": st.just("c"), "target": _USE}).map(
        lambda one: {"type": "ContainerResource", "containerResource": one}
    ),
)
BEHAVIOURS = st.fixed_dictionaries(
    {},
    optional={
        name: st.fixed_dictionaries(
            {"policies": st.just([{"type": "Pods", "value": 1, "periodSeconds": 15}])},
            optional={"stabilizationWindowSeconds": st.integers(0, 10), "tolerance": QUANTITIES},
        )
        for name in ("scaleUp", "scaleDown")
    },
)


@given(metrics=st.lists(METRICS, min_size=1, max_size=4), behavior=BEHAVIOURS)
def test_any_autoscaler_is_the_same_after_it_was_shown_in_the_other_form(
    metrics: list[dict[str, Any]], behavior: dict[str, Any]
) -> None:
    conversion = AUTOSCALERS_V1.conversion
    assert conversion is not None
    stored = autoscaler(minReplicas=1, metrics=metrics) | {"status": {"desiredReplicas": 0}}
    if behavior:
        stored["spec"]["behavior"] = behavior
    assert conversion.store(conversion.show(stored)) == stored


async def test_both_forms_of_an_autoscaler_are_one_object() -> None:
    tracker = Tracker()
    made = tracker.create(HPA_V1, autoscaler())
    assert made.at("spec.targetCPUUtilizationPercentage") == 80
    target = tracker.get(HPA_V2, "default/one").at("spec.metrics")[0]["resource"]["target"]
    assert target == {"type": "Utilization", "averageUtilization": 80}
    tracker.patch(HPA_V2, "default/one", MergePatch({"spec": {"maxReplicas": 9}}))
    tracker.patch(HPA_V1, "default/one", MergePatch({"spec": {"targetCPUUtilizationPercentage": 30}}))
    (shown,) = tracker.list(HPA_V1)
    assert (shown.at("spec.maxReplicas"), shown.at("spec.targetCPUUtilizationPercentage")) == (9, 30)
    tracker.delete(HPA_V1, "default/one")
    assert tracker.list(HPA_V2) == []


async def test_an_autoscaler_without_metrics_in_its_status_has_null_there() -> None:
    tracker = Tracker()
    tracker.create(HPA_V2, autoscaler())
    change = MergePatch({"status": {"currentMetrics": [], "desiredReplicas": 1}})
    status = tracker.patch(HPA_V2, "default/one", change, subresource="status").at("status")
    assert status == {"currentMetrics": None, "desiredReplicas": 1}


async def test_an_annotation_that_cannot_be_read_counts_as_none() -> None:
    tracker = Tracker()
    for text in ("{", "3", '[{"type": 1}]', '[{"type":"Pods","pods":{"metricName":3}}]'):
        body = autoscaler(targetCPUUtilizationPercentage=5)
        body["metadata"] = META | {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": text}}
        tracker.create(HPA_V1, body)
        assert len(tracker.get(HPA_V2, "default/one").at("spec.metrics")) == 1
        tracker.delete(HPA_V1, "default/one")
