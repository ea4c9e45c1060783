"""PodTemplates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.workloads import labels_cell, template_cells
from ctrlkit.fakes.tracker.kinds.core.pod_features import dropping_at
from ctrlkit.fakes.tracker.kinds.core.pod_specs import fill_in_template, template_causes
from ctrlkit.fakes.tracker.kinds.core.pod_warnings import template_warnings
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import name_of, section
from ctrlkit.fakes.tracker.refusals import Cause


def _fill_in(plain: Plain) -> None:
    fill_in_template(plain["template"]["spec"])


def _validate(plain: Object, old: Object | None) -> Iterator[Cause]:
    if old is None or plain["template"] is not old["template"]:
        yield from template_causes(plain["template"], "template")


def _warnings(plain: Object, old: Object | None) -> Iterator[str]:
    if old is None or plain["template"] is not old["template"]:
        yield from template_warnings(plain["template"], "template")


def _cells(template: Object, _now: datetime) -> list[Any]:
    labels = section(section(section(template, "template"), "metadata"), "labels")
    return [name_of(template), *template_cells(section(template, "template")), labels_cell(labels)]


POD_TEMPLATES = Strategy(
    defaults=_fill_in,
    drop=dropping_at("template", "spec"),
    validate=_validate,
    warn=_warnings,
    generation=True,
    cells=_cells,
    deleted_is_shown=True,
)
