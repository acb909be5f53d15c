"""What Schemathesis can't know: which account is its own, and that `fields` picks a part of a schema."""

import os
import uuid
from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import response_schema_conformance

OWN_ID = os.environ["OWN_ID"]


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Leaves the caller's own account alone: who disables it or resets its password learns nothing more."""
    parameters = case.path_parameters or {}
    if case.operation.path.startswith("/api/v1/users/") and parameters.get("id") == OWN_ID:
        parameters["id"] = str(uuid.uuid4())
    # A number in the place of a text is a text again in a header, and then counts as fit although no pattern allows it.
    if case.headers.get("If-Match") == "0":
        case.headers["If-Match"] = "*"


@schemathesis.check
def whole_record_conformance(ctx: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> bool | None:
    """The check of schemas, but for answers of which the caller picked a part; those are held to it by `tests/api`."""
    return None if "fields" in (case.query or {}) else response_schema_conformance(ctx, response, case)
