//! The questionnaire of risk: answers with points, questions with weights, and what they come to.
//!
//! Administrators keep the questions. The share of all points that could be had decides: from two thirds on the risk is high, from one
//! third on medium. A question that is not answered counts as its worst answer as soon as any is.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Change, ChangePractice, RISKS,
    lifecycle::{ASKED, BEFORE_WORK},
    rules,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId},
    insert_rows,
    record::{
        approval::{
            policy::DECISION,
            row::{ApprovalRow, state as approval},
        },
        draft::Aside,
        practice::{Details, Practice},
        store::{self, Desk, Outcome},
    },
    schema::{change_answer, risk_question},
};

/// Questions that are asked at once, at most.
pub const QUESTIONS: usize = 50;
/// What can be answered to one question at most.
pub const ANSWERS: usize = 20;
/// The greatest weight, and the most points.
pub const MOST: i32 = 100;

/// A question as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = risk_question)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct QuestionRow {
    pub id: RowId,
    pub name: String,
    pub text: String,
    pub position: i32,
    pub weight: i32,
    pub answers: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// A question as it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Question {
    /// Its name.
    #[schema(examples("backout"))]
    pub name: String,
    /// What is asked.
    pub text: String,
    /// How much it counts.
    pub weight: i32,
    /// What can be answered.
    pub answers: Vec<RiskAnswer>,
}

/// What can be answered to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskAnswer {
    /// Its name, which no other answer to the question has.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", examples("minutes"))]
    pub name: String,
    /// In words.
    #[schema(max_length = 200, examples("Minutes"))]
    pub text: String,
    /// From 0, which is no risk.
    #[schema(minimum = 0, maximum = 100)]
    pub points: i32,
}

/// Name, text, weight, and answers with their points.
type Shipped = (&'static str, &'static str, i32, &'static [(&'static str, &'static str, i32)]);

const SHIPPED: &[Shipped] = &[
    (
        "users",
        "How many people notice it if it goes wrong?",
        3,
        &[
            ("none", "Nobody", 0),
            ("some", "A team or two", 1),
            ("many", "A site or a customer", 2),
            ("all", "Everybody", 3),
        ],
    ),
    (
        "experience",
        "How often was it done before?",
        2,
        &[("often", "Often", 0), ("sometimes", "Now and then", 1), ("never", "Never", 3)],
    ),
    (
        "tested",
        "Where was it tried?",
        2,
        &[("alike", "On something alike", 0), ("partly", "In parts", 1), ("nowhere", "Nowhere", 3)],
    ),
    (
        "backout",
        "How long does the way back take?",
        3,
        &[("minutes", "Minutes", 0), ("hours", "Hours", 2), ("none", "There is none", 3)],
    ),
    (
        "parts",
        "How many parties take part?",
        1,
        &[("one", "One team", 0), ("several", "Several teams", 2), ("suppliers", "Suppliers as well", 3)],
    ),
];

fn shipped() -> impl Iterator<Item = Question> {
    SHIPPED.iter().map(|(name, text, weight, answers)| {
        let answer = |(name, text, points): &(&str, &str, i32)| RiskAnswer {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
            points: *points,
        };
        let answers = answers.iter().map(answer).collect();
        Question { name: (*name).to_owned(), text: (*text).to_owned(), weight: *weight, answers }
    })
}

/// Puts in those that ship, where there are none yet.
pub(super) fn seed(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    if risk_question::table.count().get_result::<i64>(connection)? > 0 {
        return Ok(());
    }
    let row = |(position, Question { name, text, weight, answers }): (i32, Question)| {
        Ok(QuestionRow {
            id: RowId::new(),
            name,
            text,
            position,
            weight,
            answers: JsonText::of(&answers)?,
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    };
    let rows: Vec<QuestionRow> = (1..).zip(shipped()).map(row).collect::<Result<_>>()?;
    insert_rows!(connection, risk_question::table, rows)?;
    Ok(())
}

/// The questions that are asked, in their order.
pub fn questions(connection: &mut AnyConnection) -> Result<Vec<Question>> {
    let rows: Vec<QuestionRow> = risk_question::table
        .filter(risk_question::active.eq(true))
        .order((risk_question::position, risk_question::name))
        .load(connection)?;
    let question = |row: QuestionRow| {
        Ok(Question { answers: row.answers.read()?, name: row.name, text: row.text, weight: row.weight })
    };
    rows.into_iter().map(question).collect()
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Queryable, Insertable, ToSchema)]
#[diesel(table_name = change_answer)]
#[serde(deny_unknown_fields)]
#[schema(as = GivenRiskAnswer)]
pub struct Given {
    /// The question.
    #[schema(max_length = 60)]
    pub question: String,
    /// The answer.
    #[schema(max_length = 60)]
    pub answer: String,
}

/// What the answers come to, in per cent of all points; nothing where none is given, or nothing is asked.
pub fn score(questions: &[Question], given: &[Given]) -> Option<i32> {
    let is_asked = |given: &Given| questions.iter().any(|question| question.name == given.question);
    if !given.iter().any(is_asked) {
        return None;
    }
    let most = |question: &Question| question.answers.iter().map(|answer| answer.points).max().unwrap_or_default();
    let points = |question: &Question| {
        let said = given.iter().find(|given| given.question == question.name);
        let found = said.and_then(|said| question.answers.iter().find(|answer| answer.name == said.answer));
        found.map_or(most(question), |answer| answer.points)
    };
    let all: i32 = questions.iter().map(|question| question.weight * most(question)).sum();
    let had: i32 = questions.iter().map(|question| question.weight * points(question)).sum();
    Some((had * 100).checked_div(all).unwrap_or_default())
}

/// The risk of a score.
pub fn risk(score: i32) -> &'static str {
    match score {
        67.. => RISKS[2],
        34..67 => RISKS[1],
        _ => RISKS[0],
    }
}

/// The answers of a change.
pub fn answers(connection: &mut AnyConnection, change: RecordId) -> Result<Vec<Given>> {
    let mine = change_answer::table.filter(change_answer::change_id.eq(change));
    Ok(mine.order(change_answer::question).select((change_answer::question, change_answer::answer)).load(connection)?)
}

/// Answers the questionnaire of a change, in the place of earlier answers.
pub fn assess(desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, given: &[Given]) -> Result<Outcome> {
    let connection = desk.unit.settled(id)?;
    let header = store::visible(desk.kernel, connection, &desk.cause.caller, &ChangePractice::KIND, id)?;
    if !BEFORE_WORK.contains(&header.state.as_str()) {
        let detail = "It was approved with the risk that it has: once work has begun, it is not weighed again.";
        return Err(Error::new(Code::Conflict, detail));
    }
    let questions = questions(connection)?;
    check(&questions, given)?;
    let before = answers(connection, id)?;
    let mut details = Change::load(connection, &[id])?.pop().ok_or_else(|| Error::not_found("change"))?;
    details.questionnaire_risk = score(&questions, given).map(|score| risk(score).to_owned());
    rules::reckon(&mut details);
    let told = |given: &[Given]| {
        Value::from(given.iter().map(|given| json!([given.question, given.answer])).collect::<Vec<_>>())
    };
    let aside = Aside::new("update", "risk_assessed", "risk_answers", told(&before), told(given));
    let aside = aside
        .with_field("questionnaire_risk", json!(details.questionnaire_risk))
        .with_field("risk", details.risk.as_str());
    let mut outcome = store::beside::<ChangePractice>(desk, id, expected, aside)?;
    let connection = desk.unit.settled(id)?;
    diesel::delete(change_answer::table.filter(change_answer::change_id.eq(id))).execute(connection)?;
    for Given { question, answer } in given {
        let row =
            (change_answer::change_id.eq(id), change_answer::question.eq(question), change_answer::answer.eq(answer));
        diesel::insert_into(change_answer::table).values(row).execute(connection)?;
    }
    // Whoever approves is asked again, but for less of what they have approved.
    let state = outcome.record.get("state").and_then(Value::as_str);
    let last = ApprovalRow::last_by_policy(desk.unit.settled(id)?, id)?.map(|last| last.state);
    let is_open = match last.as_deref() {
        Some(approval::APPROVED) => false,
        Some(approval::VOID) | None => true,
        Some(_) => before != given,
    };
    let is_asked = is_open && state.is_some_and(|state| ASKED.contains(&state));
    if is_asked {
        outcome = store::decide_again::<ChangePractice>(desk, id, None, DECISION)?;
    }
    Ok(outcome)
}

fn check(questions: &[Question], given: &[Given]) -> Result<()> {
    let mut errors = Vec::new();
    for (n, one) in given.iter().enumerate() {
        let Some(question) = questions.iter().find(|question| question.name == one.question) else {
            let detail = format!("There is no question `{}`.", one.question);
            errors.push(FieldError::new(format!("/answers/{n}/question"), "not_a_choice", detail));
            continue;
        };
        if given.iter().take(n).any(|before| before.question == one.question) {
            errors.push(FieldError::new(format!("/answers/{n}/question"), "duplicate", "It is answered already."));
        }
        if !question.answers.iter().any(|answer| answer.name == one.answer) {
            let known: Vec<&str> = question.answers.iter().map(|answer| answer.name.as_str()).collect();
            let detail = format!("The answer is one of {}.", known.join(", "));
            errors.push(FieldError::new(format!("/answers/{n}/answer"), "not_a_choice", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<Question> {
        shipped().collect()
    }

    fn given(answers: &[(&str, &str)]) -> Vec<Given> {
        answers.iter().map(|(q, a)| Given { question: (*q).to_owned(), answer: (*a).to_owned() }).collect()
    }

    #[test]
    fn answers_come_to_a_share_of_all_points() {
        let best =
            [("users", "none"), ("experience", "often"), ("tested", "alike"), ("backout", "minutes"), ("parts", "one")];
        let mut middle = best;
        (middle[0].1, middle[3].1) = ("many", "hours");
        for (answers, score_of, risk_of) in [
            (given(&best), Some(0), "low"),
            (given(&middle), Some(36), "medium"),
            (given(&best[..1]), Some(72), "high"),
            (given(&[]), None, "low"),
        ] {
            assert_eq!(score(&asked(), &answers), score_of);
            assert_eq!(risk(score_of.unwrap_or(0)), risk_of);
        }
        assert_eq!(score(&[], &given(&best)), None, "nothing is asked any more");
        assert_eq!((risk(33), risk(34), risk(66), risk(67)), ("low", "medium", "medium", "high"));
    }
}
