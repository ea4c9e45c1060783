"""A world in which the kinds of the examples are installed from their own manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.fakes import World

EXAMPLES = Path(__file__).parents[2] / "examples"


def objects(name: str) -> dict[str, dict[str, Any]]:
    """The objects of one of the examples' manifests, by kind."""
    return {item["kind"]: item for item in yaml.safe_load_all((EXAMPLES / name).read_text())}


@pytest.fixture
def installed(world: World) -> World:
    """The kinds are there, and one object of each."""
    world.seed(*yaml.safe_load_all((EXAMPLES / "kinds.yaml").read_text()))
    world.seed(*objects("objects.yaml").values())
    return world
