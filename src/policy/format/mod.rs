//! One layout for scripts, made from their tokens.
//!
//! Four spaces for what stands in brackets, one around operators and after commas, a statement a line, and at most one blank
//! line in a row. What its author put on one line stays there where it fits in [`WIDTH`] columns: a block, or a rule; else
//! `when`, `also` and `then` begin lines of their own. Lists, maps and long conditions are broken where their author broke them.
//!
//! **Invariant:** what comes out has the same words and comments in the same order and compiles to the same tree; where it
//! would not, nothing is changed. What comes out is laid out already.

mod plan;
mod print;
mod space;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use regex::Regex;
use rhai::AST;

use super::{diagnostic::Diagnostic, program::parse, tokens::with_comments};

/// How wide a rule or a block may be to stay on one line.
const WIDTH: usize = 100;

/// The script as it is laid out. Call it on a thread with an ample stack (see `policy::runner`).
///
/// # Errors
/// The problem that keeps the script from being read.
pub fn format(source: &str) -> Result<String, Diagnostic> {
    let before = parse(source)?;
    let laid_out = lay_out(source);
    let same = words(source) == words(&laid_out) && parse(&laid_out).is_ok_and(|after| tree(&before) == tree(&after));
    Ok(if same { laid_out } else { source.to_owned() })
}

fn lay_out(source: &str) -> String {
    let plan = plan::of(source);
    print::print(&plan)
}

/// The words and comments of a script, without the space at the ends of lines that only their author sees.
fn words(source: &str) -> Vec<String> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    with_comments(source)
        .iter()
        .map(|token| if loose(token.text) { plain(token.text) } else { token.text.to_owned() })
        .collect()
}

/// Whether the space in a token means nothing, or is looked after when it moves: a comment, and a text that goes on in the next
/// line.
fn loose(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*") || (text.starts_with('"') && text.contains('\n'))
}

/// The functions of a script without the places where things stand, by which closures are named, too.
fn tree(ast: &AST) -> Vec<String> {
    static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d+:\d+(-(\d+:)?\d+)?|anon\$[0-9a-f]+").ok());
    let nowhere = |shown: String| match &*PLACE {
        Some(place) => place.replace_all(&shown, "").into_owned(),
        None => shown,
    };
    let functions = ast.iter_fn_def().map(|f| format!("{} {:?} {:?}", f.name, f.params, f.body));
    let outside = format!("{:?}", ast.statements());
    let mut all: Vec<String> = functions.chain([outside]).map(nowhere).collect();
    all.sort();
    all
}
