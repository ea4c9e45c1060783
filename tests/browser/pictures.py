"""
The pictures of the documentation, taken of real pages: `make pictures`, or `python -m tests.browser.pictures`.

The program is examples/ex7_cache.py, at three in the morning, in the trouble that its registry gives it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ctrlkit.crd import definition_of
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.manager import Settings
from ctrlkit.model import MergePatch, ObjectMeta
from examples.ex7_cache import CACHES, Cache, CacheSpec, Registry, caches, check, registry, sign
from tests.browser.scenes import Pages, play, shown
from tests.browser.support import HOST, Look, launched, viewing

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
BYTES_MAX: Final = 200_000
PICTURES: Final[Mapping[str, tuple[str, Look, int]]] = {
    "debug": ("/debug", Look(1200, "light"), 1000),
    "debug-narrow": ("/debug", Look(400, "dark"), 900),
    "debug-key": ("/debug/key", Look(1200, "light"), 800),
}
"""The page, the window and its height, of each picture."""


class TroubledRegistry(Registry):
    """Does not answer for one team, and refuses others."""

    broken = False

    async def put(self, uid: str, address: str) -> None:
        """As the real one, or in vain."""
        if self.broken and ".reports:" in address:
            await asyncio.sleep(7200)
        if self.broken and ".checkout:" in address:
            raise ConnectionError("registry.example.com:443: connection refused")
        if self.broken and ".accounts:" in address:
            raise PermissionError("registry.example.com: the token may not write to accounts/sessions (403)")
        await super().put(uid, address)


def cache(name: str, namespace: str, size: int = 1) -> Cache:
    """A Cache of one of the shop's teams."""
    return Cache(metadata=ObjectMeta(name=name, namespace=namespace), spec=CacheSpec(size=size))


async def three_in_the_morning() -> Pages:
    """All is well until 02:41; then the registry refuses some, and in the end does not answer at all."""
    async with World(definition_of(CACHES), cluster=ALL) as world:
        outside = TroubledRegistry()
        world.provide(registry, outside)
        settings = Settings(leader_elect=True, lease_name="caches", identity="caches-7d9f8b6c5d-x2x9k")
        manager = world.manage([caches, check, sign], settings=settings)
        at_work = [cache("orders", "checkout", 2), cache("carts", "checkout"), cache("sessions", "accounts", 3)]
        at_work += [cache("index", "search"), cache("monthly", "reports")]
        for name in dict.fromkeys(each.metadata.namespace for each in at_work):
            world.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for each in at_work:
            await world.client.create(CACHES, each)
        await world.advance("2h41m7s")
        outside.broken = True
        for each in at_work:
            if each.metadata.namespace == "reports":
                await world.pass_time("17m40s")
            more = MergePatch({"spec": {"size": each.spec.size + 1}})
            await world.client.patch(CACHES, each.metadata.key, more)
        await world.pass_time("72s")
        pages = shown(manager, ("caches", "checkout/orders"))
        world.allow_failures(Exception)
        await world.crash(manager)
        return {path.partition("?")[0]: html for path, html in pages.items()}


def main() -> None:
    """Write the pictures; one that has grown too large for a page of the documentation ends it."""
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    into: Path = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    pages = play(three_in_the_morning)
    with launched() as browser, viewing(browser, pages=pages.get) as view:
        for name, (path, look, height) in PICTURES.items():
            view.open(f"http://{HOST}{path}")
            view.page.set_viewport_size({"width": look.width, "height": height})
            view.page.emulate_media(color_scheme=look.scheme)
            view.photograph(into / f"{name}.png", whole=False)
            size = (into / f"{name}.png").stat().st_size
            if size > BYTES_MAX:
                raise SystemExit(f"{name}.png has {size} bytes; make it smaller than {BYTES_MAX}")


if __name__ == "__main__":
    main()
