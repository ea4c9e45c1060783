"""A real cluster with a World's face; the embedded server plays the cluster here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit import clock
from ctrlkit.controller import Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes import FakeClientset
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.world.live import LiveWorld
from ctrlkit.fakes.world.unforeseen import UnforeseenFailure
from ctrlkit.manager import Manager
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from tests.support.greetings import GREETINGS, greeter, greeting


async def test_it_has_a_namespace_managers_and_patience(tmp_path: Path) -> None:
    """The namespace is deleted at the end; what does not come in time is named."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(GREETINGS)
    async with ApiServer(clientset, clientset.tracker.registry).serve() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        async with LiveWorld(kubeconfig=str(tmp_path / "kubeconfig")) as world:
            world.manage(greeter())
            await world.client.create(GREETINGS, greeting(namespace=world.namespace))

            async def copy() -> Unstructured:
                return await world.client.get(CONFIG_MAPS, f"{world.namespace}/hello")

            assert (await world.until(copy))["data"] == {"text": "hello, world"}
            began = clock.monotonic()
            with pytest.raises(CtrlkitError, match=r"wait until .*<lambda>: not so after 5 s"):
                await world.until(lambda: False, within="5s")
            assert clock.monotonic() - began == pytest.approx(5, abs=0.5)
        assert clientset.tracker.get(NAMESPACES, world.namespace).metadata.deletion_timestamp


async def test_a_mistake_ends_the_wait(tmp_path: Path) -> None:
    """As in a world, and as there unless the test is about it; fields are owned by whom they are there."""
    clientset = FakeClientset()
    clientset.tracker.registry.register_custom(GREETINGS)

    def build(manager: Manager) -> Controller:
        async def reconcile(request: Request) -> Outcome:
            raise KeyError(request.name)

        return Controller(name="m", reconcile=reconcile, watches=[Watch(manager.informer(GREETINGS), to_self)])

    async with ApiServer(clientset, clientset.tracker.registry).serve() as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        async with LiveWorld(kubeconfig=str(tmp_path / "kubeconfig")) as world:
            assert world.manage(build).client.field_manager == __name__
            await world.client.create(GREETINGS, greeting(namespace=world.namespace))
            with pytest.raises(UnforeseenFailure, match=r"reconcile of m .*/hello raised") as caught:
                await world.until(lambda: False, within="5s")
            assert isinstance(caught.value.__cause__, KeyError)
            world.allow_failures(KeyError)
            with pytest.raises(CtrlkitError, match="not so after 1 s"):
                await world.until(lambda: False, within="1s")
