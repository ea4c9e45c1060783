"""One context of a kubeconfig with its cluster and its user, and everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ctrlkit.errors import SERVER_TEXT_LIMIT, ConfigError
from ctrlkit.wire.kubeconfig.files import Kubeconfig
from ctrlkit.wire.kubeconfig.shape import Cluster, Exec, InteractiveMode, User, Variable, named

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    A context, and what it leads to.

    `user_found` is False where the user it names is not in the files: it is nobody then.
    """

    context: str
    namespace: str
    cluster: Cluster
    user_name: str
    user: User
    user_found: bool


def chooses(kubeconfig: Kubeconfig, context: str | None) -> bool:
    """Whether the files say which context to take, or the caller does; else they are as good as empty."""
    return bool(context or kubeconfig.current_context) or "" in kubeconfig.contexts


def choose(kubeconfig: Kubeconfig, context: str | None, tried: str) -> Choice:
    """
    The context asked for, or else the current one.

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
    choice = Choice(
        context=name,
        namespace=found.namespace,
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
    if mode_of(plugin) not in tuple(InteractiveMode):
        have = (
            f"the interactiveMode {plugin.interactive_mode[:64]}" if plugin.interactive_mode else "no interactiveMode"
        )
        yield f"{shown} has {have}; write Never, IfAvailable or Always"
    if any(not variable.name for variable in named(plugin.env, Variable())):
        yield f"{shown} has an environment variable without a name"


def mode_of(plugin: Exec) -> str:
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
