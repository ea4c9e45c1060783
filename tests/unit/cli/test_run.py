"""`ctrlkit run TARGET`: what is found, and what is said of what is not."""

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
    (tmp_path / "typo.py").write_text("x = 1\ndef broken(:\n")
    (tmp_path / "lists.py").write_text("from forms import greet\nseveral = (greet,)")
    (tmp_path / "loose.py").write_text("from . import forms")
    (tmp_path / "operator.py").write_text(
        "from forms import greet as theirs\ndef build(manager): return theirs(manager)"
    )
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "caches.py").write_text(textwrap.dedent(MODULE).partition("def build")[0] + "from .more import second\n")
    (shop / "more.py").write_text(textwrap.dedent(MODULE).partition("async def bare")[0].replace("greet", "second"))
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "__init__.py").write_text(
        "from .caches import greet\nfrom .more import second, CONFIG_MAPS\n"
    )
    (tmp_path / "whole" / "caches.py").write_text((shop / "caches.py").read_text())
    (tmp_path / "whole" / "more.py").write_text((shop / "more.py").read_text())
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
def test_a_file_is_run_as_python_would_and_a_file_of_a_package_as_its_module() -> None:
    """Relative imports work there; a name of the standard library stays the library's."""
    (greet,) = load_builds("./forms.py:greet")
    assert load_builds("forms.py:both")[0] is greet  # the file was run once
    (found,) = load_builds("shop/caches.py")
    assert found is load_builds("shop.caches:greet")[0]
    (build,) = load_builds("operator.py")
    assert (build.__name__, build.__module__) == ("build", "operator_py")


@pytest.mark.usefixtures("folder")
def test_without_an_attribute_all_decorated_functions_of_the_target_run() -> None:
    """Of a module those that it defines, of a package also those of its modules, in their order."""
    assert [repr(each) for each in load_builds("shop.caches")] == ["<reconciler greet of configmaps>"]
    assert [each.__name__ for each in load_builds("whole")] == ["greet", "second"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("forms", "it has decorated functions, and build; name what is meant: forms:greet, forms:build"),
        ("forms:", "run forms:: it is not of the form FILE.py or MODULE, with :ATTRIBUTE or without"),
        ("lists", "no decorated function of its own, as with @reconciler, and no build(manager); name lists:several"),
        ("./lists.py", "and no build(manager); name ./lists.py:several"),
        ("forms:greet,build", "such as greeting:greet; for several, name a list of the module"),
        ("formz:greet", "run formz:greet: there is no module formz in "),
        ("forms.greet:x", "run forms.greet:x: there is no module forms.greet in "),
        ("broken:greet", "broken was found, and imports what is not there: No module named 'nothing_of_this_name'"),
        ("forms:gret", "run forms:gret: module forms has no gret; did you mean greet?"),
        ("./form.py:greet", "run ./form.py:greet: there is no file form.py; did you mean forms.py?"),
        ("shop/cache.py", "run shop/cache.py: there is no file shop/cache.py; did you mean shop/caches.py?"),
        ("shop/x.py", "there is no file shop/x.py; name one that is there, or a module by its name"),
        ("./forms.py:gret", "run ./forms.py:gret: module forms has no gret; did you mean greet?"),
        ("shop", "run shop: module shop has no decorated function"),
        (".", "run .: . is a folder; name a file in it, such as operator.py, or a package by its name"),
        ("loose.py", "loose.py imports from a package around it (from . import ...), and "),
        ("typo.py", "run typo.py: typo.py, line 2: invalid syntax; correct it [def broken(:]"),
        ("broken.py", "broken.py was found, and imports what is not there: No module named 'nothing_of_this_name'"),
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
def test_the_traceback_of_a_programs_own_error_begins_with_its_own_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with what imports a module or calls a build function; an error of ours has its whole traceback."""
    Path("builds.py").write_text("def build(manager):\n    return {}['x']\n")
    assert main(["run", "wrong"]) == 1
    said = capsys.readouterr().err
    assert said.count('File "') == 1
    assert 'wrong.py", line 1, in <module>' in said
    assert said.endswith("ZeroDivisionError: division by zero\n")
    ours = {"__name__": "ctrlkit.manager.program"}
    monkeypatch.setattr("ctrlkit.cli.run.run_program", eval("lambda build, **_: build(None)", ours))
    assert main(["run", "builds"]) == 1
    said = capsys.readouterr().err
    assert said.count('File "') == 1
    assert 'builds.py", line 2, in build' in said
    monkeypatch.setattr("ctrlkit.cli.run.run_program", eval("lambda build, **_: 1 / 0", ours))
    with pytest.raises(ZeroDivisionError):
        main(["run", "builds"])


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
    assert "there is no module nonsense" in capsys.readouterr().err
    assert main(["run", "nowhere:greet"]) == 2
    assert "there is no module nowhere" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_what_it_runs_is_called_as_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python forms.py` is; a setting comes first."""
    named: list[str] = []

    def note(*_: object, settings: Settings, before: None) -> int:
        named.append(settings.field_manager)
        return 0

    monkeypatch.setattr("ctrlkit.cli.run.run_program", note)
    assert main(["run", "forms:greet"]) == 0
    assert main(["run", "./forms.py:greet"]) == 0
    assert main(["run", "shop/caches.py"]) == 0
    assert main(["run", "forms:greet", "--field-manager", "greeter"]) == 0
    assert named == ["forms", "forms", "shop.caches", "greeter"]


@pytest.mark.usefixtures("folder")
def test_options_that_do_not_fit_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A typo with what may be meant."""
    assert main(["run", "forms:greet", "--seed", "a.yaml"]) == 2
    assert "--seed belongs to --apiserver" in capsys.readouterr().err
    assert main(["run", "--dry-run", "forms:greet"]) == 2
    assert "'forms:greet' is neither client nor server; write --dry-run=server, and what is to run before it" in (
        capsys.readouterr().err
    )
    assert main(["run", "forms:greet", "--reloda"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: ctrlkit run")
    assert said.endswith("unrecognized arguments: --reloda; did you mean --reload?\n")


DECORATED_WRONGLY = """
from ctrlkit import *
from ctrlkit.kinds.apps import *
from ctrlkit.model.kinds import CONFIG_MAPS

@reconciler(CONFIG_MAPS, {argument})
async def greet(config_map, context):
    return DONE
"""


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("owns=[Deployment]", "owns has Deployment; write DEPLOYMENTS, the kind"),
        ("own=[]", "reconciler() got an unexpected keyword argument 'own'"),
    ],
)
def test_what_a_decorator_refuses_is_said_with_file_and_line(folder: Path, argument: str, said: str) -> None:
    """As a syntax error is, and not below the frames of an import."""
    (folder / "mistaken.py").write_text(DECORATED_WRONGLY.format(argument=argument))
    with pytest.raises(ConfigError) as caught:
        load_builds("mistaken.py")
    assert str(caught.value).startswith("run mistaken.py: mistaken.py, line 6: ")
    assert str(caught.value).endswith(said)


def test_a_typo_in_the_target_is_said_before_there_is_a_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is a setting that cannot be used."""
    monkeypatch.setattr("ctrlkit.cli.embedded.api_server", lambda _: pytest.fail("a server was started"))
    assert main(["run", "forms:typo", "--apiserver"]) == 2
    assert main(["run", "forms:greet", "--apiserver", "--grace-s", "abc"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_target_that_lacks_is_told_without_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    """They are thirty lines."""
    assert main(["run"]) == 2
    usage, said = capsys.readouterr().err.splitlines()
    assert usage == "usage: ctrlkit run TARGET [options]   ('ctrlkit run --help' lists them)"
    assert "the following arguments are required: TARGET" in said
