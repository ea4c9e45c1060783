"""What a declaration says is what a real API server asks about: subresources, deletes, other versions, typed pods."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ctrlkit import Denied, MergePatch, Review, connect, mutating, validating
from ctrlkit.client import DryRun
from ctrlkit.errors import Forbidden, Invalid
from ctrlkit.fakes import ControlPlane
from ctrlkit.kinds import CONFIG_MAPS, DEPLOYMENTS, PODS, core
from ctrlkit.manager.webhooks.options import WebhookServing
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import Cause
from tests.support.webhooked import define, running

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]

Seen = list[tuple[str, str, str, bool]]


class ScaleSpec(msgspec.Struct, frozen=True):
    """How many are wanted."""

    replicas: int = 0


class Scale(msgspec.Struct, frozen=True):
    """What is sent to a scale."""

    spec: ScaleSpec = ScaleSpec()


def declared(seen: Seen) -> list[Any]:
    """One of each sort, which note what they are asked about."""

    def note(name: str, review: Review[Any]) -> None:
        seen.append((name, review.operation, review.key.name, review.dry_run))

    @mutating(core.PODS, operations=["CREATE"])
    def pull(pod: core.Pod, review: Review[core.Pod]) -> core.Pod:
        note("pull", review)
        containers = tuple(replace(each, image_pull_policy="Always") for each in pod.spec.containers)
        return replace(pod, spec=replace(pod.spec, containers=containers))

    @mutating(CONFIG_MAPS, operations=["CREATE"], match_conditions={"named": "object.metadata.name == 'a'"})
    def label(_config_map: Unstructured, review: Review[Unstructured]) -> MergePatch:
        note("label", review)
        return MergePatch({"metadata": {"labels": {"by": review.user.name}}})

    @validating(CONFIG_MAPS, operations=["UPDATE", "DELETE"], side_effects=True)
    def keep(config_map: Unstructured, review: Review[Unstructured]) -> None:
        note("keep", review)
        if review.operation == "DELETE" and config_map.at("data.keep"):
            raise Denied(causes=[Cause("data.keep", "is set")])

    @validating(DEPLOYMENTS, subresource="scale", operations=["UPDATE"], body=Scale)
    def scaled(scale: Scale, review: Review[Scale]) -> None:
        note("scaled", review)
        assert review.old is not None
        if scale.spec.replicas > 5:
            raise Denied(f"spec.replicas: {scale.spec.replicas} is more than 5, and was {review.old.spec.replicas}")

    @validating(PODS, subresource="eviction", operations=["CREATE"], body=Unstructured)
    def stay(eviction: Unstructured, review: Review[Unstructured]) -> None:
        note("stay", review)
        raise Denied(f"{eviction['kind']} of {review.key.name}: not now", code=429)

    @validating(PODS, subresource="status", operations=["UPDATE"])
    def told(pod: Unstructured, review: Review[Unstructured]) -> None:
        note("told", review)
        assert pod["kind"] == "Pod"

    return [pull, label, keep, scaled, stay, told]


@pytest.mark.behaviour("W5", "W6", "W9")
async def test_a_server_asks_about_what_is_declared_and_nothing_else(own_control_plane: ControlPlane) -> None:
    """By rules, conditions and subresources; each answer leads to what it says."""
    seen: Seen = []
    container = {"name": "c", "image": "i"}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(kubeconfig=own_control_plane.kubeconfig))
        await define(client)
        serving = WebhookServing(address="127.0.0.1:0")
        replica = await stack.enter_async_context(running(client, serving, declared(seen)))
        await replica.ready()
        pod = await client.create(
            PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [container]}}
        )
        assert pod.at("spec.containers")[0]["imagePullPolicy"] == "Always"
        await client.patch(PODS, "default/p", MergePatch({"status": {"message": "x"}}), subresource="status")
        with pytest.raises(Exception, match="Eviction of p: not now"):
            await client.evict("default/p")
        for name in ("a", "b"):
            body = {"metadata": {"name": name, "namespace": "default"}, "data": {"keep": "yes"}}
            made = await client.create(CONFIG_MAPS, body)
            assert bool(made.at("metadata.labels.by")) is (name == "a")
        await client.patch(CONFIG_MAPS, "default/a", MergePatch({"data": {"x": "1"}}), dry_run=DryRun.ALL)
        with pytest.raises(Invalid) as refused:
            await client.delete(CONFIG_MAPS, "default/a")
        assert refused.value.details["causes"][0] == {
            "reason": "FieldValueInvalid",
            "message": "is set",
            "field": "data.keep",
        }
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        await client.create(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "default"}, "spec": spec})
        await client.set_scale(DEPLOYMENTS, "default/d", 3)
        with pytest.raises(Forbidden, match="9 is more than 5, and was 3"):
            await client.set_scale(DEPLOYMENTS, "default/d", 9)
    assert seen == [
        ("pull", "CREATE", "p", False),
        ("told", "UPDATE", "p", False),
        ("stay", "CREATE", "p", False),
        ("label", "CREATE", "a", False),
        ("keep", "UPDATE", "a", True),
        ("keep", "DELETE", "a", False),
        ("scaled", "UPDATE", "d", False),
        ("scaled", "UPDATE", "d", False),
    ]
