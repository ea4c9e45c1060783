"""Every wrong spec is refused by the server, with a sentence that says what to write; every other one is understood."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError, Invalid
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.model import MergePatch, Unstructured
from tests.bitcoin.specs import CHANGES, GOOD_CHANGES, RIGHT, WRONG, Spec

NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
DEFINITION = definition_of(BITCOIN_NETWORKS)


def network(spec: Spec, name: str = "net") -> dict[str, Any]:
    """A network of a spec."""
    return {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": BITCOIN_NETWORKS.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def client() -> Client:
    """Of a server that has the kind; requests that are refused leave nothing there."""
    return FakeClientset(None, DEFINITION).client


@pytest.mark.parametrize("name", RIGHT)
async def test_what_can_be_is_taken_and_understood(name: str) -> None:
    """The server takes it, the controller's type reads it, and nothing of what was said is dropped."""
    client = FakeClientset(None, DEFINITION).client
    stored = await client.create(NETWORKS, network(RIGHT[name]))
    assert _with(stored["spec"], RIGHT[name])
    read = await client.get(BITCOIN_NETWORKS, "default/net")
    assert read.spec.nodes == RIGHT[name]["nodes"]


def _with(stored: Any, said: Any) -> bool:
    """Whether what is stored has all that was said."""
    if isinstance(said, dict):
        return all(_with(stored[name], value) for name, value in said.items())
    return bool(stored == said)


@pytest.mark.parametrize(("spec", "field", "sentence"), WRONG)
async def test_a_wrong_spec_is_refused_with_a_sentence(client: Client, spec: Spec, field: str, sentence: str) -> None:
    """It names the field, the fact, and what to write."""
    with pytest.raises(Invalid) as refused:
        await client.create(NETWORKS, network(spec))
    assert [said for at, said in causes(refused.value) if at == field and sentence in said], causes(refused.value)


@pytest.mark.parametrize(("before", "patch", "field", "sentence"), CHANGES)
async def test_what_cannot_change_is_refused_with_a_sentence(
    before: Spec, patch: Spec, field: str, sentence: str
) -> None:
    """The chain of nodes that are there, and the claims that hold it."""
    client = FakeClientset(None, DEFINITION, network(before)).client
    with pytest.raises(Invalid) as refused:
        await client.patch(NETWORKS, "default/net", MergePatch({"spec": patch}))
    assert [said for at, said in causes(refused.value) if at == field and sentence in said], causes(refused.value)


@pytest.mark.parametrize(("before", "patch"), GOOD_CHANGES)
async def test_what_can_change_is_taken(before: Spec, patch: Spec) -> None:
    """A claim grows, a group comes and goes."""
    client = FakeClientset(None, DEFINITION, network(before)).client
    await client.patch(NETWORKS, "default/net", MergePatch({"spec": patch}))


def causes(error: ApiError) -> list[tuple[str, str]]:
    """Field and sentence of each thing that is wrong."""
    return [(one["field"], one["message"]) for one in error.details["causes"]]
