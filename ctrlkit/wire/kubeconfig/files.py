"""
Which kubeconfig files there are, and all of them as one.

In      What was asked for: a file, or else $KUBECONFIG, or else ~/.kube/config.
Out     A Kubeconfig: entries by name, paths absolute.

A file that is asked for is the only one, and must exist. Those that $KUBECONFIG lists need not: of several that say
something under one name, or name a current context, the first one counts, and it counts whole. A path in an entry is
relative to the file that the entry stands in; so is a plugin's command with a slash in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import structs

from ctrlkit.errors import ConfigError
from ctrlkit.wire.kubeconfig.document import NotReadable, read_document
from ctrlkit.wire.kubeconfig.shape import (
    Cluster,
    Config,
    Context,
    Exec,
    NamedCluster,
    NamedContext,
    NamedUser,
    User,
    named,
    shaped,
)

T = TypeVar("T")

HOME_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """
    Where kubeconfigs are looked for.

    Shape   `paths` are tried in turn. `origin` names what gave them in errors: an option, a variable, or nobody.
    """

    paths: tuple[str, ...]
    origin: str = ""

    @staticmethod
    def named(kubeconfig: str | None) -> Sources:
        """Those of the file asked for, of the environment, or of the home folder of whoever runs this."""
        if kubeconfig:
            return Sources(paths=(kubeconfig,), origin="--kubeconfig")
        listed = os.environ.get("KUBECONFIG", "")
        if listed:
            return Sources(paths=tuple(path for path in listed.split(os.pathsep) if path), origin="KUBECONFIG")
        home = os.environ.get("HOME", "")
        return Sources(paths=(os.path.join(home, ".kube", "config"),) if home else ())

    def __str__(self) -> str:
        return os.pathsep.join(self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """What the files say together. `files` are those that exist."""

    files: tuple[str, ...] = ()
    current_context: str = ""
    contexts: Mapping[str, Context] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)

    def __str__(self) -> str:
        return os.pathsep.join(self.files)

    def over(self, later: Kubeconfig) -> Kubeconfig:
        """This one, and what a later one says of what this one does not mention."""
        return Kubeconfig(
            files=self.files + later.files,
            current_context=self.current_context or later.current_context,
            contexts={**later.contexts, **self.contexts},
            clusters={**later.clusters, **self.clusters},
            users={**later.users, **self.users},
        )


def read_kubeconfig(sources: Sources) -> Kubeconfig:
    """
    All files there are, as one; an empty one where there are none.

    Errors  ConfigError for a file that cannot be used, and for one asked for by name that is not there.
    """
    merged = Kubeconfig()
    for path in sources.paths:
        found = _read(path)
        if found is not None:
            merged = merged.over(found)
    if not merged.files and sources.origin == "--kubeconfig":
        raise ConfigError(_missing(sources))
    return merged


def _missing(sources: Sources) -> str:
    return f"read kubeconfig {sources}: there is no such file; correct {sources.origin}, or leave it out"


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
        config = shaped(read_document(data), Config)
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
