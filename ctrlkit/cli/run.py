"""
`ctrlkit run MODULE:ATTRIBUTE`: controllers of a module, against a cluster, until a signal.

The attribute is a function decorated with @reconciler, a build function, or several of them in a list. Modules of the
current directory are found, as with `python -m`.
"""

from __future__ import annotations

import argparse
import inspect
from typing import Any, Final

from msgspec import structs

from ctrlkit.cli import Command
from ctrlkit.cli.modules import TargetError, import_named, meant
from ctrlkit.manager.decorator import ReconcilerFunction
from ctrlkit.manager.program import Build, run_program
from ctrlkit.manager.settings import Settings, settings_known
from ctrlkit.manager.settings_sources import add_flags

_EPILOG: Final = """\
examples:
  ctrlkit run greeting:greet
  ctrlkit run greeting:build --kubeconfig ~/.kube/test --namespaces dev,test
  CTRLKIT_ENDPOINTS_ADDRESS=:8080 ctrlkit run greeting:greet --leader-elect --lease-name greeter

SIGTERM and Ctrl-C let running work finish; a second one ends it at once. Log lines go to stderr.
exit status: 0 after SIGTERM or Ctrl-C, 1 for an error, 2 for bad arguments.
"""


def load_builds(target: str) -> tuple[Build, ...]:
    """
    What `MODULE:ATTRIBUTE` names.

    Errors  TargetError for a module or an attribute that is not there, or is something else. What goes wrong inside the
            module passes.
    """
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute.isidentifier()):
        raise TargetError(f"run {target}: it is not of the form MODULE:ATTRIBUTE, such as greeting:greet")
    module = import_named(module_name, tried=f"run {target}")
    if not hasattr(module, attribute):
        raise TargetError(f"run {target}: module {module_name} has no {attribute}{_instead(module, attribute)}")
    found = getattr(module, attribute)
    builds = tuple(found) if isinstance(found, list | tuple) else (found,)
    if not builds:
        raise TargetError(f"run {target}: the list is empty; put a build function or an @reconciler function into it")
    for build in builds:
        if (why_not := _objection(build)) is not None:
            raise TargetError(
                f"run {target}: {why_not}; name a function decorated with @reconciler, a build function that takes the "
                "manager, or a list of these"
            )
    return builds


def _instead(module: Any, attribute: str) -> str:
    """What could have been meant."""
    public = [name for name in vars(module) if not name.startswith("_")]
    short_forms = [name for name in public if isinstance(getattr(module, name), ReconcilerFunction)]
    return meant(attribute, public) or (f"; did you mean {' or '.join(short_forms)}?" if short_forms else "")


def _objection(build: object) -> str | None:
    """Why something makes no controllers."""
    if isinstance(build, ReconcilerFunction):
        return None
    if not callable(build):
        return f"it is {_a(type(build).__name__)}"
    if inspect.iscoroutinefunction(build):
        return f"{getattr(build, '__name__', 'it')} is an async function without @reconciler"
    try:
        inspect.signature(build).bind(None)
    except TypeError:
        return f"{getattr(build, '__name__', 'it')}{inspect.signature(build)} does not take one argument, the manager"
    except ValueError:  # a callable that does not tell its signature
        return None
    return None


def _a(word: str) -> str:
    return f"{'an' if word[:1] in 'AEIOUaeiou' else 'a'} {word}"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument(
        "target", metavar="MODULE:ATTRIBUTE", help="an @reconciler function, a build function, or a list of them"
    )
    add_flags(parser, settings_known().values())


def _run(arguments: argparse.Namespace) -> int:
    builds, settings = load_builds(arguments.target), Settings.load(arguments)
    name = settings.field_manager or arguments.target.partition(":")[0]  # as `python greeting.py` would be called
    return run_program(*builds, settings=structs.replace(settings, field_manager=name))


COMMAND: Final = Command(
    name="run", help="run controllers of a Python module against a cluster", configure=_configure, run=_run
)
