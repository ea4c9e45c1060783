"""kubectl and helm, of the release that is imitated and of an old one, in scripts as people write them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.foreign.conftest import Stranger
from tests.foreign.environments import FOLDER

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(600)]

HERE = Path(__file__).parent


def printed(stranger: Stranger, release: str, script: str) -> list[str]:
    """What a script of shell/ printed with the kubectl and the helm of a release."""
    programs = FOLDER / release
    if not (programs / "kubectl").exists():
        pytest.skip(f"`make foreign` has not made the environment {release}")
    own = shutil.copy(stranger.kubeconfig, stranger.folder / "own-kubeconfig")  # the script chooses its namespace in it
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(own), "CHART": str(HERE / "chart")}
    return stranger.run(Path("/bin/bash"), HERE / "shell" / script, **environ)


@pytest.mark.parametrize("release", ["v36", "v29"])
def test_kubectl(stranger: Stranger, release: str) -> None:
    """Its generators, apply both ways, patches, scales, waits, explain, a kind of one's own, logs and exec."""
    said = [line.replace(" from NAMESPACE namespace", "") for line in printed(stranger, release, "kubectl.sh")]
    assert said == [
        "namespace/NAMESPACE created",
        "configmap/settings created",
        "secret/key created",
        "deployment.apps/spare created",
        "job.batch/once created",
        "service/lone created",
        "role.rbac.authorization.k8s.io/reader created",
        "service/web created",
        "deployment.apps/web created",
        "no difference",
        "service/web unchanged",
        "deployment.apps/web configured",
        "service/web serverside-applied",
        "deployment.apps/web serverside-applied",
        "deployment.apps/web scaled",
        "deployment.apps/web image updated",
        "deployment.apps/web env updated",
        "configmap/settings patched",
        "configmap/settings patched",
        "deployment.apps/web patched",
        "configmap/settings labeled",
        "configmap/settings annotated",
        '{"a":"1","b":"2","c":"3"}',
        "4 example/web:3 true",
        "horizontalpodautoscaler.autoscaling/web autoscaled",
        "resourcequota/few created",
        "key",
        "lone",
        "web",
        "reader",
        "customresourcedefinition.apiextensions.k8s.io/hats.kubectl.example.com created",
        "customresourcedefinition.apiextensions.k8s.io/hats.kubectl.example.com condition met",
        "hat.kubectl.example.com/one created",
        "one 7",
        'unknown field "spec.sise"',
        "hat.kubectl.example.com/one",
        "The size of the hat.",
        "FIELD: replicas <integer>",
        *absent(release),
        "yes",
        "hats ht kubectl.example.com/v1",
        "configmap/settings condition met",
        'configmap "settings" deleted',
        'service "web" deleted',
        'deployment.apps "web" deleted',
        'customresourcedefinition.apiextensions.k8s.io "hats.kubectl.example.com" deleted',
    ]


def absent(release: str) -> list[str]:
    """What kubectl logs and kubectl exec say of a pod that is not there; 1.36 adds words of its own."""
    words = 'rror from server (NotFound): pods "absent" not found'
    return [f'error: e{words} in namespace "NAMESPACE"' if release == "v36" else f"E{words}", f"E{words}"]


@pytest.mark.parametrize("release", ["v36", "v29"])
def test_helm(stranger: Stranger, release: str) -> None:
    """helm 4 and helm 3: a hook, a kind in crds/, lookup, a failed upgrade, a rollback, and nothing left behind."""
    said = printed(stranger, release, "helm.sh")
    assert said == [
        "1 chart(s) linted, 0 chart(s) failed",
        *(f"kind: {kind} 1" for kind in ("ConfigMap", "Cup", "CustomResourceDefinition", "Deployment", "Job")),
        *(f"kind: {kind} 1" for kind in ("Secret", "Service")),
        'installed: "status":"deployed" 0 example/web:1',
        "looked up: c2VzYW1l",
        "cup.helm.example.com/web",
        "  word: sesame",
        'upgraded: "status":"deployed" 0 example/web:2',
        "must be greater than or equal to 0",
        'failed: "status":"failed"',
        'rolled back: "status":"deployed" 0 example/web:1',
        "web",
        *(f'"status":"{status}"' for status in ("superseded", "superseded", "failed", "deployed")),
        '{"replicas":0,"tag":2}',
        "5",
        "6",
        'release "web" uninstalled',
        "nothing left",
        "customresourcedefinition.apiextensions.k8s.io/cups.helm.example.com",
        'customresourcedefinition.apiextensions.k8s.io "cups.helm.example.com" deleted',
    ]
