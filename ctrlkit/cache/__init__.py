"""A local mirror of collections on the server; knows neither the client nor the work queue."""

from __future__ import annotations

from ctrlkit.cache.change import Cause, Change, ChangeKind
from ctrlkit.cache.factory import InformerFactory, ListWatchMaker
from ctrlkit.cache.fanout import Handler, HandlerStatistics, Registration
from ctrlkit.cache.filtering import filtered
from ctrlkit.cache.informer import ForbiddenNamespaces, Informer
from ctrlkit.cache.pending import Delivery
from ctrlkit.cache.reflector.reflector import ReflectorStatistics
from ctrlkit.cache.reflector.source import ListWatch
from ctrlkit.cache.statistics import InformerStatistics
from ctrlkit.cache.store.index import IndexFunction
from ctrlkit.cache.store.lister import Lister

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
    "InformerStatistics",
    "ListWatch",
    "ListWatchMaker",
    "Lister",
    "ReflectorStatistics",
    "Registration",
    "filtered",
]
