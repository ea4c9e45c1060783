"""When a container that ended is started again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class RestartPolicy(Enum):
    """A pod's spec.restartPolicy."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"

    def restarts(self, exit_code: int) -> bool:
        """Whether a container that ended with this exit code is started again."""
        match self:
            case RestartPolicy.ALWAYS:
                return True
            case RestartPolicy.ON_FAILURE:
                return exit_code != 0
            case RestartPolicy.NEVER:
                return False


class RuleAction(Enum):
    """What a rule of a container's restartPolicyRules leads to."""

    RESTART = "Restart"
    RESTART_ALL = "RestartAllContainers"


@dataclass(frozen=True, slots=True)
class RestartRule:
    """A rule of a container's restartPolicyRules: exit codes, and what they lead to."""

    action: RuleAction
    codes: frozenset[int]
    is_among: bool = True
    """Whether the codes that match are those, or all others."""

    def matches(self, exit_code: int) -> bool:
        """Whether an end with this exit code is meant."""
        return (exit_code in self.codes) == self.is_among


@dataclass(frozen=True, slots=True)
class RestartRules:
    """
    When one container is started again: by its own rules, its own policy, or the pod's policy, in this order.

    >>> rules = RestartRules(RestartPolicy.NEVER, (RestartRule(RuleAction.RESTART, frozenset({42})),))
    >>> rules.restarts(42), rules.restarts(1)
    (True, False)
    """

    policy: RestartPolicy
    rules: tuple[RestartRule, ...] = ()

    def restarts(self, exit_code: int) -> bool:
        """Whether it is started again after it ended with this exit code."""
        return self.action(exit_code) is not None or self.policy.restarts(exit_code)

    def action(self, exit_code: int) -> RuleAction | None:
        """Return what the first rule that matches leads to."""
        return next((rule.action for rule in self.rules if rule.matches(exit_code)), None)


def rules_of(container: Mapping[str, Any], policy: RestartPolicy) -> RestartRules:
    """Return the rules of a container of a pod with a restart policy."""
    own = container.get("restartPolicy")
    if not own:
        return _BY_POLICY[policy]
    return RestartRules(RestartPolicy(own), tuple(map(_rule, container.get("restartPolicyRules") or ())))


def _rule(rule: Mapping[str, Any]) -> RestartRule:
    ends = rule.get("exitCodes") or {}
    return RestartRule(RuleAction(rule["action"]), frozenset(ends.get("values") or ()), ends.get("operator") == "In")


_BY_POLICY: Mapping[RestartPolicy, RestartRules] = {policy: RestartRules(policy) for policy in RestartPolicy}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashBackoff:
    """
    The delay before a restart: none after the first crash, then `base_s`, doubling up to `cap_s`.

    >>> backoff = CrashBackoff()
    >>> [backoff.delay_s(crashes) for crashes in range(1, 8)]
    [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0]
    >>> backoff.count(6, ran_s=601), backoff.count(6, ran_s=3)
    (1, 7)

    A container that ran for `reset_after_s` starts over. The defaults are the kubelet's.
    """

    base_s: float = 10.0
    cap_s: float = 300.0
    reset_after_s: float = 600.0

    def count(self, crashes: int, *, ran_s: float) -> int:
        """Return the number of crashes in a row after one more, which followed `ran_s` seconds of running."""
        return 1 if ran_s >= self.reset_after_s else crashes + 1

    def delay_s(self, crashes: int) -> float:
        """Return the delay after so many crashes in a row."""
        if crashes <= 1:
            return 0.0
        doublings = min(crashes - 2, 64)  # beyond, any cap is reached, and floats would end
        return min(self.cap_s, self.base_s * 2.0**doublings)

    def after_stop(self, crashes: int, *, since_end_s: float | None) -> tuple[int, float]:
        """
        Return the number of crashes in a row, and the delay, after a container was stopped to be started again.

        >>> CrashBackoff().after_stop(2, since_end_s=15), CrashBackoff().after_stop(2, since_end_s=60)
        ((3, 20.0), (3, 0.0))

        Shape   `since_end_s` is how long ago its run before that ended; None if there was none.
        """
        if since_end_s is None:
            return crashes, 0.0
        delay_s = self.delay_s(crashes + 1) if crashes else 0.0
        return crashes + 1, delay_s if since_end_s < delay_s else 0.0
