"""What a runtime is told of a container that is about to start: its variables, its command, its mounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.errors import NotFound
from ctrlkit.fakes.cluster.node.environment import (
    Environment,
    SourceKind,
    Sources,
    environment_of,
    references,
)
from ctrlkit.fakes.cluster.node.fleet import Member
from ctrlkit.fakes.cluster.node.hooks import read_hook
from ctrlkit.fakes.cluster.node.pod_fields import Around
from ctrlkit.fakes.cluster.node.probes import Impossible, read_probes
from ctrlkit.fakes.cluster.node.runtime import (
    TERMINATION_LOG,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    Exec,
    Mount,
    ProbeAction,
)
from ctrlkit.fakes.cluster.node.service_variables import service_variables
from ctrlkit.fakes.cluster.node.volumes.mounting import RESOURCES, PodVolumes
from ctrlkit.model import ObjectKey, Unstructured

_API = ObjectKey("default", "kubernetes")
_HOSTNAME_MAX = 63


def _probed(container: Mapping[str, Any]) -> Iterator[ProbeAction]:
    """Yield what the probes of a container ask."""
    for probe in read_probes(container).values():
        if not isinstance(probe.action, Impossible):
            yield probe.action


def _hooked(container: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the commands of the hooks of a container."""
    for moment in ("postStart", "preStop"):
        hook = read_hook(container, moment)
        if isinstance(hook, Exec):
            yield hook.command


@dataclass(slots=True)
class SpecMaker:
    """Makes the specs of containers; `services` are the Services that there are."""

    client: Client
    volumes: PodVolumes
    services: Lister[Unstructured]

    async def make(
        self, pod: Unstructured, container: Mapping[str, Any], member: Member, address: str
    ) -> ContainerSpec:
        """
        Return the spec of a container; the files of its volumes are renewed first.

        Errors  ContainerRefused: CreateContainerConfigError for what its variables and mounts are made of and is not
                there, and for a user that it must not be, RunContainerError for more than a process can be given.
        """
        await self.volumes.renew(pod, member)
        environment = await self._environment(pod, container, member, address)
        uid, mounts = pod.metadata.uid, tuple(self._mounts(pod, container, environment))
        _check_user(pod, container)
        return ContainerSpec(
            id=ContainerId(uid, container["name"]),
            image=container.get("image") or "",
            command=environment.expand(container.get("command") or ()),
            args=environment.expand(container.get("args") or ()),
            environment={"HOSTNAME": hostname(pod), **environment.variables},
            secrets=environment.secrets,
            working_dir=container.get("workingDir") or "",
            mounts=mounts,
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")),
            tty=bool(container.get("tty")),
            termination_message_path=container.get("terminationMessagePath") or TERMINATION_LOG,
            termination_message_policy=container.get("terminationMessagePolicy") or "File",
            probes=tuple(_probed(container)),
            hooks=tuple(_hooked(container)),
        )

    async def has_secret(self, pod: Unstructured, name: str) -> bool:
        """Whether there is a Secret of this name beside a pod."""
        try:
            await self.client.get(RESOURCES[SourceKind.SECRET], ObjectKey(pod.key.namespace, name))
        except NotFound:
            return False
        return True

    async def _environment(
        self, pod: Unstructured, container: Mapping[str, Any], member: Member, address: str
    ) -> Environment:
        namespace, found = pod.key.namespace, dict[tuple[SourceKind, str], Unstructured]()
        for kind, name in references(container):
            with suppress(NotFound):
                found[kind, name] = await self.client.get(RESOURCES[kind], ObjectKey(namespace, name))
        api = self.services.find(_API)
        seen = [*self.services.list(namespace=namespace), *([] if api is None else [api])]
        sources = Sources(
            pod=pod,
            around=Around(host=member.address, address=address, allocatable=member.node.capacity()),
            look_up=lambda kind, name: found.get((kind, name)),
            services=service_variables(seen, namespace, links=pod.at("spec.enableServiceLinks") is not False),
            read_file=lambda volume, path: self.volumes.runtime.volumes.read(pod.metadata.uid, volume, path),
        )
        return environment_of(container, sources)

    def _mounts(self, pod: Unstructured, container: Mapping[str, Any], environment: Environment) -> Iterator[Mount]:
        for mount in container.get("volumeMounts") or ():
            name = mount["name"]
            yield Mount(
                path=mount["mountPath"],
                volume=name,
                sub_path=_sub_path(mount, environment),
                read_only=bool(mount.get("readOnly")) or self.volumes.is_read_only(pod.metadata.uid, name),
            )


def hostname(pod: Unstructured) -> str:
    """
    Return the name by which a pod's containers know themselves.

    >>> hostname(Unstructured({"metadata": {"name": "web-0"}, "spec": {}}))
    'web-0'
    """
    spec = pod["spec"]
    name = spec.get("nodeName") if spec.get("hostNetwork") else None
    name = spec.get("hostnameOverride") or name or spec.get("hostname") or pod.key.name
    return str(name) if len(name) <= _HOSTNAME_MAX else str(name)[:_HOSTNAME_MAX].rstrip("-.")


def _check_user(pod: Unstructured, container: Mapping[str, Any]) -> None:
    """Refuse root where a pod says that it must be somebody else; of an image's own user nothing is known."""
    shared, own = pod.at("spec.securityContext") or {}, container.get("securityContext") or {}
    must_not, uid = (own.get(name, shared.get(name)) for name in ("runAsNonRoot", "runAsUser"))
    if must_not and uid == 0:
        whole = f"{pod.key.name}_{pod.key.namespace}({pod.metadata.uid})"
        text = f'container\'s runAsUser breaks non-root policy (pod: "{whole}", container: {container["name"]})'
        raise ContainerRefused("CreateContainerConfigError", text)


def _sub_path(mount: Mapping[str, Any], environment: Environment) -> str:
    """Return the subPath of a mount. Errors: ContainerRefused for one that leads out of the volume."""
    path = str(mount.get("subPath") or "")
    if mount.get("subPathExpr"):
        path = environment.expand_sub_path(mount["subPathExpr"])
    fact = ""
    if path.startswith("/"):
        fact = f"error SubPath `{path}` must not be an absolute path"
    elif ".." in path.split("/"):
        fact = f"unable to provision SubPath `{path}`: must not contain '..'"
    if fact:
        raise ContainerRefused("CreateContainerConfigError", fact)
    return path
