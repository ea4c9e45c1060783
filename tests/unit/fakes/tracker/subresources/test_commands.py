"""Commands in containers: what is refused before anything runs."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.runtime import PodRuntime
from ctrlkit.model import Action, MergePatch, Options, Verb
from ctrlkit.model.kinds import NODES, PODS
from tests.support.objects import CONTAINERS, a_pod

SIDE, STDIN, COMMAND = ("container", "side"), ("stdin", "true"), ("command", "ls")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ((STDIN, COMMAND), "a container name must be specified for pod p, choose one of: [main side]"),
        ((STDIN, COMMAND, ("container", "x")), "container x is not valid for pod p"),
        ((SIDE, COMMAND), "you must specify at least 1 of stdin, stdout, stderr"),
        ((SIDE, COMMAND, ("stdin", "false")), "you must specify at least 1 of stdin, stdout, stderr"),
        ((SIDE, STDIN), "exec needs a command"),
    ],
)
async def test_a_command_names_its_container_and_a_stream(parameters: tuple[tuple[str, str], ...], said: str) -> None:
    tracker = Tracker()
    tracker.run_pods_with(create_autospec(PodRuntime))
    tracker.create(NODES, {"metadata": {"name": "n"}})
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}]
    tracker.patch(NODES, "n", MergePatch({"status": {"addresses": addresses}}), subresource="status")
    tracker.create(PODS, a_pod(nodeName="n", containers=[*CONTAINERS, {"name": "side", "image": "img:2"}]))
    asked = Action(
        verb=Verb.CREATE,
        resource=PODS,
        namespace="default",
        name="p",
        subresource="exec",
        options=Options(parameters=parameters),
    )
    with pytest.raises(BadRequest) as raised:
        async with tracker.connect(asked, ["v5.channel.k8s.io"]):
            pass
    assert raised.value.message == said
