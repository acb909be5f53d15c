"""The schedule of changes as a calendar program reads it: by HTTP Basic, and with a library that knows nothing of this server."""

import base64
import json
import os
import urllib.request
from datetime import datetime, timezone

from icalendar import Calendar

SERVER = os.environ["SERVER"]
TITLE = "Laternen der Straße; nördlich, „ganz“ \\ hinten: " + "ß" * 120


def ask(path: str, authorization: str = "", body: dict[str, object] | None = None) -> bytes:
    """Reads something, or sends a body there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{SERVER}/api/v1/{path}", data=data, headers={"content-type": "application/json"})
    if authorization:
        request.add_header("authorization", authorization)
    with urllib.request.urlopen(request) as answer:
        read: bytes = answer.read()
        return read


def main() -> None:
    """Plans a change and a freeze, and finds both in the feed."""
    login: dict[str, object] = {"user_name": "admin", "password": os.environ["PASSWORD"]}
    admin = "Bearer " + json.loads(ask("auth/login", body=login))["access_token"]
    change = json.loads(
        ask(
            "changes",
            admin,
            {
                "title": TITLE,
                "change_type": "normal",
                "implementation_plan": "One by one.",
                "backout_plan": "The old ones.",
                "planned_start": "2030-05-01T20:00:00Z",
                "planned_end": "2030-05-01T22:30:00Z",
            },
        )
    )
    for step in ["assess", "request_authorisation"]:
        ask(f"changes/{change['id']}/{step}", admin, {})
    freeze: dict[str, object] = {
        "name": "Jahresende",
        "kind": "blackout",
        "starts_at": "2030-05-03T00:00:00Z",
        "ends_at": "2030-05-04T00:00:00Z",
    }
    ask("change-windows", admin, freeze)
    new: dict[str, object] = {"name": "calendar", "scopes": ["change.read", "change_window.read"]}
    token = json.loads(ask("auth/tokens", admin, new))["secret"]
    basic = "Basic " + base64.b64encode(f"whoever:{token}".encode()).decode()
    feed = Calendar.from_ical(ask("change-schedule.ics?from=2030-05-01T00:00:00Z&until=2030-05-08T00:00:00Z", basic))
    events = {str(event["summary"]): event for event in feed.walk("VEVENT")}
    assert set(events) == {f"{change['number']} {TITLE}", "Jahresende"}, events
    planned, frozen = events[f"{change['number']} {TITLE}"], events["Jahresende"]
    assert not planned.errors and not frozen.errors, (planned.errors, frozen.errors)
    assert planned.decoded("dtstart") == datetime(2030, 5, 1, 20, tzinfo=timezone.utc), planned
    assert planned.decoded("dtend") == datetime(2030, 5, 1, 22, 30, tzinfo=timezone.utc), planned
    assert planned["status"] == "TENTATIVE" and frozen["transp"] == "OPAQUE", events


main()
