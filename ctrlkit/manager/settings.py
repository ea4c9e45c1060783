"""
What may be set when a program starts, as one typed value.

In       Command line, environment, a YAML file (settings_sources.py reads them), in this order; then the defaults.
Out      Settings; or an error that says where the bad value stands, what is wrong with it and what would be right.

A setting `grace_s` is the flag `--grace-s`, the variable `CTRLKIT_GRACE_S` and the key `grace_s` of the file.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args, get_origin

import msgspec
from msgspec import Meta

from ctrlkit.cache import ForbiddenNamespaces
from ctrlkit.election import pod_namespace
from ctrlkit.election.lease import LeaseTimes
from ctrlkit.errors import ConfigError
from ctrlkit.exits import BAD_ARGUMENTS
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.manager.settings_sources import (
    Given,
    Setting,
    from_arguments,
    from_environment,
    from_file,
    parse,
    unknown_variables,
)
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.names import check_no_text, is_field_manager, is_label, is_subdomain
from ctrlkit.telemetry import LogFormat, LogLevel, logger

OFF: Final = "off"

SHARDS_MAX: Final = 256
"""Each shard is a Lease that is renewed every retry_s: 256 are 128 requests a second with the usual times."""

_FILE: Final = {"metavar": "FILE"}


class SettingsError(ConfigError):
    """A setting cannot be used; `settings` names those concerned. Programs that end with it end with status 2."""

    exit_status = BAD_ARGUMENTS

    def __init__(self, message: str, *, settings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.settings: tuple[str, ...] = tuple(settings)


class Settings(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """
    The settings of a program that runs a manager.

    >>> Settings.load(["--grace-s", "5"], {"CTRLKIT_GRACE_S": "60", "CTRLKIT_NAMESPACES": "demo,test"})
    Settings(namespaces=('demo', 'test'), grace_s=5.0)
    >>> Settings.load([], {"CTRLKIT_GRACE_S": "abc"})
    Traceback (most recent call last):
      ...
    ctrlkit.manager.settings.SettingsError: CTRLKIT_GRACE_S=abc: grace_s takes seconds, 0 or more, such as 30

    Shape   What each is for is said where it stands, and by `--help`. How many workers there are, and what is watched,
            belongs to controllers.
    Units   `..._s`: seconds.
    Errors  SettingsError, a ConfigError, for what does not fit together, and for names that Kubernetes does not take;
            TypeError for namespaces that are one text.
    """

    kubeconfig: Annotated[
        str,
        Meta(description="how to reach the server; without it the usual places, then this pod's account", extra=_FILE),
    ] = ""
    context: Annotated[str, Meta(description="a context of the kubeconfig; without it the current one")] = ""
    namespaces: Annotated[
        tuple[str, ...], Meta(description="see namespaced kinds in these alone; without it in all")
    ] = ()
    forbidden_namespaces: Annotated[
        ForbiddenNamespaces,
        Meta(description="wait for namespaces that may not be read, or skip them and serve the others meanwhile"),
    ] = ForbiddenNamespaces.WAIT

    field_manager: Annotated[
        str,
        Meta(description="the owner of what this program applies and writes; without it the program's own name"),
    ] = ""

    grace_s: Annotated[float, Meta(ge=0, description="how long running reconciles may go on after a stop")] = 30.0
    sync_timeout_s: Annotated[float, Meta(ge=0, description="how long the caches may take to fill")] = 120.0

    check_definitions: Annotated[
        bool, Meta(description="say at the start where types of custom kinds and the server's definitions disagree")
    ] = True

    log_format: Annotated[
        LogFormat,
        Meta(description="readable log lines, or one JSON object each; auto is the first on a terminal, else JSON"),
    ] = LogFormat.AUTO
    log_level: Annotated[LogLevel, Meta(description="write log lines of this level and above")] = LogLevel.INFO

    leader_elect: Annotated[bool, Meta(description="of several replicas, let one work at a time")] = False
    shards: Annotated[
        int,
        Meta(ge=0, description="of several replicas, let each work on its share of so many parts of all keys"),
    ] = 0
    lease_name: Annotated[
        str, Meta(description="the Lease that replicas compete for; the same for all of them, and for nobody else")
    ] = ""
    lease_namespace: Annotated[str, Meta(description="where the Lease is; without it the namespace of this pod")] = ""
    identity: Annotated[str, Meta(description="this replica's name; without it one that no other has")] = ""
    lease_s: Annotated[float, Meta(ge=0, description="others wait so long for a leader that fell silent")] = 15.0
    renew_s: Annotated[float, Meta(ge=0, description="a leader that cannot renew for so long gives up")] = 10.0
    retry_s: Annotated[float, Meta(ge=0, description="from one try to take or renew the Lease to the next")] = 2.0

    endpoints_address: Annotated[
        str,
        Meta(
            description="where metrics, health and debug are served; :8080 for all interfaces, off for nowhere",
            extra={"metavar": "HOST:PORT"},
        ),
    ] = "127.0.0.1:8080"
    tls_cert: Annotated[str, Meta(description="serve them over TLS, with this chain of certificates", extra=_FILE)] = ""
    tls_key: Annotated[str, Meta(description="the key of the certificate", extra=_FILE)] = ""
    metrics_token_file: Annotated[
        str, Meta(description="ask for this bearer token where metrics and debug are read", extra=_FILE)
    ] = ""

    webhooks_address: Annotated[
        str,
        Meta(
            description="where webhooks are served, if the program has any; off for nowhere",
            extra={"metavar": "HOST:PORT"},
        ),
    ] = ":9443"
    webhooks_service: Annotated[
        str,
        Meta(
            description="the Service that leads there in a cluster, in this pod's namespace unless said; it gives its "
            "name to the configurations and to the Secret of the certificates",
            extra={"metavar": "[NAMESPACE/]NAME"},
        ),
    ] = ""
    webhooks_url: Annotated[
        str,
        Meta(
            description="how the server gets there where there is no Service; without it this machine's address",
            extra={"metavar": "https://HOST[:PORT]"},
        ),
    ] = ""
    webhooks_cert_dir: Annotated[
        str,
        Meta(
            description="serve webhooks with the tls.crt and tls.key in this folder; without it certificates are made",
            extra={"metavar": "FOLDER"},
        ),
    ] = ""
    webhooks_client_ca: Annotated[
        str, Meta(description="let those alone call webhooks who have a certificate of these authorities", extra=_FILE)
    ] = ""

    def __post_init__(self) -> None:
        for settings, check in _TOGETHER:
            try:
                check(self)
            except (ConfigError, ValueError) as error:
                raise SettingsError(str(error), settings=settings) from None

    @property
    def lease_times(self) -> LeaseTimes:
        """The three times of a Lease; ValueError where they do not fit each other."""
        return LeaseTimes(lease_s=self.lease_s, renew_s=self.renew_s, retry_s=self.retry_s)

    @property
    def endpoints(self) -> Endpoints | None:
        """Where to serve metrics, health and debug; None for nowhere."""
        if self.endpoints_address == OFF:
            return None
        return Endpoints(
            address=self.endpoints_address,
            tls_cert=self.tls_cert,
            tls_key=self.tls_key,
            token_file=self.metrics_token_file,
        )

    @property
    def webhook_serving(self) -> WebhookServing | None:
        """Where to serve webhooks; None for nowhere."""
        if self.webhooks_address == OFF:
            return None
        namespace, _, name = self.webhooks_service.rpartition("/")
        if name and not namespace:
            namespace = self._own_namespace()
        return WebhookServing(
            address=self.webhooks_address,
            service=f"{namespace}/{name}" if name else "",
            url=self.webhooks_url,
            cert_dir=self.webhooks_cert_dir,
            client_ca=self.webhooks_client_ca,
        )

    def _own_namespace(self) -> str:
        try:
            return pod_namespace()
        except ConfigError as error:
            raise ConfigError(
                f"find the namespace of Service {self.webhooks_service}: this is no pod that could tell; write "
                f"NAMESPACE/{self.webhooks_service} as webhooks_service [{error}]"
            ) from None

    @classmethod
    def load(
        cls,
        arguments: Sequence[str] | argparse.Namespace | None = None,
        environ: Mapping[str, str] | None = None,
        file: str | Path = "",
    ) -> Self:
        """
        Load the settings of this process, or from what is given instead of its arguments and its environment.

        Shape   `arguments` may be the outcome of a parser of the program's own, to which `add_flags` added ours. `file`
                is read where neither --settings nor CTRLKIT_SETTINGS names another. A variable that is set to nothing
                is not set.
        Errors  SettingsError; SystemExit with status 0 for --help.
        """
        known = settings_known()
        if not isinstance(arguments, argparse.Namespace):
            arguments = _parsed(arguments, known)
        by_flag = from_arguments(arguments, known)
        by_variable = from_environment(_variables(environ), known)
        try:
            by_file = from_file(arguments, _variables(environ), str(file), known)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        given = {**by_file, **by_variable, **by_flag}
        _lease_is_for_something(given)
        values = {name: _converted(known[name], value) for name, value in given.items()}
        try:
            return cls(**values)
        except SettingsError as error:
            where = [value.where for name, value in given.items() if name in error.settings]
            raise SettingsError(f"{error} [{'; '.join(where)}]", settings=error.settings) from None


def tell_unknown_variables(environ: Mapping[str, str] | None = None) -> None:
    """
    Write a warning for each variable CTRLKIT_... that is no setting; `run` does so once logging is set up.

    Variables that Kubernetes sets for a Service are left out.
    """
    log = logger("manager")
    for name, near in unknown_variables(_variables(environ), settings_known()).items():
        log.warning("variable_ignored", name=name, **({"did_you_mean": near} if near else {}))


def _variables(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    """Not in a variable of its own: those of the process may hold secrets, and a traceback show them."""
    return os.environ if environ is None else environ


def settings_known() -> dict[str, Setting]:
    """Every setting there is, by name, in the order of `--help`."""
    return {field.name: _setting(field) for field in msgspec.structs.fields(Settings)}


def _setting(field: msgspec.structs.FieldInfo) -> Setting:
    plain, meta = get_args(field.type)
    return Setting(
        name=field.name,
        type=field.type,
        is_switch=plain is bool,
        is_list=get_origin(plain) is tuple,
        takes=_takes(plain),
        metavar=(meta.extra or {}).get("metavar") or _metavar(plain),
        help=meta.description,
        default=_text(field.default),
    )


def _takes(plain: Any) -> str:
    """What would be right, in words."""
    if plain is float:
        return "seconds, 0 or more"
    if plain is int:
        return "a whole number, 0 or more"
    if plain is bool:
        return "true or false"
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return f"one of {', '.join(plain)}"
    return "names with commas between them" if get_origin(plain) is tuple else "text"


def _metavar(plain: Any) -> str:
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return f"{{{','.join(plain)}}}"
    return {float: "SECONDS", int: "NUMBER"}.get(plain, "NAME,..." if get_origin(plain) is tuple else "NAME")


def _text(default: Any) -> str:
    """A default as somebody would write it."""
    match default:
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case tuple():
            return ",".join(default)
    return str(default)


def _parsed(arguments: Sequence[str] | None, known: Mapping[str, Setting]) -> argparse.Namespace:
    try:
        return parse(arguments, known)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _converted(setting: Setting, given: Given) -> Any:
    written = given.value
    if setting.is_list and isinstance(written, str):
        written = [part for part in (part.strip() for part in written.split(",")) if part]
        if not written:
            raise SettingsError(
                f"{given.where}: {setting.name} names nothing; leave it out, or give it {setting.takes}",
                settings=[setting.name],
            )
    try:
        value = msgspec.convert(written, setting.type, strict=False)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(value)
    except (msgspec.ValidationError, ValueError):
        such_as = f", such as {setting.default}" if setting.default else ""
        raise SettingsError(
            f"{given.where}: {setting.name} takes {setting.takes}{such_as}", settings=[setting.name]
        ) from None
    return value


def _namespaces(settings: Settings) -> None:
    check_no_text(settings.namespaces)
    for name in settings.namespaces:
        if not is_label(name):
            raise ValueError(
                f"{name!r} cannot be a namespace: its name has at most 63 of a-z, 0-9 and -, with no - at either end"
            )


def _lease_name(settings: Settings) -> None:
    if settings.lease_name and not is_subdomain(settings.lease_name):
        raise ValueError(
            f"{settings.lease_name!r} cannot be the lease_name: a Lease has at most 253 of a-z, 0-9, - and . in its "
            "name, with a letter or digit at both ends of each part"
        )


def _field_manager(settings: Settings) -> None:
    if settings.field_manager and not is_field_manager(settings.field_manager):
        raise ValueError(
            f"{settings.field_manager[:64]!r} cannot be the field_manager: it has at most 128 characters, all of them "
            "printable"
        )


def _number_of_shards(settings: Settings) -> None:
    if settings.shards > SHARDS_MAX:
        raise ValueError(
            f"shards is {settings.shards}, and at most {SHARDS_MAX}: each is a Lease that is renewed every retry_s; "
            "four to eight for each replica share the keys well"
        )


def _lease_is_for_something(given: Mapping[str, Given]) -> None:
    """Whoever turns sharing off in so many words may leave the name of the Lease where it is."""
    if "lease_name" in given and not {"leader_elect", "shards"} & given.keys():
        raise SettingsError(
            f"{given['lease_name'].where}: neither leader_elect nor shards is set, so no Lease is taken; add "
            "--leader-elect or --shards, or leave it out",
            settings=["leader_elect", "shards", "lease_name"],
        )


def _one_way_to_share(settings: Settings) -> None:
    if not (settings.leader_elect or settings.shards):
        return
    if settings.leader_elect and settings.shards:
        raise ValueError("leader_elect and shards are two ways to run several replicas; set one of them")
    if not settings.lease_name:
        way = "leader_elect" if settings.leader_elect else "shards"
        raise ValueError(f"{way} is set without lease_name: name the Lease that all replicas of this program share")


def _webhook_serving(settings: Settings) -> None:
    """A Service without a namespace is looked for when it is needed: that is no mistake in the settings."""
    if "/" in settings.webhooks_service or not settings.webhooks_service:
        _ = settings.webhook_serving
    elif not is_label(settings.webhooks_service):
        raise ValueError(f"{settings.webhooks_service!r} is no Service; write NAME, or NAMESPACE/NAME")


_TOGETHER: Final[tuple[tuple[tuple[str, ...], Callable[[Settings], object]], ...]] = (
    (("namespaces",), _namespaces),
    (("field_manager",), _field_manager),
    (("lease_name",), _lease_name),
    (("shards",), _number_of_shards),
    (("leader_elect", "shards", "lease_name"), _one_way_to_share),
    (("lease_s", "renew_s", "retry_s"), lambda settings: settings.lease_times),
    (("endpoints_address", "tls_cert", "tls_key"), lambda settings: settings.endpoints),
    (("webhooks_address", "webhooks_service", "webhooks_url"), _webhook_serving),
)
