//! A question about the risk of changes as it is read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Code, Error, FieldError, Result},
    http::directory_api::{
        change::{given, line, met, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    practice::change::questionnaire::{ANSWERS, MOST, QUESTIONS, QuestionRow, RiskAnswer},
    record::{catalogue::is_name, store::Desk},
    schema::risk_question,
};

/// The longest text of a question or an answer.
const TEXT: usize = 200;
/// The last place in the order.
const LAST: i32 = 1_000;

/// What is asked about the risk of a change.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RiskQuestion {
    /// Its id.
    id: RowId,
    /// Its name, by which changes answer it.
    #[schema(examples("backout"))]
    name: String,
    /// What is asked.
    text: String,
    /// Where it stands among the others, from 1 on.
    position: i32,
    /// How much it counts, from 1 to 100.
    weight: i32,
    /// What can be answered.
    answers: Vec<RiskAnswer>,
    /// Whether it is asked.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a question about risk.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRiskQuestion {
    /// Its name, by which changes answer it. Each is there once.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$")]
    name: String,
    /// What is asked.
    #[schema(max_length = 200)]
    text: String,
    /// Where it stands among the others.
    #[schema(minimum = 1, maximum = 1000)]
    position: i32,
    /// How much it counts.
    #[schema(minimum = 1, maximum = 100)]
    weight: i32,
    /// What can be answered.
    #[schema(min_items = 2, max_items = 20)]
    answers: Vec<RiskAnswer>,
}

/// A merge patch of a question about risk: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskQuestionChange {
    /// What is asked.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 200)]
    text: Option<String>,
    /// Where it stands among the others.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 1000)]
    position: Option<i32>,
    /// How much it counts.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 100)]
    weight: Option<i32>,
    /// What can be answered, in the place of all that could be.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, min_items = 2, max_items = 20)]
    answers: Option<Vec<RiskAnswer>>,
    /// Whether it is asked.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

impl RiskQuestion {
    fn of(row: QuestionRow) -> Result<Self> {
        let answers = row.answers.read()?;
        let QuestionRow { id, name, text, position, weight, active, version, created_at, updated_at, .. } = row;
        Ok(RiskQuestion { id, name, text, position, weight, answers, active, version, created_at, updated_at })
    }
    fn row(&self) -> Result<QuestionRow> {
        let answers = JsonText::of(&self.answers)?;
        let RiskQuestion { id, name, text, position, weight, active, version, created_at, updated_at, .. } =
            self.clone();
        Ok(QuestionRow { id, name, text, position, weight, answers, active, version, created_at, updated_at })
    }
    fn check(&self) -> Result<()> {
        let mut errors = Vec::new();
        let mut wrong = |pointer: &str, code: &'static str, detail: String| {
            errors.push(FieldError::new(pointer.to_owned(), code, detail));
        };
        let ranges = [("position", self.position, LAST), ("weight", self.weight, MOST)];
        for (name, value, most) in ranges {
            if !(1..=most).contains(&value) {
                wrong(&format!("/{name}"), "out_of_range", format!("`{name}` is 1 to {most}."));
            }
        }
        if !(2..=ANSWERS).contains(&self.answers.len()) {
            wrong("/answers", "out_of_range", format!("There are 2 to {ANSWERS} answers."));
        }
        for (n, answer) in self.answers.iter().enumerate() {
            if !is_name(&answer.name) {
                let detail = "A name is a word of lower-case letters, digits and `_`, a letter first.".to_owned();
                wrong(&format!("/answers/{n}/name"), "wrong_form", detail);
            }
            if self.answers[..n].iter().any(|before| before.name == answer.name) {
                wrong(&format!("/answers/{n}/name"), "duplicate", format!("`{}` is there already.", answer.name));
            }
            if !(1..=TEXT).contains(&answer.text.trim().chars().count()) {
                wrong(&format!("/answers/{n}/text"), "wrong_length", format!("A text has 1 to {TEXT} characters."));
            }
            if !(0..=MOST).contains(&answer.points) {
                wrong(&format!("/answers/{n}/points"), "out_of_range", format!("`points` are 0 to {MOST}."));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
    }
}

fn matching(wanted: &Wanted) -> risk_question::BoxedQuery<'static, Backend> {
    narrowed!(risk_question::table.into_boxed(), Some(wanted), risk_question::name, risk_question::active)
}

impl Resource for RiskQuestion {
    const NOUN: Noun = Noun {
        one: "risk question",
        a: "a risk question",
        many: "risk questions",
        label: "RiskQuestion",
        about: "The questionnaire of risk: what is asked about every change, and how much the answers weigh.",
        read: "risk_question.read",
        manage: "risk_question.write",
        has_active: true,
        on_create: "It is asked from now on, of 50 at most.",
        on_change: "Changes keep the risk that their answers came to when they were given.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name"],
    };
    type New = NewRiskQuestion;
    type Change = RiskQuestionChange;

    fn examples() -> Examples {
        let new = json!({
            "name": "backout", "text": "How long does the way back take?", "position": 4, "weight": 3,
            "answers": [
                {"name": "minutes", "text": "Minutes", "points": 0}, {"name": "hours", "text": "Hours", "points": 2},
                {"name": "none", "text": "There is none", "points": 3},
            ],
        });
        let added = json!({"active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z"});
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b21", new, &added, json!({"weight": 2}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        let row: Option<QuestionRow> = risk_question::table.find(id).first(connection).optional()?;
        row.map(RiskQuestion::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, risk_question::name, risk_question::id);
        query.load::<QuestionRow>(connection)?.into_iter().map(RiskQuestion::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }
    fn create(desk: &mut Desk<'_, '_>, _: &Horizon, new: &NewRiskQuestion) -> Result<String> {
        if !is_name(&new.name) {
            let detail = "`name` is a word of lower-case letters, digits and `_`, a letter first.";
            return Err(Error::invalid("/name", "wrong_form", detail));
        }
        let at = desk.cause.at;
        let question = RiskQuestion {
            id: RowId::new(),
            name: new.name.clone(),
            text: line("text", &new.text, TEXT)?,
            position: new.position,
            weight: new.weight,
            answers: new.answers.clone(),
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        question.check()?;
        let connection = desk.unit.connection()?;
        refuse_too_many(connection)?;
        let insert = diesel::insert_into(risk_question::table).values(question.row()?);
        unique(insert.execute(connection).map_err(Error::from), "name")?;
        Ok(question.id.to_string())
    }
    fn patched(&self, change: &RiskQuestionChange) -> Result<Self> {
        let RiskQuestionChange { text, position, weight, answers, active } = change.clone();
        Ok(RiskQuestion {
            text: line("text", text.as_ref().unwrap_or(&self.text), TEXT)?,
            position: position.unwrap_or(self.position),
            weight: weight.unwrap_or(self.weight),
            answers: answers.unwrap_or_else(|| self.answers.clone()),
            active: active.unwrap_or(self.active),
            ..self.clone()
        })
    }
    fn save(desk: &mut Desk<'_, '_>, _: &Horizon, before: &Self, after: &Self) -> Result<()> {
        after.check()?;
        let connection = desk.unit.connection()?;
        if after.active && !before.active {
            refuse_too_many(connection)?;
        }
        let row = QuestionRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row()? };
        let unchanged = risk_question::table.find(before.id).filter(risk_question::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(connection)?)
    }
}

/// Refuses one more question than are asked at once.
fn refuse_too_many(connection: &mut AnyConnection) -> Result<()> {
    let asked: i64 = risk_question::table.filter(risk_question::active.eq(true)).count().get_result(connection)?;
    if usize::try_from(asked).is_ok_and(|asked| asked < QUESTIONS) {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, format!("{QUESTIONS} questions are asked at most: turn another off before.")))
}
