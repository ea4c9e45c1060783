"""
What `ctrlkit manifests` makes, installed by kubectl and by helm on a server, and the program run there with its rights.

Each test meets `ctrlkit apiserver` with rights (`make test-all`), and a real kube-apiserver (`make judge`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.deploy import files_of, write
from ctrlkit.fakes.apiserver.certificates import Authority
from tests.support.guards import described
from tests.support.helm import HELM, needs_helm
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.served import served

pytestmark = [needs_kubectl, pytest.mark.real_time, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "controllers" / "bitcoin" / "deploy"
WAIT = "--timeout=90s"
CONFIGURATIONS = ("mutatingwebhookconfiguration/guards-webhooks", "validatingwebhookconfiguration/guards-webhooks")
DEFINITION = "customresourcedefinition/guards.example.com"


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the programs that people use with it, as an administrator."""

    kubeconfig: Path
    folder: Path

    def kubectl(self, *arguments: str | Path, given: str = "") -> str:
        """What kubectl prints; it must end with 0."""
        return self._run(str(KUBECTL), *arguments, given=given)

    def helm(self, *arguments: str | Path) -> str:
        """What helm prints; it must end with 0."""
        assert HELM is not None
        return self._run(HELM, *arguments)

    def _run(self, *command: str | Path, given: str = "") -> str:
        done = subprocess.run(
            [str(one) for one in command],
            input=given,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def account(self, name: str, namespace: str) -> Path:
        """The kubeconfig of a service account, with a token and nothing else."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        token = self.kubectl("create", "token", name, "--namespace", namespace).strip()
        config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


@pytest.fixture(
    params=[
        pytest.param("apiserver", marks=pytest.mark.long),
        pytest.param("control_plane", marks=pytest.mark.judge),
    ]
)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server of its own for each test."""
    if request.param == "control_plane":
        yield Server(Path(request.getfixturevalue("own_control_plane").kubeconfig), tmp_path)
        return
    with embedded(tmp_path) as server:
        yield server


@contextmanager
def embedded(folder: Path, *flags: str) -> Iterator[Server]:
    """`ctrlkit apiserver` with rights, a process of its own."""
    kubeconfig = folder / "kubeconfig"
    with served(kubeconfig, "--rbac", *flags):
        yield Server(kubeconfig, folder)


@dataclass(frozen=True, slots=True)
class Tool:
    """Kubectl or helm, to install a program and to install it anew."""

    server: Server
    name: str

    def install(self, folder: Path, program: str, namespace: str) -> None:
        """Install, or upgrade, what a folder has."""
        if self.name == "helm":
            release = (program, folder / "chart", "--namespace", namespace, "--create-namespace")
            self.server.helm("upgrade", "--install", *release)
        else:
            flags = ("--server-side",) if self.name == "kubectl --server-side" else ()
            self.server.kubectl("apply", *flags, "-k", folder / "kustomize" / "base")

    def uninstall(self, folder: Path, program: str, namespace: str) -> None:
        """Take it away again."""
        if self.name == "helm":
            self.server.helm("uninstall", program, "--namespace", namespace)
        else:
            self.server.kubectl("delete", "--wait=false", "-k", folder / "kustomize" / "base")


@pytest.fixture(params=["kubectl", "kubectl --server-side", "helm"])
def tool(request: pytest.FixtureRequest, server: Server) -> Tool:
    """Each way to install; helm where there is one."""
    if request.param == "helm" and HELM is None:
        pytest.skip("there is no helm on PATH or beside $KUBEBUILDER_ASSETS; `make foreign` fetches one")
    return Tool(server, request.param)


@contextmanager
def running(
    server: Server, name: str, namespace: str, *command: str, **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """
    A program as its Deployment on the server has it, with the token of its account and nothing else; and its log.

    `command` is the entry point of its image, `more` are variables that hold what a pod finds in its files.
    """
    log = server.folder / "log"
    deployment = json.loads(server.kubectl("get", "deployment", name, "--namespace", namespace, "--output", "json"))
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    environ = {
        **{one["name"]: one["value"] for one in container["env"]},
        "KUBECONFIG": str(server.account(spec["serviceAccountName"], namespace)),
        "CTRLKIT_ENDPOINTS_ADDRESS": "127.0.0.1:0",  # that of the Deployment may be taken on this machine
        "CTRLKIT_LEASE_NAMESPACE": namespace,
        "PATH": os.environ["PATH"],
        "HOME": str(server.folder),
        **more,
    }
    whole = [sys.executable, "-m", *command, *container["args"]]
    with log.open("wb") as written, subprocess.Popen(whole, env=environ, stderr=written, cwd=REPOSITORY) as process:
        try:
            yield process, log
        finally:
            process.kill()


def test_the_bitcoin_controller_works_with_the_rights_of_its_manifests(tool: Tool) -> None:
    """Through a network's life: as leader, at work, scaled, told, and orderly ended; nothing is refused."""
    server = tool.server
    tool.install(DEPLOY, "bitcoin-controller", "bitcoin-controller")
    server.kubectl("wait", "--for=condition=Established", WAIT, "customresourcedefinition", "--all")
    at = {
        "CTRLKIT_WEBHOOKS_SERVICE": "bitcoin-controller/bitcoin-controller-webhooks",
        "CTRLKIT_WEBHOOKS_ADDRESS": "127.0.0.1:0",
    }
    with running(server, "bitcoin-controller", "bitcoin-controller", "ctrlkit.bitcoin", **at) as (process, log):
        server.kubectl("apply", "--filename", DEPLOY / "secret.yaml", "--filename", DEPLOY / "network.yaml")
        network = "bitcoinnetwork/my-network"
        server.kubectl("wait", "--for=jsonpath={.status.observedGeneration}=1", WAIT, network)
        server.kubectl("scale", network, "--replicas=2")
        server.kubectl("wait", "--for=jsonpath={.spec.replicas}=2", WAIT, "statefulset/my-network-sts")
        lease = ("lease", "bitcoin-controller", "--namespace", "bitcoin-controller")
        assert server.kubectl("get", *lease, "--output", "jsonpath={.spec.holderIdentity}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        assert server.kubectl("get", *lease, "--output", "jsonpath={.spec.holderIdentity}") == ""
    said = log.read_text()
    assert '"event": "reconciled"' in said, said
    assert "orbidden" not in said, said
    tool.uninstall(DEPLOY, "bitcoin-controller", "bitcoin-controller")
    if tool.name == "helm":
        assert server.kubectl("get", network, "--output", "name").strip()


def bundles(server: Server) -> list[str]:
    """The caBundle of each webhook, and of the conversion."""
    found: list[dict[str, Any]] = []
    for name in CONFIGURATIONS:
        configuration = json.loads(server.kubectl("get", name, "--output", "json"))
        found += [one["clientConfig"] for one in configuration["webhooks"]]
    definition = json.loads(server.kubectl("get", DEFINITION, "--output", "json"))
    found.append(definition["spec"]["conversion"]["webhook"]["clientConfig"])
    return [str(one.get("caBundle", "")) for one in found]


def apply_bundles(server: Server, bundle: str) -> None:
    """Apply that field alone, as a program with webhooks does."""
    documents: list[dict[str, Any]] = []
    for name in CONFIGURATIONS:
        there = json.loads(server.kubectl("get", name, "--output", "json"))
        entries = [{"name": one["name"], "clientConfig": {"caBundle": bundle}} for one in there["webhooks"]]
        head = {key: there[key] for key in ("apiVersion", "kind")}
        documents.append({**head, "metadata": {"name": "guards-webhooks"}, "webhooks": entries})
    documents.append(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "guards.example.com"},
            "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}},
        }
    )
    manager = ("--server-side", "--field-manager=guards-webhooks-certificates", "--validate=false")
    server.kubectl("apply", *manager, "--filename=-", given=yaml.safe_dump_all(documents))


def test_nothing_that_installs_a_program_anew_takes_its_certificates_away(tool: Tool, certificate: bytes) -> None:
    """The program owns each caBundle; a new version, leaves them as they are."""
    first, second = tool.server.folder / "first", tool.server.folder / "second"
    write(files_of(described()), first)
    write(files_of(described(version="2.1.0", replicas=3)), second)
    tool.install(first, "guards", "tower")
    assert set(bundles(tool.server)) == {""}
    bundle = b64encode(certificate).decode()
    apply_bundles(tool.server, bundle)
    assert bundles(tool.server) == [bundle] * 4
    tool.install(second, "guards", "tower")
    assert bundles(tool.server) == [bundle] * 4
    deployment = ("get", "deployment", "guards", "--namespace", "tower", "--output")
    assert tool.server.kubectl(*deployment, "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}") == (
        "3 guards:2.1.0"
    )
    tool.uninstall(second, "guards", "tower")


def test_a_program_keeps_its_certificates_with_the_rights_of_its_manifests(tool: Tool) -> None:
    """It makes them, stores them, tells every configuration and definition of its own, and is refused nothing."""
    server, folder = tool.server, tool.server.folder / "guards"
    write(files_of(described()), folder)
    tool.install(folder, "guards", "tower")
    at = {"CTRLKIT_WEBHOOKS_SERVICE": "tower/guards-webhooks", "CTRLKIT_WEBHOOKS_ADDRESS": "127.0.0.1:0"}
    with running(server, "guards", "tower", "ctrlkit", **at) as (process, log):
        for name in CONFIGURATIONS:
            server.kubectl("wait", "--for=jsonpath={.webhooks[0].clientConfig.caBundle}", WAIT, name)
        server.kubectl("wait", "--for=jsonpath={.spec.conversion.webhook.clientConfig.caBundle}", WAIT, DEFINITION)
        found = set(bundles(server))
        assert len(found) == 1
        secret = json.loads(server.kubectl("get", "secret/guards-webhooks", "--namespace=tower", "--output=json"))
        assert found == {secret["data"]["ca.crt"]}
        tool.install(folder, "guards", "tower")
        assert set(bundles(server)) == found
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    said = log.read_text()
    assert "orbidden" not in said, said
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def certificate() -> bytes:
    """The certificate of some authority, as PEM."""
    return Authority().pem


ENTRY_POINT = """\
#!/bin/sh
# $1 is the pod's address. Its account's token, which a pod has from its start, comes a moment later here.
until [ -s {account} ]; do sleep 0.1; done
export KUBECONFIG={account} CTRLKIT_ENDPOINTS_ADDRESS=$1:8080 CTRLKIT_LOG_FORMAT=json CTRLKIT_LEADER_ELECT=true
export CTRLKIT_LEASE_NAME=bitcoin-controller CTRLKIT_LEASE_NAMESPACE=bitcoin-controller PYTHONPATH={repository}
export CTRLKIT_WEBHOOKS_SERVICE=bitcoin-controller/bitcoin-controller-webhooks CTRLKIT_WEBHOOKS_ADDRESS=$1:9443
exec {python} -m ctrlkit.bitcoin run
"""


@pytest.mark.long
@needs_helm
def test_a_new_version_replaces_the_old_one_and_the_lease_goes_along(tmp_path: Path) -> None:
    """
    Pods that are processes: each version passes its probes, and of both together one leads, until the old ones end.
    """
    account, entry_point = tmp_path / "bitcoin-controller.kubeconfig", tmp_path / "entry-point"
    entry_point.write_text(ENTRY_POINT.format(account=account, repository=REPOSITORY, python=sys.executable))
    entry_point.chmod(0o755)
    image = {
        "pull": {"preloaded": True},
        "entry": "/controller",
        "programs": {"/controller": {"argv": [str(entry_point)], "own": ["{address}"], "commands": {"run": ""}}},
        "ports": [8080],
    }
    (tmp_path / "images.yaml").write_text(yaml.safe_dump({"bitcoin-controller": image}))
    namespace = ("--namespace", "bitcoin-controller")
    rollout = ("rollout", "status", "deployment/bitcoin-controller", WAIT, *namespace)
    with embedded(tmp_path, "--images", str(tmp_path / "images.yaml")) as server:
        chart = ("bitcoin-controller", DEPLOY / "chart", *namespace)
        server.helm("install", *chart, "--create-namespace")
        server.account("bitcoin-controller", "bitcoin-controller")
        server.kubectl(*rollout)
        holder = ("get", "lease/bitcoin-controller", "--output=jsonpath={.spec.holderIdentity}", *namespace)
        before, pods = server.kubectl(*holder), server.kubectl("get", "pods", "--output=name", *namespace).split()
        server.helm("upgrade", *chart, "--set", "image.tag=0.2.0")
        server.kubectl(*rollout)
        server.kubectl("wait", "--for=delete", WAIT, *pods, *namespace)
        server.kubectl("apply", "--filename", DEPLOY / "secret.yaml", "--filename", DEPLOY / "network.yaml")
        server.kubectl("wait", "--for=jsonpath={.status.observedGeneration}=1", WAIT, "bitcoinnetwork/my-network")
        assert server.kubectl(*holder) not in ("", before)
        server.helm("uninstall", "bitcoin-controller", *namespace)
