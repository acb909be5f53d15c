//! The questionnaire of risk: answers with points, questions with weights, and what they come to.
//!
//! The share of all points that could be had decides: from two thirds on the risk is high, from one third on medium. A question that is not
//! answered counts as its worst answer as soon as any is.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Change, ChangePractice, RISKS,
    lifecycle::{AUTHORISE, SCHEDULED},
    rules,
};
use crate::{
    db::AnyConnection,
    error::{Error, FieldError, Result},
    id::RecordId,
    record::{
        approval::policy::DECISION,
        draft::Aside,
        practice::Details,
        store::{self, Desk, Outcome},
    },
    schema::change_answer,
};

/// A question.
#[derive(Debug, Serialize, ToSchema)]
pub struct RiskQuestion {
    /// Its name.
    pub name: &'static str,
    /// What is asked.
    pub text: &'static str,
    /// How much it counts.
    pub weight: i32,
    /// What can be answered, from little to much.
    pub answers: &'static [RiskAnswer],
}

/// What can be answered to a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct RiskAnswer {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub text: &'static str,
    /// From 0, which is no risk.
    pub points: i32,
}

const fn answer(name: &'static str, text: &'static str, points: i32) -> RiskAnswer {
    RiskAnswer { name, text, points }
}

/// The questions.
pub const QUESTIONS: &[RiskQuestion] = &[
    RiskQuestion {
        name: "users",
        text: "How many people notice it if it goes wrong?",
        weight: 3,
        answers: &[
            answer("none", "Nobody", 0),
            answer("some", "A team or two", 1),
            answer("many", "A site or a customer", 2),
            answer("all", "Everybody", 3),
        ],
    },
    RiskQuestion {
        name: "experience",
        text: "How often was it done before?",
        weight: 2,
        answers: &[answer("often", "Often", 0), answer("sometimes", "Now and then", 1), answer("never", "Never", 3)],
    },
    RiskQuestion {
        name: "tested",
        text: "Where was it tried?",
        weight: 2,
        answers: &[
            answer("alike", "On something alike", 0),
            answer("partly", "In parts", 1),
            answer("nowhere", "Nowhere", 3),
        ],
    },
    RiskQuestion {
        name: "backout",
        text: "How long does the way back take?",
        weight: 3,
        answers: &[answer("minutes", "Minutes", 0), answer("hours", "Hours", 2), answer("none", "There is none", 3)],
    },
    RiskQuestion {
        name: "parts",
        text: "How many parties take part?",
        weight: 1,
        answers: &[
            answer("one", "One team", 0),
            answer("several", "Several teams", 2),
            answer("suppliers", "Suppliers as well", 3),
        ],
    },
];

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Queryable, Insertable, ToSchema)]
#[diesel(table_name = change_answer)]
#[serde(deny_unknown_fields)]
#[schema(as = GivenRiskAnswer)]
pub struct Given {
    /// The question.
    #[schema(max_length = 40)]
    pub question: String,
    /// The answer.
    #[schema(max_length = 40)]
    pub answer: String,
}

/// What the answers come to, in per cent of all points; nothing where none is given.
pub fn score(given: &[Given]) -> Option<i32> {
    if given.is_empty() {
        return None;
    }
    let most = |question: &RiskQuestion| question.answers.iter().map(|answer| answer.points).max().unwrap_or_default();
    let points = |question: &RiskQuestion| {
        let said = given.iter().find(|given| given.question == question.name);
        let found = said.and_then(|said| question.answers.iter().find(|answer| answer.name == said.answer));
        found.map_or(most(question), |answer| answer.points)
    };
    let all: i32 = QUESTIONS.iter().map(|question| question.weight * most(question)).sum();
    let had: i32 = QUESTIONS.iter().map(|question| question.weight * points(question)).sum();
    Some(had * 100 / all)
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
    check(given)?;
    let connection = desk.unit.settled(id)?;
    let before = answers(connection, id)?;
    let mut details = Change::load(connection, &[id])?.pop().ok_or_else(|| Error::not_found("change"))?;
    details.questionnaire_risk = score(given).map(|score| risk(score).to_owned());
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
    // What was approved was of another risk: whoever approves is asked again.
    let state = outcome.record.get("state").and_then(Value::as_str);
    if before != given && state.is_some_and(|state| [AUTHORISE, SCHEDULED].contains(&state)) {
        outcome = store::decide_again::<ChangePractice>(desk, id, None, DECISION)?;
    }
    Ok(outcome)
}

fn check(given: &[Given]) -> Result<()> {
    let mut errors = Vec::new();
    for (n, one) in given.iter().enumerate() {
        let Some(question) = QUESTIONS.iter().find(|question| question.name == one.question) else {
            let detail = format!("There is no question `{}`.", one.question);
            errors.push(FieldError::new(format!("/answers/{n}/question"), "not_a_choice", detail));
            continue;
        };
        if given.iter().take(n).any(|before| before.question == one.question) {
            errors.push(FieldError::new(format!("/answers/{n}/question"), "duplicate", "It is answered already."));
        }
        if !question.answers.iter().any(|answer| answer.name == one.answer) {
            let known: Vec<&str> = question.answers.iter().map(|answer| answer.name).collect();
            let detail = format!("The answer is one of {}.", known.join(", "));
            errors.push(FieldError::new(format!("/answers/{n}/answer"), "not_a_choice", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(score(&answers), score_of);
            assert_eq!(risk(score_of.unwrap_or(0)), risk_of);
        }
        assert_eq!((risk(33), risk(34), risk(66), risk(67)), ("low", "medium", "medium", "high"));
    }
}
