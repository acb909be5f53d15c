//! One row of a case table: what it may say, and running it.

use rhai::{Dynamic, ImmutableString, Map, Position};
use serde::Serialize;
use utoipa::ToSchema;

use super::testing::{BY_ONE_WORD, decide, made_up, set_before, set_clock, set_on_duty, set_without};
use crate::policy::{
    context::{Context, Native, mistake},
    facts::{self, Facts, suggest},
    syntax::named,
};

/// The function of a script that gives its case table.
pub const CASES: &str = "cases";

/// A word that a row of a case table may say.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyCaseWord)]
pub struct CaseWord {
    /// The word.
    pub name: &'static str,
    /// What it holds: `text`, `map`, `any`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it says.
    pub doc: &'static str,
}

const fn word(name: &'static str, kind: &'static str, doc: &'static str) -> CaseWord {
    CaseWord { name, kind, doc }
}

/// What a row may say.
pub const CASE_WORDS: &[CaseWord] = &[
    word("name", "text", "The name of the case, for reports. It is needed."),
    word("at", "text", "The moment, as `clock` takes it."),
    word("without", "any", "A team or a user that is not there, or a list of them."),
    word("record", "map", "The fields of the record; the others have their defaults."),
    word("before", "map", "What fields held before, as `before` takes it."),
    word("transition", "any", "For a guard, which needs it: the fields of the transition, or its name."),
    word("moment", "any", "For an escalation, which needs it: the fields of the moment, or its cause."),
    word("on_duty", "map", "Who of a team is on call: the team, and the user name."),
    word("expect", "any", "What the decision comes to, as `expect` takes it. It is needed."),
];

/// Whether there is such a word.
pub fn is_word(name: &str) -> bool {
    CASE_WORDS.iter().any(|word| word.name == name)
}

/// What a row says, with the place of each thing that it says.
pub struct Row<'a> {
    /// What it says.
    pub said: &'a Map,
    /// Where the word stands; where the row does, for one that isn't written out.
    pub place: &'a dyn Fn(&str) -> Position,
}

/// The sentence for a word that no row has.
pub fn unknown_key(key: &str) -> String {
    format!("a case has no `{key}`{}", suggest(key, CASE_WORDS.iter().map(|word| word.name)))
}

impl Row<'_> {
    /// Makes the decision on what the row says.
    ///
    /// # Errors
    /// It comes to something else than the row expects, or the row is wrong.
    pub fn run(&self, context: &Context) -> Native<()> {
        if let Some(key) = self.said.keys().find(|key| !is_word(key)) {
            return Err(mistake("unknown_field", unknown_key(key), (self.place)(key)));
        }
        let missing = || mistake("required", "a case says what it expects: `expect`", (self.place)("expect"));
        let expected = self.said.get("expect").ok_or_else(missing)?;
        if let Some(at) = self.text("at")? {
            set_clock(context, &at, (self.place)("at"))?;
        }
        for name in self.texts("without")? {
            set_without(context, &name, (self.place)("without"))?;
        }
        if let Some(before) = self.map("before")? {
            set_before(context, &before, (self.place)("before"))?;
        }
        for (team, user) in self.map("on_duty")?.unwrap_or_default() {
            let user = user
                .into_immutable_string()
                .map_err(|_| self.wrong("on_duty", "a user name for each team", &Dynamic::UNIT))?;
            set_on_duty(context, &team, &user, (self.place)("on_duty"))?;
        }
        let (record, beside) = (self.record(context)?, self.beside()?);
        let decided = decide(context, record, beside, (self.place)("record"))?;
        decided.must_be(expected, (self.place)("expect"))
    }

    fn record(&self, context: &Context) -> Native<Facts> {
        let at = (self.place)("record");
        made_up(&context.testing(CASES, at)?.schema, &self.map("record")?.unwrap_or_default(), at)
    }

    /// What the decision is made on beside the record: all that is said of it, or one word.
    fn beside(&self) -> Native<Option<Facts>> {
        let there = BY_ONE_WORD.iter().find_map(|(name, field)| Some((*name, *field, self.said.get(*name)?)));
        let Some((name, field, said)) = there else { return Ok(None) };
        let Some(schema) = facts::beside(name) else { return Ok(None) };
        let said = match said.is_string() {
            true => Map::from([(field.into(), said.clone())]),
            false => self.map(name)?.unwrap_or_default(),
        };
        made_up(&schema, &said, (self.place)(name)).map(Some)
    }

    fn map(&self, key: &str) -> Native<Option<Map>> {
        let read =
            |said: &Dynamic| said.as_map_ref().map(|map| map.clone()).map_err(|_| self.wrong(key, "fields", said));
        self.said.get(key).map(read).transpose()
    }

    fn text(&self, key: &str) -> Native<Option<ImmutableString>> {
        let read = |said: &Dynamic| {
            said.as_immutable_string_ref().map(|text| text.clone()).map_err(|_| self.wrong(key, "text", said))
        };
        self.said.get(key).map(read).transpose()
    }

    /// One text, or a list of them.
    fn texts(&self, key: &str) -> Native<Vec<ImmutableString>> {
        let Some(said) = self.said.get(key) else { return Ok(Vec::new()) };
        let all = said.as_array_ref().map_or_else(|_| vec![said.clone()], |list| list.clone());
        let read = |one: &Dynamic| one.as_immutable_string_ref().map(|text| text.clone());
        all.iter().map(|one| read(one).map_err(|_| self.wrong(key, "text, or a list of it", one))).collect()
    }

    fn wrong(&self, key: &str, what: &str, said: &Dynamic) -> Box<rhai::EvalAltResult> {
        mistake("wrong_type", format!("`{key}` of a case is {what}; this is {}", named(said)), (self.place)(key))
    }
}
