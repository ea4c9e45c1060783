"""
5. A Reading shows what a sensor says, asked every ten seconds: a source that is not Kubernetes.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    ctrlkit run examples.ex5_readings:build --kubeconfig kc
    kubectl --kubeconfig kc get readings --watch
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import msgspec

from ctrlkit import (
    DONE,
    Controller,
    Manager,
    MergePatch,
    ObjectMeta,
    Outcome,
    Request,
    TerminalError,
    Watch,
    custom_resource,
    to_self,
)
from ctrlkit.controller import Every, Schedule, generation_changed


class Spec(msgspec.Struct, frozen=True):
    """Which sensor to ask."""

    sensor: str


class Status(msgspec.Struct, frozen=True):
    """What it said."""

    value: str = ""


class Reading(msgspec.Struct, frozen=True):
    """The fields of a Reading that are used here."""

    metadata: ObjectMeta
    spec: Spec
    status: Status = Status()


READINGS = custom_resource(group="demo.example.com", kind="Reading", plural="readings").of(Reading)

Sensor = Callable[[], float]
SENSORS: Mapping[str, Sensor] = {"load": lambda: os.getloadavg()[0], "processors": lambda: float(os.cpu_count() or 0)}


def build(manager: Manager, sensors: Mapping[str, Sensor] = SENSORS) -> Controller:
    """Asked when a Reading is made or changed, and by the clock; our own writes of the status are no reason to ask."""
    readings = manager.informer(READINGS)

    async def reconcile(request: Request) -> Outcome:
        reading = readings.lister.find(request.key)
        if reading is None or reading.metadata.deleting:
            return DONE
        sensor = sensors.get(reading.spec.sensor)
        if sensor is None:
            raise TerminalError(f"read {reading.spec.sensor}: no such sensor; there are {', '.join(sensors)}")
        value = f"{await asyncio.to_thread(sensor):.2f}"
        if value != reading.status.value:
            status = MergePatch({"status": {"value": value}})
            await manager.client.patch(READINGS, request.key, status, subresource="status")
        return DONE

    return Controller(
        name="readings",
        reconcile=reconcile,
        watches=[
            Watch(readings, to_self, predicate=generation_changed),
            Schedule("every-10s", readings.lister.keys, Every(10)),
        ],
        timeout_s=5,
    )
