//! What a query string asks, parameter by parameter.

use std::str::FromStr;

use crate::{
    clock::Moment,
    error::{Code, Error, FieldError, Result, did_you_mean},
    record::catalogue::is_name,
};

/// The pairs of a query string.
pub(super) struct Query<'a>(&'a [(String, String)]);

impl<'a> Query<'a> {
    /// Of these pairs.
    pub fn of(pairs: &'a [(String, String)]) -> Self {
        Query(pairs)
    }

    /// The same; refuses parameters that are not known.
    pub fn read(pairs: &'a [(String, String)], known: &[&str]) -> Result<Self> {
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(Query::of(pairs)),
            Some((name, _)) => {
                let near = did_you_mean(name, known.iter().copied());
                Err(Error::new(Code::BadQuery, format!("There is no parameter `{name}` here{near}.")))
            }
        }
    }

    /// As it stands.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A name for machines: lower-case letters, digits and `_`, a letter first.
    pub fn name(&self, name: &str) -> Result<Option<&'a str>> {
        match self.text(name) {
            Some(text) if !is_name(text) => {
                let detail = format!("`{name}` is a word of lower-case letters, digits and `_`, a letter first.");
                Err(refused(name, "wrong_form", detail))
            }
            found => Ok(found),
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        self.text(name).map(|text| chosen(name, text, choices)).transpose()
    }

    /// Some of some words, with commas between them.
    pub fn choices<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Vec<T>> {
        let words = self.text(name).into_iter().flat_map(|text| text.split(','));
        words.map(|word| chosen(name, word.trim(), choices)).collect()
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// An id.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let wrong = |_| refused(name, "wrong_type", format!("`{name}` is an id."));
        self.text(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// A moment, which databases can hold.
    pub fn moment(&self, name: &str) -> Result<Option<Moment>> {
        let read = |text: &str| {
            let wrong = || refused(name, "wrong_type", format!("`{name}` is a moment such as `2026-03-02T08:00:00Z`."));
            text.parse().ok().and_then(Moment::storable).ok_or_else(wrong)
        };
        self.text(name).map(read).transpose()
    }

    /// A moment that has to be there.
    pub fn needed_moment(&self, name: &str) -> Result<Moment> {
        self.moment(name)?.ok_or_else(|| refused(name, "required", format!("`{name}` is needed.")))
    }
}

fn chosen<T: Copy>(name: &str, text: &str, choices: &[(&str, T)]) -> Result<T> {
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let near = did_you_mean(text, choices.iter().map(|(word, _)| *word));
        refused(name, "not_a_choice", format!("`{name}` can't be `{text}`{near}."))
    })
}

/// A parameter that is refused.
pub(super) fn refused(name: &str, code: &str, detail: String) -> Error {
    Error::new(Code::BadQuery, detail.clone()).with_errors(vec![FieldError::new(name, code, detail)])
}
