"""Informers: local copies of collections on the server. Knows neither the client nor the work queue."""

from __future__ import annotations

from ctrlkit.cache.change import Cause, Change, ChangeKind
from ctrlkit.cache.factory import InformerFactory, ListWatchMaker
from ctrlkit.cache.handlers import Delivery, Handler, HandlerStatistics, Registration, filtered
from ctrlkit.cache.informer import ForbiddenNamespaces, Informer, InformerOptions, InformerStatistics
from ctrlkit.cache.reflector.interfaces import ListWatch
from ctrlkit.cache.reflector.options import ReflectorOptions
from ctrlkit.cache.reflector.reflector import ReflectorStatistics
from ctrlkit.cache.store.lister import Lister
from ctrlkit.cache.store.store import IndexFunction

__all__ = [
    "Cause",
    "Change",
    "ChangeKind",
    "Delivery",
    "ForbiddenNamespaces",
    "Handler",
    "HandlerStatistics",
    "IndexFunction",
    "Informer",
    "InformerFactory",
    "InformerOptions",
    "InformerStatistics",
    "ListWatch",
    "ListWatchMaker",
    "Lister",
    "ReflectorOptions",
    "ReflectorStatistics",
    "Registration",
    "filtered",
]
