"""`demo --empty`: a cluster in which this controller is installed as in any other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctrlkit.bitcoin.demo.binary import controller_image
from ctrlkit.bitcoin.network import GROUP
from ctrlkit.fakes.cluster.node.images.programs import Place
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

PROGRAMS = Path(sys.executable).parent
_DEADLINE_S = 120.0


@pytest.mark.parametrize("arguments", [[], ["run"]], ids=["a bare pod", "our Deployment"])
def test_a_pod_runs_the_controller_with_what_it_says_or_without(arguments: list[str]) -> None:
    """Once `run`, with the settings of the demo; nothing else may be said."""
    image, place = controller_image(), Place("127.16.0.1", Path("/tmp/pods/a"), {})
    line = image.command_line((), arguments, place)
    assert "--webhooks-address=127.16.0.1:9443" in line
    with pytest.raises(ContainerRefused):
        image.command_line((), ["upgrade"], place)


@contextmanager
def the_command() -> Iterator[list[str]]:
    """Run it, and yield what it prints to be typed; it ends on Ctrl-C, with status 0."""
    argv = [str(PROGRAMS / "bitcoin-controller"), "demo", "--empty", "--bitcoind", "simulated"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            typed: list[str] = []
            while not typed or not typed[-1].startswith("kubectl wait"):
                line = process.stdout.readline()
                assert line, "it has ended"
                typed += re.findall("^  (.+)$", line)
            yield typed
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    assert process.returncode in (0, 130)


@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl types what is printed")
def test_what_is_printed_to_be_typed_works_as_it_stands() -> None:
    """A Deployment of the controller, a network that becomes Available; and v1 is converted, as by any controller."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    with the_command() as typed:
        as_v1 = f"kubectl get bitcoinnetworks.v1.{GROUP} my-network -o jsonpath={{.apiVersion}}"
        script = "\n".join(["set -e -o pipefail", *typed, as_v1])
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S + 60,
            env=environment,
        )
    assert done.returncode == 0, done.stderr
    assert "my-network condition met" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{GROUP}/v1"
