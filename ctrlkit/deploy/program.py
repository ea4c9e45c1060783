"""
A program that is to run in a cluster, as its author describes it: the table [tool.ctrlkit] of pyproject.toml.

    [tool.ctrlkit]
    run = "greeter"                                     # what `ctrlkit run` runs; its kinds are those of the module
    image = "registry.example.com/greeter"

    [tool.ctrlkit.settings]
    log_level = "debug"

All else has defaults, which are with `Program`. What the code says, such as kinds and webhooks, is not said again.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from ctrlkit.cli import meant
from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.server import SHUTDOWN_S
from ctrlkit.manager.manager import FLUSH_S
from ctrlkit.manager.settings import OFF, Settings, SettingsError, settings_known
from ctrlkit.manager.settings_sources import variable_of
from ctrlkit.names import LABEL_MAX, PROGRAM_MAX, is_label_1035

FILE: Final = "pyproject.toml"
TABLE: Final = "tool.ctrlkit"

METRICS_PORT: Final = 8080
PRE_STOP_S: Final = 5
"""A pod that is to end goes on serving for so long: whoever has its address still calls it."""
SPARE_S: Final = 8
"""What ends a process after the last connection, on a busy machine."""

_IMAGE: Final = re.compile(r"[a-z0-9]+([._:/-]+[a-z0-9]+)*")
_VERSION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_FROM_OUTSIDE: Final = re.compile(r"(0\.0\.0\.0|\[::\])?:[1-9][0-9]*")

Setting = str | bool | int | float | list[str]


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the container asks for, and what it may use; quantities as Kubernetes writes them."""

    requests: dict[str, str] = msgspec.field(default_factory=lambda: {"cpu": "50m", "memory": "96Mi"})
    limits: dict[str, str] = msgspec.field(default_factory=lambda: {"memory": "256Mi"})


class Program(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What a program's author says of it; each field is a key of [tool.ctrlkit].

    >>> Program(name="greeter", version="1.2.0").settings_deployed["lease_name"]
    'greeter'

    Errors  ConfigError for what does not fit together, and for names that Kubernetes does not take.
    """

    name: str
    """Of all objects; by default the project's."""

    version: str = "0.1.0"
    """Of the program, and the tag of its image; by default the project's."""

    description: str = ""
    """One line; by default the project's."""

    run: str = ""
    """`MODULE[:ATTRIBUTE]`, as `ctrlkit run` takes it: its kinds are those of the module, its webhooks what is run."""

    modules: list[str] = []
    """More modules whose kinds belong to the program; and their webhooks, where `run` does not say what is run."""

    args: list[str] | None = None
    """What the image's entry point is given; by default `run` and what is run."""

    namespace: str = ""
    """Where it runs; by default the name."""

    image: str = ""
    """The image without its tag; by default the name."""

    replicas: int = 2
    """Of which one works at a time, or all where `shards` is set."""

    settings: dict[str, Setting] = {}
    """Those of `Settings` that are not as usual in a cluster."""

    resources: Resources = Resources()

    user: int = 65532
    """The number of the user that the container runs as, and not 0, which is root."""

    rights: str = "deploy/rbac.yaml"
    """The file with the roles, as `ctrlkit rbac` writes it."""

    folder: str = "deploy"
    """Where the manifests are written: the folders kustomize and chart in it."""

    kube_version: str = ">=1.30.0-0"
    """The releases of Kubernetes for which it is meant, as helm reads it."""

    def __post_init__(self) -> None:
        namespace = self.namespace or self.name
        for name, value, limit in (("name", self.name, PROGRAM_MAX), ("namespace", namespace, LABEL_MAX)):
            if not is_label_1035(value, most=limit):
                raise ConfigError(
                    f"describe the program: its {name} cannot be {value!r}: write at most {limit} of a-z, 0-9 and -, "
                    "with a letter first and no - at the end"
                )
        if not _IMAGE.fullmatch(self.image or self.name) or ":" in self.image.rpartition("/")[2]:
            raise ConfigError(
                f"describe {self.name}: its image cannot be {self.image!r}: write registry, path and name without a "
                "tag, which is the version"
            )
        if not _VERSION.fullmatch(self.version):
            raise ConfigError(
                f"describe {self.name}: its version {self.version!r} cannot be an image's tag and a label: write at "
                "most 63 letters and digits, with . _ - between them"
            )
        self._check_replicas(self.loaded)
        self._check_addresses(self.loaded)

    def _check_replicas(self, settings: Settings) -> None:
        if self.replicas < 0 or self.user <= 0:
            raise ConfigError(f"describe {self.name}: replicas is 0 or more and user 1 or more, as 0 is root")
        if self.replicas > 1 and not (settings.leader_elect or settings.shards):
            raise ConfigError(
                f"describe {self.name}: {self.replicas} replicas would all do the same work; set leader_elect or "
                f"shards in [{TABLE}.settings], or replicas = 1"
            )

    def _check_addresses(self, settings: Settings) -> None:
        """What asks at them comes from outside of the pod."""
        addresses = {"endpoints_address": settings.endpoints_address, "webhooks_address": settings.webhooks_address}
        for name, address in addresses.items():
            is_off = name == "webhooks_address" and address == OFF
            if not is_off and not _FROM_OUTSIDE.fullmatch(address):
                who = "probes ask it" if name == "endpoints_address" else "servers call it"
                raise ConfigError(
                    f"describe {self.name}: {name} cannot be {address!r}: {who}, from outside of the pod; write :PORT, "
                    f"such as :{METRICS_PORT}"
                )

    @property
    def own_namespace(self) -> str:
        """Where it runs."""
        return self.namespace or self.name

    @property
    def image_name(self) -> str:
        """The image without its tag."""
        return self.image or self.name

    @property
    def arguments(self) -> list[str]:
        """What the image's entry point is given."""
        if self.args is not None:
            return self.args
        return ["run", self.run] if self.run else []

    @property
    def settings_deployed(self) -> dict[str, Setting]:
        """The settings it runs with, by name: what is usual in a cluster, and what is said."""
        usual: dict[str, Setting] = {
            "endpoints_address": f":{METRICS_PORT}",
            "leader_elect": not self.settings.get("shards"),
            "lease_name": self.name,
            "log_format": "json",
        }
        return dict(sorted({**usual, **self.settings}.items()))

    @property
    def loaded(self) -> Settings:
        """
        The settings as the program reads them.

        Errors  ConfigError for what is no setting, or not what it takes.
        """
        known = settings_known()
        for name in self.settings:
            if name not in known:
                raise ConfigError(f"describe {self.name}: there is no setting {name}{meant(name, known)}")
        try:
            return _load(tuple((variable_of(name), as_text(value)) for name, value in self.settings_deployed.items()))
        except SettingsError as error:
            raise ConfigError(f"describe {self.name}: {self._as_said_here(str(error))}") from None

    def _as_said_here(self, message: str) -> str:
        """A message with settings as they stand in the table, and not with their variables."""
        for name, value in self.settings_deployed.items():
            message = message.replace(f"{variable_of(name)}={as_text(value)}", f"{name} in [{TABLE}.settings]")
        return message

    @property
    def metrics_port(self) -> int:
        """Where metrics and health are served."""
        return int(self.loaded.endpoints_address.rpartition(":")[2])

    @property
    def webhooks_port(self) -> int:
        """Where webhooks are served; 0 for nowhere."""
        serving = self.loaded.webhooks_address
        return 0 if serving == OFF else int(serving.rpartition(":")[2])


@cache
def _load(variables: tuple[tuple[str, str], ...]) -> Settings:
    return Settings.load([], dict(variables))


def as_text(value: Setting) -> str:
    """
    Return a setting as its variable has it.

    >>> as_text(True), as_text(["a", "b"]), as_text(30.0), as_text(2)
    ('true', 'a,b', '30', '2')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def seconds_to_end(settings: Settings) -> int:
    """
    Return how long an orderly end may take: calls that are on their way, running reconciles, the last Events, the
    Lease and the Event about it, open connections.

    >>> seconds_to_end(Settings())
    62
    """
    needed_s = settings.grace_s + settings.renew_s + 2 * FLUSH_S + SHUTDOWN_S
    return math.ceil(needed_s + PRE_STOP_S + SPARE_S)


def load_program(folder: str | Path = ".", **said: Any) -> Program:
    """
    Return what the pyproject.toml of a folder says of its program; `said` comes before it.

    Errors  ConfigError for a file that cannot be read, and for what it may not say.
    """
    path = Path(folder) / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"read the program from {path}: {error}") from None
    return program_of(document, where=str(path), **said)


def program_of(document: Mapping[str, Any], *, where: str = FILE, **said: Any) -> Program:
    """
    Return the program of a pyproject.toml that has been read.

    >>> program_of({"project": {"name": "My_Greeter", "version": "2"}, "tool": {"ctrlkit": {"run": "greeter"}}}).name
    'my-greeter'

    Errors  ConfigError.
    """
    project = document.get("project") or {}
    table = (document.get("tool") or {}).get("ctrlkit") or {}
    if not isinstance(table, Mapping) or not isinstance(project, Mapping):
        raise ConfigError(f"read the program from {where}: [project] and [{TABLE}] are tables; write them so")
    usual = {name: project[name] for name in ("version", "description") if isinstance(project.get(name), str)}
    if isinstance(project.get("name"), str):
        usual["name"] = re.sub(r"[-_.]+", "-", project["name"]).lower()
        if "version" in (project.get("dynamic") or ()) and "version" not in {**table, **said}:
            usual["version"] = _installed_version(project["name"], where)
    try:
        return msgspec.convert({**usual, **table, **said}, Program)
    except msgspec.ValidationError as error:
        raise ConfigError(f"read the program from {where}, [{TABLE}]: {_fact(str(error), table)}") from None


def _installed_version(name: str, where: str) -> str:
    """The version of a project that computes it. Errors: ConfigError where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise ConfigError(
            f"read the program from {where}: the version of {name} is computed, and it is not installed; install it, "
            f"or write version in [{TABLE}]"
        ) from None


_TAKES: Final = {"int": "a whole number", "str": "a text in quotes", "array": "a list", "object": "a table"}


def _fact(message: str, table: Mapping[str, Any]) -> str:
    """What msgspec said, in words; with the keys that are known where one is not."""
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown:
        names = [field.name for field in msgspec.structs.fields(Program)]
        return f"there is no key {unknown[1]}{meant(unknown[1], names)}; there are {', '.join(names)}"
    if "missing required field `name`" in message:
        return 'the program has no name; write name = "...", there or in [project]'
    wrong = re.fullmatch(r"Expected `([^`]*)`, got `[^`]*` - at `\$\.(\w+)([^`]*)`", message)
    if not wrong:
        return message
    takes = " or ".join(_TAKES.get(each, each) for each in wrong[1].split(" | ") if each != "null")
    given = f" {table[wrong[2]]!r:.80}" if wrong[2] in table and not wrong[3] else " what it is"
    return f"{wrong[2]}{wrong[3]} cannot be{given}; write {takes}"
