//! How a problem reaches its incidents: a part of them at a time, each by itself, as consequences of the problem.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Problem, ProblemPractice, rules,
    told::{self, Audience},
};
use crate::{
    auth::caller::Caller,
    error::{Error, Result},
    id::RecordId,
    record::{
        header::Header,
        journal::{COMMENT, WORK_NOTE},
        kind::Phase,
        link,
        practice::{Details, Practice},
        step,
        store::{self, Desk},
    },
};

/// The relation of an incident to its problem.
pub const CAUSED_BY: &str = "caused_by";
/// The kind of those that are reached.
const INCIDENT: &str = "incident";
/// So many are reached in one transaction.
pub const TOGETHER: i64 = 50;

/// What a problem does for its incidents that are open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It tells them of its workaround.
    Tell {
        /// Who reads it.
        audience: Audience,
        /// The workaround.
        text: String,
    },
    /// It resolves them.
    Resolve {
        /// How, from a list.
        code: String,
        /// How, for the callers.
        notes: String,
    },
}

impl Deed {
    /// Refuses whoever may not do it.
    pub fn permitted(&self, caller: &Caller) -> Result<()> {
        match self {
            Deed::Tell { .. } => caller.require("problem.update"),
            Deed::Resolve { .. } => caller.require("problem.resolve").and_then(|()| caller.require("incident.resolve")),
        }
    }
}

/// What became of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Became {
    /// The incident.
    pub id: RecordId,
    /// Why nothing was done, where nothing was.
    pub reason: Option<String>,
}

/// What became of a part of them.
#[derive(Debug, Default)]
pub struct Part {
    /// Those to which something was to be done.
    pub became: Vec<Became>,
    /// The last that was looked at, where there may be more.
    pub last: Option<RecordId>,
}

/// Does it for the next of the problem's incidents after one of them.
///
/// # Errors
/// The transaction is spoilt as a whole.
pub fn part(desk: &mut Desk<'_, '_>, problem: &Header, deed: &Deed, after: Option<RecordId>) -> Result<Part> {
    let kind = desk.kernel.practice(INCIDENT)?.kind();
    let of = (CAUSED_BY, problem.id);
    let open = link::active_that_do(desk.unit.connection()?, kind, of, after, TOGETHER)?;
    let last = open.last().map(|last| last.id).filter(|_| open.len() as i64 == TOGETHER);
    let became = match deed {
        Deed::Tell { audience, text } => tell(desk, problem, &open, (*audience, text))?,
        Deed::Resolve { code, notes } => {
            let reached = open.iter().map(|incident| resolve(desk, problem, incident.id, (code, notes)));
            reached.collect::<Result<_>>()?
        }
    };
    Ok(Part { became, last })
}

/// How many incidents of a problem are open.
///
/// # Errors
/// The store is away.
pub fn open(desk: &mut Desk<'_, '_>, problem: RecordId) -> Result<i64> {
    let kind = desk.kernel.practice(INCIDENT)?.kind();
    link::count_active_that_do(desk.unit.connection()?, kind, (CAUSED_BY, problem))
}

/// Tells those of them of the workaround that have not had it.
fn tell(
    desk: &mut Desk<'_, '_>,
    problem: &Header,
    incidents: &[Header],
    (audience, text): (Audience, &str),
) -> Result<Vec<Became>> {
    let ids = incidents.iter().map(|incident| incident.id);
    let told = told::have_had(desk.unit.connection()?, problem.id, ids, (audience, text))?;
    let note = match audience {
        Audience::Public => COMMENT,
        Audience::Internal => WORK_NOTE,
    };
    let note = Map::from_iter([(note.to_owned(), Value::from(format!("Workaround: {text}")))]);
    let (kernel, cause) = (desk.kernel, desk.cause.consequence(&problem.number));
    let practice = kernel.practice(INCIDENT)?;
    let mut became = Vec::new();
    for incident in incidents.iter().filter(|incident| !told.contains(&incident.id)) {
        let write = desk.unit.attempt(|unit| {
            practice.change(&mut Desk { kernel, unit, cause: &cause }, incident.id, None, note.clone())
        })?;
        let reason = match write {
            Ok(_) => {
                let which = (problem.id, incident.id);
                told::remember(desk.unit.connection()?, which, (audience, text), cause.at)?;
                None
            }
            Err(refused) if refused.source.is_some() => return Err(refused),
            Err(refused) => Some(refused.detail),
        };
        became.push(Became { id: incident.id, reason });
    }
    Ok(became)
}

fn resolve(
    desk: &mut Desk<'_, '_>,
    problem: &Header,
    incident: RecordId,
    (code, notes): (&str, &str),
) -> Result<Became> {
    let kind = desk.kernel.practice(INCIDENT)?.kind();
    let step = kind.lifecycle.step("resolve").ok_or_else(|| Error::internal("no step `resolve`"))?;
    let state = |desk: &mut Desk<'_, '_>| Header::find(desk.unit.settled(incident)?, incident);
    // A child of another one may have followed it already.
    let now = state(desk)?.ok_or_else(|| store::absent(kind))?;
    let reason = if now.phase == Phase::Done.as_str() {
        None
    } else if step.from.contains(&now.state.as_str()) {
        let input = [("resolution_code", code), ("resolution_notes", notes), ("resolution_kind", "permanent")];
        let input = Map::from_iter(input.map(|(name, value)| (name.to_owned(), Value::from(value))));
        step::consequence(desk, &problem.number, kind, incident, step, input)?
    } else {
        Some(format!("It is {}.", now.state.replace('_', " ")))
    };
    Ok(Became { id: incident, reason })
}

/// Tells an incident that is linked with a problem of the workaround that was published.
pub(super) fn linked(desk: &mut Desk<'_, '_>, problem: RecordId, from: RecordId, relation: &str) -> Result<()> {
    if relation != CAUSED_BY {
        return Ok(());
    }
    let connection = desk.unit.settled(problem)?;
    // Whoever publishes changes the problem first and looks for incidents then: either sees the other.
    connection.keep_record(problem)?;
    let (details, problem) = (Problem::load(connection, &[problem])?.pop(), Header::find(connection, problem)?);
    // What was got rid of needs no workaround any more.
    let still = details.zip(problem.as_ref()).filter(|(details, problem)| !rules::is_gone(problem, details));
    let Some((Problem { workaround: Some(text), workaround_published_at: Some(_), workaround_audience, .. }, _)) =
        still
    else {
        return Ok(());
    };
    let incident = Header::find(desk.unit.settled(from)?, from)?;
    let incident = incident.filter(|incident| incident.kind == INCIDENT && incident.is_active());
    let audience = workaround_audience.as_deref().and_then(Audience::named);
    if let (Some(incident), Some(problem), Some(audience)) = (incident, problem, audience) {
        tell(desk, &problem, &[incident], (audience, &text))?;
    }
    Ok(())
}

/// The problem and what stands in it, as somebody sees it who wants to do something with it.
pub(super) fn find(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<(Header, Problem)> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.settled(id)?;
    let header = store::visible(kernel, connection, &caller, &ProblemPractice::KIND, id)?;
    let details = Problem::load(connection, &[id])?.pop().ok_or_else(|| store::absent(&ProblemPractice::KIND))?;
    Ok((header, details))
}
