"""A small portal on the generated Python client. What it reads is typed without a cast; a problem is told by its code."""

import os
from io import BytesIO
from typing import TypeVar

from pointsman_client import AuthenticatedClient, Client
from pointsman_client.api.authentication import create_session
from pointsman_client.api.calendar import import_calendar_holidays, list_calendars
from pointsman_client.api.configuration_item import create_configuration_item, get_configuration_item_impact
from pointsman_client.api.decision import explain_decision
from pointsman_client.api.incident import (
    create_incident,
    create_incident_attachment,
    get_incident,
    list_incident_decisions,
    list_incidents,
    raise_problem_from_incident,
    resolve_incident,
    update_incident,
)
from pointsman_client.api.lookup_table import put_lookup_table
from pointsman_client.api.problem import analyse_problem, assess_problem, fix_problem, suggest_known_errors
from pointsman_client.models import (
    Incident,
    IncidentChange,
    IncidentChannel,
    IncidentResolutionKind,
    IncidentResolve,
    IncidentState,
    Login,
    NewConfigurationItem,
    NewIncident,
    PlacedPriorityEffect,
    ProblemChange,
    ProblemDetails,
    ProblemDetailsCode,
    ProblemFix,
    ProblemState,
    TypedIncident,
    UserSummary,
)
from pointsman_client.types import UNSET, File, Response

T = TypeVar("T")


def got(answer: T | ProblemDetails | None) -> T:
    """What an answer holds; a problem is raised."""
    assert not isinstance(answer, ProblemDetails), answer
    assert answer is not None
    return answer


def refused(answer: object) -> ProblemDetails:
    """What went wrong; anything else is raised."""
    assert isinstance(answer, ProblemDetails), answer
    return answer


def sign_in(server: str) -> AuthenticatedClient:
    """A client with an access token."""
    login = Login(user_name="admin", password=os.environ["PASSWORD"])
    session = got(create_session.sync(client=Client(base_url=server), body=login))
    return AuthenticatedClient(base_url=server, token=session.access_token)


def every_page(api: AuthenticatedClient, filter_: str) -> list[Incident]:
    """All that a filter finds, page by page."""
    found: list[Incident] = []
    cursor: str | None = None
    while True:
        page = got(
            list_incidents.sync(client=api, filter_=filter_, limit=2, sort="opened_at", cursor=cursor or UNSET)
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def explain(api: AuthenticatedClient, number: str) -> list[int]:
    """The priorities that policies gave."""
    decisions = got(list_incident_decisions.sync(number, client=api)).items
    runs = [got(explain_decision.sync(decision.id, client=api)) for decision in decisions]
    return [effect.priority for run in runs for effect in run.effects if isinstance(effect, PlacedPriorityEffect)]


def main() -> None:
    """Signs in, makes, pages, changes, resolves, explains and attaches."""
    api = sign_in(os.environ["SERVER"])
    titles = ["The lift stands still", "The door is locked", "The roof leaks"]
    for title in titles:
        new = NewIncident(title=title, impact=2, urgency=1, channel=IncidentChannel.PORTAL, subcategory="building")
        made = got(create_incident.sync(client=api, body=new, idempotency_key=title))
        assert made.state is IncidentState.NEW, made.state

    untitled = refused(create_incident.sync(client=api, body=NewIncident(title="two\nlines")))
    assert untitled.code is ProblemDetailsCode.INVALID and untitled.errors, untitled
    assert untitled.errors[0].pointer == "/title", untitled

    seen = every_page(api, 'subcategory = "building"')
    assert [incident.title for incident in seen] == titles, seen
    number = seen[0].number
    read: Response[Incident | ProblemDetails] = get_incident.sync_detailed(number, client=api, expand="opened_by,service")
    whole = got(read.parsed)
    assert isinstance(whole.opened_by, UserSummary) and whole.service is None, whole

    tag, change = read.headers["etag"], IncidentChange(category="lift", tags=["vip"])
    assert got(update_incident.sync(number, client=api, body=change, if_match=tag)).category == "lift"
    stale = refused(update_incident.sync(number, client=api, body=change, if_match=tag))
    assert stale.code is ProblemDetailsCode.STALE and stale.status == 412, stale

    kind = IncidentResolutionKind.PERMANENT
    empty = IncidentResolve(resolution_code="fixed", resolution_kind=kind, resolution_notes=" ")
    incomplete = refused(resolve_incident.sync(number, client=api, body=empty))
    assert incomplete.code is ProblemDetailsCode.ILLEGAL_TRANSITION and incomplete.errors, incomplete
    assert incomplete.errors[0].pointer == "/resolution_notes", incomplete
    full = IncidentResolve(resolution_code="fixed", resolution_kind=kind, resolution_notes="The fuse was changed.")
    assert got(resolve_incident.sync(number, client=api, body=full)).state is IncidentState.RESOLVED

    assert all(priority > 0 for priority in explain(api, number)), number
    upload = File(payload=BytesIO(b"full"))
    attached = got(create_incident_attachment.sync(number, client=api, body=upload, name="fuse.bin"))
    assert attached.size == 4, attached
    send_files(api)
    find_the_cause(api, seen[1].number)


def send_files(api: AuthenticatedClient) -> None:
    """A table as CSV and holidays as a calendar: bodies that are no JSON."""
    rows = File(payload=BytesIO(b"floor:text,team:text\nfirst,service-desk\n"))
    table = got(put_lookup_table.sync("floor_teams", client=api, body=rows))
    assert table.name == "floor_teams", table
    calendar = got(list_calendars.sync(client=api)).items[0]
    holidays = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20300101\r\nSUMMARY:New Year\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    found = got(import_calendar_holidays.sync(calendar.id, client=api, body=File(payload=BytesIO(holidays)), dry_run=True))
    assert found, found


def find_the_cause(api: AuthenticatedClient, incident: str) -> None:
    """The problem behind an incident, until it is a known error that is suggested for others."""
    door = got(create_configuration_item.sync(client=api, body=NewConfigurationItem(title="door-7", class_="other")))
    assert got(get_configuration_item_impact.sync(door.number, client=api)).total == 0, door
    about = ProblemChange(title="Locks freeze in winter", configuration_item_id=door.id)
    problem = got(raise_problem_from_incident.sync(incident, client=api, body=about)).problem
    assert problem.state is ProblemState.NEW, problem
    got(assess_problem.sync(problem.number, client=api))
    got(analyse_problem.sync(problem.number, client=api))
    known = ProblemFix(cause="The locks hold water.", workaround="Warm the lock with a hand.")
    assert got(fix_problem.sync(problem.number, client=api, body=known)).known_error_at, problem
    typed = TypedIncident(title="The door is locked", configuration_item_id=door.id)
    fits = got(suggest_known_errors.sync(client=api, body=typed)).items
    assert [fit.number for fit in fits] == [problem.number], fits


main()
