"""Webhooks that are declared beside reconcilers, in a World: the server calls them without sockets."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import pytest

from ctrlkit import DONE, Context, Denied, MergePatch, Outcome, Review, mutating, reconciler, validating
from ctrlkit.client import DryRun
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError, ConfigError, Forbidden, InternalError, Invalid, ServiceUnavailable, Timeout
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.fakes.world.unforeseen import UnforeseenFailure
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, DEPLOYMENTS, PODS, SECRETS
from ctrlkit.webhooks import Cause
from tests.support.webhooked import CACHES, CACHES_V2, Cache, defaults, downgrade, upgrade


class ScaleSpec(msgspec.Struct, frozen=True):
    replicas: int = 0


class Scale(msgspec.Struct, frozen=True):
    spec: ScaleSpec = ScaleSpec()


@validating(CACHES, operations=["CREATE", "UPDATE", "DELETE"])
async def check(cache: Cache, review: Review[Cache]) -> None:
    await asyncio.sleep(1)
    if review.operation == "DELETE":
        review.warn("a cache forgets")
    elif cache.spec.size < 1:
        raise Denied("spec.size: too small")


@reconciler(CACHES)
async def reconcile(_cache: Cache, _context: Context) -> Outcome:
    return DONE


def body(name: str = "a", **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def test_defaults_checks_and_conversions_stand_beside_a_reconciler(world: World) -> None:
    """One list of functions is a program; the server asks all of them, and the cache sees what they made."""
    await world.define(definition_of(CACHES, CACHES_V2))
    manager = world.manage([reconcile, defaults, check, upgrade, downgrade])
    made = await world.client.create(CACHES.of(Unstructured), body(size=3))
    assert made.at("spec.image") == "redis:7"
    newer = await world.client.get(CACHES_V2, "default/a")
    assert (newer.spec.replicas, newer.spec.image) == (3, "redis:7")
    with pytest.raises(Forbidden, match=r"check.caches.example.com.*spec.size: too small"):
        await world.client.create(CACHES.of(Unstructured), body("b", size=0))
    await world.settle()
    (informer,) = manager.informers
    assert informer.lister.find("default/a") is not None


async def test_a_program_that_has_ended_answers_no_more_until_it_is_back(world: World) -> None:
    world.serve(CACHES)
    first, second = (world.manage([defaults], name=name) for name in ("first", "second"))
    await world.stop(first)
    await world.client.create(CACHES.of(Unstructured), body(size=3))
    await world.crash(second)
    with pytest.raises(InternalError, match=r"failed calling webhook .* connect: connection"):
        await world.client.create(CACHES.of(Unstructured), body("b", size=3))
    world.restart(second)
    await world.client.create(CACHES.of(Unstructured), body("b", size=3))


def test_plain_calls_of_the_server_are_answered_without_waiting() -> None:
    with World.sync(kinds=[CACHES]) as world:
        world.manage([defaults])
        assert world.tracker.create(CACHES, body(size=1)).at("spec.image") == "redis:7"


async def test_pods_of_the_operator_and_of_the_control_plane_are_left_out(world: World) -> None:
    """A webhook that refuses all pods refuses none of those that its own program or the cluster needs to start."""

    @validating(PODS)
    def refuse(_pod: object, _review: Review[Unstructured]) -> None:
        raise Denied("no pods")

    world.manage([refuse])
    pod = {"spec": {"containers": [{"name": "a", "image": "a"}]}}
    world.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "operators"}})
    for namespace in ("operators", "kube-system"):
        await world.client.create(PODS, {"metadata": {"name": "a", "namespace": namespace}, **pod})
    with pytest.raises(ApiError, match="no pods"):
        await world.client.create(PODS, {"metadata": {"name": "a", "namespace": "default"}, **pod})


async def test_a_patch_or_an_object_changed_in_place_will_do(world: World) -> None:
    @mutating(CONFIG_MAPS)
    def label(_config_map: Unstructured, review: Review[Unstructured]) -> MergePatch:
        return MergePatch({"metadata": {"labels": {"made-by": review.user.name}}})

    @mutating(CONFIG_MAPS, name="z-in-place")
    def note(config_map: Unstructured, _review: Review[Unstructured]) -> None:
        config_map["data"]["seen"] = "yes"

    world.manage([label, note])
    made = await world.client.create(
        CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"a": "1"}}
    )
    assert made.at("data") == {"a": "1", "seen": "yes"}
    assert made.at("metadata.labels") == {"made-by": "admin"}


async def test_a_webhook_reads_caches_and_waits_until_they_are_filled(world: World) -> None:
    """From the first moment of its program on: the request waits, and not in vain."""

    @validating(CONFIG_MAPS, reads=[SECRETS], operations=["CREATE"])
    def known(config_map: Unstructured, review: Review[Unstructured]) -> None:
        if review.lister(SECRETS).find(config_map.key) is None:
            raise Denied("there is no such secret")

    world.tracker.create(SECRETS, {"metadata": {"name": "a", "namespace": "default"}})
    world.manage(known)
    for name in ("a", "b"):
        obj = {"metadata": {"name": name, "namespace": "default"}}
        if name == "a":
            await world.client.create(CONFIG_MAPS, obj)
        else:
            with pytest.raises(Forbidden, match="there is no such secret"):
                await world.client.create(CONFIG_MAPS, obj)


async def test_what_a_webhook_waits_for_its_caches_counts_for_its_time(world: World) -> None:
    """So the answer comes before the server gives up."""

    @validating(CONFIG_MAPS, reads=[SECRETS], timeout_s=10)
    async def slow(_config_map: Unstructured, _review: Review[Unstructured]) -> None:
        await asyncio.sleep(7)

    world.faults.delay(Calls("list", SECRETS), "4s")
    world.manage(slow)
    with pytest.raises(Timeout, match=r"webhook slow did not answer within 9 s"):
        await world.client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})


async def test_a_webhook_whose_caches_do_not_fill_says_what_it_waits_for(world: World) -> None:
    @validating(CONFIG_MAPS, reads=[SECRETS], timeout_s=2)
    def never(_config_map: Unstructured, _review: Review[Unstructured]) -> None:
        raise AssertionError

    world.faults.fail(Calls("list", SECRETS), ServiceUnavailable("later"), times=None)
    world.manage(never)
    with pytest.raises(Timeout, match=r"did not answer within 1.8 s: it waits for the caches that it reads"):
        await world.client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})


async def test_subresources_dry_runs_and_other_versions_come_as_declared(world: World) -> None:
    """A scale has its own type; with matchPolicy Equivalent a request at v2 is shown as the v1 that is declared."""
    seen: list[tuple[str, object, bool]] = []

    @validating(DEPLOYMENTS, subresource="scale", body=Scale)
    def scaled(scale: Scale, review: Review[Scale]) -> None:
        seen.append((review.subresource, scale.spec.replicas, review.dry_run))
        if scale.spec.replicas > 5:
            raise Denied("too many")

    @validating(CACHES)
    def old_version(cache: Cache, review: Review[Cache]) -> None:
        seen.append(("", cache.spec.size, review.dry_run))

    await world.define(definition_of(CACHES, CACHES_V2))
    world.manage([scaled, old_version, upgrade, downgrade])
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await world.client.create(DEPLOYMENTS, {"metadata": {"name": "a", "namespace": "default"}, "spec": spec})
    await world.client.set_scale(DEPLOYMENTS, "default/a", 3)
    with pytest.raises(Forbidden, match="too many"):
        await world.client.set_scale(DEPLOYMENTS, "default/a", 9)
    body_v2 = {"metadata": {"name": "b", "namespace": "default"}, "spec": {"replicas": 7}}
    await world.client.create(CACHES_V2.of(Unstructured), body_v2, dry_run=DryRun.ALL)
    assert seen == [("scale", 3, False), ("scale", 9, False), ("", 7, True)]


async def test_warnings_and_refusals_reach_who_asked(world: World) -> None:
    @validating(CONFIG_MAPS)
    def talk(config_map: Unstructured, review: Review[Unstructured]) -> None:
        review.warn("careful")
        if not config_map.get("data"):
            raise Denied(causes=[Cause("data", "is empty")])

    world.manage(talk)
    with noticed() as texts:
        await world.client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"a": "1"}})
        with pytest.raises(Invalid) as refused:
            await world.client.create(CONFIG_MAPS, {"metadata": {"name": "b", "namespace": "default"}})
    assert texts == ["careful"]
    assert refused.value.details["causes"] == [{"reason": "FieldValueInvalid", "message": "is empty", "field": "data"}]


async def test_a_function_that_raises_ends_a_test_unless_it_allows_that(world: World) -> None:
    """As a reconciler that raises does; the server is told in either case."""

    @validating(CONFIG_MAPS)
    def broken(_config_map: Unstructured, _review: Review[Unstructured]) -> None:
        raise ZeroDivisionError

    world.allow_failures(ZeroDivisionError)
    world.manage(broken)
    with pytest.raises(InternalError, match="webhook broken failed: ZeroDivisionError"):
        await world.client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    await world.settle()


def test_a_function_that_raises_ends_a_test() -> None:
    @validating(CONFIG_MAPS)
    def broken(_config_map: Unstructured, _review: Review[Unstructured]) -> None:
        raise ZeroDivisionError

    def story() -> None:
        with World.sync() as world:
            world.manage(broken)
            with suppress(InternalError):
                world.tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
            world.settle()

    with pytest.raises(UnforeseenFailure, match="webhook broken of configmaps"):
        story()


async def test_a_program_whose_versions_do_not_lead_to_each_other_does_not_start(world: World) -> None:
    with pytest.raises(ConfigError, match="no way leads from v2 to v1"):
        world.manage([upgrade])


async def test_two_programs_of_one_module_have_a_configuration_each(world: World) -> None:
    world.serve(CACHES)
    world.manage([defaults])
    world.manage([check])
    made = await world.client.create(CACHES.of(Unstructured), body(size=1))
    assert made.at("spec.image")
    with pytest.raises(Forbidden):
        await world.client.create(CACHES.of(Unstructured), body("b", size=0))
