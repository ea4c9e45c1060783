"""
The command line of bitcoind and bitcoin-cli: `-name=value` flags, then words.

Unknown flags are ignored, so that a command for a real node works.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class FlagError(Exception):
    """A flag is missing or malformed; the message is one line."""


class Flags:
    """
    The flags of a command line; defaults come from the file of `-conf`, or from `bitcoin.conf` in `-datadir`.

    `rest` are the words after the flags.

    >>> flags = Flags(["-regtest", "-rpcport=18332", "--rpcuser=u", "generate", "-1"])
    >>> flags.get("rpcport", ""), flags.get("rpcuser", ""), flags.get("rpcpassword", "none"), flags.rest
    ('18332', 'u', 'none', ['generate', '-1'])
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        count = next((i for i, argument in enumerate(arguments) if not argument.startswith("-")), len(arguments))
        self.rest: list[str] = list(arguments[count:])
        given = dict(map(_name_and_value, arguments[:count]))
        self._values = _read_conf(given) | given

    def get(self, name: str, default: str) -> str:
        """Return the value of a flag, or `default`."""
        return self._values.get(name, default)

    def require(self, name: str) -> str:
        """Return the value of a required flag. Errors: FlagError."""
        if name not in self._values:
            raise FlagError(f"-{name} is not given; add -{name}=... to the command line or to the file of -conf")
        return self._values[name]

    def number(self, name: str, default: float) -> float:
        """Return the value of a numeric flag. Errors: FlagError."""
        try:
            return float(self._values.get(name, default))
        except ValueError:
            raise FlagError(f"-{name}={self._values[name]}: this is no number; correct it") from None


def _name_and_value(flag: str) -> tuple[str, str]:
    name, _, value = flag.lstrip("-").partition("=")
    return name.strip(), value.strip() if "=" in flag else "1"


def _read_conf(given: dict[str, str]) -> dict[str, str]:
    path = Path(given.get("datadir", ""), given.get("conf", "bitcoin.conf"))
    if not path.is_file():
        if "conf" in given:
            raise FlagError(f"-conf={given['conf']}: there is no such file; correct the path")
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(_name_and_value(line) for line in lines if line and not line.startswith(("#", "[")))
