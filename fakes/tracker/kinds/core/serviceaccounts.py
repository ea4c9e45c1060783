"""ServiceAccounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Strategy
from ctrlkit.fakes.tracker.kinds.tables import Table, age_of, name_of
from ctrlkit.model import kinds


def _cells(account: Object, now: datetime) -> list[Any]:
    return [name_of(account), age_of(account, now)]


SERVICE_ACCOUNTS = Strategy(
    resource=kinds.SERVICE_ACCOUNTS,
    short_names=("sa",),
    blind_updates=False,
    deleted_is_shown=True,
    table=Table("Name, Age", _cells),
)
