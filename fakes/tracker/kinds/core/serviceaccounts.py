"""ServiceAccounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of


def _cells(account: Object, now: datetime) -> list[Any]:
    return [name_of(account), age_of(account, now)]


SERVICE_ACCOUNTS = Strategy(
    blind_updates=False,
    deleted_is_shown=True,
    cells=_cells,
)
