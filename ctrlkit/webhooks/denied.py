"""The refusal of a webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.errors import ApiError, CtrlkitError

_FORBIDDEN: Final = 403
_INVALID: Final = 422


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong: the path of a field, such as `spec.size`, and what is wrong with it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Denied(CtrlkitError):
    """
    Raised by an admission webhook to refuse a request; who asked sees the message.

        raise Denied("spec.size: 0 is too small; write 1 or more")
        raise Denied(causes=[Cause("spec.size", "must be positive"), Cause("spec.image", "is empty")])

    >>> denied = Denied(causes=[Cause("spec.size", "must be positive")])
    >>> denied.message, denied.code, denied.reason
    ('spec.size: must be positive', 422, 'Invalid')

    Shape   `code` is 403, with causes 422; `reason` is what Kubernetes calls that code. Without a message the causes
            are the message.
    Errors  ValueError for neither a message nor causes, and for a code that is none of a refusal.
    """

    def __init__(
        self, message: str = "", *, code: int | None = None, reason: str = "", causes: Sequence[Cause] = ()
    ) -> None:
        text = message or "; ".join(map(str, causes))
        if not text:
            raise ValueError("Denied: say why, in a message or by causes")
        chosen = (_INVALID if causes else _FORBIDDEN) if code is None else code
        if not 400 <= chosen <= 599:
            raise ValueError(f"Denied: code {chosen}: a refusal has one from 400 to 599")
        super().__init__(text)
        self.message = text
        self.code = chosen
        self.reason: str = reason or ApiError.of_status({"code": chosen}).reason
        self.causes: tuple[Cause, ...] = tuple(causes)

    def to_status(self) -> dict[str, Any]:
        """The `status` of the response in a review."""
        causes = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in self.causes]
        status = {"status": "Failure", "message": self.message, "reason": self.reason, "code": self.code}
        return status | ({"details": {"causes": causes}} if causes else {})
