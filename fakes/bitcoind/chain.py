"""
A chain of blocks, as hashes. Pure: no I/O, no clock.

Two chains that share their first blocks are compared by length; the longer one wins, and of two equal ones the one
that was there first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

GENESIS: Final = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
"""The hash of block 0 of every regtest chain."""


class Chain:
    """
    The blocks of one node, from the genesis block up.

    >>> mine, yours = Chain(), Chain()
    >>> hashes = [mine.mine("a") for _ in range(3)]
    >>> yours.adopt(*mine.after(yours.locator())), yours.height, yours.tip == hashes[-1]
    (True, 3, True)

    Cost    mine O(1), locator O(log n), after O(n) of what it returns, adopt O(n) of what changes.
    """

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._hashes = [GENESIS, *hashes]
        self._height_of = {block: height for height, block in enumerate(self._hashes)}

    @property
    def height(self) -> int:
        """How many blocks there are beside the genesis block."""
        return len(self._hashes) - 1

    @property
    def tip(self) -> str:
        """The hash of the newest block."""
        return self._hashes[-1]

    @property
    def hashes(self) -> Sequence[str]:
        """All hashes but that of the genesis block."""
        return self._hashes[1:]

    def mine(self, who_and_when: str) -> str:
        """Add one block and return its hash; other miners, and the same one at another time, get another hash."""
        block = sha256(f"{self.tip} {who_and_when}".encode()).hexdigest()
        self._append(block)
        return block

    def locator(self) -> list[str]:
        """Hashes from the tip down, ever further apart, down to the genesis block: enough to find what is shared."""
        heights, height, step = [], self.height, 1
        while height > 0:
            heights.append(height)
            height, step = height - step, step * 2
        return [self._hashes[height] for height in [*heights, 0]]

    def after(self, locator: Iterable[str]) -> tuple[str, list[str]]:
        """The first block of `locator` that is in this chain, and all blocks that follow it here."""
        shared = next((block for block in locator if block in self._height_of), GENESIS)
        return shared, self._hashes[self._height_of[shared] + 1 :]

    def adopt(self, shared: str, following: Sequence[str]) -> bool:
        """Replace what comes after `shared` by `following` if that makes the chain longer; whether it did."""
        height = self._height_of.get(shared)
        if height is None or height + len(following) <= self.height:
            return False
        for block in self._hashes[height + 1 :]:
            del self._height_of[block]
        del self._hashes[height + 1 :]
        for block in following:
            self._append(block)
        return True

    def _append(self, block: str) -> None:
        self._height_of[block] = len(self._hashes)
        self._hashes.append(block)
