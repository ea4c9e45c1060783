"""What is installed is one name, `ctrlkit`, whatever a user's own project is made of."""

from __future__ import annotations

import csv
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Environment, Install, build

pytestmark = pytest.mark.long

OWN_FILES = {
    "fakes/__init__.py": "WHOSE = 'the user'\n",
    "fakes/plugin.py": "import pytest\n\n@pytest.fixture\ndef from_fakes():\n    return 'fakes'\n",
    "controllers/__init__.py": "WHOSE = 'the user'\n",
    "controllers/bitcoin/__init__.py": "WHOSE = 'the user'\n",
    "tests/__init__.py": "",
    "tests/fakes.py": "import pytest\n\n@pytest.fixture\ndef from_tests():\n    return 'tests.fakes'\n",
    "conftest.py": "pytest_plugins = ['fakes.plugin', 'tests.fakes']\n",
    "tests/test_own.py": """
import pytest, sys
import controllers, controllers.bitcoin, fakes, tests.fakes
from ctrlkit.model.kinds import CONFIG_MAPS

def test_own_names_are_the_users(from_fakes, from_tests):
    assert (from_fakes, from_tests) == ("fakes", "tests.fakes")
    assert fakes.WHOSE == controllers.WHOSE == controllers.bitcoin.WHOSE == "the user"
    assert tests.fakes is sys.modules["tests.fakes"]

async def test_a_world(world):
    world.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}})
    assert world.tracker.get(CONFIG_MAPS, "demo/a")["metadata"]["name"] == "a"
    assert type(world).__module__.startswith("ctrlkit.fakes.")
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose own packages are called what ours are called in our repository."""
    for name, text in OWN_FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "project"


def _packages(wheel: Path) -> set[str]:
    """What stands at the top of a wheel."""
    return {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}


def test_a_wheel_carries_one_package(wheel: Path) -> None:
    """Beside it stands what describes it; the framework, the fakes and the controller are all inside, and typed."""
    assert _packages(wheel) == {"ctrlkit", "ctrlkit-0.1.0.dist-info"}
    files = set(zipfile.ZipFile(wheel).namelist())
    assert {"ctrlkit/py.typed", "ctrlkit/fakes/__init__.py", "ctrlkit/bitcoin/deploy/kustomize/base/crds.yaml"} <= files
    templates = {path.relative_to(ROOT) for path in (ROOT / "ctrlkit" / "scaffold").rglob("*.jinja")}
    assert {Path(each) for each in files} >= templates
    assert Path("ctrlkit/scaffold/templates/.github/workflows/ci.yml.jinja") in templates
    for folder, name in (("fakes", "fakes"), ("controllers/bitcoin", "bitcoin")):
        written = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.py")}
        assert {Path("ctrlkit", name) / path for path in written} <= {Path(each) for each in files}


def test_an_sdist_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Links of the repository are folders there, so that any tool and any system can unpack it."""
    with tarfile.open(sdist) as packed:
        assert not [member.name for member in packed if member.issym() or member.islnk()]
        packed.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {path.name for path in source.iterdir()} >= {"ctrlkit", "pyproject.toml", "README.md", "LICENSE"}
    assert not {"fakes", "controllers"} & {path.name for path in source.iterdir()}
    again = build("wheel", source, tmp_path)

    def content(path: Path) -> dict[str, int]:
        return {info.filename: info.CRC for info in zipfile.ZipFile(path).infolist()}

    assert content(again) == content(wheel)


def test_what_pip_writes_down_as_ours(installed: Environment) -> None:
    """RECORD names files of `ctrlkit`, of its dist-info, and the two commands, and nothing else."""
    (record,) = installed.site_packages.glob("ctrlkit-*.dist-info/RECORD")
    with record.open(encoding="utf-8", newline="") as lines:
        names = {row[0] for row in csv.reader(lines)}
    tops = {name.split("/")[0] if not name.startswith("..") else name for name in names}
    assert tops == {"ctrlkit", record.parent.name, "../../../bin/ctrlkit", "../../../bin/bitcoin-controller"}


def test_a_project_with_our_names_keeps_its_own(installed: Environment, project: Path) -> None:
    """pytest starts, the user's packages and plugins named as our folders are the user's, and `world` is ours."""
    done = installed.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["ctrlkit", "--version"], "ctrlkit 0.1.0"),
        (["ctrlkit", "--help"], "apiserver"),
        (["ctrlkit", "run", "--help"], "Run controllers and webhooks of a Python module or file."),
        (["python", "-m", "ctrlkit", "apiserver", "--help"], "--insecure"),
        (["bitcoin-controller", "--version"], "bitcoin-controller 0.1.0"),
        (["bitcoin-controller", "demo", "--help"], "--nodes"),
        (["bitcoin-controller", "manifests", "crd"], "BitcoinNetwork"),
    ],
)
def test_commands_work_beside_it(command: list[str], said: str, installed: Environment, project: Path) -> None:
    """They find what is theirs, also in a folder that has packages of the same names."""
    done = installed.run(*command, cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_uninstalling_leaves_the_users_files(wheel: Path, install: Install, tmp_path: Path) -> None:
    """Packages of the user that stand in the same site-packages are there before, beside and after ours."""
    environment = install(wheel, tmp_path / "environment")
    for name in ("fakes", "controllers"):
        (environment.site_packages / name).mkdir()
        (environment.site_packages / name / "__init__.py").write_text("WHOSE = 'the user'\n", encoding="utf-8")
    environment.pip("install", "--no-compile", "--no-deps", "--no-index", "--force-reinstall", str(wheel), cwd=tmp_path)
    environment.pip("uninstall", "-y", "ctrlkit", cwd=tmp_path)
    left = {path.name for path in environment.site_packages.iterdir()}
    assert {"fakes", "controllers"} <= left
    assert not {name for name in left if name.startswith("ctrlkit")}
    for name in ("fakes", "controllers"):
        assert [path.name for path in (environment.site_packages / name).glob("*.py")] == ["__init__.py"]
    assert not [path for path in (environment.folder / "bin").iterdir() if path.name.startswith(("ctrlkit", "bitcoin"))]
