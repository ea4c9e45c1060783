"""What comes next for a pod's containers follows from its spec and from what its containers did, whatever that was."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.pods import FINAL_PHASES
from ctrlkit.fakes.cluster.node.pod_ending import turn_of
from ctrlkit.fakes.cluster.node.pod_plan import (
    Container,
    Health,
    Plan,
    ProbeKind,
    Role,
    Seen,
    containers_of,
    plan_pod,
)
from ctrlkit.fakes.cluster.node.pod_status import ContainerView, PodView, Waiting, pod_status
from ctrlkit.fakes.cluster.node.runtime import ContainerState, Exited, Running
from ctrlkit.model import Unstructured

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UP = Running(NOW)


def ended(code: int) -> Exited:
    return Exited(exit_code=code, started_at=NOW, finished_at=NOW)


def pod(*, inits: str = "", regular: int = 1, policy: str = "Always", **container: Any) -> Unstructured:
    """A pod with init containers, one for each letter: i is an init container, s a sidecar."""
    own = [
        {"name": f"{kind}{at}", **({"restartPolicy": "Always"} if kind == "s" else {})} for at, kind in enumerate(inits)
    ]
    mains = [{"name": f"c{at}", "image": "web:1", **container} for at in range(regular)]
    spec = {"restartPolicy": policy, "initContainers": own, "containers": mains}
    return Unstructured({"metadata": {"name": "web", "namespace": "demo", "uid": "u"}, "spec": spec})


def planned(of: Unstructured, *states: ContainerState | None, **health: Health) -> Plan:
    containers = containers_of(of)
    found = [*states, *[None] * (len(containers) - len(states))]
    return plan_pod(
        [
            Seen(one, state, health.get(one.name, Health()), changed=False)
            for one, state in zip(containers, found, strict=True)
        ]
    )


def started(plan: Plan) -> list[str]:
    return [container.name for container in plan.start]


def stopped(plan: Plan) -> list[str]:
    return [stop.message for stop in plan.stop]


# ---- examples --------------------------------------------------------------------------------------------------------


def test_init_containers_run_one_after_another_and_then_all_others() -> None:
    """Each when the one before it has succeeded."""
    web = pod(inits="ii", regular=2)
    assert started(planned(web)) == ["i0"]
    assert started(planned(web, UP)) == []
    assert started(planned(web, ended(0))) == ["i1"]
    assert started(planned(web, ended(0), ended(0))) == ["c0", "c1"]


def test_an_init_container_that_fails_is_run_again_or_ends_its_pod() -> None:
    """That is for the restart policy to say."""
    assert started(planned(pod(inits="i"), ended(1))) == ["i0"]
    assert started(planned(pod(inits="i", policy="OnFailure"), ended(1))) == ["i0"]
    never = planned(pod(inits="i", policy="Never"), ended(1))
    assert (started(never), never.ends) == ([], True)


def test_the_next_container_waits_until_a_sidecar_has_started() -> None:
    """Its startup probe says so."""
    web = pod(inits="s")
    assert started(planned(web, UP, s0=Health(started=False))) == []
    assert started(planned(web, UP)) == ["c0"]


def test_a_sidecar_runs_again_after_any_end_as_long_as_its_pod_does() -> None:
    """Whatever the pod's policy; with the last regular container it ends for good."""
    web = pod(inits="s", policy="Never")
    assert started(planned(web, ended(0), UP)) == ["s0"]
    over = planned(web, UP, ended(0))
    assert (started(over), over.ends) == ([], True)


@pytest.mark.parametrize(
    ("policy", "code", "again"), [("Always", 0, True), ("OnFailure", 0, False), ("Never", 1, False)]
)
def test_a_container_that_ended_runs_again_as_its_pods_policy_says(policy: str, code: int, *, again: bool) -> None:
    """And where none does, the pod is over."""
    plan = planned(pod(policy=policy), ended(code))
    assert (started(plan), plan.ends) == ((["c0"], False) if again else ([], True))


def test_a_containers_own_rules_go_before_its_own_policy_and_that_before_the_pods() -> None:
    """The first rule that matches the exit code."""
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    web = pod(policy="Always", restartPolicy="Never", restartPolicyRules=[rule])
    assert started(planned(web, ended(42))) == ["c0"]
    assert planned(web, ended(1)).ends
    other = pod(policy="Never", restartPolicy="OnFailure")
    assert started(planned(other, ended(1))) == ["c0"]
    assert planned(other, ended(0)).ends


def test_a_container_that_fails_its_liveness_probe_is_stopped_and_runs_again() -> None:
    """The Event says so in the kubelet's words."""
    plan = planned(pod(), UP, c0=Health(failed=ProbeKind.LIVENESS))
    assert stopped(plan) == ["Container c0 failed liveness probe, will be restarted"]
    assert started(plan) == ["c0"]


def test_where_nothing_is_restarted_a_failed_probe_ends_the_pod() -> None:
    """If no other container runs on."""
    assert planned(pod(policy="Never"), UP, c0=Health(failed=ProbeKind.LIVENESS)).ends
    two = planned(pod(policy="Never", regular=2), UP, UP, c0=Health(failed=ProbeKind.STARTUP))
    assert (stopped(two), started(two), two.ends) == (["Container c0 failed startup probe"], [], False)


def test_a_sidecar_that_fails_a_probe_is_named_an_init_container() -> None:
    """As the real kubelet's text has it."""
    plan = planned(pod(inits="s"), UP, UP, s0=Health(failed=ProbeKind.LIVENESS))
    assert stopped(plan) == ["Init container s0 failed liveness probe"]


def test_a_container_of_another_image_is_stopped_and_runs_again_whatever_the_policy() -> None:
    """Its definition has changed."""
    (container,) = containers_of(pod(policy="Never"))
    plan = plan_pod([Seen(container, UP, changed=True)])
    assert stopped(plan) == ["Container c0 definition changed, will be restarted"]
    assert (started(plan), plan.ends) == (["c0"], False)


def test_ephemeral_containers_start_at_any_time_and_once() -> None:
    """Also while init containers run; how they end changes nothing."""
    spec = pod(inits="i")["spec"] | {"ephemeralContainers": [{"name": "debug"}]}
    web = Unstructured({"spec": spec})
    assert started(planned(web, UP, None, None)) == ["debug"]
    assert started(planned(web, UP, None, ended(3))) == []


def test_sidecars_are_stopped_after_the_others_the_last_one_first() -> None:
    """They serve the others to the end."""
    s0, s1, c0, c1 = containers_of(pod(inits="ss", regular=2))
    all_up = [Seen(one, UP) for one in (s0, s1, c0, c1)]
    assert turn_of(all_up) == [c0, c1]
    assert turn_of([*all_up[:3], Seen(c1, ended(0))]) == [c0]
    assert turn_of([Seen(s0, UP), Seen(s1, UP), Seen(c0, ended(0)), Seen(c1, None)]) == [s1]
    assert turn_of([Seen(s0, UP), Seen(s1, ended(0)), Seen(c0, ended(0)), Seen(c1, None)]) == [s0]


# ---- any history -----------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """A pod that lives by the plan: what is to start starts at once, and its containers end as a test has it."""

    pod: Unstructured
    states: dict[str, ContainerState] = field(default_factory=dict)
    last: dict[str, Exited] = field(default_factory=dict)
    unstarted: set[str] = field(default_factory=set)
    is_over: bool = False
    phases: list[str] = field(default_factory=list)

    def seen(self) -> list[Seen]:
        return [
            Seen(one, self.states.get(one.name), Health(started=one.name not in self.unstarted))
            for one in containers_of(self.pod)
        ]

    def live(self) -> None:
        """Follow the plan until it waits for something, and check each of its steps."""
        for _ in range(50):
            seen = self.seen()
            plan = plan_pod(seen)
            if plan.ends:
                self.is_over = True
                check_end(seen)
                self.states = {name: ended(143) if state == UP else state for name, state in self.states.items()}
            else:
                check_starts(seen, plan)
            self.tell()
            if plan.ends or not plan.start:
                return
            for container in plan.start:
                before = self.states.get(container.name)
                if isinstance(before, Exited):
                    self.last[container.name] = before
                self.states[container.name] = UP
                if container.role is Role.SIDECAR:
                    self.unstarted.add(container.name)
        raise AssertionError("the plan never waits")

    def tell(self) -> None:
        """Write the status, as a kubelet does."""
        views = [self._view(one) for one in self.seen()]
        view = PodView(containers=views, host="h", address="a", is_over=self.is_over)
        status = pod_status(self.pod, view, now=NOW)
        self.pod = Unstructured(self.pod | {"status": status})
        self.phases.append(status["phase"])

    def _view(self, one: Seen) -> ContainerView:
        container = one.container
        return ContainerView(
            container=container,
            state=one.state or Waiting(),
            id="x" if one.state else "",
            last=self.last.get(container.name),
            started=one.health.started,
        )


def check_starts(seen: list[Seen], plan: Plan) -> None:
    """Init order and restart rules are kept; what waits for nothing goes on."""
    runs_regular = any(one.state == UP and one.container.role is Role.REGULAR for one in seen)
    for place, one in enumerate(seen):
        if one.container not in plan.start:
            continue
        if isinstance(one.state, Exited):
            assert one.container.is_restarted(one.state.exit_code)
        if one.state is None and not runs_regular:
            assert all(is_done(before) for before in seen[:place] if before.container.role is not Role.REGULAR)
    assert plan.start or any(one.state == UP for one in seen)


def is_done(init: Seen) -> bool:
    if init.container.role is Role.SIDECAR:
        return init.state is not None  # it has started once; it may be about to start again
    return isinstance(init.state, Exited) and init.state.exit_code == 0


def check_end(seen: list[Seen]) -> None:
    """A pod ends when no regular container runs or will, or when an init container has failed for good."""
    for one in seen:
        if one.container.role is Role.INIT and isinstance(one.state, Exited) and one.state.exit_code:
            return
    for one in seen:
        if one.container.role is Role.REGULAR:
            assert isinstance(one.state, Exited)
            assert not one.container.is_restarted(one.state.exit_code)


@given(
    inits=st.text("is", max_size=3),
    regular=st.integers(1, 3),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    data=st.data(),
)
def test_for_any_pod_and_any_ends_of_its_containers_order_and_policy_are_kept(
    inits: str, regular: int, policy: str, data: st.DataObject
) -> None:
    """
    Init containers run in order, nothing runs again that must not, a pod never stands still, and a final phase stays.
    """
    life = Life(pod(inits=inits, regular=regular, policy=policy))
    life.live()
    for _ in range(12):
        if life.is_over:
            break
        running = sorted(name for name, state in life.states.items() if state == UP)
        name = data.draw(st.sampled_from(running))
        if name in life.unstarted:
            life.unstarted.discard(name)
        else:
            life.states[name] = ended(data.draw(st.sampled_from([0, 0, 1, 3])))
        life.live()
    final = [phase for phase in life.phases if phase in FINAL_PHASES]
    assert len(set(final)) <= 1
    assert life.phases[len(life.phases) - len(final) :] == final
    assert bool(final) == life.is_over
    if life.is_over:
        ends = [life.states.get(one.name) for one in containers_of(life.pod) if one.role is Role.REGULAR]
        good = all(isinstance(end, Exited) and not end.exit_code for end in ends)
        assert final[-1] == ("Succeeded" if good else "Failed")


def test_a_container_knows_where_its_pod_declares_it() -> None:
    """As Events name it."""
    spec = pod(inits="is")["spec"] | {"ephemeralContainers": [{"name": "debug"}]}
    paths = [container.field_path for container in containers_of(Unstructured({"spec": spec}))]
    assert paths == [
        "spec.initContainers{i0}",
        "spec.initContainers{s1}",
        "spec.containers{c0}",
        "spec.ephemeralContainers{debug}",
    ]
    assert isinstance(containers_of(Unstructured({"spec": spec}))[0], Container)
