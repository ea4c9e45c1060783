"""
Play all stories, or those that are named, and show what is not as it was recorded.

    python -m tests.kubelet [-q] [NAME ...]
"""

from __future__ import annotations

import asyncio
import sys

from ctrlkit.fakes.loop import VirtualTimeLoop
from tests.kubelet.comparison import compare
from tests.kubelet.play import play
from tests.kubelet.story import names, read


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def main() -> None:
    """Play and print."""
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or names()
    same = total = 0
    for name in chosen:
        story = read(name)
        try:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                found = compare(story, runner.run(play(story)))
        except Exception as error:  # noqa: BLE001  # the other stories are worth being played
            say(f"{name}: cannot be played: {error!r}")
            continue
        good = len(found.facts) - len(found.differences)
        same, total = same + good, total + len(found.facts)
        say(f"{name}: {good} of {len(found.facts)}")
        for fact in found.differences if "-q" not in sys.argv else ():
            say(f"    {fact.where}\n        recorded {fact.recorded}\n        here     {fact.here}")
    say(f"{same} of {total} facts are the same ({100 * same / max(total, 1):.1f} %)")


if __name__ == "__main__":
    main()
