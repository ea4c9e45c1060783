"""`pip install ctrlkit` is what production runs: no test kit and no extra is loaded, or needed, to run a controller."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from ctrlkit import extras
from ctrlkit.extras import MissingExtra, require
from tests.support.production import ALONE, EXTRAS, ROOT, cost_of_run

FRAMEWORK_MODULES_MAX, OTHER_MODULES_MAX = 210, 480
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def alone(program: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program where the packages of no extra can be imported."""
    return subprocess.run([sys.executable, "-c", ALONE + program], cwd=cwd, capture_output=True, text=True, check=False)


def test_what_ctrlkit_run_imports() -> None:
    """An example runs without the extras' packages, and loads the framework alone, in so many modules."""
    modules = cost_of_run("ex1_greeting:greet", idle_s=0).modules
    tops = {name.partition(".")[0] for name in modules}
    assert not tops & {*EXTRAS, "pytest", "_pytest"}
    assert not [name for name in modules if name.startswith(("ctrlkit.fakes", "ctrlkit.bitcoin"))]
    assert not {"ctrlkit.manager.webhooks.server", "ctrlkit.manager.webhooks.rotation"} & set(modules)
    ours = [name for name in modules if name.partition(".")[0] == "ctrlkit"]
    assert len(ours) <= FRAMEWORK_MODULES_MAX
    assert len(modules) - len(ours) <= OTHER_MODULES_MAX


def test_extras_are_what_the_metadata_says() -> None:
    """The modules that `require` looks for belong to the packages that pip installs for the extra, and to no others."""
    asked = PROJECT["optional-dependencies"]
    for extra, modules in extras.MODULES.items():
        others = {name: asked[name] for name in ("cli", "fakes") if f"ctrlkit[{name}]" in asked[extra]}
        wanted = {*asked[extra], *(each for other in others.values() for each in other)}
        packages = {_name(each) for each in wanted if each not in {f"ctrlkit[{name}]" for name in others}}
        assert {module for package in packages for module in _modules(package)} >= set(modules)
        assert len(packages) == len(modules)
    core = {_name(each) for each in PROJECT["dependencies"]}
    assert core == {"aiohttp", "msgspec", "prometheus-client", "pyyaml", "structlog"}


def _name(requirement: str) -> str:
    return requirement.partition(">")[0]


def _modules(package: str) -> set[str]:
    """What a package puts at the top."""
    record = distribution(package).read_text("RECORD") or ""
    return {line.partition(",")[0].partition("/")[0].removesuffix(".py") for line in record.splitlines()}


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("from ctrlkit.cli import main; sys.exit(main(['apiserver']))", "ctrlkit: apiserver needs"),
        ("from ctrlkit.bitcoin.cli import main; sys.exit(main(['demo']))", "bitcoin-controller: demo needs"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(program: str, said: str, tmp_path: Path) -> None:
    """One line, and the status of other configuration errors."""
    done = alone(program, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert f"pip install 'ctrlkit[{'bitcoin' if 'bitcoin' in said else 'fakes'}]'" in line


@pytest.mark.parametrize(
    "program",
    [
        "from ctrlkit.cli import main; sys.exit(main(['--help']))",
        "from ctrlkit.cli import main; sys.exit(main(['apiserver', '--help']))",
        "from ctrlkit.bitcoin.cli import main; sys.exit(main(['demo', '--help']))",
        "from ctrlkit.bitcoin.cli import main; sys.exit(main(['manifests']))",
        "import ctrlkit; [getattr(ctrlkit, name) for name in ctrlkit.__all__]",
        "import ctrlkit.bitcoin.controller, ctrlkit.bitcoin.run",
        "import ctrlkit.manager.webhooks.server, ctrlkit.manager.webhooks.tls",
    ],
)
def test_what_needs_no_extra(program: str, tmp_path: Path) -> None:
    """Help, manifests, and everything a controller in production imports."""
    done = alone(program, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_fakes_without_their_extra(tmp_path: Path) -> None:
    """An ImportError of one line, for whoever imports them."""
    done = alone("from ctrlkit.fakes import World", cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ctrlkit.extras.MissingExtra: ctrlkit.fakes needs")
    assert "pip install 'ctrlkit[fakes]'" in last


def test_pytest_without_the_extra(tmp_path: Path) -> None:
    """pytest runs; a test that uses a fixture of ours is an error of one line, all others pass."""
    tests = "def test_other(): pass\nasync def test_world(world): pass\n"
    (tmp_path / "test_it.py").write_text(tests, encoding="utf-8")
    done = alone("import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))", cwd=tmp_path)
    assert "1 passed, 1 error" in done.stdout
    assert "run pip install 'ctrlkit[fakes]'" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_is_there_is_not_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """`require` returns where all is installed, and names the first that is not."""
    require("bitcoin", "demo")
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(MissingExtra, match=r"demo needs .*\(re2\)") as missing:
        require("bitcoin", "demo")
    assert missing.value.name == "re2"
