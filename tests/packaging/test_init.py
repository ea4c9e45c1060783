"""A project that `ctrlkit init` made holds by itself, with a ctrlkit that was installed from a wheel and no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.conftest import Environment, Install

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

Shell = Callable[..., str]
PROJECTS = {
    "cache-operator": [],
    "mirror-operator": ["--webhook", "--license", "Apache-2.0"],
    "email": ["--kind", "HTTPRouteWithAnExceedinglyLongAndStillValidNameOfItsOwnXyz", "--group", "0.net", "--webhook"],
    "schema-operator": ["--kind", "Context", "--plural", "schemata", "--license", "MIT"],
    "null": ["--webhook"],
}


@pytest.fixture(scope="session")
def environment(wheel: Path, install: Install, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One with ctrlkit alone, and ruff where `python -m ruff` looks for it."""
    made = install(wheel, tmp_path_factory.mktemp("init") / "environment")
    (made.folder / "bin" / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    return made


@pytest.fixture(params=PROJECTS)
def project(request: pytest.FixtureRequest, environment: Environment, tmp_path: Path) -> Path:
    """A new project; its folder is where no other one looks for settings."""
    done = environment.run("ctrlkit", "init", request.param, *PROJECTS[request.param], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / str(request.param)


@pytest.fixture
def shell(environment: Environment, project: Path) -> Shell:
    """Runs a command in the project with the environment active, offline, and returns what it said."""

    def call(command: str, *, status: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_"))}
        active = {"PATH": f"{environment.folder / 'bin'}:{kept['PATH']}", "VIRTUAL_ENV": str(environment.folder)}
        offline = {"PIP_NO_INDEX": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        done = subprocess.run(
            command, cwd=project, env=kept | active | offline, shell=True, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def content(folder: Path) -> dict[str, str]:
    """The files of a project, but for what tools leave behind."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "cache" not in str(path.relative_to(folder)))
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_all_that_its_makefile_says_holds_at_once(project: Path, shell: Shell) -> None:
    """Its tests pass, its style and types are right for three tools, and its manifests are what its code says."""
    before = {name: text for name, text in content(project).items() if name.startswith("deploy/")}
    assert "run the tests" in shell("make")
    assert re.search(r"\b([4-9]|\d\d) passed", shell("make test"))
    assert "Success" in shell("make lint")
    shell("make manifests")
    after = {name: text for name, text in content(project).items() if name.startswith("deploy/")}
    assert after == before
    shell("ctrlkit manifests --check")
    shell("make clean")
    assert not list(project.rglob("__pycache__"))


def test_pyright_has_nothing_to_say(project: Path, environment: Environment, shell: Shell) -> None:
    """In its strict mode, which an editor may use."""
    (project / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "reportMissingTypeStubs": false}')
    pyright = Path(sys.executable).parent / "pyright"
    assert "0 errors" in shell(f"{pyright} --pythonpath {environment.python} .")


@pytest.mark.parametrize("project", ["cache-operator"], indirect=True)
def test_a_right_that_lacks_is_told_and_made(project: Path, shell: Shell) -> None:
    """A second kind of children is a line for the author; the tests name what lacks, `make manifests` adds it."""
    (controller,) = project.glob("*/controller.py")
    text = controller.read_text()
    controller.write_text(text.replace("owns=[apps.DEPLOYMENTS]", "owns=[apps.DEPLOYMENTS, core.CONFIG_MAPS]"))
    said = shell("make test ARGS='-k comes_back'", status=2)
    assert '- {apiGroups: [""], resources: [configmaps], verbs: [list, watch]}' in said
    shell("make manifests")
    shell("make test ARGS='-k comes_back'")
    assert "configmaps" in (project / "deploy" / "chart" / "templates" / "rbac.yaml").read_text()


@pytest.mark.parametrize("project", ["cache-operator", "mirror-operator"], indirect=True)
def test_what_the_dockerfile_does_makes_a_program(project: Path, environment: Environment, tmp_path: Path) -> None:
    """There is no container engine here: its commands are run in an environment of their own, from what it copies."""
    text = (project / "Dockerfile").read_text()
    assert text.count("USER 65532:65532") == 1
    copied = [word for line in re.findall("^COPY (?!--)(.*)", text, re.MULTILINE) for word in line.split()[:-1]]
    ignored = (project / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= {*ignored}
    source = tmp_path / "src"
    source.mkdir()
    for name in copied:
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, source / name)
    assert "pip --python" in text
    environment.pip("install", "--no-deps", "--no-build-isolation", "--target", str(tmp_path / "out"), ".", cwd=source)
    (package,) = (path.name for path in (tmp_path / "out").iterdir() if (path / "controller.py").is_file())
    assert f'CMD ["run", "{package}"]' in text
    done = environment.run("ctrlkit", "run", package, "--kubeconfig", "missing", cwd=tmp_path / "out")
    assert done.returncode == 1
    assert "missing" in done.stderr.splitlines()[-1], "it was loaded, and looked for a cluster"


@pytest.mark.parametrize("project", ["cache-operator"], indirect=True)
def test_a_makefile_without_ctrlkit_says_what_to_do(project: Path) -> None:
    """A fresh clone, and a Python that has nothing."""
    done = subprocess.run(
        ["make", "test", "PYTHON=/usr/bin/python3 -S"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "activate an environment that has it, or run make venv" in done.stderr
