"""
The built-in kinds: `kinds.PODS` and the like are dict-like, `kinds.core.PODS` has a type with all its fields.

    from ctrlkit.kinds import apps, core

    deployment = await client.get(apps.DEPLOYMENTS, "demo/web")
    deployment.spec.template.spec.containers[0].image

The modules core, apps, batch, networking, policy, rbac, autoscaling, storage and coordination have the types of their
groups; each is loaded when it is first asked for. The dict-like ones are those of ctrlkit.model.kinds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ctrlkit.model.kinds import *  # noqa: F403  # all of them, under the names they have there

if TYPE_CHECKING:
    from ctrlkit.kinds import apps as apps
    from ctrlkit.kinds import autoscaling as autoscaling
    from ctrlkit.kinds import batch as batch
    from ctrlkit.kinds import coordination as coordination
    from ctrlkit.kinds import core as core
    from ctrlkit.kinds import networking as networking
    from ctrlkit.kinds import policy as policy
    from ctrlkit.kinds import rbac as rbac
    from ctrlkit.kinds import storage as storage

_TYPED = ("apps", "autoscaling", "batch", "coordination", "core", "networking", "policy", "rbac", "storage")


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        if name in _TYPED:
            return importlib.import_module(f"ctrlkit.kinds.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
