//! Hostile scripts, and what each comes to.
//!
//! A source that defines `check` or `prioritise` is of that decision; every other one is a routing policy.

mod growth;
mod names;
mod numbers;
mod reach;
mod rules;
mod sources;
mod structures;
mod text;
mod wild;

/// One hostile script.
pub struct Attack {
    /// What it does.
    pub name: &'static str,
    /// What it comes to.
    pub ends: Ends,
    /// The script.
    pub source: String,
}

/// What a hostile script comes to.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// It does not compile, for the reason of this code.
    Refused(&'static str),
    /// It goes over a limit.
    Limit,
    /// It fails with this code.
    Error(&'static str),
    /// It does no harm, and says nothing.
    Passed,
    /// It does no harm, and says something.
    Decided,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ends::Refused(code) => write!(f, "refused: {code}"),
            Ends::Limit => write!(f, "limit"),
            Ends::Error(code) => write!(f, "error: {code}"),
            Ends::Passed => write!(f, "passed"),
            Ends::Decided => write!(f, "decided"),
        }
    }
}

/// A row of a table: what it comes to, what it does, and the code of a routing policy that has [`HELPERS`].
type Row = (Ends, &'static str, &'static str);

/// Functions that multiply, since callbacks see no variables around them.
const HELPERS: &str = "
fn list() { let a = []; for n in 0..250 { a.push(n); } a }
fn text() { let s = \"abcdefgh\"; for n in 0..9 { s += s; } s }
fn one(x) { list().map(|y| two(y)) }
fn two(x) { list().map(|y| three(y)) }
fn three(x) { list().map(|y| y) }
fn twice(n) { twice(n + 1) + twice(n) }
fn deep(n) { if n == 0 { 0 } else { deep(n - 1) } }
";

/// A routing policy of this code.
pub fn routing(code: &str) -> String {
    format!("fn route(i) {{\n{code}\n;()}}\n{HELPERS}")
}

fn rows(rows: &[Row]) -> impl Iterator<Item = Attack> {
    rows.iter().map(|&(ends, name, code)| Attack { name, ends, source: routing(code) })
}

fn made(ends: Ends, name: &'static str, source: impl Into<String>) -> Attack {
    Attack { name, ends, source: source.into() }
}

/// All of them.
pub fn all() -> Vec<Attack> {
    let groups = [
        reach::attacks(),
        wild::attacks(),
        growth::attacks(),
        text::attacks(),
        structures::attacks(),
        numbers::attacks(),
        names::attacks(),
        rules::attacks(),
        sources::attacks(),
    ];
    groups.into_iter().flatten().collect()
}
