//! What a problem does for the incidents that it causes: those that are linked to it by `caused_by`. The first of them are reached at once, and
//! where there are many, the others by a job.

use serde_json::{Value, json};

use super::{
    ProblemPractice,
    reach::{self, Became, Deed, find},
    rules,
    run::{self, Asked},
};
use crate::{
    auth::caller::Caller,
    db::{AnyConnection, JsonText},
    error::{Code, Error, Result},
    id::RecordId,
    record::{
        draft::Aside,
        header::Header,
        job::JobRow,
        kernel::Kernel,
        store::{self, Desk, Outcome},
        visibility,
    },
};

pub use super::{reach::CAUSED_BY, told::Audience};

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
    /// Whether it was written to, or resolved.
    pub done: bool,
    /// Why it was not, where it was not. Where a resolution was refused, a work note says so, too.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// What was done for the incidents of a problem.
#[derive(Debug)]
pub struct Done {
    /// The problem afterwards.
    pub outcome: Outcome,
    /// What became of the first of them, as far as the caller sees them.
    pub reached: Vec<Reached>,
    /// The job that does it for the others, where there are more.
    pub job: Option<JobRow>,
}

/// Those of them that the caller sees, as they are now.
///
/// # Errors
/// The store is away.
pub fn shown(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    became: Vec<Became>,
) -> Result<Vec<Reached>> {
    let ids = became.iter().map(|one| one.id).collect();
    let mut seen = visibility::among(kernel, connection, caller, ids)?;
    let reached = became.into_iter().filter_map(|Became { id, reason }| {
        let Header { number, state, .. } = seen.remove(&id)?;
        Some(Reached { id, number, state, done: reason.is_none(), reason })
    });
    Ok(reached.collect())
}

/// Does it for the first of them, and queues a job for the others.
fn begin(desk: &mut Desk<'_, '_>, problem: &Header, outcome: Outcome, deed: Deed) -> Result<Done> {
    let there = reach::open(desk, problem.id)?;
    let first = reach::part(desk, problem, &deed, None)?;
    let job = match first.last {
        Some(last) if there > reach::TOGETHER => {
            let asked = JsonText::of(&Asked { problem: problem.id, deed, total: there })?;
            Some(run::queue(desk, &asked, problem.id, last, &first.became)?)
        }
        _ => None,
    };
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let reached = shown(kernel, desk.unit.connection()?, &caller, first.became)?;
    Ok(Done { outcome, reached, job })
}

/// Writes the workaround, a new one if one is given, to every incident of the problem that is still open and has not had it yet. Those that are
/// linked later are told of it then.
///
/// # Errors
/// There is no workaround, or its cause is gone.
pub fn publish_workaround(
    desk: &mut Desk<'_, '_>,
    id: RecordId,
    expected: Option<i32>,
    new: Option<&str>,
    audience: Audience,
) -> Result<Done> {
    let (header, details) = find(desk, id)?;
    if rules::is_gone(&header, &details) {
        let detail = format!("{} is {}: nobody needs a workaround any more.", header.number, header.state);
        return Err(Error::new(Code::Conflict, detail));
    }
    let expected = match new {
        None => expected,
        Some(new) => {
            let change = [("workaround".to_owned(), Value::from(new))].into_iter().collect();
            Some(store::change::<ProblemPractice>(desk, id, expected, change)?.version)
        }
    };
    let text = new.map(str::to_owned).or(details.workaround).filter(|text| !text.trim().is_empty());
    let Some(text) = text else {
        let detail = "There is no workaround yet: give it in `workaround`.";
        return Err(Error::invalid("/workaround", "required", detail));
    };
    let told = Aside::new("update", "workaround_published", "workaround_published", Value::Null, json!(audience));
    let told = told.with_field("workaround_published_at", json!(desk.cause.at));
    let told = told.with_field("workaround_audience", json!(audience));
    let outcome = store::beside::<ProblemPractice>(desk, id, expected, told)?;
    begin(desk, &header, outcome, Deed::Tell { audience, text })
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
) -> Result<Done> {
    let (header, details) = find(desk, id)?;
    desk.cause.caller.require("incident.resolve")?;
    if !rules::is_gone(&header, &details) {
        let detail = format!("{} is {}: its incidents are resolved once it is.", header.number, header.state);
        return Err(Error::new(Code::Conflict, detail));
    }
    let notes = notes.map(str::to_owned).or(details.resolution_notes).unwrap_or_default();
    let told = Aside::new("resolve", "incidents_resolved", "incidents_resolved", Value::Null, json!(code));
    let outcome = store::beside::<ProblemPractice>(desk, id, expected, told)?;
    begin(desk, &header, outcome, Deed::Resolve { code: code.to_owned(), notes })
}
