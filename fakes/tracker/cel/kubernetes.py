"""Kubernetes' own types of quantities, versions and named formats, and their functions."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal
from typing import Any, ClassVar

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.functions import by_first, define, holds, overload, tenth
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import INT_RANGE, NONE, EvaluationError, Opaque, Optional, size
from ctrlkit.fakes.tracker.schema.formats import dns_label, label_1035, label_key, label_value, subdomain
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.fakes.tracker.schema.urls import url_problem

Check = Callable[[str], Sequence[str]]


# ---- quantities ------------------------------------------------------------------------------------------------------

_NANO_PLACES, _DIGITS_MOST = 9, 18
_NANO = Decimal("1e-9")
_EXACT = Context(prec=4_000)
_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NO_DIGITS = "no digits, which is nothing"
_LIKE_QUANTITY = re.compile(r"[+-]?(\d*\.?\d*)([eEinumkKMGTP]*[-+]?\d*)")
_SUFFIX = re.compile(r"m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d+|")


@dataclass(frozen=True, slots=True)
class Quantity(Opaque):
    """
    An amount such as `1Gi`.

    Shape   `scale` is the power of ten in which a server counts it, as the text has it: `1.0` is ten of -1. It is None
            for an amount that a server does not keep as a number of 64 bits; that is no integer to it.
    """

    type: ClassVar[Type] = types.QUANTITY
    value: Decimal
    scale: int | None = field(default=0, compare=False)


@overload("string_to_quantity", "quantity(string) kubernetes.Quantity", by_first)
def _quantity(text: str) -> Quantity:
    try:
        value = quantity_value(text)
    except ValueError as error:
        problem = _quantity_problem(text) or str(error)
        if problem != _NO_DIGITS:
            raise EvaluationError(problem) from None
        value = Decimal(0)
    if int(value.as_tuple().exponent) < -_NANO_PLACES:
        return Quantity(value.quantize(_NANO, ROUND_UP, context=_EXACT), None)
    return Quantity(value, _scale(text))


def _scale(text: str) -> int | None:
    match = _LIKE_QUANTITY.fullmatch(text)
    if match is None:
        return None
    whole, _, part = match[1].partition(".")
    whole, suffix = whole.lstrip("0"), match[2]
    if suffix.endswith("i"):
        power = 10 * ("KMGTPE".index(suffix[0]) + 1)
        return None if part or 14 - len(whole) - int(power * 3 / 10) < 0 else 0
    scale = int(suffix[1:]) if suffix[:1] in ("e", "E") and suffix[1:] else _POWERS[suffix]
    return None if len(whole) + len(part) > _DIGITS_MOST or scale - len(part) < -_NANO_PLACES else scale - len(part)


def _sum(one: Quantity, other: Quantity, sign: int) -> Quantity:
    """Add or subtract; a sum is counted in the smaller power of ten, nothing in that of the other."""
    value = _EXACT.add(one.value, _EXACT.multiply(other.value, Decimal(sign)))
    if one.scale is None or other.scale is None:
        return Quantity(value, None)
    if not other.value:
        return Quantity(value, one.scale)
    return Quantity(value, min(one.scale, other.scale) if one.value else other.scale)


def _quantity_problem(text: str) -> str:
    """What of a quantity is wrong, empty if it does not look like one at all."""
    match = _LIKE_QUANTITY.fullmatch(text)
    if not match or not text:
        return ""
    if not _SUFFIX.fullmatch(match[2]):
        return "unable to parse quantity's suffix"
    return _NO_DIGITS


def _is_whole(quantity: Quantity) -> bool:
    return quantity.scale is not None and quantity.scale >= 0 and int(quantity.value) in INT_RANGE


def _as_whole(quantity: Quantity) -> int:
    if not _is_whole(quantity):
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.value)


def _order(one: Any, other: Any) -> int:
    return int((one > other) - (one < other))


define("is_quantity_string", "isQuantity(string) bool", holds(_quantity), by_first)
define("quantity_sign", "sign(kubernetes.Quantity) int", lambda quantity: _order(quantity.value, 0))
define("quantity_get_float", "kubernetes.Quantity => asApproximateFloat() double", lambda q: float(q.value))
define("quantity_get_int", "kubernetes.Quantity => asInteger() int", _as_whole)
define("quantity_is_integer", "kubernetes.Quantity => isInteger() bool", _is_whole)
for _function, _test in (
    ("isGreaterThan", lambda one, other: one.value > other.value),
    ("isLessThan", lambda one, other: one.value < other.value),
):
    _id = "quantity_is_greater_than" if _function == "isGreaterThan" else "quantity_is_less_than"
    define(_id, f"kubernetes.Quantity => {_function}(kubernetes.Quantity) bool", _test)
define(
    "quantity_compare_to",
    "kubernetes.Quantity => compareTo(kubernetes.Quantity) int",
    lambda one, other: _order(one.value, other.value),
)
for _function, _sign in (("add", 1), ("sub", -1)):
    define(
        f"quantity_{_function}",
        f"kubernetes.Quantity => {_function}(kubernetes.Quantity) kubernetes.Quantity",
        lambda one, other, sign=_sign: _sum(one, other, sign),
    )
    define(
        f"quantity_{_function}_int",
        f"kubernetes.Quantity => {_function}(int) kubernetes.Quantity",
        lambda one, number, sign=_sign: _sum(one, Quantity(Decimal(number)), sign),
    )

# ---- versions --------------------------------------------------------------------------------------------------------

_PARTS = ("Major", "Minor", "Patch")
_WORD = re.compile(r"[0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Semver(Opaque):
    """A semantic version; `pre` are the parts of its pre-release."""

    type: ClassVar[Type] = types.SEMVER
    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()
    build: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self.order() == other.order()

    def __hash__(self) -> int:
        return hash(self.order())

    def order(self) -> Any:
        """What versions are ordered by: one without a pre-release comes after those with."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.numbers, not self.pre, parts)


@overload("string_to_semver", "semver(string) kubernetes.Semver", by_first)
@overload("string_bool_to_semver", "semver(string, bool) kubernetes.Semver", by_first)
def _semver(text: str, normalize: bool = False) -> Semver:  # noqa: FBT001, FBT002  # as expressions call it
    text = _normalized(text) if normalize else text
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    numbers = [_version_number(name, part) for name, part in zip(_PARTS, (*parts[:2], patch), strict=True)]
    pre_parts = tuple(pre.split(".")) if dash else ()
    for part in pre_parts:
        _check_pre(part)
    for part in build.split(".") if plus else ():
        if not part:
            raise EvaluationError("Build meta data is empty")
        if not _WORD.fullmatch(part):
            raise EvaluationError(f'Invalid character(s) found in build meta data "{part}"')
    return Semver((numbers[0], numbers[1], numbers[2]), pre_parts, build)


def _version_number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]*", text):
        raise EvaluationError(f'Invalid character(s) found in {name.lower()} number "{text}"')
    if len(text) > 1 and text.startswith("0"):
        raise EvaluationError(f'{name} number must not contain leading zeroes "{text}"')
    if not text:
        raise EvaluationError('strconv.ParseUint: parsing "": invalid syntax')
    return int(text)


def _check_pre(part: str) -> None:
    if not part:
        raise EvaluationError("Prerelease is empty")
    if part.isdigit():
        if len(part) > 1 and part.startswith("0"):
            raise EvaluationError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
    elif not _WORD.fullmatch(part):
        raise EvaluationError(f'Invalid character(s) found in prerelease "{part}"')


def _normalized(text: str) -> str:
    """Leave out a `v` and leading zeros, and add what is missing of three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    parts = [re.sub(r"^0+(?=[0-9])", "", part) for part in parts]
    if len(parts) < 3 and re.search("[+-]", parts[-1]):
        raise EvaluationError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][: max(3, len(parts))])


define("is_semver_string", "isSemver(string) bool", holds(_semver), by_first)
define("is_semver_string_bool", "isSemver(string, bool) bool", holds(_semver), by_first)
define(
    "semver_is_greater_than",
    "kubernetes.Semver => isGreaterThan(kubernetes.Semver) bool",
    lambda one, other: one.order() > other.order(),
)
define(
    "semver_is_less_than",
    "kubernetes.Semver => isLessThan(kubernetes.Semver) bool",
    lambda one, other: one.order() < other.order(),
)
define(
    "semver_compare_to",
    "kubernetes.Semver => compareTo(kubernetes.Semver) int",
    lambda one, other: _order(one.order(), other.order()),
)
for _index, _name in enumerate(("major", "minor", "patch")):
    define(f"semver_{_name}", f"kubernetes.Semver => {_name}() int", lambda one, index=_index: one.numbers[index])

# ---- named formats ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Format(Opaque):
    """A format of texts; `pattern_size` is how long a pattern for it is taken to be."""

    type: ClassVar[Type] = types.FORMAT
    name: str
    check: Check
    pattern_size: int


def _prefix(check: Check) -> Check:
    """A check of what comes before a generated part: a dash may be the last of it."""
    return lambda text: check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> Sequence[str]:
    problem = url_problem(text)
    return (f'parse "{text}": {problem}',) if problem else ()


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return bool(text)


def _date(text: str) -> bool:
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)
    return match is not None and 1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31


def _datetime(text: str) -> bool:
    day, _, time = text.upper().partition("T")
    return _date(day) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)", time) is not None


def _said(check: Callable[[str], object], complaint: str) -> Check:
    return lambda text: () if check(text) else (complaint,)


_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_FORMATS = {
    name: Format(title, check, length)
    for name, title, check, length in (
        ("dns1123Label", "DNS1123Label", dns_label, 30),
        ("dns1123Subdomain", "DNS1123Subdomain", subdomain, 60),
        ("dns1035Label", "DNS1035Label", label_1035, 30),
        ("qualifiedName", "QualifiedName", label_key, 60),
        ("dns1123LabelPrefix", "DNS1123LabelPrefix", _prefix(dns_label), 30),
        ("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", _prefix(subdomain), 60),
        ("dns1035LabelPrefix", "DNS1035LabelPrefix", _prefix(label_1035), 30),
        ("labelValue", "LabelValue", label_value, 40),
        ("uri", "URI", _uri, 1103),
        ("uuid", "uuid", _said(_UUID.fullmatch, "does not match the UUID format"), 72),
        ("byte", "byte", _said(_base64, "invalid base64"), 84),
        ("date", "date", _said(_date, "invalid date"), 72),
        ("datetime", "datetime", _said(_datetime, "invalid datetime"), 72),
    )
}


def _format_price(args: Sequence[Any], _result: Any) -> int:
    return tenth(1.0 + size(args[1])) * math.ceil(int(args[0].pattern_size) * 0.25)


@overload("format-validate", "kubernetes.NamedFormat => validate(string) optional(list(string))", _format_price)
def _validate(one: Format, text: str) -> Optional:
    complaints = list(one.check(text))
    return Optional(complaints) if complaints else NONE


@overload("format-named", "format.named(string) optional(kubernetes.NamedFormat)")
def _named(name: str) -> Optional:
    return Optional(_FORMATS[name]) if name in _FORMATS else NONE


for _name in _FORMATS:
    define(f"format.{_name}", f"format.{_name}() kubernetes.NamedFormat", lambda name=_name: _FORMATS[name])
