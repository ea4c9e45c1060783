"""
Run the benchmarks: `python -m tests.bench [CASE ...] [--json FILE] [--server URL]`.

Each module tests/bench/bench_*.py has `cases()`, and a process of its own. CASE is part of a case's or module's name;
none runs them all.
Exit status 1 where a case is over its budget.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from ctrlkit.errors import CtrlkitError
from tests.bench import against_server
from tests.bench.case import Measurement, measure, measure_module


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the chosen cases, print one table, and perhaps write the same as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure against the budgets.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="part of a case's or its module's name; all if none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements here too")
    parser.add_argument("--server", metavar="URL", help="measure an informer against this server instead")
    arguments = parser.parse_args(argv)
    try:
        if arguments.server:
            found = [measure(case) for case in against_server.cases(arguments.server)]
        else:
            with TemporaryDirectory() as bytecode:
                os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # imports are measured as they are but for the first
                os.environ["PYTHONPYCACHEPREFIX"] = bytecode
                found = list(_measured(arguments.cases))
    except CtrlkitError as error:
        parser.exit(1, f"bench: {error}\n")
    if not found:
        parser.error(f"no case has {' or '.join(arguments.cases)} in its name")
    Console().print(_table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(measurement) for measurement in found], indent=1) + "\n")
    return 0 if all(measurement.ok for measurement in found) else 1


def _measured(wanted: Sequence[str]) -> Iterator[Measurement]:
    """The cases of each module in a process of their own: what one leaves of the heap is no other's burden."""
    apart = get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=apart, max_tasks_per_child=1) as processes:
        modules = (path.stem for path in sorted(Path(__file__).parent.glob("bench_*.py")))
        for measurements in processes.map(measure_module, modules, repeat(wanted)):
            yield from measurements


def _table(found: Sequence[Measurement]) -> Table:
    table = Table("case", "value", "baseline", "ratio", "budget", "")
    for m in found:
        baseline = "" if m.baseline is None else f"{m.baseline:.3f} {m.unit}"
        ratio = "" if m.ratio is None else f"{m.ratio:.2f}"
        unit = "" if m.ratio is not None else f" {m.unit}"
        budget = "" if m.budget is None else f"{m.budget:.4g}{unit}"
        table.add_row(m.case, f"{m.value:.3f} {m.unit}", baseline, ratio, budget, "ok" if m.ok else "OVER")
    return table


if __name__ == "__main__":
    sys.exit(main())
