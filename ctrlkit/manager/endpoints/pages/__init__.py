"""The debug page and the pages of keys, as HTML: made of what debug.picture() and debug_key.key_picture() give."""

from __future__ import annotations

from ctrlkit.manager.endpoints.pages.page import Asked, key_page, missing, missing_page, page
from ctrlkit.manager.endpoints.pages.shell import CONTENT_SECURITY_POLICY

__all__ = ["CONTENT_SECURITY_POLICY", "Asked", "key_page", "missing", "missing_page", "page"]
