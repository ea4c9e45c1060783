"""
A dashboard for Grafana 10 and later, out of rows of panels: the JSON that is imported, or that a sidecar finds. Pure.

    data = dashboard("greeter")
    text = json.dumps(data)

It names no data source and has no uid: Grafana asks for the one when somebody looks at it, and gives it the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from string import ascii_uppercase
from typing import Any, Final

from ctrlkit.deploy.monitoring.expressions import of_series
from ctrlkit.deploy.monitoring.panels import Form, Panel, Row, Wanted
from ctrlkit.deploy.monitoring.rows import CACHES, CONTROLLERS, GLANCE, QUEUES
from ctrlkit.deploy.monitoring.rows_around import EVENTS, LEASES, PROCESS, SERVER, WEBHOOKS

Data = dict[str, Any]

ROWS: Final = (GLANCE, CONTROLLERS, QUEUES, CACHES, SERVER, LEASES, EVENTS, WEBHOOKS, PROCESS)
"""From what is looked at first to what is looked at last."""

_SCHEMA: Final = 38
"""Of the dashboards of Grafana 10; later ones read it."""
_SOURCE: Final[Data] = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN: Final = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"'
"""The matchers of every panel. `instance` has the replicas of the programs that are chosen."""
_WIDTH: Final = 24
_HEIGHTS: Final = {Form.VALUE: 4, Form.LINES: 8, Form.TABLE: 8}
_COLOURS: Final = {"success": "green", "error": "red", "conflict": "orange", "requeue": "yellow"}
"""Of results, where each has a line."""
_FIELDS_HIDDEN: Final = {"Time": True, "Value": True}


def dashboard(title: str, *, said: str = "", rows: Sequence[Row] = ROWS) -> Data:
    """
    Return a dashboard; `said` is its description.

    >>> data = dashboard("greeter")
    >>> data["title"], [one["name"] for one in data["templating"]["list"]][:3]
    ('greeter', ['datasource', 'namespace', 'program'])
    """
    return {
        "description": said,
        "title": title,
        "tags": ["ctrlkit", "kubernetes"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": _SCHEMA,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": list(_variables())},
        "panels": list(_placed(rows)),
    }


# ---- variables -------------------------------------------------------------------------------------------------------


def _variables() -> Iterator[Data]:
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "current": {},
    }
    program = 'namespace=~"$namespace", program=~"$program"'
    yield _choice("namespace", "Namespace", "label_values(ctrlkit_info, namespace)", all_value=".*")
    yield _choice("program", "Program", 'label_values(ctrlkit_info{namespace=~"$namespace"}, program)')
    yield _choice("job", "Job", f"label_values(ctrlkit_info{{{program}}}, job)")
    yield _choice("instance", "Replica", f'label_values(ctrlkit_info{{{program}, job=~"$job"}}, instance)')
    yield _choice("controller", "Controller", f"label_values(controller_synced{{{_CHOSEN}}}, controller)")


def _choice(name: str, label: str, query: str, *, all_value: str = "") -> Data:
    """A variable whose values are those of a label; all of them are chosen, until somebody says which."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": f"{name}-values"},
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        **({"allValue": all_value} if all_value else {}),
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


# ---- panels ----------------------------------------------------------------------------------------------------------


def _placed(rows: Sequence[Row]) -> Iterator[Data]:
    """The panels with their places: each row below the one before it, its panels from left to right."""
    ids, top = count(1), 0
    for row in rows:
        heading = {
            "id": next(ids),
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": top},
            "panels": [],
        }
        top += 1
        panels, below = _in_rows(row.panels, ids, top)
        if row.collapsed:
            yield {**heading, "panels": panels}
        else:
            yield heading
            yield from panels
            top = below


def _in_rows(panels: Sequence[Panel], ids: Iterator[int], top: int) -> tuple[list[Data], int]:
    """The panels, and where the next row begins."""
    placed: list[Data] = []
    left = height = 0
    for panel in panels:
        if left + panel.width > _WIDTH:
            left, top, height = 0, top + height, 0
        height = max(height, _HEIGHTS[panel.form])
        where = {"h": _HEIGHTS[panel.form], "w": panel.width, "x": left, "y": top}
        placed.append({"id": next(ids), "gridPos": where, **_panel(panel)})
        left += panel.width
    return placed, top + height


def _panel(panel: Panel) -> Data:
    """A panel without its place. What Grafana does by itself is left out."""
    defaults: Data = {"unit": panel.unit.value, "min": 0}
    options: Data = {"tooltip": {"mode": "multi", "sort": "desc"}}
    overrides: list[Data] = []
    transformations: list[Data] = []
    match panel.form:
        case Form.LINES:
            defaults["custom"] = {"fillOpacity": 10}
            if any(query.legend == "{{result}}" for query in panel.queries):
                overrides = [_coloured(name, colour) for name, colour in _COLOURS.items()]
        case Form.VALUE:
            defaults |= {"color": {"mode": "thresholds"}, "thresholds": _thresholds(panel.wanted), "noValue": "0"}
            options = {
                "colorMode": "background" if panel.wanted is not Wanted.ANY else "value",
                "graphMode": "none",
                "textMode": "value",
                "reduceOptions": {"calcs": ["lastNotNull"]},
            }
        case Form.TABLE:
            defaults = {}
            options = {"showHeader": True, "cellHeight": "sm"}
            transformations = [{"id": "organize", "options": {"excludeByName": _FIELDS_HIDDEN}}]
    return {
        "type": panel.form.value,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": options,
        "targets": list(_targets(panel)),
        **({"transformations": transformations} if transformations else {}),
    }


def _targets(panel: Panel) -> Iterator[Data]:
    is_now = panel.form is not Form.LINES
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        yield {
            "refId": letter,
            "expr": of_series(query.expression, _CHOSEN),
            "legendFormat": query.legend or "__auto",
            "instant" if is_now else "range": True,
            **({"format": "table"} if panel.form is Form.TABLE else {}),
        }


def _coloured(name: str, colour: str) -> Data:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


def _thresholds(wanted: Wanted) -> Data:
    """The colours of a value: what is below the first step, and from each step on."""
    lowest, above = {
        Wanted.ANY: ("text", "text"),
        Wanted.NONE: ("green", "red"),
        Wanted.SOME: ("red", "green"),
    }[wanted]
    just_above_none = 0.001
    return {"mode": "absolute", "steps": [{"color": lowest, "value": None}, {"color": above, "value": just_above_none}]}
