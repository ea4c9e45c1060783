"""The dashboard asks for nothing but what a program serves, shows all of it, and is what Grafana reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from ctrlkit.deploy.monitoring import ROWS, Panel, dashboard
from ctrlkit.deploy.monitoring.expressions import of_series
from tests.support.promql import labels, reads
from tests.unit.manager.endpoints.support import families

KNOWN = dict(families())
PANELS = [panel for row in ROWS for panel in row.panels]
BY_TITLE = {f"{row.title}: {panel.title}": panel for row in ROWS for panel in row.panels}

NOT_SHOWN = {
    "informer_store_resource_version": "a number to compare by hand",
    "informer_synced": "no reconcile begins before all are, which `Ready, and cut off` shows",
    "informer_queued_items": "shown by handler",
    "informer_handler_high_water_items": "the most that ever waited says nothing of now",
    "process_virtual_memory_bytes": "address space costs nothing",
    "python_info": "constant",
    "python_gc_objects_collected_total": "for whoever profiles",
    "python_gc_objects_uncollectable_total": "for whoever profiles",
}


def targets(panels: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each query of panels, and of those in collapsed rows, with its panel."""
    for panel in panels:
        yield from ((panel, target) for target in panel.get("targets", ()))
        yield from targets(panel.get("panels", []))


@pytest.mark.parametrize("title", BY_TITLE)
def test_a_panel_asks_for_metrics_and_labels_that_there_are(title: str) -> None:
    """Its expressions are PromQL; what a legend names is a label of the answer."""
    for query in BY_TITLE[title].queries:
        expression = of_series(query.expression, 'job="a"')
        assert reads(expression, KNOWN)
        assert set(re.findall(r"{{(\w+)}}", query.legend)) <= labels(expression, KNOWN)


def test_each_metric_is_shown_or_has_a_reason_not_to_be() -> None:
    """So a new metric gets its panel, or its reason here."""
    shown = {
        name
        for panel in PANELS
        for query in panel.queries
        for name in reads(of_series(query.expression, 'job="a"'), KNOWN)
    }
    assert shown - {"ALERTS"} == KNOWN.keys() - NOT_SHOWN.keys()
    assert NOT_SHOWN.keys() <= KNOWN.keys()


def test_lines_of_one_panel_can_be_told_apart() -> None:
    """No two queries have one legend, and a legend has all labels by which its query tells lines apart."""
    for title, panel in BY_TITLE.items():
        legends = [query.legend for query in panel.queries]
        assert len(set(legends)) == len(legends), title
        for query in panel.queries if panel.form.value == "timeseries" else ():
            found = labels(of_series(query.expression, 'job="a"'), KNOWN)
            named = set(re.findall(r"{{(\w+)}}", query.legend))
            assert named == found or (named == {"instance"} and "instance" in found), f"{title}: {query.legend}"


def test_grafana_reads_all_that_is_written() -> None:
    """By the types of Grafana 10.1: nothing is unknown to them, and nothing is lost."""
    register_default_plugins()
    written = json.loads(json.dumps(dashboard("greeter", said="Greets.")))
    read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
    assert written == kept(read, written)


def kept(read: Any, written: Any) -> Any:
    """What was read, without the defaults of what was not written."""
    if isinstance(read, dict) and isinstance(written, dict):
        return {key: kept(value, written[key]) for key, value in read.items() if key in written}
    if isinstance(read, list) and isinstance(written, list) and len(read) == len(written):
        return [kept(*pair) for pair in zip(read, written, strict=True)]
    return read


def test_it_belongs_to_no_grafana() -> None:
    """No uid, no id, and a data source that its reader chooses."""
    made = dashboard("greeter")
    assert not {"id", "uid", "gnetId"} & made.keys()
    text = json.dumps(made)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"${datasource}"}
    names = [one["name"] for one in made["templating"]["list"]]
    assert names == ["datasource", "namespace", "program", "job", "instance", "controller"]
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}
    assert used == set(names)


def test_variables_ask_for_labels_that_there_are() -> None:
    """`label_values(SERIES, LABEL)`, of those before it alone."""
    before = {"datasource"}
    for one in dashboard("greeter")["templating"]["list"][1:]:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"])
        assert match is not None
        assert match[2] in labels(match[1], KNOWN)
        assert set(re.findall(r"\$(\w+)", match[1])) <= before
        before.add(one["name"])


def test_panels_have_places_that_no_other_has() -> None:
    """Rows below each other, panels beside each other, none wider than the page, each with an id of its own."""
    made = dashboard("greeter")["panels"]
    for panels in (made, *(row["panels"] for row in made if row.get("panels"))):
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells
    ids = [panel["id"] for panel in (*made, *(inner for row in made for inner in row.get("panels", ())))]
    assert len(set(ids)) == len(ids)


def test_each_panel_says_what_to_look_for() -> None:
    """A title, a whole sentence, and queries that Grafana can tell apart."""
    for panel, target in targets(dashboard("greeter")["panels"]):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert target["expr"]
    assert all(isinstance(panel, Panel) and len(panel.queries) <= 5 for panel in PANELS)


def test_it_fits_into_an_object_that_kubectl_applies() -> None:
    """Whose last applied form is an annotation of 256 KiB at most."""
    assert len(json.dumps(json.dumps(dashboard("greeter"), indent=1))) < 200 * 1024
