//! The engine of templates: Jinja's language, without files, without undefined names, and with an end.
//!
//! **Invariant:** no template, however wrong or hostile, runs longer or holds more than its fuel pays for: each instruction and each
//! byte costs some.
//! **Invariant:** what stands in a record becomes text in HTML, never markup.

use std::fmt;

use chrono_tz::Tz;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Moment;

/// What a message may cost: a long one with a hundred comments takes a tenth of it.
const FUEL: u64 = 100_000;
/// How deep a template may nest.
const DEEPEST: usize = 50;
/// The longest subject, in characters: what is longer is cut by readers of mail anyway.
const SUBJECT: usize = 200;
/// How moments are written, where a template says nothing else.
const MOMENT: &str = "%Y-%m-%d %H:%M";
/// The parts of a template, as the API calls them.
pub const PARTS: [&str; 3] = ["subject", "text", "html"];

/// The parts of a template.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The subject.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// The same as HTML.
    pub html: Option<&'a str>,
}

/// What came of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Text.
    pub text: String,
    /// HTML.
    pub html: Option<String>,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which part.
    pub part: &'static str,
    /// In which line of it.
    pub line: Option<usize>,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "`{}`, line {line}: {}.", self.part, self.what),
            None => write!(f, "`{}`: {}.", self.part, self.what),
        }
    }
}

impl Source<'_> {
    /// The parts that there are, each with its name.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let [subject, text, html] = PARTS;
        [(subject, Some(self.subject)), (text, Some(self.text)), (html, self.html)]
            .into_iter()
            .filter_map(|(name, source)| Some((name, source?)))
    }

    /// Makes a message of a template, for somebody who lives in a zone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn rendered(&self, context: &Value, zone: Tz) -> Result<Rendered, Fault> {
        let engine = engine(zone);
        let seen = minijinja::Value::deserialize(context);
        let seen = seen.map_err(|why| Fault { part: PARTS[0], line: None, what: why.to_string() })?;
        let part = |part: &'static str, source: &str| {
            let made = engine.render_named_str(part, source, seen.clone());
            made.map_err(|error| fault(part, &error))
        };
        let [subject, text, html] = PARTS;
        Ok(Rendered {
            subject: one_line(&part(subject, self.subject)?),
            text: part(text, self.text)?.trim().to_owned() + "\n",
            html: self.html.map(|source| part(html, source)).transpose()?,
        })
    }
}

/// The engine, for somebody who lives in a zone.
pub(super) fn engine<'a>(zone: Tz) -> Environment<'a> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(DEEPEST);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        engine.set_syntax(syntax);
    }
    engine.set_auto_escape_callback(|part| if part == PARTS[2] { AutoEscape::Html } else { AutoEscape::None });
    engine.add_filter("local", move |at: String, form: Option<String>| local(&at, form.as_deref(), zone));
    engine
}

/// A moment as people see it where they live.
fn local(at: &str, form: Option<&str>, zone: Tz) -> Result<String, minijinja::Error> {
    use fmt::Write as _;
    let wrong = |what: &'static str| minijinja::Error::new(ErrorKind::InvalidOperation, what);
    let at: Moment = at.parse().map_err(|_| wrong("`local` takes a moment"))?;
    let mut text = String::new();
    // A form that is none fails here, where `to_string` would panic.
    write!(text, "{}", at.utc().with_timezone(&zone).format(form.unwrap_or(MOMENT)))
        .map_err(|_| wrong("`local` takes a form such as `%d.%m.%Y %H:%M`"))?;
    Ok(text)
}

/// What is wrong, in one sentence without its end.
pub(super) fn fault(part: &'static str, error: &minijinja::Error) -> Fault {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    Fault { part, line: error.line(), what }
}

/// A subject: one line that no reader of mail takes for two headers.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(subject: &str, text: &str, html: Option<&str>, context: &Value) -> Result<Rendered, Fault> {
        Source { subject, text, html }.rendered(context, "Europe/Berlin".parse().unwrap())
    }

    #[test]
    fn text_is_as_it_is_and_html_is_escaped() {
        let context = json!({"title": "<b>Mail & more</b>\r\nBcc: all@example.org", "at": "2026-03-03T11:00:00Z"});
        let all = made("{{ title }}", "{{ title }} {{ at | local }}", Some("<p>{{ title }}</p>"), &context).unwrap();
        assert_eq!(all.subject, "<b>Mail & more</b> Bcc: all@example.org");
        assert!(all.text.ends_with("all@example.org 2026-03-03 12:00\n"), "{}", all.text);
        assert!(all.html.unwrap().starts_with("<p>&lt;b&gt;Mail &amp; more&lt;&#x2f;b&gt;"));
        let german = made("{{ at | local('%d.%m.%Y') }}", "", None, &context).unwrap();
        assert_eq!(german.subject, "03.03.2026");
    }

    #[test]
    fn what_is_wrong_has_a_part_and_a_line() {
        let context = json!({"title": "Mail", "nothing": null});
        let cases = [
            ("{{ titel }}", "", "subject", 1, "undefined"),
            ("", "one\n{{ title", "text", 2, "syntax error"),
            ("", "one\ntwo\n{{ title | shout }}", "text", 3, "shout"),
            ("", "{% if title %}\n", "text", 1, "syntax error"),
            ("", "{{ nothing.more.still }}", "text", 1, "undefined"),
            ("", "{{ title | local }}", "text", 1, "moment"),
            ("", "{{ '2026-03-03T11:00:00Z' | local('%!') }}", "text", 1, "form"),
            ("", "{% include 'other' %}", "text", 1, "include"),
        ];
        for (subject, text, part, line, what) in cases {
            let fault = made(subject, text, None, &context).unwrap_err();
            assert_eq!((fault.part, fault.line), (part, Some(line)), "{subject}{text}: {fault}");
            assert!(fault.what.contains(what), "{subject}{text}: {fault}");
        }
    }

    #[test]
    fn hostile_templates_come_to_an_end() {
        let context = json!({});
        let doubling = ["{% set x = 'xxxxxxxxxxxxxxxx' %}", &"{% set x = x ~ x %}".repeat(60), "{{ x }}"].concat();
        let hostile = [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{{ 'x' * 90000000 }}{{ 'x' * 90000000 }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            doubling.as_str(),
        ];
        for text in hostile {
            assert!(made("", text, None, &context).is_err(), "{text}");
        }
    }
}
