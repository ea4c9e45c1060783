"""Check names as Kubernetes does (RFC 1123), find the program's own, and number names that several things share."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN: Final = rf"{LABEL}(\.{LABEL})*"
"""An RFC 1123 label and subdomain as Kubernetes writes them in its messages, their lengths apart."""
LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
"""A label of RFC 1035, which begins with a letter; its length apart, too."""
LABEL_MAX: Final = 63
SUBDOMAIN_MAX: Final = 253
_SUBDOMAIN: Final = re.compile(SUBDOMAIN)
KUBERNETES_GROUPS: Final = ("k8s.io", "kubernetes.io")
"""The domains of the Kubernetes project, whose API groups are its own."""
PROGRAM_MAX: Final = 40
"""The longest name of a program with manifests: its objects are called by it with a few more letters."""
_FIELD_MANAGER_MAX: Final = 128

NO_NAME: Final = "ctrlkit"


def check_no_text(namespaces: Sequence[str] | None) -> None:
    """
    Refuse one text in the place of a list of namespaces, as its letters would be taken for them: TypeError.

    >>> check_no_text("demo")
    Traceback (most recent call last):
      ...
    TypeError: namespaces is the text 'demo'; write ["demo"]
    """
    if isinstance(namespaces, str):
        raise TypeError(f'namespaces is the text {namespaces!r}; write ["{namespaces}"]')


def is_label(name: str) -> bool:
    """
    Whether this is an RFC 1123 label, as names of namespaces are.

    >>> is_label("demo-1"), is_label("Demo"), is_label("a.b"), is_label("")
    (True, False, False, False)
    """
    return len(name) <= LABEL_MAX and re.fullmatch(LABEL, name) is not None


def is_label_1035(name: str, *, most: int = LABEL_MAX) -> bool:
    """
    Whether this is an RFC 1035 label, as names of Services and plurals of kinds are, of so many characters at most.

    >>> is_label_1035("demo-1"), is_label_1035("1-demo"), is_label_1035("demo", most=3)
    (True, False, False)
    """
    return len(name) <= most and re.fullmatch(LABEL_1035, name) is not None


def is_subdomain(name: str) -> bool:
    """
    Whether this is an RFC 1123 subdomain, as names of most objects are.

    >>> is_subdomain("greeter.example.com"), is_subdomain("Bad Name"), is_subdomain("a..b")
    (True, False, False)
    """
    return len(name) <= SUBDOMAIN_MAX and _SUBDOMAIN.fullmatch(name) is not None


def is_kubernetes_group(group: str) -> bool:
    """
    Whether an API group is of the Kubernetes project.

    >>> is_kubernetes_group("apps.k8s.io"), is_kubernetes_group("k8s.io"), is_kubernetes_group("myk8s.io")
    (True, True, False)
    """
    return f".{group}".endswith(tuple(f".{one}" for one in KUBERNETES_GROUPS))


def program_name() -> str:
    """
    Return the name of this program: that of its command or script, or the module of `python -m`.

    A script greeting.py is `greeting`, and so is `python -m greeting`; in an interactive session it is `ctrlkit`.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    module = "" if spec is None else str(spec.name).removesuffix("__main__").removesuffix(".")
    script = Path(sys.argv[0]).name if sys.argv else ""
    name = module or script.removesuffix(".py").removesuffix(".exe")
    return name if is_field_manager(name) and not name.startswith("-") and name != "__main__" else NO_NAME


@cache
def own_version() -> str:
    """Return the version of ctrlkit, as it is installed."""
    try:
        return metadata.version(NO_NAME)
    except metadata.PackageNotFoundError:
        return "not installed"


def is_field_manager(name: str) -> bool:
    """
    Whether servers accept this as the name of a field manager.

    >>> is_field_manager("greeting"), is_field_manager(""), is_field_manager("a\\nb"), is_field_manager("a" * 129)
    (True, False, False, False)
    """
    return 0 < len(name) <= _FIELD_MANAGER_MAX and name.isprintable()


def unique_names(
    named: Iterable[tuple[str, T]], *, within: Callable[[T], Hashable] = lambda _: None
) -> Iterator[tuple[str, T]]:
    """
    Number the later ones of things that share a name, as metrics and debug pages show them.

    >>> list(unique_names([("pods", 1), ("nodes", 2), ("pods", 3)]))
    [('pods', 1), ('nodes', 2), ('pods#2', 3)]

    Things for which `within` differs may have the same name.
    """
    seen: Counter[tuple[str, Hashable]] = Counter()
    for name, thing in named:
        place = (name, within(thing))
        count = seen[place] = seen[place] + 1
        yield (f"{name}#{count}" if count > 1 else name), thing
