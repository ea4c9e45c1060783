"""`ctrlkit monitoring`: what it prints is what Grafana and Prometheus read, and it refuses what could not work."""

from __future__ import annotations

import json

import pytest
import yaml

from ctrlkit.cli import main
from ctrlkit.deploy.monitoring import ALERTS, dashboard


def test_the_dashboard_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With the title that was asked for."""
    assert main(["monitoring", "--dashboard", "--title", "greeter"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["panels"] == dashboard("greeter")["panels"]
    assert made["title"] == "greeter"


def test_rules_are_about_the_series_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And link to the page that was named."""
    series = 'job=~"a|b", namespace!="test"'
    assert main(["monitoring", "--rules", series, "--runbooks", "https://wiki.example.com/alerts"]) == 0
    (group,) = yaml.safe_load(capsys.readouterr().out)["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    first = group["rules"][0]
    assert first["expr"] == f"absent(ctrlkit_info{{{series}}})"
    assert first["annotations"]["runbook_url"] == "https://wiki.example.com/alerts#ctrlkitprogramabsent"


@pytest.mark.parametrize(
    "matchers", ["greeter", "", '{job="a"}', "job='a'", 'job="a" namespace="b"', 'job="a",', '@="a"']
)
def test_what_are_no_matchers_is_refused_with_what_would_be(matchers: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    assert main(["monitoring", "--rules", matchers]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert 'write matchers without braces, as in job="greeter"' in said.err


def test_one_of_both_has_to_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """As the line of usage says."""
    assert main(["monitoring"]) == 2
    assert "--dashboard --rules is required" in capsys.readouterr().err
