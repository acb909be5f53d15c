//! Which events are meant, by those who want to be told of some: `incident.resolved`, `incident.*`, `*.resolved`, `*`.

use crate::{
    error::{FieldError, did_you_mean},
    record::{kernel::Kernel, kind::Kind},
};

/// Patterns in one list at most.
pub const MOST: usize = 50;
/// The longest pattern.
pub const LONGEST: usize = 100;
/// What begins events that policies ask for.
const POLICY: &str = "policy";

/// Whether a pattern is meant for an event.
pub fn fits(pattern: &str, event: &str) -> bool {
    let half = |wanted: &str, given: &str| wanted == "*" || wanted == given;
    match (pattern.split_once('.'), event.split_once('.')) {
        _ if pattern == "*" => true,
        (Some((family, what)), Some((of, happened))) => half(family, of) && half(what, happened),
        _ => false,
    }
}

/// How precisely a pattern names an event: 2 where it names it, 1 where it names a half of it, 0 where it takes all.
pub fn precision(pattern: &str) -> usize {
    pattern.split('.').filter(|half| *half != "*").count()
}

/// What is wrong with patterns, each with its place; `pointer` is that of their list.
pub fn faults(kernel: &Kernel, patterns: &[String], pointer: &str) -> Vec<FieldError> {
    if patterns.is_empty() || patterns.len() > MOST {
        let detail = format!("`events` are 1 to {MOST} patterns, such as `incident.*`.");
        return vec![FieldError::new(pointer, "wrong_length", detail)];
    }
    let places = (0..).map(|n| format!("{pointer}/{n}"));
    patterns.iter().zip(places).filter_map(|(pattern, place)| fault_of(kernel, pattern, &place)).collect()
}

/// What is wrong with one pattern, which stands at `pointer`.
pub fn fault_of(kernel: &Kernel, pattern: &str, pointer: &str) -> Option<FieldError> {
    let families: Vec<&str> = kernel.practices().iter().map(|p| p.kind().name).chain([POLICY]).collect();
    fault(&families, pattern).map(|(code, detail)| FieldError::new(pointer, code, detail))
}

fn fault(families: &[&str], pattern: &str) -> Option<(&'static str, String)> {
    if pattern == "*" {
        return None;
    }
    let is_word = |word: &str| {
        word == "*"
            || (!word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
    };
    match pattern.split_once('.') {
        Some((family, what)) if pattern.len() <= LONGEST && is_word(family) && is_word(what) => {
            if family == "*" || families.contains(&family) {
                return None;
            }
            let near = did_you_mean(family, families.iter().copied());
            Some(("unknown_kind", format!("There is no kind of record `{family}`{near}.")))
        }
        _ => Some(("wrong_form", "A pattern is `incident.resolved`, `incident.*`, `*.resolved` or `*`.".to_owned())),
    }
}

/// The one kind of record that patterns are about, if it is one: its own fields can be filtered by then.
pub fn kind_of(kernel: &Kernel, patterns: &[String]) -> Option<&'static Kind> {
    let family = patterns.first()?.split_once('.')?.0;
    let same = patterns.iter().all(|pattern| pattern.split_once('.').is_some_and(|(other, _)| other == family));
    kernel.practices().iter().map(|practice| practice.kind()).find(|kind| same && kind.name == family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_by_its_halves() {
        let cases = [
            ("*", "incident.resolved", true),
            ("*.*", "incident.resolved", true),
            ("incident.*", "incident.resolved", true),
            ("incident.*", "interaction.resolved", false),
            ("*.resolved", "interaction.resolved", true),
            ("*.resolved", "incident.reopened", false),
            ("incident.resolved", "incident.resolved", true),
            ("incident.resolved", "incident.resolve", false),
            ("incident", "incident.resolved", false),
            ("inc*", "incident.resolved", false),
            ("incident.res*", "incident.resolved", false),
        ];
        for (pattern, event, expected) in cases {
            assert_eq!(fits(pattern, event), expected, "{pattern} {event}");
        }
    }

    #[test]
    fn what_could_never_fit_is_refused_with_what_is_meant() {
        let families = ["incident", "service", "policy"];
        let good = ["*", "*.*", "incident.*", "*.resolved", "policy.notified", "service.put_2"];
        assert!(good.iter().all(|pattern| fault(&families, pattern).is_none()));
        let bad = [
            "",
            ".",
            "incident",
            "incident.",
            ".resolved",
            "incident.res*",
            "Incident.resolved",
            "a.b.c",
            "in cident.x",
        ];
        for pattern in bad {
            assert_eq!(fault(&families, pattern).map(|(code, _)| code), Some("wrong_form"), "{pattern}");
        }
        let (code, detail) = fault(&families, "incidents.resolved").unwrap();
        assert!(code == "unknown_kind" && detail.contains("did you mean `incident`?"), "{detail}");
    }
}
