"""Roles and their bindings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.metadata import selector_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.rights.escalation import guard_binding, guard_role
from ctrlkit.fakes.tracker.schema import formats

_GROUP = "rbac.authorization.k8s.io"


def _fill_in_binding(plain: Plain) -> None:
    reference = plain["roleRef"]
    if not reference.get("apiGroup"):
        reference["apiGroup"] = _GROUP
    for subject in plain.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _GROUP)


def _role_causes(plain: Object, _old: object) -> Iterator[Cause]:
    is_namespaced = "namespace" in plain["metadata"]
    aggregation = plain.get("aggregationRule")
    if aggregation is not None:
        yield from _aggregation_causes(aggregation.get("clusterRoleSelectors") or ())
    for index, rule in enumerate(plain.get("rules") or ()):
        yield from _rule_causes(rule, f"rules[{index}]", is_namespaced=is_namespaced)


def _aggregation_causes(selectors: Sequence[Object]) -> Iterator[Cause]:
    path = "aggregationRule.clusterRoleSelectors"
    if not selectors:
        yield Cause.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        yield from selector_causes(selector, f"{path}[{index}]")


def _binding_causes(plain: Object, old: Object | None) -> Iterator[Cause]:
    is_namespaced = "namespace" in plain["metadata"]
    role = plain["roleRef"]
    if role["apiGroup"] != _GROUP:
        yield Cause.unsupported("roleRef.apiGroup", role["apiGroup"], (_GROUP,))
    known = ("Role", "ClusterRole") if is_namespaced else ("ClusterRole",)
    if role["kind"] not in known:
        yield Cause.unsupported("roleRef.kind", role["kind"], known)
    if not role["name"]:
        yield Cause.required("roleRef.name")
    else:
        yield from Cause.all_wrong("roleRef.name", role["name"], formats.path_segment(role["name"]))
    for index, subject in enumerate(plain.get("subjects") or ()):
        yield from _subject_causes(subject, f"subjects[{index}]", is_namespaced=is_namespaced)
    if old is not None and role != old["roleRef"]:
        value = {"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]}
        yield Cause.wrong("roleRef", value, "cannot change roleRef")


def _rule_causes(rule: Object, path: str, *, is_namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield Cause.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if is_namespaced:
            yield Cause.wrong(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield Cause.wrong(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        yield Cause.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield Cause.required(f"{path}.resources", "resource rules must supply at least one resource")


def _subject_causes(subject: Object, path: str, *, is_namespaced: bool) -> Iterator[Cause]:
    name, group = subject["name"], subject.get("apiGroup", "")
    if not name:
        yield Cause.required(f"{path}.name")
    match subject["kind"]:
        case "ServiceAccount":
            if name:
                yield from Cause.all_wrong(f"{path}.name", name, formats.subdomain(name))
            if group:
                yield Cause.unsupported(f"{path}.apiGroup", group, ("",))
            if not is_namespaced and not subject.get("namespace"):
                yield Cause.required(f"{path}.namespace")
        case "User" | "Group":
            if group != _GROUP:
                yield Cause.unsupported(f"{path}.apiGroup", group, (_GROUP,))
        case kind:
            yield Cause.unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def _binding_cells(binding: Object, now: datetime) -> list[Any]:
    role = section(binding, "roleRef")
    subjects: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in binding.get("subjects") or ():
        name = subject.get("name", "")
        is_account = subject.get("kind") == "ServiceAccount"
        subjects.setdefault(subject.get("kind", ""), []).append(
            f"{subject.get('namespace', '')}/{name}" if is_account else name
        )
    return [
        name_of(binding),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age_of(binding, now),
        *(", ".join(subjects[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


ROLE = Strategy(name_rule=formats.path_segment, creates_on_update=True, validate=_role_causes, prepare=guard_role)
BINDING = Strategy(
    name_rule=formats.path_segment,
    creates_on_update=True,
    defaults=_fill_in_binding,
    validate=_binding_causes,
    prepare=guard_binding,
    cells=_binding_cells,
)
"""The same for both scopes."""
