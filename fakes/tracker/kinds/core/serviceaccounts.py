"""ServiceAccounts."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.model import kinds

SERVICE_ACCOUNTS = Strategy(
    resource=kinds.SERVICE_ACCOUNTS, short_names=("sa",), blind_updates=False, deleted_is_shown=True
)
