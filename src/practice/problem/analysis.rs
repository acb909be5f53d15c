//! How the cause of a problem was looked for: techniques, each with what it has found.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ProblemPractice;
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId, UserId},
    record::{
        draft::Aside,
        person::{Person, people},
        practice::Practice,
        store::{self, Desk, Outcome},
    },
    schema::problem_analysis,
};

/// What an analysis is called among the changes of a problem.
const BESIDE: &str = "analysis";
/// The most analyses of one problem.
const MOST: i64 = 50;
/// The most parts of one analysis, and of one part of it.
const PARTS: usize = 100;
/// The longest text of a part, and of a title.
const TEXT: usize = 2_000;
const TITLE: usize = 200;

/// What a technique has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "technique", rename_all = "snake_case", deny_unknown_fields)]
pub enum Finding {
    /// Five whys (Toyota): each answer is asked about again, until what is found can be mended.
    #[schema(title = "FiveWhys")]
    FiveWhys {
        /// The questions and answers, in their order.
        #[schema(min_items = 1, max_items = 100)]
        whys: Vec<Why>,
    },
    /// A cause-and-effect diagram (Ishikawa): what may have contributed, by where it lies.
    #[schema(title = "Ishikawa")]
    Ishikawa {
        /// What has happened.
        #[schema(max_length = 2000)]
        effect: String,
        /// The bones of the fish.
        #[schema(min_items = 1, max_items = 100)]
        bones: Vec<Bone>,
    },
    /// A timeline: what happened when, with what people saw and did.
    #[schema(title = "Timeline")]
    Timeline {
        /// What happened, in any order.
        #[schema(min_items = 1, max_items = 100)]
        events: Vec<Happened>,
    },
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why did it happen?
    #[schema(max_length = 2000, examples("Why did mail not arrive?"))]
    pub question: String,
    /// Because of this.
    #[schema(max_length = 2000, examples("The queue was full."))]
    pub answer: String,
}

/// Where causes lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bone {
    /// Where: people, process, technology, supplier, environment, measurement, or what you call it.
    #[schema(max_length = 200, examples("technology"))]
    pub category: String,
    /// What may have contributed.
    #[schema(schema_with = causes)]
    pub causes: Vec<String>,
}

fn causes() -> utoipa::openapi::Schema {
    use utoipa::openapi::{ArrayBuilder, ObjectBuilder, schema::Type};
    let cause = ObjectBuilder::new().schema_type(Type::String).max_length(Some(TEXT));
    let doc = "What may have contributed.";
    ArrayBuilder::new().items(cause).min_items(Some(1)).max_items(Some(PARTS)).description(Some(doc)).into()
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// When.
    pub at: Moment,
    /// What.
    #[schema(max_length = 2000)]
    pub what: String,
}

/// An analysis that is written.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProblemAnalysis {
    /// What it looks into.
    #[schema(max_length = 200, examples("Why the queue was full"))]
    pub title: String,
    /// What was found, by which technique.
    pub finding: Finding,
}

/// A row of the table `problem_analysis`.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = problem_analysis)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct AnalysisRow {
    pub id: RowId,
    pub record_id: RecordId,
    pub technique: String,
    pub title: String,
    pub content: JsonText,
    pub author_id: UserId,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// How the cause of a problem was looked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemAnalysis {
    /// Its id.
    pub id: RowId,
    /// What it looks into.
    pub title: String,
    /// What was found, by which technique.
    pub finding: Finding,
    /// Who began it.
    #[schema(required = true)]
    pub author: Option<Person>,
    /// When.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

impl Finding {
    /// Its technique, as it is stored.
    fn technique(&self) -> &'static str {
        match self {
            Finding::FiveWhys { .. } => "five_whys",
            Finding::Ishikawa { .. } => "ishikawa",
            Finding::Timeline { .. } => "timeline",
        }
    }

    /// Everything that is too long, or missing.
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        match self {
            Finding::FiveWhys { whys } => {
                count(&mut faults, "/finding/whys", whys.len());
                for (n, why) in whys.iter().enumerate() {
                    text(&mut faults, &format!("/finding/whys/{n}/question"), &why.question);
                    text(&mut faults, &format!("/finding/whys/{n}/answer"), &why.answer);
                }
            }
            Finding::Ishikawa { effect, bones } => {
                text(&mut faults, "/finding/effect", effect);
                count(&mut faults, "/finding/bones", bones.len());
                for (n, bone) in bones.iter().enumerate() {
                    text(&mut faults, &format!("/finding/bones/{n}/category"), &bone.category);
                    count(&mut faults, &format!("/finding/bones/{n}/causes"), bone.causes.len());
                    for (m, cause) in bone.causes.iter().enumerate() {
                        text(&mut faults, &format!("/finding/bones/{n}/causes/{m}"), cause);
                    }
                }
            }
            Finding::Timeline { events } => {
                count(&mut faults, "/finding/events", events.len());
                for (n, event) in events.iter().enumerate() {
                    text(&mut faults, &format!("/finding/events/{n}/what"), &event.what);
                }
            }
        }
        faults
    }
}

fn text(faults: &mut Vec<FieldError>, pointer: &str, given: &str) {
    if given.trim().is_empty() {
        faults.push(FieldError::new(pointer, "required", "Something has to stand here."));
    } else if given.chars().count() > TEXT {
        faults.push(FieldError::new(pointer, "too_long", format!("It has at most {TEXT} characters.")));
    }
}

fn count(faults: &mut Vec<FieldError>, pointer: &str, given: usize) {
    if !(1..=PARTS).contains(&given) {
        faults.push(FieldError::new(pointer, "wrong_length", format!("There are 1 to {PARTS} of them.")));
    }
}

fn check(new: &NewProblemAnalysis) -> Result<()> {
    let mut faults = new.finding.faults();
    let length = new.title.chars().count();
    if new.title.trim().is_empty() {
        faults.push(FieldError::new("/title", "required", "It needs a title."));
    } else if length > TITLE {
        faults.push(FieldError::new("/title", "too_long", format!("`title` has at most {TITLE} characters.")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid_all(faults)) }
}

/// What the history tells of a change: all that stood there, and all that stands there now.
fn told(action: &'static str, old: Option<&AnalysisRow>, new: Option<&AnalysisRow>) -> Result<Aside> {
    let whole = |row: &AnalysisRow| -> Result<Value> {
        Ok(json!({"id": row.id, "title": row.title, "finding": row.content.read::<Value>()?}))
    };
    let [old, new] = [old, new].map(|row| row.map(whole).transpose());
    Ok(Aside::new("update", action, BESIDE, old?.unwrap_or_default(), new?.unwrap_or_default()))
}

/// Begins an analysis, as a change of its problem.
///
/// # Errors
/// What is wrong with it.
pub fn add(
    desk: &mut Desk<'_, '_>,
    of: RecordId,
    expected: Option<i32>,
    new: &NewProblemAnalysis,
) -> Result<(Outcome, AnalysisRow)> {
    check(new)?;
    let there: i64 = of_problem(of).count().get_result(of_visible(desk, of)?)?;
    if there >= MOST {
        return Err(Error::new(Code::Conflict, format!("A problem has at most {MOST} analyses.")));
    }
    let row = AnalysisRow {
        id: RowId::new(),
        record_id: of,
        technique: new.finding.technique().to_owned(),
        title: new.title.clone(),
        content: JsonText::of(&new.finding)?,
        author_id: desk.cause.caller.user,
        created_at: desk.cause.at,
        updated_at: desk.cause.at,
    };
    let outcome = store::beside::<ProblemPractice>(desk, of, expected, told("analysed", None, Some(&row))?)?;
    diesel::insert_into(problem_analysis::table).values(&row).execute(desk.unit.connection()?)?;
    Ok((outcome, row))
}

/// Writes an analysis anew, as a change of its problem.
///
/// # Errors
/// What is wrong with it.
pub fn replace(
    desk: &mut Desk<'_, '_>,
    (of, id): (RecordId, RowId),
    expected: Option<i32>,
    new: &NewProblemAnalysis,
) -> Result<(Outcome, AnalysisRow)> {
    check(new)?;
    let old = AnalysisRow::find(of_visible(desk, of)?, of, id)?;
    let row = AnalysisRow {
        technique: new.finding.technique().to_owned(),
        title: new.title.clone(),
        content: JsonText::of(&new.finding)?,
        updated_at: desk.cause.at,
        ..old.clone()
    };
    let outcome = store::beside::<ProblemPractice>(desk, of, expected, told("analysed", Some(&old), Some(&row))?)?;
    let changed = (
        problem_analysis::technique.eq(&row.technique),
        problem_analysis::title.eq(&row.title),
        problem_analysis::content.eq(&row.content),
        problem_analysis::updated_at.eq(row.updated_at),
    );
    diesel::update(problem_analysis::table.find(id)).set(changed).execute(desk.unit.connection()?)?;
    Ok((outcome, row))
}

/// Takes an analysis away, as a change of its problem.
///
/// # Errors
/// There is none of this id.
pub fn remove(desk: &mut Desk<'_, '_>, (of, id): (RecordId, RowId), expected: Option<i32>) -> Result<Outcome> {
    let old = AnalysisRow::find(of_visible(desk, of)?, of, id)?;
    let outcome = store::beside::<ProblemPractice>(desk, of, expected, told("analysis_removed", Some(&old), None)?)?;
    diesel::delete(problem_analysis::table.find(id)).execute(desk.unit.connection()?)?;
    Ok(outcome)
}

/// The connection, once the problem is one that the caller sees: of a hidden one nothing is told, not even how many analyses it has.
fn of_visible<'d>(desk: &'d mut Desk<'_, '_>, of: RecordId) -> Result<&'d mut AnyConnection> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.connection()?;
    store::visible(kernel, connection, &caller, &ProblemPractice::KIND, of)?;
    Ok(connection)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_problem(of: RecordId) -> _ {
    problem_analysis::table.filter(problem_analysis::record_id.eq(of))
}

impl AnalysisRow {
    /// One of a problem.
    pub fn find(connection: &mut AnyConnection, of: RecordId, id: RowId) -> Result<Self> {
        let one = of_problem(of).filter(problem_analysis::id.eq(id)).first(connection).optional()?;
        one.ok_or_else(|| Error::not_found("analysis"))
    }

    /// Those of a problem after one, the oldest first.
    pub fn of_record(
        connection: &mut AnyConnection,
        of: RecordId,
        after: Option<RowId>,
        most: i64,
    ) -> Result<Vec<Self>> {
        let mut rows = of_problem(of).into_boxed::<crate::db::Backend>();
        if let Some(after) = after {
            rows = rows.filter(problem_analysis::id.gt(after));
        }
        Ok(rows.order(problem_analysis::id).limit(most).load(connection)?)
    }
}

impl ProblemAnalysis {
    /// These rows, in their order.
    ///
    /// # Errors
    /// A row that this server never wrote.
    pub fn of(connection: &mut AnyConnection, rows: Vec<AnalysisRow>) -> Result<Vec<Self>> {
        let people = people(connection, rows.iter().map(|row| row.author_id))?;
        let shown = rows.into_iter().map(|row| {
            Ok(ProblemAnalysis {
                id: row.id,
                title: row.title,
                finding: row.content.read()?,
                author: people.get(&row.author_id).cloned(),
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        });
        shown.collect()
    }
}
