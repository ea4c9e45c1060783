"""
Applies the manifests of somebody who reads articles about Kubernetes, with kubectl, and says what each object becomes.

The files in `articles/` are old and new: Pods with volumes of all kinds, workloads, Services, claims that nobody
serves, and APIs that are long gone. They are applied in batches, because some of them change what others made.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctrlkit.client import Client
from ctrlkit.model import ObjectKey, Resource, Unstructured
from ctrlkit.model.kinds import (
    DEPLOYMENTS,
    ENDPOINTS,
    INGRESSES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    SERVICES,
    STATEFULSETS,
)
from tests.support.kubectl import KUBECTL

ARTICLES = Path(__file__).with_name("articles")
NETWORKS = Path(__file__).parents[1] / "bitcoin" / "definition_before.yaml"
FIRST = ("go-rbac.yaml",)
CHANGES = (("nodePortService.yaml", "client-pod2.yaml", "ingress-prep.yaml"), ("service.yaml",))
PATIENCE_S = 20.0

Outcomes = dict[str, str]
"""What objects have become: `Kind namespace/name` leads to words."""


def batches() -> list[tuple[str, ...]]:
    """Return the names of the files, in the batches in which they are applied."""
    apart = {*FIRST, *(name for batch in CHANGES for name in batch)}
    rest = tuple(sorted(path.name for path in ARTICLES.glob("*.yaml") if path.name not in apart))
    return [FIRST, rest, *CHANGES]


def _pod(pod: Unstructured) -> str:
    phase = pod.at("status.phase")
    if phase == "Running":
        statuses = pod.at("status.containerStatuses") or ()
        return f"Running, {sum(one['ready'] for one in statuses)} of {len(statuses)} ready"
    conditions = pod.at("status.conditions") or ()
    return ": ".join([phase, *(one["message"] for one in conditions if one.get("message"))])


def _deployment(one: Unstructured) -> str:
    return f"{one.at('status.availableReplicas') or 0} of {one.at('spec.replicas')} available"


def _stateful_set(one: Unstructured) -> str:
    return f"{one.at('status.readyReplicas') or 0} of {one.at('spec.replicas')} ready"


def _service(one: Unstructured) -> str:
    address = "headless" if one.at("spec.clusterIP") == "None" else "with an address"
    ports = ", with a port of the node" if any(port.get("nodePort") for port in one.at("spec.ports")) else ""
    external = f", load balancer: {one.at('status.loadBalancer') or 'pending'}"
    return f"{one.at('spec.type')}, {address}{ports}{external if one.at('spec.type') == 'LoadBalancer' else ''}"


def _endpoints(one: Unstructured) -> str:
    subsets = one.at("subsets") or ()
    ready = sum(len(subset.get("addresses") or ()) for subset in subsets)
    ports = sorted({port["port"] for subset in subsets for port in subset.get("ports") or ()})
    return f"{ready} ready, ports {ports}"


def _claim(one: Unstructured) -> str:
    return " ".join(filter(None, [one.at("status.phase"), one.at("status.capacity.storage")]))


def _volume(one: Unstructured) -> str:
    claim = one.at("spec.claimRef")
    return f"{one.at('status.phase')}{' to ' + claim['name'] if claim else ''}"


def _ingress(one: Unstructured) -> str:
    return f"load balancer: {one.at('status.loadBalancer') or 'none'}"


_WORDS: Mapping[Resource[Unstructured], Callable[[Unstructured], str]] = {
    PODS: _pod,
    DEPLOYMENTS: _deployment,
    STATEFULSETS: _stateful_set,
    SERVICES: _service,
    ENDPOINTS: _endpoints,
    PERSISTENT_VOLUME_CLAIMS: _claim,
    PERSISTENT_VOLUMES: _volume,
    INGRESSES: _ingress,
}


async def outcomes(client: Client) -> Outcomes:
    """Say what all objects have become that have no controller, and whose name was not made up."""
    found: Outcomes = {}
    for resource, words in _WORDS.items():
        for one in await client.list(resource):
            key: ObjectKey = one.key
            if one.metadata.controller is None and not key.name.startswith("pvc-") and key.name != "kubernetes":
                found[f"{resource.kind} {key}"] = words(one)
    return found


@dataclass(frozen=True)
class Sitting:
    """Somebody with kubectl, and a client to look on."""

    kubeconfig: Path
    folder: Path
    client: Client

    async def define_networks(self) -> None:
        """Serve the kind of the one custom resource, with nobody who converts; its own definition is of an API gone."""
        await self.kubectl("apply", "-f", str(NETWORKS))
        await self.kubectl("wait", "--for=condition=Established", "-f", str(NETWORKS), "--timeout=10s")

    async def apply(self, names: tuple[str, ...]) -> list[str]:
        """Apply files in one go; return what kubectl says, in order of the alphabet."""
        said = await self.kubectl("apply", *(word for name in names for word in ("-f", str(ARTICLES / name))))
        return sorted(said.replace(f"{ARTICLES}/", "").splitlines())

    async def until(self, wanted: Outcomes) -> Outcomes:
        """Look until the outcomes are these, or patience has ended; return the last ones."""
        found: Outcomes = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while found != wanted:
                    found = await outcomes(self.client)
                    await asyncio.sleep(0)
        except TimeoutError:
            pass
        return found

    async def kubectl(self, *arguments: str) -> str:
        """Run to the end; return what it writes, to stdout or stderr."""
        known = ("--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.folder / "cache"))
        process = await asyncio.create_subprocess_exec(KUBECTL, *known, *arguments, stdout=PIPE, stderr=STDOUT)
        out, _ = await process.communicate()
        return out.decode()
