//! Finding the text that stands at a place of a script.

use std::sync::Arc;

use rhai::{Expr, Position};

use super::diagnostic::shortened;

/// A script's text with the place of each character and line.
pub struct Source<'a> {
    text: &'a str,
    /// The byte at which each character stands, and at which the text ends.
    chars: Vec<usize>,
    /// Which character is the first of each line.
    lines: Vec<usize>,
}

/// Where an expression starts in the source. For an operator Rhai gives the operator's own place.
#[expect(clippy::wildcard_enum_match_arm, reason = "Rhai's enum is open: new variants are placed by Rhai")]
pub fn start_of(expr: &Expr) -> Position {
    match expr {
        Expr::FnCall(call, at) if call.is_operator_call() => match &*call.args {
            [left, _] => start_of(left),
            _ => *at,
        },
        Expr::And(parts, at) | Expr::Or(parts, at) | Expr::Coalesce(parts, at) => parts.first().map_or(*at, start_of),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => start_of(&pair.lhs),
        other => other.start_position(),
    }
}

/// The text without a word at its end, if it ends in that word.
fn without_word<'t>(text: &'t str, words: &[&str]) -> Option<&'t str> {
    let strip = |word: &&str| {
        let rest = text.strip_suffix(word)?;
        let part_of_longer =
            word.starts_with(char::is_alphabetic) && rest.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        (!part_of_longer).then_some(rest)
    };
    words.iter().find_map(strip)
}

fn one_line(text: &str) -> Arc<str> {
    shortened(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into()
}

impl<'a> Source<'a> {
    /// Over a script.
    pub fn new(text: &'a str) -> Self {
        let chars = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let ends = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1);
        Source { text, chars, lines: std::iter::once(0).chain(ends).collect() }
    }

    /// The byte at which a place stands.
    fn offset(&self, at: Position) -> Option<usize> {
        let first = self.lines.get(at.line()?.checked_sub(1)?)?;
        self.chars.get(first + at.position()?.checked_sub(1)?).copied()
    }

    /// The text between two bytes, nothing when they are the wrong way round.
    fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The condition of the rule whose name stands at `name`, as it is written, whole and in its `and` parts.
    pub fn condition(&self, name: Position, condition: &Expr, effect: &Expr) -> (Arc<str>, Vec<Arc<str>>) {
        let range = self.condition_range(name, effect);
        let (from, to) = range.unwrap_or((0, 0));
        let whole = one_line(self.between(from, to));
        let Expr::And(parts, _) = condition else { return (Arc::clone(&whole), vec![whole]) };
        // Each part but the first starts after its `and`.
        let cuts: Vec<(usize, usize)> =
            parts.iter().skip(1).filter_map(|p| self.offset(start_of(p))).map(|at| self.cut_before(from, at)).collect();
        let starts = std::iter::once(from).chain(cuts.iter().map(|c| c.1));
        let ends = cuts.iter().map(|c| c.0).chain(std::iter::once(to));
        let parts = starts.zip(ends).map(|(a, b)| one_line(self.between(a, b))).collect();
        (whole, parts)
    }

    /// From after `when` to before `then` or `also`.
    fn condition_range(&self, name: Position, effect: &Expr) -> Option<(usize, usize)> {
        let quote = self.offset(name)?;
        let literal = self.text.get(quote + 1..)?;
        let mut escaped = false;
        let close = literal.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        })?;
        let after = quote + close + 2;
        let from = after + self.text.get(after..)?.find("when")? + 4;
        let head = self.between(from, self.offset(start_of(effect))?).trim_end();
        Some((from, from + without_word(head, &["then", "also"])?.len()))
    }

    /// Where the part before ends and the part that has `at` in it begins: around the `and` before it.
    fn cut_before(&self, from: usize, at: usize) -> (usize, usize) {
        let mut head = self.between(from, at);
        loop {
            let trimmed = head.trim_end();
            if let Some(before) = without_word(trimmed, &["and", "&&"]) {
                return (from + before.len(), from + trimmed.len());
            }
            match without_word(trimmed, &["(", "!", "not"]) {
                Some(shorter) => head = shorter,
                None => return (at, at),
            }
        }
    }
}
