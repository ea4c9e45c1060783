"""
Try mutants and tell which ones no test notices.

    python -m tests.mutation workqueue election          so many of each room as rooms.py says
    python -m tests.mutation ctrlkit/wire/codec.py --count 0     all of a module
    python -m tests.mutation wire --grep "frozen"        those whose name has a word in it
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.mutation.known import KNOWN
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.rooms import ROOMS, ROOT, Room, Scope
from tests.mutation.runs import Outcome, outcomes, preload, seconds_unchanged

SEED: Final = 9


def main() -> int:
    """As the command line says; the status is 0 whatever survived."""
    parser = argparse.ArgumentParser(
        prog="tests.mutation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("places", nargs="*", help="rooms, or modules; all rooms where none is named")
    parser.add_argument("--seed", type=int, default=SEED, help="which sample")
    parser.add_argument("--count", type=int, help="how many of each place; 0 is all")
    parser.add_argument("--grep", default="", help="only those whose name has this in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="ask a module's own tests alone")
    parser.add_argument("--list", action="store_true", help="list them and try none")
    parser.add_argument("--json", action="store_true", help="write one object a mutant")
    arguments = parser.parse_args()
    chosen = [
        (room, mutant)
        for place in arguments.places or ROOMS
        for room, mutant in _sample(place, seed=arguments.seed, count=arguments.count)
        if arguments.grep in mutant.id
    ]
    if arguments.list:
        for _, mutant in chosen:
            print(mutant.id)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder  # what a mutant makes fail is nobody's example
        os.chdir(ROOT)
        preload()
        for room in dict.fromkeys(room for room, _ in chosen):
            mutants = [mutant for each, mutant in chosen if each is room]
            for outcome in _tried(
                room, mutants, jobs=arguments.jobs, scope=Scope.OWN if arguments.quick else Scope.ALL
            ):
                print(_json(room, outcome) if arguments.json else _words(outcome), flush=True)
    return 0


def _sample(place: str, *, seed: int, count: int | None) -> list[tuple[Room, Mutant]]:
    """The mutants of a room or a module that come first in the order of a seed."""
    room = ROOMS.get(place)
    modules = [Path(place)] if room is None else room.modules()
    if room is None:
        room = next(each for each in ROOMS.values() if Path(each.folder) in Path(place).parents)
    every = [mutant for module in modules for mutant in mutants_of(str(module), (ROOT / module).read_text())]
    every.sort(key=lambda mutant: mutant.rank(seed))
    wanted = room.mutants if count is None else count
    return [(room, mutant) for mutant in (every[:wanted] if wanted else every)]


def _tried(room: Room, mutants: list[Mutant], *, jobs: int, scope: Scope) -> Iterator[Outcome]:
    """Try mutants of one room; what takes several times as long as the code as it is has noticed as well."""
    asked = [(mutant, room.tests_of(Path(mutant.module), scope)) for mutant in mutants]
    limit_s = 30 + 4 * seconds_unchanged(max((tests for _, tests in asked), key=len))
    yield from outcomes(asked, limit_s=limit_s, jobs=jobs)


def _words(outcome: Outcome) -> str:
    verdict = "noticed" if outcome.noticed else "known" if outcome.mutant.id in KNOWN else "SURVIVED"
    return f"{verdict:8} {outcome.took_s:5.1f} s  {outcome.mutant.id}  {outcome.by}"


def _json(room: Room, outcome: Outcome) -> str:
    told = {"room": room.name, "id": outcome.mutant.id, "noticed": outcome.noticed, "by": outcome.by}
    return json.dumps(told | {"took_s": round(outcome.took_s, 1)})


if __name__ == "__main__":
    sys.exit(main())
