"""
Kubernetes' protobuf: objects of built-in kinds as `k8s\\0` and a runtime.Unknown, to and from JSON-able data.

`codec.py` does the work, by the messages of a release (`messages.py`); `envelope.py` has what the server calls.
"""

from ctrlkit.fakes.apiserver.protobuf.envelope import Envelopes, Unreadable, envelopes_of
from ctrlkit.fakes.releases import NEWEST

__all__ = ["ENVELOPES", "Envelopes", "Unreadable", "envelopes_of"]

ENVELOPES = envelopes_of(NEWEST)
"""Bodies of the newest release; errors and discovery documents are the same in all."""
