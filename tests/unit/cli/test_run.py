"""`ctrlkit run MODULE:ATTRIBUTE`: what is found, and what is said of what is not."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from ctrlkit.cli import main
from ctrlkit.cli.run import COMMAND, load_builds
from ctrlkit.errors import ConfigError
from ctrlkit.manager import ReconcilerFunction, Settings

MODULE = """
from ctrlkit.controller import DONE
from ctrlkit.manager import reconciler
from ctrlkit.model.kinds import CONFIG_MAPS

@reconciler(CONFIG_MAPS)
async def greet(config_map, context):
    return DONE

async def bare(config_map, context):
    return DONE

def build(manager):
    return []

def no_build():
    return []

both = [greet, build]
none = []
mixed = [greet, "build"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with modules in it, which are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "forms.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    (tmp_path / "wrong.py").write_text("1 / 0")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("folder")
def test_short_forms_build_functions_and_lists_of_them_are_found() -> None:
    """In a module of the current directory."""
    (form,) = load_builds("forms:greet")
    assert isinstance(form, ReconcilerFunction)
    (build,) = load_builds("forms:build")
    assert load_builds("forms:both") == (form, build)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("forms", "run forms: it is not of the form MODULE:ATTRIBUTE, such as greeting:greet"),
        ("forms:", "run forms:: it is not of the form"),
        ("formz:greet", "run formz:greet: there is no module formz in "),
        ("forms.greet:x", "run forms.greet:x: there is no module forms.greet in "),
        ("broken:greet", "broken was found, and imports what is not there: No module named 'nothing_of_this_name'"),
        ("forms:gret", "run forms:gret: module forms has no gret; did you mean greet?"),
        ("./forms.py:greet", "run ./forms.py:greet: a module is named as it is imported, not as a file; write forms"),
        ("forms.py:greet", "run forms.py:greet: a module is named as it is imported, not as a file; write forms"),
        ("a/b/__init__.py:greet", "not as a file; write a.b"),
        ("../my-forms.py:greet", "not as a file; write its name, with dots for folders, in a folder from which"),
        ("forms:x", "run forms:x: module forms has no x; did you mean greet?"),
        ("forms:DONE", "run forms:DONE: it is a Done; name a function decorated with @reconciler"),
        ("forms:bare", "run forms:bare: bare is an async function without @reconciler; name"),
        ("forms:no_build", "run forms:no_build: no_build() does not take one argument, the manager; name"),
        ("forms:none", "run forms:none: the list is empty; put a build function or an @reconciler function into it"),
        ("forms:mixed", "run forms:mixed: it is a str; name"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(target: str, said: str) -> None:
    """With what was tried, and what could have been meant."""
    with pytest.raises(ConfigError) as caught:
        load_builds(target)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_what_goes_wrong_inside_a_module_keeps_its_traceback() -> None:
    """It is the module's own error."""
    with pytest.raises(ZeroDivisionError):
        load_builds("wrong:greet")


@pytest.mark.usefixtures("folder")
def test_it_takes_every_setting_and_tells_errors_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 for a kubeconfig that is not there, 2 for a setting that cannot be used."""
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    arguments = parser.parse_args(["forms:greet", "--kubeconfig", "/nowhere/config", "--endpoints-address", "off"])
    assert (arguments.target, arguments.kubeconfig) == ("forms:greet", "/nowhere/config")
    try:
        assert main(["run", "forms:greet", "--kubeconfig", "/nowhere/config"]) == 1
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "/nowhere/config: there is no such file" in said
    assert said.count("\n") == 1
    assert main(["run", "forms:greet", "--grace-s", "abc"]) == 2
    assert capsys.readouterr().err == "ctrlkit: --grace-s abc: grace_s takes seconds, 0 or more, such as 30\n"
    assert main(["run", "nonsense"]) == 2
    assert "it is not of the form MODULE:ATTRIBUTE" in capsys.readouterr().err
    assert main(["run", "nowhere:greet"]) == 2
    assert "there is no module nowhere" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_what_it_runs_is_called_as_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python forms.py` is; a setting comes first."""
    named: list[str] = []

    def note(*_: object, settings: Settings) -> int:
        named.append(settings.field_manager)
        return 0

    monkeypatch.setattr("ctrlkit.cli.run.run_program", note)
    assert main(["run", "forms:greet"]) == 0
    assert main(["run", "forms:greet", "--field-manager", "greeter"]) == 0
    assert named == ["forms", "greeter"]
