"""All that is known of a program that is to run in a cluster: what its author says, and what its code says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ctrlkit.cli.crd import kinds_in
from ctrlkit.cli.modules import import_named
from ctrlkit.cli.run import DECORATED, load_builds
from ctrlkit.crd import definition_of
from ctrlkit.deploy.names import WEBHOOKS_SUFFIX
from ctrlkit.deploy.program import Program, Setting
from ctrlkit.deploy.rights import Manifest, Rights, asked_by_settings, asked_by_webhooks, read_roles, rights_of
from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource, Resource
from ctrlkit.model.resource import Scope
from ctrlkit.webhooks import AdmissionWebhook, ConversionFunction, Webhook, Webhooks

WEBHOOKS_SERVICE: Final = "webhooks_service"
"""The setting that names the Service by which a server reaches webhooks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """
    A program, its kinds, its webhooks and its rights.

    Shape   `definitions` are the CustomResourceDefinitions of its kinds. `rights` hold what the file of roles says, and
            what settings and webhooks ask for; what only a release names is a mark in them.
    """

    program: Program
    definitions: tuple[Manifest, ...] = ()
    webhooks: Webhooks = field(default_factory=Webhooks)
    rights: Rights = field(default_factory=Rights)

    @property
    def has_webhooks(self) -> bool:
        """Whether the program answers a server's questions."""
        return len(self.webhooks) > 0

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings it runs with, by name: what is usual in a cluster, and what its author says."""
        more: dict[str, Setting] = (
            {WEBHOOKS_SERVICE: f"{self.program.name}{WEBHOOKS_SUFFIX}"} if self.has_webhooks else {}
        )
        return dict(sorted({**more, **self.program.settings_deployed}.items()))


def describe(program: Program, folder: str | Path = ".") -> Description:
    """
    Return what is known of a program whose files are in a folder; its modules are imported.

    Errors  TargetError for a module that is not there; ConfigError for a file of roles that cannot be used, and for
            kinds that have no definition.
    """
    tried = f"describe {program.name}"
    place = program.run.partition(":")[0]
    modules = [import_named(each, tried=tried) for each in dict.fromkeys([place, *program.modules]) if each]
    builds = load_builds(program.run) if program.run else None
    return description_of(program, *modules, builds=builds, roles=read_roles(Path(folder) / program.rights))


def description_of(
    program: Program, *modules: ModuleType, roles: Sequence[Manifest], builds: Sequence[object] | None = None
) -> Description:
    """
    Return what is known of a program, of modules and roles that have been read.

    Shape   `builds` are what is run, as `ctrlkit run` finds it; None where nobody says, so that it may be all.
    Errors  ConfigError.
    """
    versions = _versions_of(program, modules)
    definitions = tuple(definition_of(*each) for each in versions)
    cluster_kinds = {one.identity for one in _resources_of(modules) if one.scope is Scope.CLUSTER}
    found = _webhooks_of(modules, builds) if program.webhooks_port else []
    webhooks = Webhooks(found, informer=_no_cache)
    _check(program, webhooks, definitions)
    more = [asked_by_settings(program.loaded, definitions), asked_by_webhooks(webhooks)]
    return Description(
        program=program,
        definitions=definitions,
        webhooks=webhooks,
        rights=rights_of(roles, namespace=program.own_namespace, cluster_kinds=cluster_kinds, more=more),
    )


def _no_cache(_: AnyResource) -> Any:
    """Nothing is read here, so what webhooks read needs no cache."""


def _check(program: Program, webhooks: Webhooks, definitions: Sequence[Manifest]) -> None:
    """Errors: ConfigError where conversions lead nowhere, or are of a kind whose definition is not the program's."""
    _ = webhooks.conversions
    known = {one["metadata"]["name"] for one in definitions}
    for name in webhooks.converted:
        if name not in known:
            raise ConfigError(
                f"describe {program.name}: {name} is converted, and the definition is not the program's; import the "
                "kind's versions into a module that the program names"
            )


def _webhooks_of(modules: Sequence[ModuleType], builds: Sequence[object] | None) -> list[Webhook]:
    """The webhooks that are run: those among decorated functions, or all of the modules where a program may add any."""
    is_known = builds is not None and all(isinstance(one, DECORATED) for one in builds)
    values = builds if builds is not None and is_known else [value for one in modules for value in _own_values(one)]
    return list({id(one): one for one in values if isinstance(one, AdmissionWebhook | ConversionFunction)}.values())


def _own_values(module: ModuleType) -> list[object]:
    """What a module has of its own package."""
    home = module.__name__.partition(".")[0]
    return [value for value in vars(module).values() if str(_home(value)).partition(".")[0] == home]


def _home(value: object) -> object:
    return getattr(getattr(value, "function", value), "__module__", "")


def _resources_of(modules: Sequence[ModuleType]) -> list[AnyResource]:
    """All kinds that modules name, those of others among them."""
    return [value for module in modules for value in vars(module).values() if isinstance(value, Resource)]


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
