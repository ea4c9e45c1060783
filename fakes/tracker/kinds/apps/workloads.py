"""What StatefulSets and Deployments have in common."""

from __future__ import annotations

from collections.abc import Iterator

from ctrlkit.fakes.tracker.kinds.metadata import annotation_causes, label_causes, selector_causes, selector_text
from ctrlkit.fakes.tracker.kinds.strategy import Object, ScalePaths
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.model import LabelSelector

SCALE = ScalePaths("spec.replicas", "status.replicas", "spec.selector")
NOT_NEGATIVE = "must be greater than or equal to 0"


def negative_causes(plain: Object, names: tuple[str, ...], path: str) -> Iterator[Cause]:
    """Yield a cause for each of these fields of `plain` that is negative; `path` is the path of `plain`."""
    for name in names:
        if plain.get(name, 0) < 0:
            yield Cause.wrong(f"{path}.{name}", plain[name], NOT_NEGATIVE)


def workload_selector_causes(spec: Object, text_if_empty: str) -> Iterator[Cause]:
    """Check the selector, and that it selects the pods of the template."""
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels") or {}
    if selector is None:
        yield Cause.required("spec.selector")
        selects = False
    else:
        found = list(selector_causes(selector, "spec.selector"))
        yield from found
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield Cause.wrong("spec.selector", selector, text_if_empty)
        if found:
            return
        selects = LabelSelector.parse(selector_text(selector)).matches(labels)
    if not selects:
        text = "`selector` does not match template `labels`"
        yield Cause.wrong("spec.template.metadata.labels", labels or None, text)


def template_metadata_causes(metadata: Object) -> Iterator[Cause]:
    """Check the labels and annotations of a pod template."""
    yield from label_causes(metadata.get("labels"), "spec.template.labels")
    yield from annotation_causes(metadata.get("annotations"), "spec.template.annotations")


def ready_of(workload: Object) -> str:
    """Format the cell Ready, such as `2/3`."""
    wanted = section(workload, "spec").get("replicas")
    return f"{section(workload, 'status').get('readyReplicas', 0)}/{1 if wanted is None else wanted}"


def container_cells(workload: Object) -> tuple[str, str]:
    """Format the cells Containers and Images."""
    containers = section(section(section(workload, "spec"), "template"), "spec").get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    return names, ",".join(container.get("image", "") for container in containers)
