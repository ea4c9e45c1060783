"""
The command line of bitcoind and bitcoin-cli, `-name=value` flags and then words, and bitcoin.conf.

As in Bitcoin Core, the command line wins over the file; of a flag that is there several times the last one counts on
the command line and the first one in the file; `-noNAME` is `-NAME=0`; and options that belong to one chain, such as
ports, count only in the section of the chain, but for main; releases before 0.17 have no sections. Unknown flags are
ignored, so that a command for a real node works.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ctrlkit.fakes.bitcoind.chains import CHAINS, MAIN, ChainFacts
from ctrlkit.fakes.bitcoind.release import Release

_OF_ONE_CHAIN: Final = frozenset(("addnode", "bind", "connect", "port", "rpcbind", "rpcport", "wallet", "whitebind"))
"""What the part of bitcoin.conf before all sections can say for main alone."""

_WITH_SECTIONS: Final = Release.of("0.17")


class FlagError(Exception):
    """A flag is missing or malformed; the message is one line."""


class Flags:
    """
    The flags of a command line; others come from the file of `-conf`, or from `bitcoin.conf` in `-datadir`.

    `rest` are the words after the flags.

    >>> flags = Flags(["-regtest", "-rpcport=18332", "--rpcuser=u", "generate", "-1"])
    >>> flags.get("rpcport", ""), flags.get("rpcuser", ""), flags.get("rpcpassword", "none"), flags.rest
    ('18332', 'u', 'none', ['generate', '-1'])
    >>> flags.chain.name, flags.is_set("regtest"), flags.is_set("server")
    ('regtest', True, False)
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        count = next((i for i, argument in enumerate(arguments) if not argument.startswith("-")), len(arguments))
        self.rest: list[str] = list(arguments[count:])
        self._given: dict[str, list[str]] = {}
        for flag in arguments[:count]:
            name, value = _name_and_value(flag.lstrip("-"))
            self._given.setdefault(name, []).append(value)
        self._release = Release.of_tag(self._given.get("release", [""])[-1])
        self._file = _read_conf(self._given)
        self.chain: ChainFacts = self._chain()

    def get(self, name: str, default: str) -> str:
        """Return the value of a flag, or `default`."""
        if name in self._given:
            return self._given[name][-1]
        return next(iter(self._of_file(name)), default)

    def all(self, name: str) -> list[str]:
        """Return all values of a flag that may be there several times."""
        return [*self._given.get(name, ()), *self._of_file(name)]

    def is_set(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.get(name, "0") not in ("0", "false")

    def require(self, name: str) -> str:
        """Return the value of a required flag. Errors: FlagError."""
        value = self.get(name, "")
        if not value:
            raise FlagError(f"-{name} is not given; add -{name}=... to the command line or to the file of -conf")
        return value

    def number(self, name: str, default: float) -> float:
        """Return the value of a numeric flag. Errors: FlagError."""
        value = self.get(name, "")
        try:
            return float(value or default)
        except ValueError:
            raise FlagError(f"-{name}={value}: this is no number; correct it") from None

    def _of_file(self, name: str) -> list[str]:
        is_for_main = name in _OF_ONE_CHAIN and self._release >= _WITH_SECTIONS
        general = [] if is_for_main and self.chain is not MAIN else self._file.get(("", name), [])
        return [*self._file.get((self.chain.name, name), ()), *general]

    def _chain(self) -> ChainFacts:
        named = (self._given.get("chain") or self._file.get(("", "chain"), []))[-1:]
        for facts in CHAINS:
            switches = self._given.get(facts.flag) or self._file.get(("", facts.flag)) or ["0"]
            if [facts.name] == named or (facts.flag and switches[-1] != "0"):
                return facts
        if named:
            raise FlagError(
                f"-chain={named[0]}: there is no such chain; those are: {', '.join(c.name for c in CHAINS)}"
            )
        return MAIN


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip() if equals else "1"
    if name.startswith("no") and len(name) > 2:
        return name[2:], "0" if value != "0" else "1"
    return name, value


def _read_conf(given: dict[str, list[str]]) -> dict[tuple[str, str], list[str]]:
    """Read the file of options, by section and name."""
    name = given.get("conf", ["bitcoin.conf"])[-1]
    path = Path(given.get("datadir", [""])[-1], name)
    if not path.is_file():
        if "conf" in given:
            raise FlagError(f"-conf={name}: there is no such file; correct the path")
        return {}
    options: dict[tuple[str, str], list[str]] = {}
    section = ""
    for line in (line.partition("#")[0].strip() for line in path.read_text().splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line:
            option, value = _name_and_value(line)
            prefix, dot, rest = option.partition(".")
            where, what = (prefix, rest) if dot else (section, option)
            options.setdefault((where, what), []).append(value)
    return options
