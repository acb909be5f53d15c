//! What became of the rules of a run: noted while it runs by where they stand, told in their words when somebody asks.

use std::{fmt, sync::Arc};

use rhai::Position;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::program::Rule;

/// What one rule came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleTrace {
    /// The name.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// The line of the script.
    pub line: usize,
    /// Whether it fitted.
    pub fitted: bool,
    /// For a rule that fitted its whole condition, for another the first part of it that was false.
    #[schema(value_type = String)]
    pub because: Arc<str>,
}

/// A rule that was tried.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Where its name stands.
    pub at: Position,
    /// Which part of an `and` was the first to be false; nothing where the rule fitted.
    pub failed: Option<usize>,
}

impl Tried {
    /// Which of the rules it is; nothing where it is none of them.
    fn place(&self, rules: &[Rule]) -> Option<usize> {
        rules.binary_search_by_key(&self.at, |rule| rule.at).ok()
    }

    fn told(&self, rules: &[Rule]) -> Option<RuleTrace> {
        let rule = rules.get(self.place(rules)?)?;
        let because = self.failed.and_then(|part| rule.parts.get(part)).unwrap_or(&rule.condition);
        let (name, because) = (Arc::clone(&rule.name), Arc::clone(because));
        Some(RuleTrace { name, line: rule.line, fitted: self.failed.is_none(), because })
    }
}

/// The rules that were tried, in order.
#[derive(Clone)]
pub enum Trace {
    /// By a run, of a program with these rules.
    Noted(Arc<[Rule]>, Vec<Tried>),
    /// As the log tells it.
    Told(Vec<RuleTrace>),
}

impl Trace {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Trace::Noted(_, tried) => tried.len(),
            Trace::Told(told) => told.len(),
        }
    }

    /// Whether no rule was tried.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each in its words.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RuleTrace> {
        (0..self.len()).filter_map(|nth| match self {
            Trace::Noted(rules, tried) => tried.get(nth)?.told(rules),
            Trace::Told(told) => told.get(nth).cloned(),
        })
    }

    /// Of a run, which of the program's rules each is, and whether it fitted.
    pub fn places(&self) -> impl Iterator<Item = (usize, bool)> {
        let (rules, tried): (&[Rule], &[Tried]) = match self {
            Trace::Noted(rules, tried) => (rules, tried),
            Trace::Told(_) => (&[], &[]),
        };
        tried.iter().filter_map(|one| Some((one.place(rules)?, one.failed.is_none())))
    }
}

impl Default for Trace {
    fn default() -> Trace {
        Trace::Told(Vec::new())
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Trace) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Trace, D::Error> {
        Vec::deserialize(from).map(Trace::Told)
    }
}
