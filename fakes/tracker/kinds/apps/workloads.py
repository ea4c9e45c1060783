"""What the kinds that make pods have in common: selectors, templates, strategies, counts of pods, warnings, cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.kinds.core.pod_specs import template_causes
from ctrlkit.fakes.tracker.kinds.core.pod_warnings import template_warnings
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes, selector_text
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, ScalePaths
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import LabelSelector

SCALE = ScalePaths("spec.replicas", "status.replicas", "spec.selector")
NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
NO_MATCH = "`selector` does not match template `labels`"

_PERCENT = "[0-9]+%"
_PERCENT_MAX = 100
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    f"validation is '{_PERCENT}')"
)
_EXPRESSION_FIELDS = ("key", "operator", "values")

# ---- numbers ---------------------------------------------------------------------------------------------------------


def negative_causes(plain: Object, names: Iterable[str], path: str) -> Iterator[Cause]:
    """Yield a cause for each of these fields of `plain` that is negative; `path` is the path of `plain`."""
    for name in names:
        if (plain.get(name) or 0) < 0:
            yield Cause.wrong(f"{path}.{name}", plain[name], NOT_NEGATIVE)


def int_or_percent_causes(value: int | str, path: str) -> Iterator[Cause]:
    """Yield a cause for a value that is neither a number of at least 0 nor a percentage."""
    if isinstance(value, str):
        if not re.fullmatch(_PERCENT, value):
            yield Cause.wrong(path, value, _PERCENT_TEXT)
    elif value < 0:
        yield Cause.wrong(path, value, NOT_NEGATIVE)


def above_all_causes(value: int | str, path: str) -> Iterator[Cause]:
    """Yield a cause for a percentage above 100."""
    if isinstance(value, str) and re.fullmatch(_PERCENT, value) and int(value[:-1]) > _PERCENT_MAX:
        yield Cause.wrong(path, value, "must not be greater than 100%")


def count_of(value: int | str) -> int:
    """
    Return the number in a number or percentage, 0 for a text without one.

    >>> count_of(3), count_of("25%"), count_of("7"), count_of("x")
    (3, 25, 7, 0)
    """
    if not isinstance(value, str):
        return value
    number = re.fullmatch(r"([+-]?[0-9]+)|([0-9]+)%", value)
    return int(number[1] or number[2]) if number else 0


def status_causes(
    status: Object,
    counts: Iterable[str],
    bounded: Iterable[str],
    text_if_not_ready: str = "cannot be greater than readyReplicas",
) -> Iterator[Cause]:
    """Check the counts of a status: which must not be negative, and which not more than all replicas."""
    yield from negative_causes(status, counts, "status")
    total = status.get("replicas", 0)
    for name in bounded:
        if status.get(name, 0) > total:
            yield Cause.wrong(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        yield Cause.wrong("status.availableReplicas", status.get("availableReplicas", 0), text_if_not_ready)


def collision_causes(plain: Object, old: Object) -> Iterator[Cause]:
    """Check that a status does not count fewer collisions than before."""
    have = section(old, "status").get("collisionCount")
    count = section(plain, "status").get("collisionCount")
    if have is not None and (count is None or count < have):
        yield Cause.wrong("status.collisionCount", count or 0, "cannot be decremented")


# ---- selectors and templates -----------------------------------------------------------------------------------------


def ordered_selector(selector: Object | None) -> dict[str, Any] | None:
    """Return a label selector with its fields in the order of the server's type."""
    if selector is None:
        return None
    ordered: dict[str, Any] = {}
    if "matchLabels" in selector:
        ordered["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if "matchExpressions" in selector:
        ordered["matchExpressions"] = [
            {name: one[name] for name in _EXPRESSION_FIELDS if name in one} for one in selector["matchExpressions"]
        ]
    return ordered


def go_selector(selector: Object | None) -> str:
    """Encode a label selector as the server shows it."""
    return msgspec.json.encode(ordered_selector(selector)).decode()


def selects(selector: Object, labels: Object | None) -> bool:
    """Whether a valid label selector selects these labels."""
    return LabelSelector.parse(selector_text(selector)).matches(labels or {})


def selector_and_template_causes(
    spec: Object, template: Iterable[Cause], *, kind: str, text_if_unreadable: str = "invalid label selector"
) -> Iterator[Cause]:
    """
    Check the selector and that it selects the pods of the template; `template` are the causes in that.

    Shape   A selector that cannot be read has a cause of its own, in place of those of the template.
    """
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels") or {}
    found: list[Cause] = []
    if selector is None:
        yield Cause.required("spec.selector")
    else:
        found = list(selector_causes(selector, "spec.selector"))
        yield from found
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield Cause.invalid("spec.selector", go_selector(selector), f"empty selector is invalid for {kind}")
    if found:
        yield Cause.invalid("spec.selector", go_selector(selector), text_if_unreadable)
        return
    if selector is None or not selects(selector, labels):
        yield Cause.wrong("spec.template.metadata.labels", labels or None, NO_MATCH)
    yield from template


def lasting_template_causes(template: Object, kind: str) -> Iterator[Cause]:
    """Yield a cause for each rule that the template of pods which run for good breaks; `kind` is what makes them."""
    yield from template_causes(template, "spec.template")
    yield from lasting_pod_causes(template["spec"], "spec.template.spec", kind)


def lasting_pod_causes(spec: Object, path: str, kind: str) -> Iterator[Cause]:
    """Check what a pod spec may say of pods that are started again whenever they end."""
    if spec["restartPolicy"] != "Always":
        yield Cause.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        yield Cause.forbidden(f"{path}.activeDeadlineSeconds", text)


def selector_change_causes(spec: Object, old: Object | None) -> Iterator[Cause]:
    """Yield a cause for a selector that differs from the one in the old spec."""
    if old is not None and spec.get("selector") != old.get("selector"):
        yield Cause.invalid("spec.selector", go_selector(spec.get("selector")), IMMUTABLE)


def name_warnings(plain: Object, old: Object | None) -> Iterator[str]:
    """Warn about the name of a new object that is no DNS label, as the names of its pods begin with it."""
    complaints = formats.dns_label(plain["metadata"]["name"]) if old is None else ()
    if complaints:
        yield (
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS "
            f"label is recommended: [{' '.join(complaints)}]"
        )


def spec_template_warnings(plain: Object, old: Object | None) -> Iterator[str]:
    """Warn about the template in a spec that is new or changed."""
    if old is None or plain["spec"] is not old["spec"]:
        yield from template_warnings(plain["spec"]["template"], "spec.template")


def workload_warnings(plain: Object, old: Object | None) -> Iterator[str]:
    """Warn about the name and the template."""
    yield from name_warnings(plain, old)
    yield from spec_template_warnings(plain, old)


# ---- cells -----------------------------------------------------------------------------------------------------------


def ready_of(workload: Object) -> str:
    """Format the cell Ready, such as `2/3`."""
    wanted = section(workload, "spec").get("replicas")
    return f"{section(workload, 'status').get('readyReplicas', 0)}/{1 if wanted is None else wanted}"


def container_cells(workload: Object) -> tuple[str, str]:
    """Format the cells Containers and Images."""
    return template_cells(section(section(workload, "spec"), "template"))


def template_cells(template: Object) -> tuple[str, str]:
    """Format the names and the images of a template's containers."""
    containers: Iterable[Object] = section(template, "spec").get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)


def selector_cell(selector: Any) -> str:
    """Format a label selector as a cell."""
    if selector is None:
        return "<none>"
    return selector_text(selector) or "<none>"


def labels_cell(labels: Object | None) -> str:
    """Format labels as a cell."""
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or "<none>"


def rolling_shown(rolling: Object | None) -> Plain | None:
    """Show a rolling update as the server's own type has it: a number that is not given is 0 there."""
    if rolling is None:
        return None
    return {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}
