"""
What an operator asks a running manager: metrics, health, a debug page, and the level of the log (docs/operating.md).

Imported without HTTP and Prometheus, which serving needs and a manager without endpoints does not pay for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctrlkit.manager.endpoints.health import CheckKind, Checks
from ctrlkit.manager.endpoints.options import Endpoints

if TYPE_CHECKING:
    from ctrlkit.manager.endpoints.metrics import registry
    from ctrlkit.manager.endpoints.server import serve

__all__ = ["CheckKind", "Checks", "Endpoints", "registry", "serve"]


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        match name:
            case "serve":
                from ctrlkit.manager.endpoints.server import serve  # noqa: PLC0415

                return serve
            case "registry":
                from ctrlkit.manager.endpoints.metrics import registry  # noqa: PLC0415

                return registry
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
