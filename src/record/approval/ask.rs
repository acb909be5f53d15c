//! Asking for an approval: what may be asked, of whom, and whether it can be answered at all.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    BESIDE,
    case::Case,
    quorum::Quorum,
    row::{APPROVE, ApprovalRow, REJECT, StageRow, state},
    stage::{self, Ground, Reach, action},
    voters::{Approver, ApproverKind},
};
use crate::{
    auth::horizon::Horizon,
    clock::Length,
    db::JsonText,
    error::{Code, Error, FieldError, Result, did_you_mean},
    id::{RecordId, RowId},
    record::{
        calendar::row::CalendarRow,
        draft::Aside,
        header::Header,
        kind::{Kind, Phase, Write},
        store::{self, Desk, Outcome},
    },
    schema::{approval, role},
};

/// The permission to ask.
pub const PERMISSION: &str = "approval.request";
/// The longest title, in characters.
pub const TITLE: usize = 200;
/// The longest description and comment, in characters.
pub const PROSE: usize = 4_000;
/// The longest name of a stage, in characters.
pub const NAME: usize = 100;
/// Fields that an approval covers at most.
pub const COVERS: usize = 50;
/// Stages of an approval at most.
pub const STAGES: usize = 10;
/// Approvers that a stage names at most.
pub const APPROVERS: usize = 20;
/// People who are asked in a stage at most.
pub const PEOPLE: usize = 200;
/// Approvals of one record that are undecided at once, at most.
pub const AT_ONCE: i64 = 20;
/// The longest time that a stage may take, in days.
pub const DAYS: i64 = 366;

/// What is covered where nothing is said.
const USUAL: &[&str] = &["title", "description"];

/// What asks for an approval of a record.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApproval {
    /// What is to be approved, in one line.
    #[schema(min_length = 1, max_length = 200, examples("Replace the core switch on Saturday"))]
    pub title: String,
    /// What those who are asked should know.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    pub description: String,
    /// The fields of the record that are approved: when one of them changes, the approval is void and asked for again. Title and
    /// description when it is left out; none for an empty list.
    #[serde(default)]
    #[schema(required = false, max_items = 50)]
    #[schema(schema_with = field_names)]
    pub covers: Option<Vec<String>>,
    /// Who is asked, one stage after the other.
    #[schema(min_items = 1, max_items = 10)]
    pub stages: Vec<NewApprovalStage>,
}

fn field_names() -> utoipa::openapi::Schema {
    use utoipa::openapi::{ArrayBuilder, ObjectBuilder, schema::Type};
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(100));
    let doc = "The fields of the record that are approved: when one of them changes, the approval is void and asked for again. \
               Title and description when it is left out; none for an empty list.";
    ArrayBuilder::new().items(name).max_items(Some(COVERS)).description(Some(doc)).into()
}

/// A stage of an approval that is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApprovalStage {
    /// What it is called.
    #[schema(min_length = 1, max_length = 100, examples("Change advisory board"))]
    pub name: String,
    /// Who is asked.
    #[schema(min_items = 1, max_items = 20)]
    pub approvers: Vec<Approver>,
    /// How many of them have to approve.
    #[serde(default)]
    #[schema(required = false)]
    pub quorum: ApprovalQuorum,
    /// How long the stage may take, in hours, minutes and seconds; for ever when it is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub due_after: Option<Length>,
    /// The calendar whose open time counts for that; all time when it is left out.
    #[serde(default)]
    #[schema(required = false, max_length = 100, examples("business-hours"))]
    pub calendar: Option<String>,
    /// What becomes of it when that is over.
    #[serde(default)]
    #[schema(required = false)]
    pub on_due: OnDue,
}

/// How many of those who count have to approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalQuorum {
    /// How it is reckoned.
    pub kind: QuorumKind,
    /// For `count` how many, for `percent` how many of a hundred, rounded up.
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 1000)]
    pub number: Option<i32>,
}

/// How a quorum is reckoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuorumKind {
    /// One is enough, and all have to reject.
    #[default]
    Any,
    /// Everybody has to approve.
    All,
    /// So many have to approve.
    Count,
    /// So many of a hundred have to approve.
    Percent,
}

/// What becomes of a stage that is not decided in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDue {
    /// It counts as approved.
    Approve,
    /// The approval expires.
    #[default]
    Reject,
}

/// As policies write it: `any`, `all`, a number, a share such as `50%`.
impl std::str::FromStr for ApprovalQuorum {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("it is `any`, `all`, a number from 1, or a share such as `50%`, not `{text}`");
        let number = |text: &str| text.trim().parse::<i32>().map(Some).map_err(|_| wrong());
        let (kind, number) = match text.trim() {
            "any" => (QuorumKind::Any, None),
            "all" => (QuorumKind::All, None),
            share if share.ends_with('%') => (QuorumKind::Percent, number(share.trim_end_matches('%'))?),
            count => (QuorumKind::Count, number(count)?),
        };
        Quorum::of(kind.as_str(), number).ok_or_else(wrong)?;
        Ok(ApprovalQuorum { kind, number })
    }
}

impl QuorumKind {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            QuorumKind::Any => "any",
            QuorumKind::All => "all",
            QuorumKind::Count => "count",
            QuorumKind::Percent => "percent",
        }
    }
}

impl OnDue {
    /// Whether it is what becomes of a stage where nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == OnDue::default()
    }
    /// The one of that word.
    pub fn named(word: &str) -> Option<OnDue> {
        [OnDue::Approve, OnDue::Reject].into_iter().find(|on_due| on_due.as_str() == word)
    }
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnDue::Approve => APPROVE,
            OnDue::Reject => REJECT,
        }
    }
}

/// Asks for an approval of a record, as a change of the record.
pub fn ask(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    new: &NewApproval,
) -> Result<(Outcome, RowId)> {
    let (kernel, at, caller) = (desk.kernel, desk.cause.at, desk.cause.caller.clone());
    let connection = desk.unit.settled(of)?;
    let record = store::visible(kernel, connection, &caller, kind, of)?;
    if expected.is_some_and(|version| version != record.version) {
        let detail = format!("{} is at version {} now; read it again.", record.number, record.version);
        return Err(Error::new(Code::Stale, detail));
    }
    refuse_more(desk, &record)?;
    let covers = covered(desk, kind, &record, new)?;
    check(desk, new)?;
    let mut case = drawn_up(desk, &record, new, &covers)?;
    check_reach(desk, &record, &case)?;
    let connection = desk.unit.connection()?;
    stage::begin(&mut Ground { kernel, connection, record: &record, at }, &mut case)?;
    let mut told = case.told();
    told["covers"] = covers.keys().cloned().collect::<Vec<_>>().into();
    let aside = Aside::new("read", action::REQUESTED, BESIDE, Value::Null, told);
    let outcome = stage::tell(desk, &record, aside)?;
    case.save(desk)?;
    Ok((outcome, case.approval.id))
}

fn refuse_more(desk: &mut Desk<'_, '_>, record: &Header) -> Result<()> {
    if [Phase::Closed, Phase::Cancelled].iter().any(|phase| phase.as_str() == record.phase) {
        let detail = format!("{} is {}: there is nothing to approve of it.", record.number, record.state);
        return Err(Error::new(Code::Conflict, detail));
    }
    let pending = approval::table.filter(approval::record_id.eq(record.id)).filter(approval::state.eq(state::PENDING));
    let pending: i64 = pending.count().get_result(desk.unit.connection()?)?;
    if pending >= AT_ONCE {
        let detail = format!("{} waits for {pending} approvals already; no more can be asked for.", record.number);
        return Err(Error::new(Code::Conflict, detail));
    }
    Ok(())
}

/// The fields that are covered, with what they hold.
fn covered(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    record: &Header,
    new: &NewApproval,
) -> Result<Map<String, Value>> {
    let usual: Vec<String> = USUAL.iter().map(|&name| name.to_owned()).collect();
    let names = new.covers.as_ref().unwrap_or(&usual);
    if names.len() > COVERS {
        return Err(Error::invalid("/covers", "too_many", format!("`covers` has at most {COVERS} fields.")));
    }
    // What the server counts and stamps changes with every write. The priority is decided, and worth an approval.
    let can_be = |name: &str| kind.field(name).is_some_and(|f| f.write != Write::Server || name == "priority");
    let wrong = names.iter().enumerate().filter(|(_, name)| !can_be(name)).map(|(n, name)| {
        let known = kind.all_fields().map(|field| field.name).filter(|name| can_be(name));
        let detail = format!("`{name}` is no field that can be covered{}.", did_you_mean(name, known));
        FieldError::new(format!("/covers/{n}"), "unknown_field", detail)
    });
    let wrong: Vec<FieldError> = wrong.collect();
    if !wrong.is_empty() {
        return Err(Error::invalid_all(wrong));
    }
    let shown = desk.kernel.practice(kind.name)?.render(desk.unit.connection()?, vec![record.clone()])?.pop();
    let shown = shown.unwrap_or_default();
    Ok(names.iter().map(|name| (name.clone(), shown.get(name).cloned().unwrap_or_default())).collect())
}

fn check(desk: &mut Desk<'_, '_>, new: &NewApproval) -> Result<()> {
    let mut errors = Vec::new();
    one_line("/title", &new.title, TITLE, &mut errors);
    if new.description.chars().count() > PROSE {
        let detail = format!("`description` has at most {PROSE} characters.");
        errors.push(FieldError::new("/description", "too_long", detail));
    }
    if !(1..=STAGES).contains(&new.stages.len()) {
        errors.push(FieldError::new("/stages", "out_of_range", format!("There are 1 to {STAGES} stages.")));
    }
    for (n, stage) in new.stages.iter().enumerate() {
        check_stage(&format!("/stages/{n}"), stage, &mut errors);
    }
    if errors.is_empty() {
        errors = unknown(desk, new)?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn one_line(pointer: &str, text: &str, most: usize, errors: &mut Vec<FieldError>) {
    let length = text.trim().chars().count();
    if length == 0 || length > most || text.chars().any(char::is_control) {
        errors.push(FieldError::new(pointer, "wrong_form", format!("This is one line of 1 to {most} characters.")));
    }
}

/// Whether a stage may take so long.
pub fn is_stage_time(Length(length): Length) -> bool {
    length > TimeDelta::zero() && length <= TimeDelta::days(DAYS)
}

fn check_stage(pointer: &str, stage: &NewApprovalStage, errors: &mut Vec<FieldError>) {
    one_line(&format!("{pointer}/name"), &stage.name, NAME, errors);
    if !(1..=APPROVERS).contains(&stage.approvers.len()) {
        let detail = format!("A stage names 1 to {APPROVERS} approvers.");
        errors.push(FieldError::new(format!("{pointer}/approvers"), "out_of_range", detail));
    }
    for (n, _) in stage.approvers.iter().enumerate().filter(|(_, approver)| !approver.is_whole()) {
        let detail =
            "`user` goes with `user_id`, `team` with `team_id`, `role` with `role`, and others with none of them.";
        errors.push(FieldError::new(format!("{pointer}/approvers/{n}"), "wrong_form", detail));
    }
    if Quorum::of(stage.quorum.kind.as_str(), stage.quorum.number).is_none() {
        let detail = "`count` goes with a number from 1, `percent` with one from 1 to 100, and others with none.";
        errors.push(FieldError::new(format!("{pointer}/quorum/number"), "out_of_range", detail));
    }
    if stage.due_after.is_some_and(|length| !is_stage_time(length)) {
        let detail = format!("A stage takes some time, and at most {DAYS} days.");
        errors.push(FieldError::new(format!("{pointer}/due_after"), "out_of_range", detail));
    }
    if stage.calendar.is_some() && stage.due_after.is_none() {
        let detail = "A calendar goes with `due_after`.";
        errors.push(FieldError::new(format!("{pointer}/calendar"), "wrong_form", detail));
    }
}

/// Approvers that the caller names and doesn't see, and calendars that there are not.
fn unknown(desk: &mut Desk<'_, '_>, new: &NewApproval) -> Result<Vec<FieldError>> {
    let connection = desk.unit.reference();
    let horizon = Horizon::of(connection, &desk.cause.caller)?;
    let calendars = new.stages.iter().enumerate().map(|(n, s)| (format!("/stages/{n}/calendar"), s.calendar.as_ref()));
    let mut errors = CalendarRow::unknown(connection, calendars)?;
    for (n, stage) in new.stages.iter().enumerate() {
        for (m, approver) in stage.approvers.iter().enumerate() {
            let (there, field, what) = match (approver.kind, approver.user_id, approver.team_id, &approver.role) {
                (ApproverKind::User, Some(user), ..) => {
                    (horizon.sees_active_user(connection, user)?, "user_id", "active user")
                }
                (ApproverKind::Team, _, Some(team), _) => {
                    (horizon.sees_active_team(connection, team)?, "team_id", "active team")
                }
                (ApproverKind::Role, _, _, Some(name)) => {
                    let named = role::table.filter(role::name.eq(name)).count();
                    (named.get_result::<i64>(connection)? > 0, "role", "role")
                }
                _ => continue,
            };
            if !there {
                let pointer = format!("/stages/{n}/approvers/{m}/{field}");
                errors.push(FieldError::new(pointer, "no_such_reference", format!("There is no such {what}.")));
            }
        }
    }
    Ok(errors)
}

pub(super) fn drawn_up(
    desk: &Desk<'_, '_>,
    record: &Header,
    new: &NewApproval,
    covers: &Map<String, Value>,
) -> Result<Case> {
    let at = desk.cause.at;
    let approval = ApprovalRow {
        id: RowId::new(),
        record_id: record.id,
        title: new.title.trim().to_owned(),
        description: new.description.clone(),
        state: state::PENDING.to_owned(),
        reason: String::new(),
        covers: JsonText::of(covers)?,
        asked_by_id: desk.cause.caller.user,
        replaces_id: None,
        version: 0,
        created_at: at,
        updated_at: at,
        ended_at: None,
        by_policy: false,
    };
    let stages = new.stages.iter().zip(1..).map(|(stage, position)| {
        Ok(StageRow {
            id: RowId::new(),
            approval_id: approval.id,
            position,
            name: stage.name.trim().to_owned(),
            approvers: JsonText::of(&stage.approvers)?,
            quorum: stage.quorum.kind.as_str().to_owned(),
            quorum_number: stage.quorum.number,
            due_after: stage.due_after.as_ref().map(ToString::to_string),
            on_due: stage.on_due.as_str().to_owned(),
            state: state::WAITING.to_owned(),
            reason: String::new(),
            opened_at: None,
            due_at: None,
            ended_at: None,
            calendar: stage.calendar.clone(),
        })
    });
    let stages = stages.collect::<Result<Vec<_>>>()?;
    Ok(Case::new(approval, stages))
}

/// Refuses stages that could not be approved even if all who count did.
fn check_reach(desk: &mut Desk<'_, '_>, record: &Header, case: &Case) -> Result<()> {
    let (kernel, at) = (desk.kernel, desk.cause.at);
    let mut ground = Ground { kernel, connection: desk.unit.connection()?, record, at };
    let mut errors = Vec::new();
    for (n, stage) in case.stages.iter().enumerate() {
        let Reach { asked, counted, is_enough } = stage::reach(&mut ground, &case.approval, stage)?;
        if asked > PEOPLE {
            let detail = format!("`{}` asks {asked} people; at most {PEOPLE} can be.", stage.name);
            errors.push(FieldError::new(format!("/stages/{n}/approvers"), "too_many", detail));
        }
        if !is_enough {
            let detail = format!(
                "The quorum of `{}` can't be reached: it asks {}, of whom {counted} count. Who asked for the record, opened it, \
                 works on it or asks for its approval never does.",
                stage.name,
                match asked {
                    0 => "nobody".to_owned(),
                    1 => "one person".to_owned(),
                    more => format!("{more} people"),
                }
            );
            errors.push(FieldError::new(format!("/stages/{n}/quorum"), "unreachable", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}
