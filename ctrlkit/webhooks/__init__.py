"""Admission and conversion webhooks as typed functions: what they are asked and answer, how they are configured."""

from __future__ import annotations

from ctrlkit.webhooks.configurations import ServiceAddress
from ctrlkit.webhooks.conversions import Conversions
from ctrlkit.webhooks.declarations import (
    AdmissionWebhook,
    ConversionFunction,
    Webhook,
    conversion,
    mutating,
    validating,
)
from ctrlkit.webhooks.denied import Cause, Denied
from ctrlkit.webhooks.review import Operation, Review, User
from ctrlkit.webhooks.round_trips import Loss, round_trip_losses
from ctrlkit.webhooks.statistics import WebhookStatistics
from ctrlkit.webhooks.webhooks import Answer, Webhooks

__all__ = [
    "AdmissionWebhook",
    "Answer",
    "Cause",
    "ConversionFunction",
    "Conversions",
    "Denied",
    "Loss",
    "Operation",
    "Review",
    "ServiceAddress",
    "User",
    "Webhook",
    "WebhookStatistics",
    "Webhooks",
    "conversion",
    "mutating",
    "round_trip_losses",
    "validating",
]
