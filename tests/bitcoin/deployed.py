"""What the Deployment runs, as the command line of the controller reads it."""

from __future__ import annotations

from typing import Any

import msgspec

from ctrlkit.bitcoin.cli import command_line
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.manager import Settings

OWN_NAMESPACE = "bitcoin-controller"


def the_deployment() -> dict[str, Any]:
    """The one Deployment."""
    (deployment,) = (item for item in objects("deployment") if item["kind"] == "Deployment")
    return deployment


def pods_of_the_deployment() -> tuple[dict[str, Any], dict[str, Any]]:
    """The template of its pods, and the one container in it."""
    template: dict[str, Any] = the_deployment()["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return template, container


def deployed(**changes: Any) -> Settings:
    """The settings that its arguments and variables come to, and changes to them; nothing else is set."""
    _, container = pods_of_the_deployment()
    variables = {one["name"]: one["value"] for one in container["env"]}
    return msgspec.structs.replace(Settings.load(command_line().parse_args(container["args"]), variables), **changes)
