"""
What is known of one key of one controller: what it does now, whether it fails, its objects, and its last runs.

Row B30. As the debug page it has names and the texts of errors, and neither bodies nor secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.clock import monotonic
from ctrlkit.controller import Watch, to_self
from ctrlkit.manager.endpoints.debug import failing_row, program
from ctrlkit.manager.endpoints.health import Heartbeat
from ctrlkit.manager.endpoints.tables import Row, ago, at_wall, cut, moment, seconds, table, until
from ctrlkit.model import ObjectKey
from ctrlkit.names import unique_names

if TYPE_CHECKING:
    from ctrlkit.cache import Informer
    from ctrlkit.controller import Controller
    from ctrlkit.controller.history import PastRun
    from ctrlkit.controller.keys import KeyState
    from ctrlkit.manager.manager import Manager


def key_picture(
    manager: Manager, controller_name: str, key: ObjectKey | str, heartbeat: Heartbeat | None = None
) -> Mapping[str, Any] | None:
    """
    The sections about one key, by name, in the order in which they are read; None if nothing is known of it.

    Shape   `controller_name` is the one that the debug page shows. A text that is no key is a key of which nothing is
            known.
    """
    controller = dict(unique_names((each.name, each) for each in manager.controllers)).get(controller_name)
    if controller is None:
        return None
    try:
        found = ObjectKey.of(key)
    except ValueError:
        return None
    state, runs, objects = controller.key_state(found), controller.history(found), list(_objects(controller, found))
    if not (runs or objects or state.run or state.waiting or state.wanted_since is not None):
        return None
    return {
        "program": program(manager, heartbeat or Heartbeat()),
        "key": {
            "controller": controller_name,
            "key": str(found),
            "kind": _kind(controller),
            "state": _word(state),
        },
        "now": _now(state),
        "failing": {} if state.failing is None else failing_row(controller_name, state.failing),
        "objects": table(objects),
        "history": table(map(_past, runs)),
    }


def _kind(controller: Controller) -> str:
    return next((str(each.resource) for each in _own_informers(controller)), "")


def _own_informers(controller: Controller) -> Iterator[Informer[Any]]:
    """The caches of the kinds that the keys of a controller are of."""
    for source in controller.watches:
        if isinstance(source, Watch) and source.mapper is to_self:
            yield source.informer


def _word(state: KeyState) -> str:
    if state.run is not None:
        return "stuck" if state.stuck else "running"
    if not state.owned:
        return "elsewhere"
    if state.failing is not None:
        return "failing"
    if state.wanted_since is not None:
        return "ready"
    return "idle" if state.waiting is None else "waiting"


def _now(state: KeyState) -> Row:
    now, run, waiting = monotonic(), state.run, state.waiting
    return {
        "running_s": None if run is None else seconds(now - run.began_at),
        "at": state.at,
        "attempt": None if run is None else run.attempt,
        "causes": [] if run is None else [cut(cause) for cause in run.causes],
        "ready": run is None and state.wanted_since is not None,
        "wanted_again": run is not None and state.wanted_since is not None,
        "due": None if waiting is None else at_wall(waiting.due_at),
        "due_s": None if waiting is None else until(waiting.due_at),
        "reason": "" if waiting is None else waiting.reason.value,
        "message": "" if waiting is None else cut(waiting.message),
        **_waits(state),
    }


def _waits(state: KeyState) -> Row:
    """Since when a key waits for something else, and for what."""
    waits = state.waits
    return (
        {}
        if waits is None
        else {"since": moment(waits.since), "since_s": ago(waits.since), "message": cut(waits.error)}
    )


def _objects(controller: Controller, key: ObjectKey) -> Iterator[Row]:
    for informer in _own_informers(controller):
        record = informer.lister.find_record(key)
        fault = informer.quarantine.get(key)
        if record is not None or fault is not None:
            meta = None if record is None else record.meta
            yield {
                "cache": informer.name,
                "version": "" if meta is None else meta.resource_version,
                "generation": None if meta is None else meta.generation,
                "deleting": meta is not None and meta.deleting,
                "finalizers": list(meta.finalizers or ()) if meta is not None and meta.deleting else [],
                "error": "" if fault is None else cut(str(fault)),
            }


def _past(run: PastRun) -> Row:
    return {
        "began": moment(run.began),
        "result": run.result,
        "attempt": run.attempt,
        "causes": list(run.causes),
        "merged": run.merged,
        "seen": run.seen,
        "waited_s": seconds(run.waited_s),
        "took_s": seconds(run.took_s),
        "writes": list(run.writes),
        "error": cut(run.error),
        "where": run.where,
        "next": run.next,
        "next_s": seconds(run.next_s),
        "id": run.id,
    }
