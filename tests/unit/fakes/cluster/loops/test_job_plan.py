"""What a Job does about its pods and how it ends: the plan and the two writes of its status, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.job_indexes import Indexes
from ctrlkit.fakes.cluster.loops.job_plan import BURST, JobPlan, NewPod, is_finished, is_true, plan
from ctrlkit.fakes.cluster.loops.job_pods import (
    FAILURES,
    IGNORED,
    INDEX,
    TRACKING,
    Backoff,
    JobSpec,
    read_job,
    read_pod,
)
from ctrlkit.fakes.cluster.loops.job_status import UNCOUNTED_MAX, Done, Status, counted, finish, started, track
from ctrlkit.model import Unstructured

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(**spec: Any) -> Unstructured:
    """A Job with fields of its spec."""
    return Unstructured({"metadata": {"name": "j", "namespace": "d", "uid": "1"}, "spec": {"parallelism": 1, **spec}})


def pod(
    name: str = "a",
    *,
    phase: str = "Running",
    index: int | None = None,
    code: int | None = None,
    failures: int = 0,
    ignored: int = 0,
    deleting: bool = False,
    tracked: bool = True,
    restarts: int = 0,
    ended_s_ago: float = 0.0,
    conditions: tuple[dict[str, str], ...] = (),
) -> Unstructured:
    """A pod of a Job; `code` is the exit code of its container."""
    annotations = {FAILURES: str(failures)} | ({INDEX: str(index)} if index is not None else {})
    annotations |= {IGNORED: str(ignored)} if ignored else {}
    metadata: dict[str, Any] = {"name": name, "namespace": "d", "uid": name, "annotations": annotations}
    metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
    if tracked:
        metadata["finalizers"] = [TRACKING]
    if deleting:
        metadata["deletionTimestamp"] = (NOW + timedelta(seconds=30 - ended_s_ago)).isoformat()
        metadata["deletionGracePeriodSeconds"] = 30
    state: dict[str, Any] = {}
    if code is not None:
        end = (NOW - timedelta(seconds=ended_s_ago)).isoformat()
        state = {"terminated": {"exitCode": code, "finishedAt": end}}
    containers = [{"name": "main", "restartCount": restarts, "state": state}]
    status = {"phase": phase, "containerStatuses": containers, "conditions": list(conditions)}
    return Unstructured({"metadata": metadata, "spec": {"nodeName": "n"}, "status": status})


def planned(
    one: Unstructured, *pods: Unstructured, status: Status | None = None, backoff: Backoff | None = None
) -> JobPlan:
    """What a Job that has these pods does now."""
    spec = read_job(one)
    was = started(spec, status or {}, NOW)
    return plan(spec, was, [read_pod(each, spec) for each in pods], backoff or Backoff(), NOW)


def ending(made: JobPlan) -> tuple[bool, str, str] | None:
    """How a Job ends."""
    return None if made.ending is None else (made.ending.is_success, made.ending.reason, made.ending.message)


# ---- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "status", "count"),
    [
        ({"parallelism": 3}, {}, 3),
        ({"parallelism": 3, "completions": 2}, {}, 2),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 4}, 1),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 7}, 0),
        ({"parallelism": 3}, {"succeeded": 1}, 0),
        ({"parallelism": 3, "suspend": True}, {}, 0),
        ({"parallelism": 2 * 10**9, "completions": 2 * 10**9}, {}, BURST),
        ({"parallelism": 2 * 10**9, "completions": 2 * 10**9, "completionMode": "Indexed"}, {}, BURST),
    ],
)
def test_as_many_pods_are_made_as_may_run_and_are_missing(
    spec: dict[str, Any], status: dict[str, Any], count: int
) -> None:
    assert len(planned(job(**spec), status=status).create) == count


def test_pods_that_are_too_many_are_deleted_the_least_missed_first_and_none_is_made_meanwhile() -> None:
    pods = [pod("a"), pod("b", phase="Pending"), pod("c", restarts=2)]
    made = planned(job(parallelism=1), *pods)
    assert [one.uid for one in made.delete] == ["b", "c"]
    assert (made.uncounted, made.create) == (True, ())


def test_a_pod_that_stands_for_no_index_or_for_one_that_another_stands_for_goes() -> None:
    pods = [pod("a", index=0), pod("b", index=0, phase="Pending"), pod("c", index=7), pod("d")]
    made = planned(job(parallelism=3, completions=3, completionMode="Indexed"), *pods)
    assert sorted(one.uid for one in made.delete) == ["b", "c", "d"]


def test_pods_get_the_first_indexes_that_are_free() -> None:
    one = job(parallelism=4, completions=9, completionMode="Indexed")
    made = planned(one, pod("a", index=1), status={"completedIndexes": "0,3-4", "succeeded": 3})
    assert [new.index for new in made.create] == [2, 5, 6]
    assert planned(one, pod("a", index=1, deleting=True, ended_s_ago=10)).create[1].index == 1


def test_a_pod_on_its_way_out_counts_as_a_failure_unless_only_failed_ones_are_replaced() -> None:
    assert planned(job(), pod(deleting=True)).check_in_s == 10.0
    assert planned(job(), pod(deleting=True, ended_s_ago=10)).create == (NewPod(),)
    only_failed = planned(job(podReplacementPolicy="Failed"), pod(deleting=True, ended_s_ago=10))
    assert (only_failed.create, only_failed.sums.failures) == ((), 0)


def test_after_failures_new_pods_wait_twice_as_long_each_time_and_not_at_all_after_a_success() -> None:
    failed = pod(phase="Failed", code=1, ended_s_ago=4)
    first = planned(job(), failed)
    assert (first.create, first.check_in_s) == ((), 6.0)
    again = planned(job(), failed, backoff=Backoff(2, NOW))
    assert (again.sums.backoff.failures, again.check_in_s) == (3, 36.0)
    success = pod("b", phase="Succeeded", code=0, ended_s_ago=2)
    assert planned(job(completions=5), failed, success, backoff=Backoff(2, NOW)).create == (NewPod(),)


def test_an_indexs_back_off_is_its_own_and_its_new_pod_knows_the_failures() -> None:
    one = job(parallelism=3, completions=3, completionMode="Indexed", backoffLimitPerIndex=4)
    pods = [pod("a", phase="Failed", code=1, index=0, failures=1), pod("b", phase="Failed", index=1, ended_s_ago=60)]
    made = planned(one, *pods)
    assert made.create == (NewPod(1, 1), NewPod(2, 0))
    assert made.check_in_s == 20.0


# ---- how it ends -----------------------------------------------------------------------------------------------------

FAIL_42 = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
IGNORE_DISRUPTION = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("spec", "pods", "status", "want"),
    [
        (
            {"backoffLimit": 0},
            [pod(phase="Failed", code=1)],
            {},
            (False, "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ),
        ({"backoffLimit": 1}, [pod(phase="Failed", code=1)], {}, None),
        (
            {"backoffLimit": 3, "template": {"spec": {"restartPolicy": "OnFailure"}}},
            [pod(restarts=2), pod("b", restarts=1)],
            {},
            (False, "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ),
        (
            {"activeDeadlineSeconds": 60},
            [pod()],
            {"startTime": "2026-01-01T11:59:00Z"},
            (False, "DeadlineExceeded", "Job was active longer than specified deadline"),
        ),
        ({"activeDeadlineSeconds": 60, "suspend": True}, [], {"startTime": "2026-01-01T11:59:00Z"}, None),
        (
            {"podFailurePolicy": {"rules": [IGNORE_DISRUPTION, FAIL_42]}},
            [pod(phase="Failed", code=42)],
            {},
            (
                False,
                "PodFailurePolicy",
                "Container main for pod d/a failed with exit code 42 matching FailJob rule at index 1",
            ),
        ),
        ({"podFailurePolicy": {"rules": [FAIL_42]}}, [pod(phase="Running", code=42)], {}, None),
        (
            {"podFailurePolicy": {"rules": [{**IGNORE_DISRUPTION, "action": "FailJob"}]}},
            [pod(phase="Failed", conditions=({"type": "DisruptionTarget", "status": "True"},))],
            {},
            (False, "PodFailurePolicy", "Pod d/a has condition DisruptionTarget matching FailJob rule at index 0"),
        ),
        (
            {"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 0},
            [pod(phase="Failed", code=1, index=1)],
            {},
            (
                False,
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            ),
        ),
        (
            {"completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0},
            [pod(phase="Failed", code=1, index=1)],
            {"completedIndexes": "0", "succeeded": 1},
            (False, "FailedIndexes", "Job has failed indexes"),
        ),
        (
            {
                "completions": 9,
                "completionMode": "Indexed",
                "successPolicy": {"rules": [{"succeededCount": 5}, {"succeededIndexes": "1-3", "succeededCount": 2}]},
            },
            [pod(phase="Succeeded", index=1), pod("b", phase="Succeeded", index=3)],
            {},
            (True, "SuccessPolicy", "Matched rules at index 1"),
        ),
        (
            {},
            [pod()],
            {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "R", "message": "M"}]},
            (False, "R", "M"),
        ),
    ],
)
def test_a_job_ends_for_the_first_reason_that_holds(
    spec: dict[str, Any], pods: list[Unstructured], status: Status, want: tuple[bool, str, str] | None
) -> None:
    made = planned(job(**spec), *pods, status=status)
    assert ending(made) == want
    if want is not None:
        assert [one.uid for one in made.delete] == [
            one.metadata.uid for one in pods if one["status"]["phase"] == "Running"
        ]
        assert (made.create, made.uncounted) == ((), False)


def test_failures_that_are_ignored_count_nowhere_and_an_index_can_fail_at_once() -> None:
    policy = {
        "rules": [
            {"action": "Ignore", "onExitCodes": {"containerName": "main", "operator": "In", "values": [7]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [7, 8]}},
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [8]}},
        ]
    }
    one = job(parallelism=3, completions=4, completionMode="Indexed", backoffLimitPerIndex=1, podFailurePolicy=policy)
    pods = [pod(f"p{index}", phase="Failed", code=code, index=index) for index, code in enumerate([7, 9, 8])]
    made = planned(one, *pods)
    assert (made.sums.failures, str(made.sums.failed)) == (2, "1")
    later = planned(
        one,
        *(
            pod(f"p{index}", phase="Failed", code=code, index=index, ended_s_ago=99)
            for index, code in enumerate([7, 9, 8])
        ),
    )
    assert later.create == (NewPod(0, 0, 1), NewPod(2, 1), NewPod(3, 0))


# ---- what the status says --------------------------------------------------------------------------------------------


class Model:
    """A Job, its pods and its status, without a server; pods have neither node nor grace period."""

    def __init__(self, **spec: Any) -> None:
        self.job = job(**spec)
        self.pods: dict[str, Unstructured] = {}
        self.status: Status = {}
        self.backoff = Backoff()
        self.made = 0
        self.now = NOW
        self.released: dict[str, tuple[str, str]] = {}
        """The phases and indexes of the pods that have lost their finalizer."""

    @property
    def spec(self) -> JobSpec:
        """The Job's spec as the plan reads it."""
        return read_job(self.job)

    @property
    def active(self) -> list[Unstructured]:
        """The pods that run."""
        return [one for one in self.pods.values() if one["status"]["phase"] == "Running"]

    def reconcile(self, *, ends_after: int = 3) -> None:
        """One reconcile; with `ends_after` 1 or 2 the controller ends before or within what follows the first write."""
        if is_finished(self.status):
            return
        spec = self.spec
        pods = [read_pod(one, spec) for one in self.pods.values()]
        status = started(spec, self.status, self.now)
        made = plan(spec, status, pods, self.backoff, self.now)
        for gone in made.delete:
            self._delete(gone.uid, uncounted=made.uncounted)
        for new in made.create:
            self.made += 1
            name = f"p{self.made}"
            self.pods[name] = pod(name, index=new.index, failures=new.failures or 0, ignored=new.ignored)
        done = Done(len(made.delete), sum(one.is_ready for one in made.delete), len(made.create))
        first = track(spec, status, pods, plan=made, done=done, now=self.now)
        self.status, self.backoff = first.status, made.sums.backoff
        tracked = {one.uid for one in pods if one.is_tracked}
        for place, one in enumerate(first.release):
            if ends_after == 1 or (ends_after == 2 and place):
                return
            tracked.discard(one.uid)
            self._release(one.uid)
        if ends_after == 3:
            self.status, _ = finish(spec, first.status, tracked, first, self.now)

    def _delete(self, name: str, *, uncounted: bool) -> None:
        if uncounted:
            del self.pods[name]
        else:
            self.pods[name]["metadata"]["deletionTimestamp"] = self.now.isoformat()

    def _release(self, name: str) -> None:
        one = self.pods.get(name)
        if one is not None:
            index = one["metadata"]["annotations"].get(INDEX, "")
            self.released.setdefault(name, (one["status"]["phase"], index))
            one["metadata"].pop("finalizers", None)
            if "deletionTimestamp" in one["metadata"]:
                del self.pods[name]

    def settle(self) -> None:
        """Reconcile until nothing changes."""
        for _ in range(9):
            before = (self.status, self.made, len(self.pods))
            self.reconcile()
            if (self.status, self.made, len(self.pods)) == before:
                return
        raise AssertionError("a Job does not come to rest")


def moves(model: Model, data: st.DataObject) -> None:
    """Let something happen to a Job."""
    move = data.draw(st.sampled_from(["succeed", "fail", "delete", "parallelism", "suspend", "wait", "crash"]))
    active = model.active
    match move:
        case "succeed" | "fail" if active:
            one = data.draw(st.sampled_from(active))
            code = 0 if move == "succeed" else data.draw(st.integers(1, 3))
            end = {"exitCode": code, "finishedAt": model.now.isoformat()}
            one["status"]["containerStatuses"] = [{"name": "main", "state": {"terminated": end}}]
            one["status"]["phase"] = "Failed" if code else "Succeeded"
        case "delete" if active:
            one = data.draw(st.sampled_from(active))
            one["metadata"]["deletionTimestamp"] = model.now.isoformat()
        case "parallelism":
            model.job["spec"]["parallelism"] = data.draw(st.integers(0, 4))
        case "suspend":
            model.job["spec"]["suspend"] = not model.job["spec"].get("suspend", False)
        case "wait":
            model.now += timedelta(seconds=data.draw(st.sampled_from([1, 30, 700])))
        case "crash":
            model.reconcile(ends_after=data.draw(st.sampled_from([1, 2])))
            model.backoff = Backoff()
        case _:
            pass


SPECS = st.fixed_dictionaries(
    {"parallelism": st.integers(0, 4), "completions": st.integers(0, 5)},
    optional={
        "completionMode": st.just("Indexed"),
        "backoffLimit": st.integers(0, 4),
        "podReplacementPolicy": st.just("Failed"),
        "podFailurePolicy": st.just(
            {
                "rules": [
                    {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2]}},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}},
                ]
            }
        ),
    },
).flatmap(
    lambda spec: st.fixed_dictionaries(
        {name: st.just(value) for name, value in spec.items()},
        optional={"backoffLimitPerIndex": st.integers(0, 2)} if "completionMode" in spec else {},
    )
)


@given(SPECS, st.data())
def test_for_any_sequence_of_ends_a_jobs_counts_add_up(spec: dict[str, Any], data: st.DataObject) -> None:
    """Never more pods than `parallelism` are active, each ended pod and each index is counted once."""
    model = Model(**spec)
    is_indexed = "completionMode" in spec
    for _ in range(data.draw(st.integers(1, 8))):
        moves(model, data)
        model.settle()
        status = model.status
        allowed = 0 if model.job["spec"].get("suspend") else model.job["spec"]["parallelism"]
        assert len([one for one in model.active if "deletionTimestamp" not in one["metadata"]]) <= allowed
        assert not status["uncountedTerminatedPods"]
        succeeded = [index for phase, index in model.released.values() if phase == "Succeeded"]
        if is_indexed:
            done = Indexes.read(status.get("completedIndexes") or "", spec["completions"])
            failed = Indexes.read(status.get("failedIndexes") or "", spec["completions"])
            assert status.get("succeeded", 0) == len(done) == len(set(succeeded))
            assert done.shared(failed) == 0
        else:
            assert status.get("succeeded", 0) == len(succeeded)
        assert status.get("failed", 0) <= len(model.released) - len(succeeded)
        if is_finished(status):
            assert not status.get("active")
            assert not any(TRACKING in one["metadata"].get("finalizers", ()) for one in model.pods.values())
            is_complete = is_true(status, "Complete") is not None
            assert is_complete == (is_true(status, "SuccessCriteriaMet") is not None)
            assert is_complete != (is_true(status, "Failed") is not None)
            if is_complete:
                assert status.get("succeeded", 0) >= spec["completions"]
            return


def test_a_pod_is_counted_once_though_the_controller_ends_between_the_writes() -> None:
    for ends_after in (1, 2):
        model = Model(parallelism=2, completions=2)
        model.settle()
        for one in model.active:
            one["status"]["phase"] = "Succeeded"
        model.reconcile(ends_after=ends_after)
        assert len(model.status["uncountedTerminatedPods"]["succeeded"]) == 2
        model.settle()
        assert (model.status["succeeded"], is_finished(model.status)) == (2, True)


def test_very_many_pods_are_counted_in_parts() -> None:
    model = Model(parallelism=0, completions=2000)
    model.pods = {f"p{number}": pod(f"p{number}", phase="Succeeded") for number in range(UNCOUNTED_MAX + 3)}
    model.reconcile()
    assert model.status["succeeded"] == UNCOUNTED_MAX
    model.settle()
    assert model.status["succeeded"] == UNCOUNTED_MAX + 3


def test_a_suspended_job_has_no_start_until_it_is_resumed() -> None:
    model = Model(suspend=True)
    model.settle()
    assert is_true(model.status, "Suspended") is not None
    assert "startTime" not in model.status
    model.job["spec"]["suspend"] = False
    model.settle()
    assert is_true(model.status, "Suspended") is None
    assert (model.status["startTime"], model.status["active"]) == ("2026-01-01T12:00:00Z", 1)


def test_what_has_lost_its_finalizer_is_counted() -> None:
    noted = {"succeeded": ["a"], "failed": ["b", "c"]}
    assert counted({"uncountedTerminatedPods": noted}, {"c"}) == {
        "succeeded": 1,
        "failed": 1,
        "uncountedTerminatedPods": {"failed": ["c"]},
    }
