"""The guides for users do what they say: each snippet is run, one against a server of its own too."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ctrlkit import Context, reconciler
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from tests.support.snippets import ROOT, files_of, run_pytest, write_files


def test_the_full_form_passes_its_test_and_its_definition_is_taken_by_a_server(tmp_path: Path) -> None:
    """And serves the kind of the page's object."""
    files = files_of("docs/full-form.md")
    assert list(files) == ["greeting.py", "test_greeting.py", "crd.yaml"]
    write_files(files, tmp_path)
    assert "1 passed" in run_pytest(tmp_path)
    tracker = Tracker()
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, yaml.safe_load(files["crd.yaml"]))
    served = tracker.registry.find("demo.example.com", "v1", "greetings")
    assert served is not None
    assert served.resource.kind == "Greeting"


TESTING = (
    "docs/testing.md",
    "docs/testing-admission.md",
    "docs/testing-clusters.md",
    "docs/testing-failures.md",
    "docs/testing-images.md",
    "docs/testing-rights.md",
    "docs/testing-servers.md",
    "docs/testing-time.md",
)


def test_every_snippet_of_the_testing_guides_passes(tmp_path: Path) -> None:
    """With the full form's controller beside them, and no configuration at all."""
    write_files({"greeting.py": files_of("docs/full-form.md")["greeting.py"]}, tmp_path)
    for page in TESTING:
        write_files(files_of(page), tmp_path)
    said = run_pytest(tmp_path)
    assert "36 passed" in said


def test_every_snippet_about_sources_and_the_short_form_passes(tmp_path: Path) -> None:
    """With the full form's controller beside them, for its kind."""
    write_files({"greeting.py": files_of("docs/full-form.md")["greeting.py"], **files_of("docs/sources.md")}, tmp_path)
    write_files(files_of("docs/short-form.md"), tmp_path)
    assert "10 passed" in run_pytest(tmp_path)


def test_the_page_on_the_short_form_names_all_that_there_is() -> None:
    """Each parameter of the decorator, and each public name of a context but those that its docstring calls hidden."""
    text = (ROOT / "docs" / "short-form.md").read_text()
    parameters = list(inspect.signature(reconciler).parameters)[1:]
    assert [name for name in parameters if f"`{name}=" not in text] == []
    hidden = {"resource", "object", "listers", "recorder", "instances", "children"}
    given = [name for name in dir(Context) if not name.startswith("_") and name not in hidden]
    assert [name for name in given if f"context.{name}" not in text] == []


def test_every_snippet_about_definitions_passes(tmp_path: Path) -> None:
    """As a user would run them: a type, and the test of its definition."""
    write_files(files_of("docs/definitions.md"), tmp_path)
    assert "4 passed" in run_pytest(tmp_path)


@pytest.mark.long
def test_every_snippet_about_webhooks_passes(tmp_path: Path) -> None:
    """A kind in two versions, its webhooks and conversions, and their tests."""
    write_files(files_of("docs/webhooks.md"), tmp_path)
    assert "6 passed" in run_pytest(tmp_path)


@pytest.mark.long
def test_every_snippet_about_kinds_passes(tmp_path: Path) -> None:
    """A controller with typed children, and its test in a cluster."""
    write_files(files_of("docs/kinds.md"), tmp_path)
    assert "1 passed" in run_pytest(tmp_path)


@pytest.mark.long
def test_the_story_for_each_world_passes_on_a_cluster_too(tmp_path: Path) -> None:
    """As against a real cluster: another process, the real clock, and the command the guide names."""
    guide = files_of("docs/testing-servers.md")
    write_files(
        {"greeting.py": files_of("docs/full-form.md")["greeting.py"], "test_each.py": guide["test_each.py"]}, tmp_path
    )
    assert "\n    ctrlkit apiserver --kubeconfig fake.yaml\n" in (ROOT / "docs" / "testing-servers.md").read_text()
    command = [sys.executable, "-m", "ctrlkit", "apiserver", "--kubeconfig", "fake.yaml"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ready https://127.0.0.1:")
        assert "3 passed" in run_pytest(tmp_path, "--kubeconfig", "fake.yaml")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_the_comparison_counts_the_programs_that_it_compares() -> None:
    """Their lines, as they are now."""
    programs = ("examples/ex7_cache.py", "tests/foreign/python/cache_kopf.py", "tests/foreign/go/cache/cache.go")
    lines = " | ".join(str(len((ROOT / each).read_text().splitlines())) for each in programs)
    assert f"| lines | {lines} |" in (ROOT / "docs" / "comparison.md").read_text()
