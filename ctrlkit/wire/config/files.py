"""
Find kubeconfig files, merge them, and choose one context with its cluster and user.

A file that is asked for is the only one, and must exist. Those that $KUBECONFIG lists need not: of several that say
something under one name, or name a current context, the first one counts, and it counts whole. A path in an entry is
relative to the file that the entry stands in; so is a plugin's command with a slash in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from ctrlkit.errors import SERVER_TEXT_LIMIT, ConfigError
from ctrlkit.wire.config.document import NotReadable, read_document
from ctrlkit.wire.config.entries import (
    Cluster,
    Config,
    Context,
    Exec,
    InteractiveMode,
    NamedCluster,
    NamedContext,
    NamedUser,
    User,
    Variable,
    named,
    to_entries,
)

HOME_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeconfigPaths:
    """
    The paths of kubeconfig files, in the order in which they are read.

    `origin` names in errors where they come from: `--kubeconfig`, `KUBECONFIG`, or empty for the usual place.
    """

    paths: tuple[str, ...]
    origin: str = ""

    @staticmethod
    def find(kubeconfig: str | None) -> KubeconfigPaths:
        """The file asked for, else those of $KUBECONFIG, else the one in the home folder."""
        if kubeconfig:
            return KubeconfigPaths(paths=(kubeconfig,), origin="--kubeconfig")
        listed = os.environ.get("KUBECONFIG", "")
        if listed:
            return KubeconfigPaths(paths=tuple(path for path in listed.split(os.pathsep) if path), origin="KUBECONFIG")
        home = os.environ.get("HOME", "")
        return KubeconfigPaths(paths=(os.path.join(home, ".kube", "config"),) if home else ())

    def missing(self) -> str:
        """The message for files that are not there."""
        return f"read kubeconfig {self}: there is no such file; correct {self.origin}, or leave it out"

    def __str__(self) -> str:
        return os.pathsep.join(self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """The merged content of kubeconfig files. `files` are those that exist."""

    files: tuple[str, ...] = ()
    current_context: str = ""
    contexts: Mapping[str, Context] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)

    def __str__(self) -> str:
        return os.pathsep.join(self.files)

    def over(self, later: Kubeconfig) -> Kubeconfig:
        """Merge with a later file: entries of this one win."""
        return Kubeconfig(
            files=self.files + later.files,
            current_context=self.current_context or later.current_context,
            contexts={**later.contexts, **self.contexts},
            clusters={**later.clusters, **self.clusters},
            users={**later.users, **self.users},
        )


def read_kubeconfig(sources: KubeconfigPaths) -> Kubeconfig:
    """
    Read and merge all files that exist; the result is empty where none does.

    Errors  ConfigError for a file that cannot be used, and for one asked for by name that is not there.
    """
    merged = Kubeconfig()
    for path in sources.paths:
        found = _read(path)
        if found is not None:
            merged = merged.over(found)
    if not merged.files and sources.origin == "--kubeconfig":
        raise ConfigError(sources.missing())
    return merged


def _read(path: str) -> Kubeconfig | None:
    """One file; None where there is none."""
    try:
        found = _decoded(Path(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"read kubeconfig {path}: {error.strerror or error}; correct the file") from None
    if isinstance(found, str):
        raise ConfigError(f"read kubeconfig {path}: {found}; correct the file")
    return found


def _decoded(path: Path) -> Kubeconfig | str:
    """
    What a file says, or what is wrong with it.

    That is returned and not raised, so that no traceback has a frame whose variables hold the file's content.
    """
    data = path.read_bytes()
    try:
        config = to_entries(read_document(data), Config)
    except NotReadable as fault:
        return str(fault)
    except msgspec.ValidationError as error:
        return f"it is no valid kubeconfig: {error}"
    if config.kind not in ("", "Config") or config.api_version not in ("", "v1"):
        return f"it is no kubeconfig but a {config.api_version[:64]} {config.kind[:64]}"
    folder = os.path.dirname(os.path.abspath(path))
    clusters = named(config.clusters, NamedCluster())
    users = named(config.users, NamedUser())
    contexts = named(config.contexts, NamedContext())
    for kind, names in (
        ("clusters", [each.name for each in clusters]),
        ("users", [each.name for each in users]),
        ("contexts", [each.name for each in contexts]),
    ):
        if twice := _twice(names):
            return f"two of its {kind} are named {twice[:64]}"
    return Kubeconfig(
        files=(str(path),),
        current_context=config.current_context,
        contexts={each.name: each.context for each in contexts},
        clusters={each.name: _cluster_beside(folder, each.cluster) for each in clusters},
        users={each.name: _user_beside(folder, each.user) for each in users},
    )


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name or "nothing"
        seen.add(name)
    return None


def _cluster_beside(folder: str, cluster: Cluster) -> Cluster:
    return structs.replace(cluster, certificate_authority=_beside(folder, cluster.certificate_authority))


def _user_beside(folder: str, user: User) -> User:
    return structs.replace(
        user,
        token_file=_beside(folder, user.token_file),
        client_certificate=_beside(folder, user.client_certificate),
        client_key=_beside(folder, user.client_key),
        exec=_plugin_beside(folder, user.exec),
    )


def _plugin_beside(folder: str, plugin: Exec | None) -> Exec | None:
    """A command without a slash is looked for on the PATH."""
    if plugin is None or os.sep not in plugin.command:
        return plugin
    return structs.replace(plugin, command=_beside(folder, plugin.command))


def _beside(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path)) if path else ""


V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenContext:
    """
    A context with its cluster and its user.

    `user_found` is False where the files do not have the user that it names; `user` is then empty: anonymous.
    """

    context: str
    cluster: Cluster
    user_name: str
    user: User
    user_found: bool


def has_context(kubeconfig: Kubeconfig, context: str | None) -> bool:
    """Whether the caller or the files name a context; files that do not count as empty."""
    return bool(context or kubeconfig.current_context) or "" in kubeconfig.contexts


def choose_context(kubeconfig: Kubeconfig, context: str | None, tried: str) -> ChosenContext:
    """
    Find the context asked for, else the current one, and check its cluster and user.

    Errors  ConfigError that begins with `tried` and says all that is wrong, for what kubectl refuses too.
    """
    name = context or kubeconfig.current_context
    found = kubeconfig.contexts.get(name)
    if found is None:
        raise ConfigError(f"{tried}: there is no context {name[:64]}; {_others(kubeconfig)}")
    cluster = kubeconfig.clusters.get(found.cluster)
    if cluster is None:
        raise ConfigError(
            f"{tried}: context {name[:64]} names a cluster that is not there ({found.cluster[:64] or 'none'}); "
            "correct the file"
        )
    user = kubeconfig.users.get(found.user)
    choice = ChosenContext(
        context=name,
        cluster=cluster,
        user_name=found.user,
        user=user or User(),
        user_found=user is not None or not found.user,
    )
    faults = [*faults_of_cluster(cluster), *faults_of_user(choice.user)]
    if faults:
        who = f"context {name[:64]}, cluster {found.cluster[:64]}, user {found.user[:64] or 'none'}"
        raise ConfigError(f"{tried}: {who}: {', and '.join(faults)}; correct the file")
    return choice


def _others(kubeconfig: Kubeconfig) -> str:
    names = ", ".join(name for name in kubeconfig.contexts if name)[:SERVER_TEXT_LIMIT]
    return f"use one of its contexts: {names}, or correct the file" if names else "correct the file"


def faults_of_cluster(cluster: Cluster) -> Iterator[str]:
    """What kubectl refuses in a cluster, whatever its server."""
    if not cluster.server:
        yield "the cluster names no server"
    if cluster.certificate_authority and cluster.certificate_authority_data:
        yield "it has both certificate-authority and certificate-authority-data"
    yield from _unreadable("certificate-authority", cluster.certificate_authority)


def faults_of_user(user: User) -> Iterator[str]:
    """What kubectl refuses in a user, whatever the server."""
    if user.token and (user.username or user.password):
        yield "the user has both a token and a password"
    if user.client_certificate or user.client_certificate_data:
        yield from _faults_of_certificate(user)
    if user.exec:
        if user.auth_provider:
            yield "the user has both exec and auth-provider"
        yield from faults_of_plugin(user.exec)
    if not user.impersonate and (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra):
        yield "the user has as-uid, as-groups or as-user-extra, and no `as`"


def _faults_of_certificate(user: User) -> Iterator[str]:
    if user.client_certificate and user.client_certificate_data:
        yield "the user has both client-certificate and client-certificate-data"
    if user.client_key and user.client_key_data:
        yield "the user has both client-key and client-key-data"
    if not (user.client_key or user.client_key_data):
        yield "the user has a client-certificate and no client-key"
    yield from _unreadable("client-certificate", user.client_certificate)
    yield from _unreadable("client-key", user.client_key)


def faults_of_plugin(plugin: Exec) -> Iterator[str]:
    """What kubectl refuses in a plugin before it runs it."""
    shown = f"the credential plugin {plugin.command[:64] or 'of the user'}"
    if not plugin.command:
        yield f"{shown} has no command"
    if not plugin.api_version:
        yield f"{shown} has no apiVersion"
    elif plugin.api_version not in (V1, V1BETA1):
        yield f"{shown} has apiVersion {plugin.api_version[:64]}, which is neither {V1} nor {V1BETA1}"
    if interactive_mode_of(plugin) not in tuple(InteractiveMode):
        have = (
            f"the interactiveMode {plugin.interactive_mode[:64]}" if plugin.interactive_mode else "no interactiveMode"
        )
        yield f"{shown} has {have}; write Never, IfAvailable or Always"
    if any(not variable.name for variable in named(plugin.env, Variable())):
        yield f"{shown} has an environment variable without a name"


def interactive_mode_of(plugin: Exec) -> str:
    """Its interactiveMode; the older version need not say."""
    default = InteractiveMode.IF_AVAILABLE.value if plugin.api_version == V1BETA1 else ""
    return plugin.interactive_mode or default


def _unreadable(what: str, path: str) -> Iterator[str]:
    if not path:
        return
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        yield f"its {what} {path} cannot be read ({error.strerror})"
