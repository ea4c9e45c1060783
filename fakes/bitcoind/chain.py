"""
A chain of blocks, as hashes. Pure: no I/O, no clock.

Of two chains that share their first blocks the longer one wins; of two equally long ones, the node's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from ctrlkit.fakes.bitcoind.chains import REGTEST

GENESIS: Final = REGTEST.genesis
"""The hash of block 0 of every regtest chain."""


class Chain:
    """
    The blocks of one node, starting with the genesis block.

    >>> mine, yours = Chain(), Chain()
    >>> hashes = [mine.mine("a") for _ in range(3)]
    >>> yours.adopt(*mine.after(yours.locator())), yours.height, yours.tip == hashes[-1]
    (True, 3, True)

    Cost    mine O(1), locator O(log n), after and adopt O(n) in the blocks that they return or change.
    """

    def __init__(self, hashes: Iterable[str] = (), *, genesis: str = GENESIS) -> None:
        self._hashes = [genesis, *hashes]
        self._height_of = {block: height for height, block in enumerate(self._hashes)}

    @property
    def height(self) -> int:
        """The number of blocks without the genesis block."""
        return len(self._hashes) - 1

    @property
    def tip(self) -> str:
        """The hash of the newest block."""
        return self._hashes[-1]

    @property
    def hashes(self) -> Sequence[str]:
        """All hashes except that of the genesis block."""
        return self._hashes[1:]

    def at(self, height: int) -> str | None:
        """Return the hash of the block at a height; None if there is none."""
        return self._hashes[height] if 0 <= height <= self.height else None

    def mine(self, who_and_when: str) -> str:
        """Add a block and return its hash, which depends on the miner and the time."""
        block = sha256(f"{self.tip} {who_and_when}".encode()).hexdigest()
        self._append(block)
        return block

    def locator(self) -> list[str]:
        """Return hashes from the tip to the genesis block, with growing distance, to find the shared part."""
        heights, height, step = [], self.height, 1
        while height > 0:
            heights.append(height)
            height, step = height - step, step * 2
        return [self._hashes[height] for height in [*heights, 0]]

    def after(self, locator: Iterable[str]) -> tuple[str, list[str]]:
        """Return the first block of `locator` that is in this chain, and the blocks after it."""
        shared = next((block for block in locator if block in self._height_of), self._hashes[0])
        return shared, self._hashes[self._height_of[shared] + 1 :]

    def adopt(self, shared: str, following: Sequence[str]) -> bool:
        """Replace the blocks after `shared` by `following` if that makes the chain longer; True if it did."""
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
