"""What kubectl wrote about two servers, side by side: what differs of necessity is masked, the rest is the same."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import islice

from tests.kubectl.battery import Outcome

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_MASKS = tuple(
    (re.compile(pattern, re.MULTILINE), neutral)
    for pattern, neutral in (
        (r"(-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*)+", "CERTIFICATE\n"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000( UTC)?)", "TIME"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\bctrlkit://[0-9a-f]{64}\b", "CONTAINER"),
        (r"(resourceVersion\\?\"?:\s*\\?\"?)\d+", r"\1VERSION"),
        (r"(Resource Version:\s+)\d+", r"\1VERSION"),
        (r"\b(\d{1,3}\.){3}\d{1,3}\b", "ADDRESS"),
        (r"(?<![\w.-])\d+(h|m|s|d)(\d+[ms])?(?![\w])", "AGE"),
        (r"<(unknown|invalid)>(?= *$)", "AGE"),
        (rf"(?<=-)(?=[a-z]*[0-9])[{_LETTERS}]{{8,10}}(?![a-z0-9])", "HASH"),
        (rf"\b(web-HASH|[jyx]|web|agent|rs|g)-[{_LETTERS}]{{5}}(?![a-z0-9])", r"\1-RANDOM"),
        (r"((pod-template|controller-revision)-hash(\"?[:=] ?\"?))[a-z0-9]+", r"\1HASH"),
        (r"\b([nN]odePort\"?: +)\d{5}", r"\1PORT"),
        (r"(NodePort:\s+\S+\s+)\d{5}", r"\1PORT"),
        (r":3\d{4}\b", ":PORT"),
        (r"\.[0-9a-f]{16}\b", ".HEX"),
        (rf"(node-debugger-\S+-)[{_LETTERS}]{{5}}", r"\1RANDOM"),
        (r"/tmp/\S+", "FILE"),
        (r"\bv?1\.3\d\.\d+[\w.+-]*", "RELEASE"),
        (r"0x[0-9a-f]+", "HEX"),
        (r"^[IWE]\d{4} \S+ +\d+ ", "LOG "),
        (r"[ \t]+", " "),
        (r" +$", ""),
    )
)
_FIELD = re.compile(r"^\s+\S+\t<|^\s+(enum|ENUM): |^\S")


def masked(text: str) -> list[str]:
    """
    Return the lines of a text without what is different on every server.

    >>> masked("NAME   AGE\\nweb-7d9f8c6b5-x2kqz   3m2s\\n")
    ['NAME AGE', 'web-HASH-RANDOM AGE']
    """
    for pattern, neutral in _MASKS:
        text = pattern.sub(neutral, text)
    return [line for line in text.splitlines() if line]


def without_prose(text: str) -> str:
    """Return what `kubectl explain` writes without descriptions, which our documents do not have."""
    if "DESCRIPTION:" not in text:
        return text
    return "".join(line for line in text.splitlines(keepends=True) if _FIELD.search(line))


def differences(want: Outcome, got: Outcome, *, is_ordered: bool = True) -> list[str]:
    """Return a line for each difference, as in a unified diff; `is_ordered` is false where lines come as they will."""
    if want.prepared != got.prepared:
        told = f"the preparation ended with {got.prepared}, want {want.prepared}"
        return [told, *_diff(want.preparation, got.preparation, is_ordered=is_ordered)]
    status = [f"exit code {got.status}, want {want.status}"] if want.status != got.status else []
    output = _diff(want.output, got.output, is_ordered=is_ordered)
    return [*status, *output, *_diff(want.checked, got.checked, is_ordered=is_ordered)]


def _diff(want: str, got: str, *, is_ordered: bool) -> Iterator[str]:
    wanted, had = masked(without_prose(want)), masked(without_prose(got))
    if not is_ordered:
        wanted, had = sorted(wanted), sorted(had)
    lines = islice(difflib.unified_diff(wanted, had, lineterm="", n=0), 2, None)
    yield from (line for line in lines if not line.startswith("@@"))
