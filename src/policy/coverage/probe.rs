//! One place that is watched, and what was seen there.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use rhai::Dynamic;

use crate::policy::tokens::Range;

/// What is watched.
#[derive(Clone, Debug)]
pub enum What {
    /// That it runs at all; for lines alone.
    Run,
    /// The condition of the rule of this name, and whether it can come out both ways.
    Rule(String, bool),
    /// A condition, or a part of one.
    Condition,
    /// What stands before `??`.
    Left,
    /// A case of a `switch`.
    Case,
    /// The body of a `for`.
    Loop,
    /// That no case of a `switch` fits. It stands nowhere by itself.
    NoCase,
}

/// What may be seen of a branch: its two sides. What has one side has the first.
pub const FIRST: u8 = 1;
/// The other side: false, or `()`.
pub const SECOND: u8 = 2;

/// A place that is watched.
pub struct Probe {
    /// What is watched.
    pub what: What,
    /// Where.
    pub range: Range,
    seen: Arc<AtomicU8>,
}

impl Probe {
    /// A place of which nothing was seen.
    pub fn new(what: What, range: Range) -> Probe {
        Probe { what, range, seen: Arc::default() }
    }

    /// What looks at its values.
    pub fn watch(&self) -> impl Fn(&Dynamic) + Send + Sync + 'static {
        let (what, seen) = (self.what.clone(), Arc::clone(&self.seen));
        move |value| {
            seen.fetch_or(what.side(value), Ordering::Relaxed);
        }
    }

    /// Whether this side was seen.
    pub fn saw(&self, side: u8) -> bool {
        self.seen.load(Ordering::Relaxed) & side != 0
    }

    /// Whether anything was.
    pub fn ran(&self) -> bool {
        self.saw(FIRST | SECOND)
    }

    /// The sides that it has as a branch.
    pub fn sides(&self) -> &'static [u8] {
        match self.what {
            What::Run | What::Rule(_, false) => &[],
            What::Case | What::NoCase | What::Loop => &[FIRST],
            What::Rule(_, true) | What::Condition | What::Left => &[FIRST, SECOND],
        }
    }

    /// The line that counts because of it.
    pub fn line(&self) -> Option<usize> {
        (!matches!(self.what, What::NoCase)).then_some(self.range.start.0)
    }
}

impl What {
    /// The side that a value is on; none for one that it must not have.
    fn side(&self, value: &Dynamic) -> u8 {
        match (self, value.as_bool()) {
            (What::Run | What::Case | What::NoCase | What::Loop, _) | (What::Rule(..) | What::Condition, Ok(true)) => {
                FIRST
            }
            (What::Rule(..) | What::Condition, Ok(false)) => SECOND,
            (What::Rule(..) | What::Condition, Err(_)) => 0,
            (What::Left, _) if value.is_unit() => SECOND,
            (What::Left, _) => FIRST,
        }
    }
}
