"""
Who may do what: role-based access control as a real server does it.

    attributes    what is asked for, as plain data: of an Action, or of the path of a request
    rules         the rules of roles: what they allow, what they cover, how a server writes them
    policy        which rules hold for a user, resolved from roles and bindings
    authorizer    the decision, remembered as long as no role and no binding changes
    escalation    who may write roles and bindings
    impersonation who may act as somebody else
"""

from ctrlkit.fakes.tracker.rights.attributes import Attributes, Decision
from ctrlkit.fakes.tracker.rights.authorizer import allowed

__all__ = ["Attributes", "Decision", "allowed"]
