"""The door of the API server: each request is served for a user who may do what it asks for, or refused unread."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.callers import User
from ctrlkit.fakes.tracker.rights.attributes import Attributes, of_request
from ctrlkit.fakes.tracker.rights.impersonation import Modes, impersonated, wanted_user
from ctrlkit.model import Transport

_CONSTRAINED = (1, 36)
"""The first release in which acting as somebody else may be allowed for some requests only."""


class Door:
    """Lets requests in, or not: by the rights that the transport knows, all of them if it knows none."""

    def __init__(self, transport: Transport, release: str) -> None:
        self.is_guarded: bool = bool(getattr(transport, "has_rbac", False))
        self._refusal: Callable[[User, Attributes], ApiError | None] = getattr(transport, "refusal", lambda *_: None)
        self._modes = Modes(is_constrained=tuple(map(int, release.split("."))) >= _CONSTRAINED)

    def admit(self, request: web.BaseRequest, sender: User) -> User:
        """
        Return the user that a request is served for.

        Errors  Forbidden for what the sender, or the user that it acts as, may not do; BadRequest.
        """
        wanted = wanted_user(request.headers.items(), is_constrained=self._modes.is_constrained)
        if wanted is None and not self.is_guarded:
            return sender
        asked = of_request(request.method, request.path, request.rel_url.query)
        user = sender
        if wanted is not None:
            user = impersonated(self._refusal, sender, wanted, asked, self._modes)
        error = self._refusal(user, asked)
        if error is not None:
            raise error
        return user
