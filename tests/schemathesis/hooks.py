"""What Schemathesis can't know: which account is its own, and that `fields` picks a part of a schema."""

import itertools
import os
import uuid
from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import response_schema_conformance

OWN_ID = os.environ["OWN_ID"]

# A message of mail is bytes.
schemathesis.serializer.alias("message/rfc822", "application/octet-stream")

# Paths that stand beside those of single things, and are found before them.
FIXED = {"batch", "simulate", "validate"}

# References that their bodies need.
NEEDED = {"record_id", "client_id"}
REHEARSALS = itertools.count()


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Leaves the caller's own account alone, since who disables it learns nothing more, and what is another operation."""
    parameters = case.path_parameters or {}
    is_own = case.operation.path.startswith("/api/v1/users/") and parameters.get("id") == OWN_ID
    if is_own or parameters.get("id") in FIXED:
        parameters["id"] = str(uuid.uuid4())
    # A number in the place of a text is a text again in a header, and then counts as fit although no pattern allows it.
    if case.headers.get("If-Match") == "0":
        case.headers["If-Match"] = "*"
    if case.meta is None or case.meta.generation.mode.is_positive:
        write_more(case)


def write_more(case: schemathesis.Case) -> None:
    """Half of all rehearsals become real, in chains all, since what was rehearsed is not there for the next link; and what may
    refer to something does not: made-up ids are refused everywhere."""
    in_chain = case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL
    if case.query.get("dry_run") in (True, "true") and (in_chain or next(REHEARSALS) % 2):
        del case.query["dry_run"]
    if isinstance(case.body, dict):
        for name in [name for name in case.body if name.endswith("_id") and name not in NEEDED]:
            del case.body[name]


@schemathesis.check
def whole_record_conformance(ctx: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> bool | None:
    """The check of schemas, but for answers of which the caller picked a part; those are held to it by `tests/api`."""
    return None if "fields" in (case.query or {}) else response_schema_conformance(ctx, response, case)
