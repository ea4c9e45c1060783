"""
`ctrlkit crd MODULE[:KIND]`: CustomResourceDefinitions out of the Python types of a module's resources.

It prints them as YAML, says where a file and the types disagree (`--check`), or what they would break of objects that
exist under an older definition (`--against`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ctrlkit.cli import Command, meant
from ctrlkit.cli.modules import TargetError, import_named
from ctrlkit.crd import (
    breaking_changes,
    check_definition,
    definition_of,
    disagreements,
    outdated_parts,
    read_definition,
    to_yaml,
)
from ctrlkit.crd.fields import has_a_definition, is_owned
from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource, Resource
from ctrlkit.webhooks import ConversionFunction

Kinds = Mapping[tuple[str, str], Sequence[AnyResource]]
"""The versions of each kind, by group and plural."""

_EPILOG: Final = """\
examples:
  ctrlkit crd greeting > crd.yaml
  ctrlkit crd greeting:Greeting --check deploy/crd.yaml
  ctrlkit crd greeting --against deployed.yaml      # what `kubectl get crd greetings.demo.example.com -o yaml` printed

A module's kinds are the resources in it that have a Python type: custom_resource(...).of(Greeting).
exit status: 0; 1 where a file disagrees, something would break, or for an error; 2 for bad arguments.
"""


def load_kinds(target: str) -> Kinds:
    """
    Return the custom kinds of `MODULE[:KIND]` that have a type, each with its versions in the order of the module.

    Those of somebody else are meant where they are named.

    Errors  TargetError for a module that is not there or has none, and for a kind that is not among them;
            ConfigError for a kind with two types.
    """
    module_name, _, wanted = target.partition(":")
    tried = f"make the definition of {target}"
    kinds = kinds_in(import_named(module_name, tried=tried), tried=tried, others=bool(wanted))
    if not kinds:
        raise TargetError(
            f"{tried}: the module has no custom kind with a Python type; write custom_resource(...).of(YourType), and "
            "assign it to a name; name a kind that is not its own, as MODULE:KIND"
        )
    found = {key: versions for key, versions in kinds.items() if wanted in ("", versions[0].kind)}
    if not found:
        known = [versions[0].kind for versions in kinds.values()]
        raise TargetError(f"{tried}: its kinds are {', '.join(known)}, not {wanted}{meant(wanted, known)}")
    return found


def kinds_in(module: Any, *, tried: str, others: bool = False) -> Kinds:
    """
    Return the custom kinds of a module that have a type, with `others` those of somebody else too; none is no error.

    Errors  ConfigError for a kind with two types; `tried` begins the message.
    """
    kinds: dict[tuple[str, str], list[AnyResource]] = {}
    for resource in _resources(module):
        if not (others or is_owned(resource)):
            continue
        versions = kinds.setdefault(resource.identity, [])
        same = next((one for one in versions if one.version == resource.version), None)
        if same is not None and same.type != resource.type:
            raise ConfigError(
                f"{tried}: {resource} {resource.version} has two types, {same.type.__name__} and "
                f"{resource.type.__name__}; leave the whole one in the module, and the other one elsewhere"
            )
        if same is None:
            versions.append(resource)
    return kinds


def _resources(module: Any) -> Iterable[AnyResource]:
    """The resources of a module whose type is the program's own; others belong to somebody else."""
    home = module.__name__.partition(".")[0]
    for value in vars(module).values():
        is_meant = isinstance(value, Resource) and has_a_definition(value)
        if is_meant and value.type.__module__.partition(".")[0] == home:
            yield value


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument(
        "target", metavar="MODULE[:KIND]", help="the module or file whose kinds are meant, or one of them"
    )
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--check", metavar="FILE", help="say where the definition in a file and the types disagree")
    one_of.add_argument("--against", metavar="OLD", help="say what the types would break of an older definition")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--exact", action="store_true", help="with --check: the file says no more and no less")
    how.add_argument(
        "--reader",
        action="store_true",
        help="with --check: only what is read wrongly, for types of kinds that are somebody else's",
    )


def _run(arguments: argparse.Namespace) -> int:
    for option in ("exact", "reader"):
        if getattr(arguments, option) and not arguments.check:
            raise TargetError(f"make definitions: --{option} belongs to --check; name the file with it")
    kinds = load_kinds(arguments.target)
    if not (arguments.check or arguments.against):
        sys.stdout.write(to_yaml(*map(_made, kinds.values())))
        return 0
    lines: list[str] = []
    for versions in kinds.values():
        if arguments.check:
            reads = arguments.reader or not is_owned(versions[0])
            lines += _checked(arguments.check, versions, exact=arguments.exact, reader=reads)
        else:
            lines += _broken(arguments.against, versions, convert=_converted(arguments.target, versions))
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 1 if lines else 0


def _made(versions: Sequence[AnyResource]) -> dict[str, Any]:
    """The definition of a kind, which servers take as far as can be told here."""
    definition = definition_of(*versions)
    check_definition(definition)
    return definition


def _broken(path: str, versions: Sequence[AnyResource], *, convert: bool) -> list[str]:
    old = read_definition(path, versions[0])
    new = _made(versions)
    if convert:
        new["spec"]["conversion"] = {"strategy": "Webhook"}
    return [f"{versions[0]} {change}" for change in breaking_changes(old, new)]


def _converted(target: str, versions: Sequence[AnyResource]) -> bool:
    """Whether the module has functions that convert objects of one version to another."""
    module = import_named(target.partition(":")[0], tried=f"make the definition of {target}")
    identity = versions[0].identity
    return any(isinstance(one, ConversionFunction) and one.source.identity == identity for one in vars(module).values())


def _checked(path: str, versions: Sequence[AnyResource], *, exact: bool, reader: bool) -> list[str]:
    definition = read_definition(path, versions[0])
    found = [
        f"{one} {one.version} {difference}"
        for one in versions
        for difference in disagreements(one, definition, owned=not reader)
    ]
    if exact:
        parts = outdated_parts(definition, *versions)
        found += [f"{versions[0]} {part}: not what the types give" for part in parts]
    return found


COMMAND: Final = Command(
    name="crd", help="make CustomResourceDefinitions of a module's Python types", configure=_configure, run=_run
)
