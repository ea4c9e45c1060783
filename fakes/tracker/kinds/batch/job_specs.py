"""Job specs, in Jobs and in the templates of CronJobs: their defaults and their rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ctrlkit.fakes.tracker.kinds.apps.workloads import negative_causes
from ctrlkit.fakes.tracker.kinds.batch.indexes import count_indexes
from ctrlkit.fakes.tracker.kinds.core.pod_specs import containers_of, fill_in_template, template_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

INDEXED = "Indexed"
_MODES = ("NonIndexed", INDEXED)
_NUMBERS = (
    *("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"),
    *("backoffLimitPerIndex", "maxFailedIndexes"),
)
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_CONDITION_STATUSES = ("False", "True", "Unknown")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_RESTART_POLICIES = ("OnFailure", "Never")
_RULES_MAX = 20
_CODES_MAX = 255
_PATTERNS_MAX = 20
_MANAGED_BY_BYTES_MAX = 63
_INDEXES_BYTES_MAX = 64 * 1024
_INDEXED_MAX = 100_000
"""Of the parallelism and the failed indexes of an indexed Job; less is allowed with more completions than that."""
_MANY_COMPLETIONS_MAX = 10_000
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def fill_in_pods(spec: Plain) -> None:
    """Fill in what a Job spec has by default wherever it stands."""
    fill_in_template(spec["template"]["spec"])
    policy = spec.get("podFailurePolicy")
    if policy is not None:
        policy["rules"] = policy.get("rules") or None
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def spec_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that a Job spec breaks, but for those of its selector."""
    yield from negative_causes(spec, _NUMBERS, path)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield Cause.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if "managedBy" in spec:
        yield from _manager_causes(spec["managedBy"], f"{path}.managedBy")
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        yield Cause.unsupported(f"{path}.completionMode", mode, _MODES)
    if mode == INDEXED:
        yield from _indexed_causes(spec, path)
    elif mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if name in spec:
                yield Cause.wrong(f"{path}.{name}", spec[name], "requires indexed completion mode")
    yield from _policy_causes(spec, path)
    yield from template_causes(spec["template"], f"{path}.template")
    yield from _restart_causes(spec, f"{path}.template.spec.restartPolicy")


def _manager_causes(name: str, path: str) -> Iterator[Cause]:
    domain, _, place = name.partition("/")
    if not name:
        yield Cause.required(path)
    elif not domain or not place:
        yield Cause.wrong(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from Cause.all_wrong(path, domain, formats.subdomain(domain))
        if not re.fullmatch(_HTTP_PATH, place):
            yield Cause.wrong(path, place, f"Invalid path (regex used for validation is '{_HTTP_PATH}')")
    if len(name.encode()) > _MANAGED_BY_BYTES_MAX:
        yield Cause.too_long(path, _MANAGED_BY_BYTES_MAX)


def _indexed_causes(spec: Object, path: str) -> Iterator[Cause]:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        yield Cause.required(f"{path}.completions", f"when completion mode is {INDEXED}")
    if parallelism is not None and parallelism > _INDEXED_MAX:
        text = f"must be less than or equal to {_INDEXED_MAX} when completion mode is {INDEXED}"
        yield Cause.wrong(f"{path}.parallelism", parallelism, text)
    if completions is not None and failed is not None and failed > completions:
        yield Cause.wrong(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _INDEXED_MAX:
        yield Cause.wrong(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_INDEXED_MAX}")
    if completions is not None and completions > _INDEXED_MAX and "backoffLimitPerIndex" in spec:
        if failed is None:
            text = f"must be specified when completions is above {_INDEXED_MAX}"
            yield Cause.required(f"{path}.maxFailedIndexes", text)
        for name in ("parallelism", "maxFailedIndexes"):
            if spec.get(name, 0) > _MANY_COMPLETIONS_MAX:
                text = (
                    f"must be less than or equal to {_MANY_COMPLETIONS_MAX} when completions are above {_INDEXED_MAX} "
                    "and used with backoff limit per index"
                )
                yield Cause.wrong(f"{path}.{name}", spec[name], text)


def _policy_causes(spec: Object, path: str) -> Iterator[Cause]:
    failure, success = spec.get("podFailurePolicy"), spec.get("successPolicy")
    if failure is not None:
        yield from _failure_causes(spec, failure.get("rules") or (), f"{path}.podFailurePolicy.rules")
    if success is not None:
        if spec.get("completionMode") == INDEXED:
            yield from _success_causes(spec, success.get("rules") or (), f"{path}.successPolicy.rules")
        else:
            yield Cause.ordered(f"{path}.successPolicy", go_success(success), "requires indexed completion mode")
    replacement = spec.get("podReplacementPolicy")
    allowed = _REPLACEMENTS if failure is None else _REPLACEMENTS[:1]
    if replacement is not None and replacement not in allowed:
        yield Cause.unsupported(f"{path}.podReplacementPolicy", replacement, allowed)


def _restart_causes(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy in ("Always", ""):
        yield Cause.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTART_POLICIES:
        yield Cause.unsupported(path, policy, _RESTART_POLICIES)
    elif "podFailurePolicy" in spec and policy != "Never":
        yield Cause.wrong(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


# ---- failures --------------------------------------------------------------------------------------------------------


def _failure_causes(spec: Object, rules: Sequence[Object], path: str) -> Iterator[Cause]:
    if len(rules) > _RULES_MAX:
        yield Cause.too_many(path, len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        here = f"{path}[{index}]"
        action = rule.get("action") or ""
        yield from _choice_causes(action, _ACTIONS, f"{here}.action")
        if action == "FailIndex" and "backoffLimitPerIndex" not in spec:
            yield Cause.wrong(f"{here}.action", action, "requires the backoffLimitPerIndex to be set")
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            yield from _code_causes(spec, codes, f"{here}.onExitCodes")
        if conditions:
            yield from _condition_causes(conditions, f"{here}.onPodConditions")
        if codes is not None and conditions:
            yield Cause.unfit(here, "specifying both OnExitCodes and OnPodConditions is not supported")
        if codes is None and not conditions:
            yield Cause.unfit(here, "specifying one of OnExitCodes and OnPodConditions is required")


def _choice_causes(value: str, allowed: tuple[str, ...], path: str) -> Iterator[Cause]:
    if not value:
        yield Cause.required(path, "valid values: [" + " ".join(f'"{one}"' for one in allowed) + "]")
    elif value not in allowed:
        yield Cause.unsupported(path, value, allowed)


def _code_causes(spec: Object, rule: Object, path: str) -> Iterator[Cause]:
    operator = rule.get("operator") or ""
    yield from _choice_causes(operator, _OPERATORS, f"{path}.operator")
    name = rule.get("containerName")
    if name is not None and name not in {one["name"] for one in containers_of(dict(spec["template"]["spec"]))}:
        text = "must be one of the container or initContainer names in the pod template"
        yield Cause.wrong(f"{path}.containerName", name, text)
    codes: list[int] | None = rule.get("values")
    if not codes:
        yield Cause.wrong(f"{path}.values", codes or [], "at least one value is required")
        return
    if len(codes) > _CODES_MAX:
        yield Cause.too_many(f"{path}.values", len(codes), _CODES_MAX)
    for index, code in enumerate(codes):
        if operator == "In" and code == 0:
            yield Cause.wrong(f"{path}.values[{index}]", code, "must not be 0 for the In operator")
        if code in codes[:index]:
            yield Cause.duplicate(f"{path}.values[{index}]", code)
    if sorted(codes) != codes:
        yield Cause.wrong(f"{path}.values", codes, "must be ordered")


def _condition_causes(patterns: Sequence[Object], path: str) -> Iterator[Cause]:
    if len(patterns) > _PATTERNS_MAX:
        yield Cause.too_many(path, len(patterns), _PATTERNS_MAX)
    for index, pattern in enumerate(patterns):
        here = f"{path}[{index}]"
        kind = pattern.get("type") or ""
        yield from Cause.all_wrong(f"{here}.type", kind, formats.label_key(kind))
        yield from _choice_causes(pattern.get("status") or "", _CONDITION_STATUSES, f"{here}.status")


# ---- success ---------------------------------------------------------------------------------------------------------


def _success_causes(spec: Object, rules: Sequence[Object], path: str) -> Iterator[Cause]:
    if not rules:
        yield Cause.required(path, "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _RULES_MAX:
        yield Cause.too_many(path, len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        yield from _success_rule_causes(rule, spec.get("completions") or 0, f"{path}[{index}]")


def _success_rule_causes(rule: Object, completions: int, path: str) -> Iterator[Cause]:
    indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    if indexes is None and count is None:
        yield Cause.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        if len(indexes.encode()) > _INDEXES_BYTES_MAX:
            yield Cause.too_long(f"{path}.succeededIndexes", _INDEXES_BYTES_MAX)
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            yield Cause.wrong(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {error}")
    if count is not None:
        yield from negative_causes(rule, ("succeededCount",), path)
        most = "must be less than or equal to"
        if count > completions:
            text = f"{most} {completions} (the number of specified completions)"
            yield Cause.wrong(f"{path}.succeededCount", count, text)
        if indexes is not None and count > total:
            text = f"{most} {total} (the number of indexes in the specified succeededIndexes field)"
            yield Cause.wrong(f"{path}.succeededCount", count, text)


# ---- as the server's own types have them -----------------------------------------------------------------------------


def go_success(policy: Object | None) -> Plain | None:
    """A success policy as the server shows it."""
    rules = policy and policy.get("rules")
    names = {"succeededIndexes": "SucceededIndexes", "succeededCount": "SucceededCount"}
    return None if policy is None else {"Rules": rules and [_renamed(rule, names) for rule in rules]}


def go_failure(policy: Object | None) -> Plain | None:
    """A policy for failed pods as the server shows it."""
    rules = policy and policy.get("rules")
    return None if policy is None else {"Rules": rules and [_go_failure_rule(rule) for rule in rules]}


def _go_failure_rule(rule: Object) -> Plain:
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    code_names = {"containerName": "ContainerName", "operator": "Operator", "values": "Values"}
    return {
        "Action": rule.get("action") or "",
        "OnExitCodes": codes and _renamed({"operator": "", **codes}, code_names),
        "OnPodConditions": conditions
        and [_renamed({"type": "", **one}, {"type": "Type", "status": "Status"}) for one in conditions],
    }


def _renamed(plain: Object, names: Mapping[str, str]) -> Plain:
    return {go_name: plain.get(name) for name, go_name in names.items()}
