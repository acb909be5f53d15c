//! What a problem does for the incidents that it causes: those that are linked to it by `caused_by`.

use serde_json::{Map, Value, json};

use super::{ProblemPractice, rules};
use crate::{
    error::{Code, Error, Result},
    id::RecordId,
    record::{
        draft::Aside,
        header::Header,
        journal::{COMMENT, WORK_NOTE},
        kind::{Kind, Phase},
        link,
        practice::{Details, Practice},
        step,
        store::{self, Desk, Outcome},
        visibility,
    },
};

/// The relation of an incident to its problem.
pub const CAUSED_BY: &str = "caused_by";
/// The most incidents that are written to in one go.
const MOST: i64 = 1_000;
/// The kind.
const INCIDENT: &str = "incident";

/// Who reads a workaround.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkaroundAudience)]
pub enum Audience {
    /// Everybody who sees the incident: it is a comment.
    Public,
    /// Those who work on it: it is a work note.
    Internal,
}

/// What became of an incident.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = ProblemIncident)]
pub struct Reached {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: String,
    /// Where it stands now.
    pub state: String,
    /// Whether it was written to, or resolved. Where a resolution was refused, a work note says why.
    pub done: bool,
}

/// A problem as somebody sees it who wants to do something with it.
fn find(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<(Header, super::Problem)> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.settled(id)?;
    let header = store::visible(kernel, connection, &caller, &ProblemPractice::KIND, id)?;
    let details =
        super::Problem::load(connection, &[id])?.pop().ok_or_else(|| store::absent(&ProblemPractice::KIND))?;
    Ok((header, details))
}

/// The incidents of a problem on which somebody still works.
fn open_ones(desk: &mut Desk<'_, '_>, kind: &Kind, of: RecordId) -> Result<Vec<Header>> {
    let open = link::active_that_do(desk.unit.connection()?, kind, CAUSED_BY, of, MOST + 1)?;
    if open.len() as i64 > MOST {
        let detail =
            format!("It has more than {MOST} incidents that are open; that many are not written to in one go.");
        return Err(Error::new(Code::Conflict, detail));
    }
    Ok(open)
}

/// Those of them that the caller sees, as they are now.
fn shown(desk: &mut Desk<'_, '_>, these: &[(RecordId, bool)]) -> Result<Vec<Reached>> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let ids = these.iter().map(|(id, _)| *id).collect();
    let seen = visibility::among(kernel, desk.unit.connection()?, &caller, ids)?;
    let reached = these.iter().filter_map(|(id, done)| {
        let header = seen.get(id)?;
        Some(Reached { id: *id, number: header.number.clone(), state: header.state.clone(), done: *done })
    });
    Ok(reached.collect())
}

/// Writes the workaround, a new one if one is given, to every incident of the problem that is still open.
///
/// # Errors
/// There is no workaround.
pub fn publish_workaround(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    new: Option<&str>,
    audience: Audience,
) -> Result<(Outcome, Vec<Reached>)> {
    let (header, details) = find(desk, id)?;
    let expected = match new {
        None => expected,
        Some(new) => {
            let change = Map::from_iter([("workaround".to_owned(), Value::from(new))]);
            Some(store::change::<ProblemPractice>(desk, id, expected, change)?.version)
        }
    };
    let Some(text) = new.map(str::to_owned).or(details.workaround) else {
        let detail = "There is no workaround yet: give it in `workaround`.";
        return Err(Error::invalid("/workaround", "required", detail));
    };
    let told = Aside::new("update", "workaround_published", "workaround_published", Value::Null, json!(audience));
    let told = told.with_field("workaround_published_at", json!(desk.cause.at));
    let outcome = store::beside::<ProblemPractice>(desk, id, expected, told)?;
    let note = match audience {
        Audience::Public => COMMENT,
        Audience::Internal => WORK_NOTE,
    };
    let note = Map::from_iter([(note.to_owned(), Value::from(format!("Workaround: {text}")))]);
    let (kernel, cause) = (desk.kernel, desk.cause.consequence(&header.number));
    let incidents = kernel.practice(INCIDENT)?;
    let mut reached = Vec::new();
    for incident in open_ones(desk, incidents.kind(), id)? {
        let write = desk.unit.attempt(|unit| {
            incidents.change(&mut Desk { kernel, unit, cause: &cause }, incident.id, None, note.clone()).map(drop)
        })?;
        reached.push((incident.id, write.is_ok()));
    }
    let reached = shown(desk, &reached)?;
    Ok((outcome, reached))
}

/// Resolves every incident of a problem that is still open, once the problem itself is.
///
/// # Errors
/// The problem is not resolved, or the caller may not resolve incidents.
pub fn resolve(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    code: &str,
    notes: Option<&str>,
) -> Result<(Outcome, Vec<Reached>)> {
    let (header, details) = find(desk, id)?;
    desk.cause.caller.require("incident.resolve")?;
    let is_gone = header.phase == Phase::Done.as_str() || details.closure.as_deref() == Some(rules::RESOLVED);
    if !is_gone {
        let detail = format!("{} is {}: its incidents are resolved once it is.", header.number, header.state);
        return Err(Error::new(Code::Conflict, detail));
    }
    let notes = notes.map(str::to_owned).or(details.resolution_notes).unwrap_or_default();
    let told = Aside::new("resolve", "incidents_resolved", "incidents_resolved", Value::Null, json!(code));
    let outcome = store::beside::<ProblemPractice>(desk, id, expected, told)?;
    let incidents = desk.kernel.practice(INCIDENT)?.kind();
    let resolve = incidents.lifecycle.step("resolve").ok_or_else(|| Error::internal("no step `resolve`"))?;
    let input = Map::from_iter([
        ("resolution_code".to_owned(), Value::from(code)),
        ("resolution_notes".to_owned(), Value::from(notes)),
        ("resolution_kind".to_owned(), Value::from("permanent")),
    ]);
    let mut reached = Vec::new();
    for incident in open_ones(desk, incidents, id)? {
        // A child of another one may have followed it already.
        let now = Header::find(desk.unit.settled(incident.id)?, incident.id)?;
        if now.is_some_and(|now| resolve.from.contains(&now.state.as_str())) {
            step::consequence(desk, &header.number, incidents, incident.id, resolve, input.clone())?;
        }
        let now = Header::find(desk.unit.settled(incident.id)?, incident.id)?;
        reached.push((incident.id, now.is_some_and(|now| now.phase == Phase::Done.as_str())));
    }
    let reached = shown(desk, &reached)?;
    Ok((outcome, reached))
}
