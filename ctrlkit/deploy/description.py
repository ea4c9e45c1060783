"""All that is known of a program that is to run in a cluster: what its author says, and what its code says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ctrlkit.cli.crd import kinds_in
from ctrlkit.cli.modules import import_named
from ctrlkit.crd import definition_of
from ctrlkit.deploy.program import Program
from ctrlkit.deploy.rights import Manifest, Rights, asked_by_settings, read_roles, rights_of
from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource
from ctrlkit.model.resource import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """
    A program, its kinds and its rights.

    Shape   `definitions` are the CustomResourceDefinitions of its kinds. `rights` hold what the file of roles says, and
            what settings ask for.
    """

    program: Program
    definitions: tuple[Manifest, ...] = ()
    rights: Rights = field(default_factory=Rights)


def describe(program: Program, folder: str | Path = ".") -> Description:
    """
    Return what is known of a program whose files are in a folder; its modules are imported.

    Errors  TargetError for a module that is not there; ConfigError for a file of roles that cannot be used, and for
            kinds that have no definition.
    """
    modules = [_module(program, name) for name in _module_names(program)]
    return description_of(program, *modules, roles=read_roles(Path(folder) / program.rights))


def description_of(program: Program, *modules: ModuleType, roles: Sequence[Manifest]) -> Description:
    """
    Return what is known of a program, of modules and roles that have been read.

    Errors  ConfigError.
    """
    versions = _versions_of(program, modules)
    definitions = tuple(definition_of(*each) for each in versions)
    cluster_kinds = {each[0].identity for each in versions if each[0].scope is Scope.CLUSTER}
    return Description(
        program=program,
        definitions=definitions,
        rights=rights_of(
            roles,
            namespace=program.own_namespace,
            cluster_kinds=cluster_kinds,
            more=asked_by_settings(program.loaded, definitions),
        ),
    )


def _module_names(program: Program) -> list[str]:
    names = [program.run.partition(":")[0], *program.modules]
    return list(dict.fromkeys(name for name in names if name))


def _module(program: Program, name: str) -> ModuleType:
    module: Any = import_named(name, tried=f"describe {program.name}")
    return module  # type: ignore[no-any-return]


def _versions_of(program: Program, modules: Sequence[ModuleType]) -> list[tuple[AnyResource, ...]]:
    """The versions of each kind of the modules; a kind may be seen in several of these."""
    found: dict[tuple[str, str], tuple[AnyResource, ...]] = {}
    for module in modules:
        for identity, versions in kinds_in(module, tried=f"describe {program.name}").items():
            known = found.setdefault(identity, tuple(versions))
            if {one.version for one in known} != {one.version for one in versions}:
                raise ConfigError(
                    f"describe {program.name}: modules have different versions of {versions[0]}; import all of them "
                    f"into {module.__name__}"
                )
    return list(found.values())
