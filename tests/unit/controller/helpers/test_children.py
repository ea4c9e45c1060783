"""Children that were there before."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from ctrlkit import DONE, Context, MergePatch, Outcome, reconciler
from ctrlkit.fakes import World
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, SECRETS
from tests.unit.controller.support import lines_of


@reconciler(SECRETS, owns=[CONFIG_MAPS])
async def copies(secret: Unstructured, context: Context) -> Outcome:
    """A ConfigMap of its name for each Secret."""
    await context.apply(CONFIG_MAPS, {"data": {"seen": secret.at("metadata.labels.seen") or ""}})
    return DONE


def seeded(kind: str, name: str) -> dict[str, Any]:
    """An object made by hand."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "demo"}}


async def test_an_object_that_nobody_controlled_is_told_of_when_it_becomes_a_child(world: World) -> None:
    """Once, for it is deleted with its owner from now on; not one that the program made."""
    world.seed(seeded("Secret", "mine"), seeded("Secret", "by-hand"), seeded("ConfigMap", "by-hand"))
    with capture_logs() as lines:
        world.manage(copies)
        await world.settle()
        for name in ("mine", "by-hand"):
            await world.client.patch(SECRETS, f"demo/{name}", MergePatch({"metadata": {"labels": {"seen": "again"}}}))
        await world.settle()
    (line,) = lines_of(lines, "child_taken_over")
    assert (line["child"], line["owner"]) == ("configmaps demo/by-hand", "secrets demo/by-hand")
    assert world.tracker.get(CONFIG_MAPS, "demo/by-hand")["data"] == {"seen": "again"}


async def test_a_child_is_returned_as_the_server_has_it() -> None:
    """Made, changed or as it was: of the type that its lister has, with what the server added."""
    made: list[Any] = []

    @reconciler(SECRETS, owns=[CONFIG_MAPS])
    async def noting(secret: Unstructured, context: Context) -> Outcome:
        seen = secret.at("metadata.labels.seen") or ""
        made.append(await context.apply(CONFIG_MAPS, {"data": {"seen": seen}}))
        return DONE

    async with World(seeded("Secret", "a")) as world:
        world.manage(noting)
        await world.settle()
        await world.client.patch(SECRETS, "demo/a", MergePatch({"metadata": {"labels": {"seen": "again"}}}))
        await world.settle()
        stored = world.tracker.get(CONFIG_MAPS, "demo/a")
    assert {type(child) for child in made} == {type(stored)}
    assert {child["metadata"]["uid"] for child in made} == {stored["metadata"]["uid"]}
    assert (made[0]["data"], made[-1]) == ({"seen": ""}, stored)
