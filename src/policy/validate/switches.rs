//! The cases of a `switch`: Rhai's tree keeps no more of their values than a hash, so they are read from the source.

use std::collections::HashSet;

use rhai::{Dynamic, Position};

use super::{
    comparisons::with_literal,
    known::{Known, literal},
    walk::Walk,
};
use crate::policy::{
    syntax::named,
    tokens::{Range, Tokens},
};

/// One case: its values, and what is written after `if`.
struct Case {
    values: Vec<(usize, usize)>,
    guard: String,
    default: bool,
}

/// Checks the cases of the `switch` at a place against what it is made on.
pub fn check(walk: &mut Walk, subject: &Known, at: Position) {
    let Some(start) = walk.script.tokens.at(at) else { return };
    let cases = cases(&walk.script.tokens, start);
    if !cases.iter().any(|c| c.default) && !covers(walk, subject, &cases) {
        let range = walk.script.tokens.range(start, start);
        walk.report(
            "missing_default",
            range,
            || "nothing is done where no case fits; `_ => …` says what is to be done then",
        );
    }
    let mut before: HashSet<(String, String)> = HashSet::new();
    for case in &cases {
        for &(first, last) in &case.values {
            let (text, range) =
                (walk.script.tokens.written(first, last).concat(), walk.script.tokens.range(first, last));
            let same = |guard: &str| before.contains(&(text.clone(), guard.to_owned()));
            if same("") || same(&case.guard) {
                walk.report("unreachable", range, || {
                    format!("a case before this one is {text}, too: this one never fits")
                });
            } else if let Some(value) = value(&walk.script.tokens, first, last) {
                fits(walk, subject, &value, range);
            }
            before.insert((text, case.guard.clone()));
        }
    }
}

fn fits(walk: &mut Walk, subject: &Known, value: &Dynamic, range: Option<Range>) {
    if let Some(field) = &subject.field {
        with_literal(walk, field, value, range);
    } else if !value.is_unit() && !subject.sort.meets(&literal(value)) {
        walk.report("never_true", range, || format!("{}; it is never {}", subject.named(), named(value)));
    }
}

/// Whether the cases have every value that the field takes.
fn covers(walk: &Walk, subject: &Known, cases: &[Case]) -> bool {
    let Some(field) = subject.field.as_ref().filter(|f| !f.choices.is_empty()) else { return false };
    let unguarded = || cases.iter().filter(|c| c.guard.is_empty()).flat_map(|c| &c.values);
    let tokens = &walk.script.tokens;
    let has = |wanted: &str| {
        unguarded().any(|&(first, last)| first == last && tokens.text(first).trim_matches('"') == wanted)
    };
    let empty = || unguarded().any(|&(first, last)| tokens.written(first, last).concat() == "()");
    field.choices.iter().all(|choice| has(choice)) && (!subject.may_be_empty || empty())
}

/// Reads the cases of the `switch` whose word is at `start`.
fn cases(tokens: &Tokens, start: usize) -> Vec<Case> {
    let mut found = Vec::new();
    let Some(open) = next_at_depth(tokens, start + 1, &["{"]) else { return found };
    let (mut at, close) = (open + 1, tokens.mate(open));
    while at < close {
        let Some(arrow) = next_at_depth(tokens, at, &["=>"]).filter(|&arrow| arrow < close) else { break };
        found.push(case(tokens, at, arrow));
        at = after_body(tokens, arrow + 1, close);
    }
    found
}

/// The next of some symbols that stands in no bracket that is opened on the way.
fn next_at_depth(tokens: &Tokens, mut at: usize, wanted: &[&str]) -> Option<usize> {
    loop {
        tokens.get(at)?;
        if wanted.contains(&tokens.text(at)) {
            return Some(at);
        }
        at = tokens.mate(at).max(at) + 1;
    }
}

fn case(tokens: &Tokens, first: usize, arrow: usize) -> Case {
    let guard = next_at_depth(tokens, first, &["if", "=>"]).filter(|&at| at < arrow).unwrap_or(arrow);
    let (mut values, mut from) = (Vec::new(), first);
    while from < guard {
        let end = next_at_depth(tokens, from, &["|", "if", "=>"]).unwrap_or(guard).min(guard);
        if end > from {
            values.push((from, end - 1));
        }
        from = end + 1;
    }
    let default = matches!(values.as_slice(), [(a, b)] if a == b && tokens.text(*a) == "_");
    let guard = if guard < arrow { tokens.written(guard, arrow - 1).join(" ") } else { String::new() };
    Case { values: if default { Vec::new() } else { values }, guard, default }
}

/// Where the next case starts: after a comma, or after the brace of a body that needs none.
fn after_body(tokens: &Tokens, start: usize, close: usize) -> usize {
    let needs_none = matches!(tokens.text(start), "{" | "if" | "switch" | "for");
    let mut at = start;
    while at < close {
        let (text, end) = (tokens.text(at), tokens.mate(at).max(at) + 1);
        if text == "," {
            return end;
        }
        if needs_none && text == "{" && !matches!(tokens.text(end), "else" | ",") {
            return end;
        }
        at = end;
    }
    close
}

/// The value of a case that is one literal; nothing where it is more, or text with escapes.
fn value(tokens: &Tokens, first: usize, last: usize) -> Option<Dynamic> {
    let text = tokens.text(first);
    let one = first == last;
    match text {
        "(" if tokens.text(last) == ")" && last == first + 1 => Some(Dynamic::UNIT),
        "true" | "false" if one => Some((text == "true").into()),
        "-" if last == first + 1 => Some((-tokens.text(last).parse::<i64>().ok()?).into()),
        _ if !one || text.contains('\\') => None,
        _ => match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            Some(inner) => Some(inner.to_owned().into()),
            None => text.replace('_', "").parse::<i64>().ok().map(Into::into),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_as_they_are_written() {
        let source = r#"switch x { "a" | "b" if y == 1 => { f() } 1 => if z { 1 } else { 2 } -2 => #{ a: 1 }.a, () => 0..5, 3..6 => g(1, 2), _ => h }"#;
        let tokens = Tokens::of(source);
        let shown: Vec<(Vec<String>, String, bool)> = cases(&tokens, 0)
            .iter()
            .map(|c| {
                (c.values.iter().map(|&(a, b)| tokens.written(a, b).concat()).collect(), c.guard.clone(), c.default)
            })
            .collect();
        let case = |values: &[&str], guard: &str, default| {
            (values.iter().map(|&v| v.to_owned()).collect::<Vec<_>>(), guard.to_owned(), default)
        };
        let expected = [
            case(&["\"a\"", "\"b\""], "if y == 1", false),
            case(&["1"], "", false),
            case(&["-2"], "", false),
            case(&["()"], "", false),
            case(&["3..6"], "", false),
            case(&[], "", true),
        ];
        assert_eq!(shown, expected);
    }
}
