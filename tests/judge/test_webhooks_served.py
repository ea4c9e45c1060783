"""A real API server calls the webhooks of a program, by a URL and through a Service with two replicas."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
import yaml

from ctrlkit import connect
from ctrlkit.errors import Forbidden
from ctrlkit.fakes import ControlPlane
from ctrlkit.manager.webhooks.options import WebhookServing
from tests.support.webhooked import CACHES, CACHES_V2, cache_object, define, running

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
KUBECTL = Path(__file__).parents[2] / ".venv/bin/kubectl"


def kubectl(plane: ControlPlane, *arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl, with an object on its standard input."""
    command = [str(KUBECTL), f"--kubeconfig={plane.kubeconfig}", *arguments]
    text = "" if given is None else yaml.safe_dump(given)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.behaviour("M2", "W1", "W11")
async def test_kubectl_shows_what_the_webhooks_of_a_program_on_this_machine_say(
    own_control_plane: ControlPlane,
) -> None:
    """`kubectl apply` shows the defaults, the warning and the refusal; another version is read through us."""
    async with connect(kubeconfig=own_control_plane.kubeconfig) as client:
        await define(client)
        async with running(client, WebhookServing(address="127.0.0.1:0")) as replica:
            await replica.ready()
            said = await asyncio.to_thread(
                kubectl, own_control_plane, "apply", "-f", "-", given=cache_object("a", image="redis:latest")
            )
            assert (said.returncode, "Warning: spec.image: latest is a moving target" in said.stderr) == (0, True), said
            said = await asyncio.to_thread(
                kubectl, own_control_plane, "apply", "-f", "-", given=cache_object("b", size=0)
            )
            assert said.returncode == 1
            assert "0 is too small; write 1 or more" in said.stderr
            assert (await client.create(CACHES, cache_object("c"))).spec.image == "redis:7"
            assert (await client.get(CACHES_V2, "default/c")).spec.replicas == 1
            with pytest.raises(Forbidden):
                await client.create(CACHES, cache_object("d", size=0))
