"""
Replay scenarios and print what differs: python -m tests.conformance [--server URL] [NAME ...]

Without --server each scenario meets a new embedded API server with the loops of a control plane.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.conformance.scenario import SCENARIOS, read_scenario, replay
from tests.conformance.serving import loops_of, served_as_recorded

_LINES_MAX = 8


async def _run(names: list[str], url: str, patience_s: float) -> int:
    same = total = 0
    for name in names:
        scenario = read_scenario(name)
        if url:
            found = await replay(url, scenario, patience_s=patience_s)
        else:
            async with served_as_recorded(loops_of(name)) as server:
                found = await replay(server, scenario, patience_s=patience_s)
        for step in scenario["steps"]:
            lines = found.get(step["name"], ())
            if lines:
                print(f"{name} / {step['name']}: {step['method']} {step['path']}")
                print(*(f"    {line}" for line in lines[:_LINES_MAX]), sep="\n")
        count = len(scenario["steps"])
        same, total = same + count - len(found), total + count
        print(f"== {name}: {count - len(found)} of {count}")
    print(f"{same} of {total} steps the same")
    return same != total


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(path.stem for path in SCENARIOS.glob("*.json")))
    parser.add_argument("--server", default="")
    parser.add_argument("--patience-s", type=float, default=2.0)
    given = parser.parse_args()
    raise SystemExit(asyncio.run(_run(given.names, given.server, given.patience_s)))


if __name__ == "__main__":
    main()
