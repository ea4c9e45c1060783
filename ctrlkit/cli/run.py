"""
`ctrlkit run TARGET`: controllers and webhooks of a module or a file, against a cluster, until a signal.

Without `:ATTRIBUTE` these are all decorated functions that the target has of its own, or its function `build`. For
development it starts again when a source changes (reload.py), sends no writes (manager/dry_run.py), or brings an API
server along (embedded.py).
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from ctrlkit.cli import Command, meant
from ctrlkit.cli.modules import TargetError, import_named, is_file, root_of
from ctrlkit.cli.parent import OPTION, end_with_parent
from ctrlkit.manager.decorator import ReconcilerFunction
from ctrlkit.manager.dry_run import DryRunMode, dry_run
from ctrlkit.manager.program import Build, Preparation, run_program
from ctrlkit.manager.settings import OFF, Settings, settings_known
from ctrlkit.manager.settings_sources import add_flags
from ctrlkit.webhooks import AdmissionWebhook, ConversionFunction

DECORATED: Final = (ReconcilerFunction, AdmissionWebhook, ConversionFunction)
"""What a module's functions become that are run without being named."""

_EPILOG: Final = """\
examples:
  ctrlkit run greeting.py
  ctrlkit run greeting:build --kubeconfig ~/.kube/test --namespaces dev,test
  ctrlkit run shop.caches --apiserver --reload      # a cluster in memory, and the program again after each change
  ctrlkit run greeting.py --dry-run                 # reads the cluster, says what it would write
  CTRLKIT_ENDPOINTS_ADDRESS=:8080 ctrlkit run greeting:greet --leader-elect --lease-name greeter

A target is FILE.py or a module, package.module, and runs all of its functions decorated with @reconciler and the like,
or its function build(manager). :ATTRIBUTE names one of them; for several, make a list of them in the module, such as
both = [greet, welcome], and name that: greeting:both
SIGTERM and Ctrl-C let running work finish; a second one ends it at once. Log lines go to stderr.
exit status: 0 after SIGTERM or Ctrl-C, 1 for an error, 2 for bad arguments.
"""


def load_builds(target: str) -> tuple[Build, ...]:
    """
    What a target names.

    Errors  TargetError for a module or an attribute that is not there, or is something else. What goes wrong inside the
            module passes.
    """
    place, _, attribute = target.partition(":")
    if not place or (":" in target and not attribute.isidentifier()):
        raise TargetError(
            f"run {target}: it is not of the form FILE.py or MODULE, with :ATTRIBUTE or without, such as greeting:greet"
            "; for several, name a list of the module"
        )
    module = import_named(place, tried=f"run {target}")
    if not attribute:
        return _all_of(module, target)
    if not hasattr(module, attribute):
        raise TargetError(f"run {target}: module {module.__name__} has no {attribute}{_instead(module, attribute)}")
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


def _all_of(module: Any, target: str) -> tuple[Build, ...]:
    """A module's own decorated functions, in order, or its `build`; TargetError for neither, and for both."""
    own = dict.fromkeys(_decorated(module))
    build = getattr(module, "build", None)
    if build is not None and _objection(build) is None and build not in own:
        if not own:
            return (build,)
        names = ", ".join(f"{target}:{_name_in(module, each)}" for each in (*own, build))
        raise TargetError(f"run {target}: it has decorated functions, and build; name what is meant: {names}")
    if not own:
        lists = [name for name, value in vars(module).items() if isinstance(value, list | tuple) and _are_builds(value)]
        hint = " or ".join(f"{target}:{name}" for name in lists) or f"what is to run, as {target}:NAME"
        raise TargetError(
            f"run {target}: module {module.__name__} has no decorated function of its own, as with @reconciler, and no "
            f"build(manager); name {hint}"
        )
    return tuple(own)


def _decorated(module: Any) -> Iterator[Build]:
    """Those that are defined in a module or, where it is a package, in a module below it."""
    below = f"{module.__name__}."
    for value in vars(module).values():
        if isinstance(value, DECORATED):
            home = str(getattr(value.function, "__module__", ""))
            if home == module.__name__ or (hasattr(module, "__path__") and home.startswith(below)):
                yield value


def _are_builds(found: list[Any] | tuple[Any, ...]) -> bool:
    return bool(found) and all(callable(each) and _objection(each) is None for each in found)


def _name_in(module: Any, value: object) -> str:
    return str(next(name for name, each in vars(module).items() if each is value))


def _instead(module: Any, attribute: str) -> str:
    """What could have been meant."""
    public = [name for name in vars(module) if not name.startswith("_")]
    short_forms = [name for name in public if isinstance(getattr(module, name), DECORATED)]
    return meant(attribute, public) or (f"; did you mean {' or '.join(short_forms)}?" if short_forms else "")


def _objection(build: object) -> str | None:
    """Why something makes no controllers."""
    if isinstance(build, DECORATED):
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
    parser.add_argument("target", metavar="TARGET", help="FILE.py or package.module, with :ATTRIBUTE or without")
    group = parser.add_argument_group("development")
    group.add_argument(
        "--reload", action="store_true", help="stop in order and start again whenever a source of the target changes"
    )
    group.add_argument(
        "--dry-run",
        nargs="?",
        const=DryRunMode.CLIENT,
        type=_dry_run_mode,
        metavar="server",
        help="log writes and send none; with =server they are sent as dry runs, and the server says what it makes of "
        "them. Nobody is elected, and Events are not written either",
    )
    group.add_argument(
        "--apiserver",
        action="store_true",
        help="run against an API server in memory, with the target's kinds; its kubeconfig is printed when they are "
        "served, and written to --kubeconfig where that is given",
    )
    group.add_argument(
        "--seed",
        action="append",
        default=[],
        metavar="FILE",
        help="with --apiserver: a manifest whose objects are made if they are not there; may be given several times",
    )
    group.add_argument("--install", metavar="TOLD", help=argparse.SUPPRESS)  # of those that --reload starts
    group.add_argument(OPTION, action="store_true", help=argparse.SUPPRESS)
    add_flags(parser, settings_known().values())


def _dry_run_mode(text: str) -> DryRunMode:
    try:
        return DryRunMode(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither client nor server; write --dry-run=server, and what is to run before it"
        ) from None


def _run(arguments: argparse.Namespace) -> int:
    if arguments.seed and not (arguments.apiserver or arguments.install):
        raise TargetError("run: --seed belongs to --apiserver; for a cluster there is kubectl apply")
    if arguments.with_parent:
        end_with_parent()
    with ExitStack() as stack:
        if arguments.apiserver:
            if not arguments.reload:
                load_builds(arguments.target)
            Settings.load(arguments)  # what is wrong with either is said before there is a server
            from ctrlkit.cli.embedded import api_server  # noqa: PLC0415 - who runs in a cluster does not pay for it

            named = getattr(arguments, "kubeconfig", None)
            kubeconfig, told = stack.enter_context(api_server(named))
            arguments.kubeconfig, arguments.install = str(kubeconfig), str(told)
        if arguments.reload:
            return _reload(arguments)
        return _run_once(arguments)


def _run_once(arguments: argparse.Namespace) -> int:
    builds, settings = load_builds(arguments.target), Settings.load(arguments)
    place = arguments.target.partition(":")[0]
    name = settings.field_manager or (
        root_of(place)[1] if is_file(place) else place
    )  # as `python greeting.py` would be
    settings = structs.replace(settings, field_manager=name)
    before: Preparation | None = None
    if arguments.install:
        from ctrlkit.cli.embedded import installer  # noqa: PLC0415

        settings = structs.replace(settings, context="")
        module = import_named(place, tried=f"run {arguments.target}")
        before = installer(module, arguments.seed, kubeconfig=settings.kubeconfig, told=Path(arguments.install))
    if arguments.dry_run is not None:
        alone = structs.replace(settings, leader_elect=False, shards=0, lease_name="", webhooks_address=OFF)
        return run_program(*builds, settings=alone, before=before, way=dry_run(arguments.dry_run))
    return run_program(*builds, settings=settings, before=before)


def _reload(arguments: argparse.Namespace) -> int:
    from ctrlkit.cli.reload import kept_address, run_again  # noqa: PLC0415 - who does not develop does not pay for it

    words = [word for word in arguments.given if word not in ("--reload", "--apiserver")]
    address = Settings.load(arguments).endpoints_address
    if (kept := kept_address(address)) != address:
        words = [*_without(words, "--endpoints-address"), "--endpoints-address", kept]
    if arguments.apiserver:
        words = [*_without(words, "--kubeconfig"), "--install", arguments.install]
        words += ["--kubeconfig", arguments.kubeconfig]
    root, module = root_of(arguments.target.partition(":")[0])
    return run_again(words, folder=_source_folder(root, module))


def _source_folder(root: Path, module: str) -> Path:
    """The folder of a program's sources: its top package, or where the module is."""
    top = root / module.partition(".")[0]
    return top if top.is_dir() else root


def _without(words: list[str], *options: str) -> list[str]:
    """
    Leave out options that take a value.

    >>> _without(["run", "a", "--seed", "b.yaml", "--seed=c.yaml", "--grace-s", "3"], "--seed")
    ['run', 'a', '--grace-s', '3']
    """
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        elif word.partition("=")[0] not in options:
            kept.append(word)
    return kept


COMMAND: Final = Command(
    name="run", help="run controllers and webhooks of a Python module or file", configure=_configure, run=_run
)
