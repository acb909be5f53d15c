//! Meetings of change advisory boards as they are read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, FieldError, Result},
    http::directory_api::{
        change::{given, line, met, prose},
        page::{Wanted, keyset, named},
        resource::{Examples, Noun, Resource},
    },
    id::{RowId, TeamId, UserId},
    practice::change::cab::{self, MeetingRow, MeetingState},
    record::{query::cursor, store::Desk},
    schema::cab_meeting,
};

/// The longest name, the longest place, in characters.
const NAME: usize = 100;
/// The longest minutes, in characters.
pub(super) const MINUTES: usize = 32_000;
/// The most people of one meeting.
const PEOPLE: usize = 200;

/// A meeting of a change advisory board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CabMeeting {
    /// Its id.
    id: RowId,
    /// What it is called.
    name: String,
    /// When it begins.
    starts_at: Moment,
    /// When it ends.
    ends_at: Moment,
    /// Where it is held.
    place: String,
    /// Who leads it.
    chair_id: UserId,
    /// The team that is the board; null where none is.
    #[schema(required = true)]
    team_id: Option<TeamId>,
    /// Where it stands.
    state: MeetingState,
    /// Who is asked to come, and came.
    attendees: Vec<UserId>,
    /// What was said, beside what was said of each change.
    minutes: String,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was called.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What calls a meeting.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCabMeeting {
    /// What it is called.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// When it begins.
    starts_at: Moment,
    /// When it ends.
    ends_at: Moment,
    /// Where it is held.
    #[serde(default)]
    #[schema(required = false, max_length = 100)]
    place: String,
    /// Who leads it; whoever calls it, if not given.
    #[serde(default)]
    #[schema(required = false)]
    chair_id: Option<UserId>,
    /// The team that is the board.
    #[serde(default)]
    #[schema(required = false)]
    team_id: Option<TeamId>,
    /// Who is asked to come.
    #[serde(default)]
    #[schema(required = false, max_items = 200)]
    attendees: Vec<UserId>,
}

/// A merge patch of a meeting: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CabMeetingChange {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// When it begins.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    starts_at: Option<Moment>,
    /// When it ends.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    ends_at: Option<Moment>,
    /// Where it is held.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 100)]
    place: Option<String>,
    /// Who leads it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    chair_id: Option<UserId>,
    /// Where it stands.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    state: Option<MeetingState>,
    /// Who is asked to come, and came.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 200)]
    attendees: Option<Vec<UserId>>,
    /// What was said, beside what was said of each change.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 32000)]
    minutes: Option<String>,
}

impl CabMeeting {
    fn of(row: MeetingRow) -> Result<Self> {
        let (attendees, state) = (row.attendees.read()?, MeetingState::stored(&row.state));
        let MeetingRow {
            id,
            name,
            starts_at,
            ends_at,
            place,
            chair_id,
            team_id,
            minutes,
            version,
            created_at,
            updated_at,
            ..
        } = row;
        Ok(CabMeeting {
            id,
            name,
            starts_at,
            ends_at,
            place,
            chair_id,
            team_id,
            state,
            attendees,
            minutes,
            version,
            created_at,
            updated_at,
        })
    }
    fn row(&self) -> Result<MeetingRow> {
        Ok(MeetingRow {
            id: self.id,
            name: self.name.clone(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            place: self.place.clone(),
            chair_id: self.chair_id,
            team_id: self.team_id,
            state: self.state.as_str().to_owned(),
            attendees: JsonText::of(&self.attendees)?,
            minutes: self.minutes.clone(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn matching(wanted: &Wanted) -> cab_meeting::BoxedQuery<'static, Backend> {
    let query = named!(cab_meeting::table.into_boxed(), Some(wanted), cab_meeting::name);
    let planned = MeetingState::Planned.as_str();
    match wanted.active {
        None => query,
        Some(true) => query.filter(cab_meeting::state.eq(planned)),
        Some(false) => query.filter(cab_meeting::state.ne(planned)),
    }
}

impl Resource for CabMeeting {
    const NOUN: Noun = Noun {
        one: "cab meeting",
        a: "a cab meeting",
        many: "cab meetings",
        label: "CabMeeting",
        about: "A change advisory board looks at changes together. It recommends; who approves does so by the approvals of the change. What was made \
                in an emergency is closed after a board has looked at it. Lists are in the order in which they begin; active are those that are \
                planned.",
        read: "cab_meeting.read",
        manage: "cab_meeting.write",
        has_active: true,
        on_create: "Its agenda is filled by `POST …/agenda`. Those who are asked to come are told by mail.",
        on_change: "The minutes of each change stand with its place on the agenda. Those who are asked to come are told where it is at another \
                    time or place, or does not take place.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["team_id"],
    };
    type New = NewCabMeeting;
    type Change = CabMeetingChange;

    fn examples() -> Examples {
        let ada = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70";
        let new = json!({
            "name": "Board of the week", "starts_at": "2026-03-04T13:00:00Z", "ends_at": "2026-03-04T14:00:00Z", "place": "Room 4",
            "chair_id": ada, "team_id": null, "attendees": [],
        });
        let added = json!({
            "state": "planned", "minutes": "", "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z",
        });
        let change = json!({"state": "held", "minutes": "Everybody was there."});
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b22", new, &added, change)
    }
    fn key(&self) -> (String, String) {
        (self.starts_at.to_string(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        let row: Option<MeetingRow> = cab_meeting::table.find(id).first(connection).optional()?;
        row.map(CabMeeting::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let begins = |text: &str| text.parse::<Moment>().map_err(|_| cursor::refused());
        let query = keyset!(matching(wanted), wanted, cab_meeting::starts_at, cab_meeting::id, begins);
        query.load::<MeetingRow>(connection)?.into_iter().map(CabMeeting::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }
    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewCabMeeting) -> Result<String> {
        let at = desk.cause.at;
        let meeting = CabMeeting {
            id: RowId::new(),
            name: line("name", &new.name, NAME)?,
            starts_at: new.starts_at,
            ends_at: new.ends_at,
            place: prose("place", &new.place, NAME)?,
            chair_id: new.chair_id.unwrap_or(desk.cause.caller.user),
            team_id: new.team_id,
            state: MeetingState::Planned,
            attendees: new.attendees.clone(),
            minutes: String::new(),
            version: 1,
            created_at: at,
            updated_at: at,
        };
        check(desk, horizon, None, &meeting)?;
        let row = meeting.row()?;
        diesel::insert_into(cab_meeting::table).values(&row).execute(desk.unit.connection()?)?;
        cab::invite(desk, None, &row)?;
        Ok(meeting.id.to_string())
    }
    fn patched(&self, change: &CabMeetingChange) -> Result<Self> {
        let change = change.clone();
        let mut after = self.clone();
        after.name = line("name", &change.name.unwrap_or(after.name), NAME)?;
        after.starts_at = change.starts_at.unwrap_or(after.starts_at);
        after.ends_at = change.ends_at.unwrap_or(after.ends_at);
        after.place = prose("place", &change.place.unwrap_or(after.place), NAME)?;
        after.chair_id = change.chair_id.unwrap_or(after.chair_id);
        after.state = change.state.unwrap_or(after.state);
        after.attendees = change.attendees.unwrap_or(after.attendees);
        after.minutes = prose("minutes", &change.minutes.unwrap_or(after.minutes), MINUTES)?;
        Ok(after)
    }
    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        check(desk, horizon, Some(before), after)?;
        let row = MeetingRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row()? };
        let unchanged = cab_meeting::table.find(before.id).filter(cab_meeting::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(desk.unit.connection()?)?)?;
        cab::invite(desk, Some(&before.row()?), &row)
    }
}

/// Refuses times that make no sense, and people that the caller doesn't see.
fn check(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: Option<&CabMeeting>, after: &CabMeeting) -> Result<()> {
    let mut errors = Vec::new();
    for (field, at) in [("/starts_at", after.starts_at), ("/ends_at", after.ends_at)] {
        if at.storable().is_none() {
            errors.push(FieldError::new(field, "out_of_range", "It is in the years 1 to 9999."));
        }
    }
    if after.ends_at <= after.starts_at {
        errors.push(FieldError::new("/ends_at", "out_of_range", "It ends after it begins."));
    }
    if after.state == MeetingState::Held && desk.cause.at < after.starts_at {
        errors.push(FieldError::new("/state", "too_early", "It has not begun."));
    }
    if after.attendees.len() > PEOPLE {
        errors.push(FieldError::new("/attendees", "too_many", format!("At most {PEOPLE} people come.")));
    }
    let connection = desk.unit.reference();
    let known =
        |user: &UserId| before.is_some_and(|before| before.chair_id == *user || before.attendees.contains(user));
    let people = after.attendees.iter().enumerate().map(|(n, user)| (format!("/attendees/{n}"), *user));
    for (pointer, user) in people.chain([("/chair_id".to_owned(), after.chair_id)]) {
        if !known(&user) && user != desk.cause.caller.user && !horizon.sees_active_user(connection, user)? {
            errors.push(FieldError::new(pointer, "no_such_reference", "There is no such active user."));
        }
    }
    if let Some(team) = after.team_id.filter(|_| before.is_none())
        && !horizon.sees_active_team(connection, team)?
    {
        errors.push(FieldError::new("/team_id", "no_such_reference", "There is no such active team."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}
