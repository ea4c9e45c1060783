"""The chains that a node can be on, as data: names, folders, default ports and first blocks of Bitcoin Core."""

from __future__ import annotations

from typing import Final, NamedTuple


class ChainFacts(NamedTuple):
    """A chain; its name is that of its section in bitcoin.conf, too."""

    name: str
    rpc_port: int
    p2p_port: int
    genesis: str

    @property
    def flag(self) -> str:
        """The flag that chooses it; empty for main, which is chosen without one."""
        return "" if self.name == "main" else self.name

    @property
    def folder(self) -> str:
        """The folder of its data below the data folder; empty for main."""
        return self.flag


REGTEST: Final = ChainFacts(
    name="regtest",
    rpc_port=18443,
    p2p_port=18444,
    genesis="0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
)
SIGNET: Final = ChainFacts(
    name="signet",
    rpc_port=38332,
    p2p_port=38333,
    genesis="00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
)
TESTNET4: Final = ChainFacts(
    name="testnet4",
    rpc_port=48332,
    p2p_port=48333,
    genesis="00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
)
MAIN: Final = ChainFacts(
    name="main",
    rpc_port=8332,
    p2p_port=8333,
    genesis="000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
)
CHAINS: Final = (REGTEST, SIGNET, TESTNET4, MAIN)
