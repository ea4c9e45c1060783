"""ServiceAccounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section

_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


def _cells(account: Object, now: datetime) -> list[Any]:
    return [name_of(account), age_of(account, now)]


def _clean(account: Plain) -> None:
    """Of references to secrets only the names are kept."""
    secrets = account.get("secrets")
    if secrets:
        account["secrets"] = [{"name": one["name"]} if one.get("name") else {} for one in secrets]


def _warnings(account: Object, old: Object | None) -> Iterator[str]:
    had = old is not None and _MOUNTABLE in section(old["metadata"], "annotations")
    if not had and _MOUNTABLE in section(account["metadata"], "annotations"):
        text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        yield f"metadata.annotations[{_MOUNTABLE}]: {text}"


SERVICE_ACCOUNTS = Strategy(
    begin=_clean,
    keep=lambda account, _: _clean(account),
    warn=_warnings,
    deleted_is_shown=True,
    cells=_cells,
)
