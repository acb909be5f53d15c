//! Whether a template can be used: it is understood, knows every name that it uses, and makes a message of what there is and of what
//! is empty.

use chrono_tz::Tz;
use serde_json::Value;

use super::{
    context, language,
    part::Part,
    render::{self, Source},
    template::OWN,
};
use crate::{
    error::{Error, FieldError, Result, did_you_mean},
    record::{kernel::Kernel, pattern},
};

/// The longest text of a template, in characters.
pub const TEXT: usize = 32_000;
/// The longest subject of one, in characters.
pub const SUBJECT: usize = 400;

/// What a template says and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The pattern of its events.
    pub event: &'a str,
    /// Its language.
    pub language: &'a str,
    /// Who gets it.
    pub audience: &'a [Part],
    /// Its parts.
    pub source: Source<'a>,
}

/// Refuses what can't be used, with every place that is wrong.
pub fn check(kernel: &Kernel, content: &Content<'_>) -> Result<()> {
    let mut faults: Vec<FieldError> = Vec::new();
    let is_own = OWN.contains(&content.event);
    if !is_own {
        faults.extend(pattern::fault_of(kernel, content.event, "/event"));
    }
    faults.extend(language::checked(content.language).err().into_iter().flat_map(|error| error.errors));
    if content.audience.is_empty() != is_own {
        let detail =
            if is_own { "It goes to whom it is about; `audience` is empty." } else { "`audience` names somebody." };
        faults.push(FieldError::new("/audience", "wrong_length", detail));
    }
    for (part, source) in content.source.parts() {
        let most = if part == render::PARTS[0] { SUBJECT } else { TEXT };
        if source.chars().count() > most {
            faults.push(FieldError::new(place(part), "too_long", format!("`{part}` has at most {most} characters.")));
        }
        if source.trim().is_empty() {
            faults.push(FieldError::new(place(part), "required", format!("`{part}` can't be empty.")));
        }
    }
    if faults.is_empty() {
        faults.extend(rehearsed(kernel, content));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid_all(faults)) }
}

fn place(part: &str) -> String {
    format!("/{part}")
}

/// What goes wrong when it is used.
fn rehearsed(kernel: &Kernel, content: &Content<'_>) -> Vec<FieldError> {
    let full = context::sample(kernel, content.event, true);
    let unknown: Vec<render::Fault> =
        content.source.parts().flat_map(|(part, source)| unknown(part, source, &full)).collect();
    let wrong = if unknown.is_empty() {
        let bare = context::sample(kernel, content.event, false);
        let tried = [&full, &bare].into_iter().filter_map(|sample| content.source.rendered(sample, Tz::UTC).err());
        tried.take(1).collect()
    } else {
        unknown
    };
    wrong.iter().map(|fault| FieldError::new(place(fault.part), "bad_template", fault.to_string())).collect()
}

/// The names that a part uses and that are not there, or why it is not understood at all.
fn unknown(part: &'static str, source: &str, sample: &Value) -> Vec<render::Fault> {
    let engine = render::engine(Tz::UTC);
    let template = match engine.template_from_named_str(part, source) {
        Ok(template) => template,
        Err(error) => return vec![render::fault(part, &error)],
    };
    let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    used.sort_unstable();
    let is_global = |name: &str| engine.globals().any(|(global, _)| global == name);
    let faults = used.iter().filter(|name| !is_global(name)).filter_map(|name| {
        let what = absent(name, sample)?;
        let line = source.lines().position(|line| line.contains(name.as_str())).map(|at| at + 1);
        Some(render::Fault { part, line, what })
    });
    faults.collect()
}

/// What is not there of a name such as `record.title`.
fn absent(name: &str, sample: &Value) -> Option<String> {
    let mut here = sample;
    for word in name.split('.') {
        // Custom fields are many and may come later; what no object holds is found out by trying.
        let Value::Object(members) = here else { return None };
        let Some(next) = members.get(word) else {
            let near = did_you_mean(word, members.keys().map(String::as_str));
            return Some(format!("There is no `{name}`{near}"));
        };
        if word == CUSTOM {
            return None;
        }
        here = next;
    }
    None
}

const CUSTOM: &str = "custom";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_are_not_there_are_told_with_the_one_meant() {
        let sample = json!({"record": {"title": "x", "custom": {}}, "comments": [], "team": null});
        let find = |source: &str| unknown("text", source, &sample);
        for good in [
            "{{ record.title }}",
            "{{ record.custom.wing }}",
            "{% for c in comments %}{{ c.body }}{% endfor %}",
            "{{ range(3) }}",
        ] {
            assert_eq!(find(good), [], "{good}");
        }
        let found = find("Hello\n{% if team %}{{ record.titel }}{% endif %}");
        assert_eq!(found[0].line, Some(2));
        assert!(
            found[0].what.contains("`record.titel`") && found[0].what.contains("did you mean `title`?"),
            "{}",
            found[0]
        );
        assert!(find("{{ recrod }}")[0].what.contains("did you mean `record`?"));
    }
}
