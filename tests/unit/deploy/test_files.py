"""`ctrlkit manifests`: it writes what differs, says what differs, and leaves alone what is somebody's own."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest
import yaml

from ctrlkit.cli import main

PROJECT = """
[project]
name = "cache-operator"
version = "1.2.0"
[tool.ctrlkit]
modules = ["tests.support.caches"]
"""
ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cache-operator}
rules: [{apiGroups: [example.com], resources: [caches], verbs: [list, watch]}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose manifests were made."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "deploy").mkdir()
    (folder / "deploy" / "rbac.yaml").write_text(ROLES)
    assert main(["manifests", "--project", str(folder)]) == 0
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project, for each test its own, which is run in it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_was_written_is_what_the_code_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Base, components and chart; written again nothing changes."""
    shutil.rmtree(project / "deploy/chart")
    shutil.rmtree(project / "deploy/kustomize")
    assert main(["manifests"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert "wrote deploy/chart/Chart.yaml" in written
    assert "wrote deploy/kustomize/base/kustomization.yaml" in written
    assert (project / "deploy/kustomize/components/network-policy/kustomization.yaml").exists()
    assert main(["manifests", "--check"]) == 0
    assert capsys.readouterr().out == f"deploy: its {len(written)} files are what the code says\n"


def test_files_that_differ_are_named_and_nothing_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was changed, one that lacks, one that is generated no longer; an overlay is its user's own."""
    capsys.readouterr()
    deployment, monitor = project / "deploy/kustomize/base/deployment.yaml", "kustomize/components/service-monitor"
    deployment.write_text(deployment.read_text().replace("replicas: 2", "replicas: 5"))
    (project / "deploy" / monitor / "service-monitor.yaml").unlink()
    (project / "deploy/chart/templates/old.yaml").write_text((project / "deploy/chart/templates/rbac.yaml").read_text())
    overlay = project / "deploy/kustomize/overlays/test/kustomization.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text("resources: [../../base]\n")
    assert main(["manifests", "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "deploy/chart/templates/old.yaml: was generated, and is no longer",
        "deploy/kustomize/base/deployment.yaml: is not what the code says",
        f"deploy/{monitor}/service-monitor.yaml: is not there",
    ]
    assert "replicas: 5" in deployment.read_text()
    assert main(["manifests"]) == 0
    assert "removed deploy/chart/templates/old.yaml" in capsys.readouterr().out
    assert "replicas: 2" in deployment.read_text()
    assert overlay.read_text() == "resources: [../../base]\n"


def test_a_file_that_somebody_wrote_is_not_written_over(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is anything else written then."""
    capsys.readouterr()
    (project / "deploy/chart/Chart.yaml").write_text("name: mine\n")
    (project / "deploy/chart/values.yaml").unlink()
    assert main(["manifests"]) == 1
    assert "was not generated; move it elsewhere" in capsys.readouterr().err
    assert not (project / "deploy/chart/values.yaml").exists()


def test_the_objects_can_be_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the base, for `kubectl apply -f -`."""
    capsys.readouterr()
    assert main(["manifests", "--print"]) == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds[0] == "Namespace"
    assert {"Deployment", "CustomResourceDefinition", "ServiceAccount"} < set(kinds)


def test_a_project_elsewhere_is_found_with_its_modules(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--project` names it, `--into` another folder for what is made; a program may be a file there."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project / "kinds_of_a_project.py").write_text(
        textwrap.dedent("""
            import msgspec
            from ctrlkit import ObjectMeta, custom_resource
            class Hat(msgspec.Struct):
                metadata: ObjectMeta
            HATS = custom_resource(group="example.com", kind="Hat", plural="hats").of(Hat)
        """)
    )
    (project / "pyproject.toml").write_text(PROJECT.replace("tests.support.caches", "kinds_of_a_project"))
    monkeypatch.chdir(elsewhere)
    assert main(["manifests", "--project", str(project), "--into", "made"]) == 0
    assert "hats.example.com" in (elsewhere / "made/kustomize/base/crds.yaml").read_text()
    (project / "pyproject.toml").write_text(PROJECT.replace("tests.support.caches", "kinds_of_a_project.py"))
    assert main(["manifests", "--project", str(project), "--into", "made", "--check"]) == 0
