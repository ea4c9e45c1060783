"""The guide that brings a program into a cluster: its commands, on a new project and a server of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.helm import HELM, needs_helm
from tests.support.kubectl import KUBECTL, needs_kubectl
from tests.support.served import served
from tests.support.snippets import ROOT

GUIDE = ROOT / "docs" / "howto" / "deploy.md"
ELSEWHERE = ("docker ", "curl ", "kubectl -n cache-operator port-forward", "kubectl -n cache-operator logs")
"""What takes an engine for images, or a container that is a process."""


def commands() -> list[str]:
    """The guide's lines of shell, in their order."""
    prose = re.sub(r"^```.*?^```$", "", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^    (\S.*)$", prose, re.MULTILINE)


@needs_kubectl
@needs_helm
@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.timeout(600)
def test_the_commands_of_the_guide_bring_a_new_project_into_a_cluster(tmp_path: Path) -> None:
    """Both installations are carried out, each on a cluster of its own, and pods become ready."""
    programs = (
        f"{Path(sys.executable).parent}:{Path(str(KUBECTL)).parent}:{Path(str(HELM)).parent}:{os.environ['PATH']}"
    )
    environment = {"PATH": programs, "HOME": str(tmp_path)}
    subprocess.run(["ctrlkit", "init", "cache-operator"], cwd=tmp_path, env=environment, check=True)
    helm = next(each for each in commands() if each.startswith("helm "))
    kustomize = [each for each in commands() if each != helm and not each.startswith(ELSEWHERE)]
    assert kustomize[0] == "make manifests"
    for number, lines in enumerate((kustomize, [helm])):
        kubeconfig = tmp_path / f"kubeconfig-{number}"
        with served(kubeconfig):
            for line in lines:
                if line.startswith("kubectl wait"):
                    continue  # the program is an image here, and no process that could make the object ready
                done = subprocess.run(
                    ["bash", "-c", line],
                    cwd=tmp_path / "cache-operator",
                    env=environment | {"KUBECONFIG": str(kubeconfig)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
