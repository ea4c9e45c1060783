"""
A project that `ctrlkit init` made, on a real API server with the real controllers of Kubernetes.

It is installed as its README says, by kubectl and by helm. Its program runs here as the Deployment would run it: with
that one's arguments and variables, and as its service account. There are no nodes, so no pod becomes ready.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.cli import main
from ctrlkit.fakes import ControlPlane
from tests.judge.controllers import controllers
from tests.support.helm import HELM, needs_helm
from tests.support.kubectl import needs_kubectl

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(300), needs_kubectl]

WAIT_S = 90


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, and the folder of a project that is to run in it."""

    kubeconfig: str
    project: Path

    def __call__(self, *command: str, status: int = 0) -> str:
        """Run a command in the project as an administrator, and return what it said."""
        environment = os.environ | {
            "KUBECONFIG": self.kubeconfig,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HELM_CACHE_HOME": str(self.project / ".helm"),
        }
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert (done.returncode != 0) == (status != 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    def wait(self, thing: str, path: str, value: str) -> None:
        """Wait until a field of an object in the namespace `default` has a value."""
        self("kubectl", "wait", thing, f"--for=jsonpath={{{path}}}={value}", f"--timeout={WAIT_S}s")

    def get(self, *what: str) -> Any:
        """An object."""
        return json.loads(self("kubectl", "get", *what, "-o", "json"))


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path, own_control_plane: ControlPlane) -> Cluster:
    """A new cluster, and a project that is named by the test's parameter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert main(["init", *request.param]) == 0
    return Cluster(own_control_plane.kubeconfig, tmp_path / request.param[0])


@contextmanager
def running(cluster: Cluster, name: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a project's program as its Deployment says, as its service account, with some settings of this machine."""
    deployment = cluster.get("deployment", name, "--namespace", name)
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    token = cluster("kubectl", "create", "token", spec["serviceAccountName"], "--namespace", name).strip()
    config["users"][0]["user"] = {"token": token}
    (cluster.project / "account").write_text(yaml.safe_dump(config))
    variables = {one["name"]: one.get("value", "") for one in container["env"]}
    own = {"ENDPOINTS_ADDRESS": "127.0.0.1:0", "LEASE_NAMESPACE": name, **settings}
    environment = os.environ | variables | {f"CTRLKIT_{key}": value for key, value in own.items()}
    command = [sys.executable, "-m", "ctrlkit", *container["args"], "--kubeconfig", "account"]
    log = cluster.project / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=cluster.project, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        except BaseException:
            process.kill()
            sys.stderr.write(log.read_text())
            raise
    assert "Forbidden" not in log.read_text()


def install(cluster: Cluster, way: str, name: str) -> None:
    """Install a project as its README says."""
    if way == "kubectl":
        cluster("kubectl", "apply", "-k", "deploy/kustomize/base")
    else:
        assert HELM is not None
        assert "0 chart(s) failed" in cluster(HELM, "lint", "--strict", "deploy/chart")
        cluster(HELM, "install", name, "deploy/chart", "--namespace", name, "--create-namespace")


@pytest.mark.usefixtures("kubernetes")
@pytest.mark.parametrize(
    ("cluster", "way"),
    [(["cache-operator"], "kubectl"), pytest.param(["cache-operator"], "helm", marks=needs_helm)],
    indirect=["cluster"],
)
def test_a_project_is_installed_and_its_program_works(cluster: Cluster, way: str) -> None:
    """With the rights of its manifests: a Cache gets a Deployment, says how it is, is scaled, and leaves nothing."""
    install(cluster, way, "cache-operator")
    with controllers(cluster.kubeconfig), running(cluster, "cache-operator"):
        cluster("kubectl", "apply", "-f", "examples/example.yaml")
        cluster.wait("cache/example", ".status.replicas", "2")
        cluster.wait("cache/example", ".status.conditions[0].reason", "Progressing")
        deployment = cluster.get("deployment", "example")
        assert [owner["kind"] for owner in deployment["metadata"]["ownerReferences"]] == ["Cache"]
        cluster("kubectl", "scale", "cache/example", "--replicas", "3")
        cluster.wait("deployment/example", ".spec.replicas", "3")
        shown = cluster("kubectl", "get", "caches").splitlines()
        assert [line.split()[:4] for line in shown] == [
            ["NAME", "IMAGE", "REPLICAS", "READY"],
            ["example", "nginx:1.29", "3", "False"],
        ]
        cluster("kubectl", "delete", "-f", "examples/example.yaml")
        cluster("kubectl", "wait", "deployment/example", "--for=delete", f"--timeout={WAIT_S}s")


@pytest.mark.parametrize("cluster", [["cache-operator"]], indirect=True)
def test_what_the_definition_forbids_is_refused(cluster: Cluster) -> None:
    """By the server, with the words of the definition that is made of the class."""
    cluster("kubectl", "apply", "-k", "deploy/kustomize/base")
    example = yaml.safe_load((cluster.project / "examples" / "example.yaml").read_text())
    for spec, name, said in (
        ({"image": ""}, "a", "spec.image: Invalid value"),
        ({"image": "a:1", "replicas": 101}, "a", "spec.replicas: Invalid value"),
        ({"image": "a:1"}, "a" * 64, "a name may have 63 characters"),
    ):
        wrong = {**example, "metadata": {"name": name, "namespace": "default"}, "spec": spec}
        (cluster.project / "wrong.yaml").write_text(yaml.safe_dump(wrong))
        assert said in cluster("kubectl", "apply", "-f", "wrong.yaml", status=1)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def lead_here(cluster: Cluster, name: str, port: int) -> None:
    """Have the Service of a program's webhooks lead to a port of this machine, where it has no pods."""
    service = {"spec": {"type": "ExternalName", "externalName": "localhost", "clusterIP": None, "clusterIPs": None}}
    cluster("kubectl", "patch", "service", f"{name}-webhooks", "--namespace", name, "--patch", json.dumps(service))
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        found = cluster.get(kind, "--selector", f"app.kubernetes.io/instance={name}")
        for one in found["items"]:
            to_port = [
                {"op": "add", "path": f"/webhooks/{number}/clientConfig/service/port", "value": port}
                for number, _ in enumerate(one["webhooks"])
            ]
            cluster("kubectl", "patch", kind, one["metadata"]["name"], "--type=json", "--patch", json.dumps(to_port))


@pytest.mark.parametrize(
    ("cluster", "way"),
    [
        (["mirror-operator", "--webhook"], "kubectl"),
        pytest.param(["mirror-operator", "--webhook"], "helm", marks=needs_helm),
    ],
    indirect=["cluster"],
)
def test_the_webhooks_of_a_project_are_called(cluster: Cluster, way: str) -> None:
    """By the server, over HTTPS with certificates that the program makes, by the configurations that were installed."""
    install(cluster, way, "mirror-operator")
    port = free_port()
    lead_here(cluster, "mirror-operator", port)
    service = "mirror-operator/mirror-operator-webhooks"  # a pod knows its namespace
    with running(cluster, "mirror-operator", WEBHOOKS_ADDRESS=f"127.0.0.1:{port}", WEBHOOKS_SERVICE=service):
        for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
            name = cluster("kubectl", "get", kind, "-o", "name").strip()
            cluster(
                "kubectl", "wait", name, "--for=jsonpath={.webhooks[0].clientConfig.caBundle}", f"--timeout={WAIT_S}s"
            )
        cluster("kubectl", "apply", "-f", "examples/example.yaml")
        made = cluster.get("mirror", "example")
        assert made["metadata"]["annotations"]["example.com/created-by"] == "admin"
        change = ("patch", "mirror", "example", "--type=merge", "--patch")
        said = cluster("kubectl", *change, '{"spec": {"image": "nginx:latest"}}', status=1)
        assert "spec.image: nginx:latest has no version; write one, such as nginx:1.0" in said
        assert "Warning: spec.replicas is 0" in cluster("kubectl", *change, '{"spec": {"replicas": 0}}')
