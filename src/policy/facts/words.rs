//! Whole-word search: text as lower-case words between single spaces.

/// Lower-case words of letters and digits, each with a space on both sides; other characters part words.
pub fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    let mut last_was_space = true;
    for c in text.chars() {
        if c == '\u{1f}' {
            // A unit separator keeps a phrase from matching across title and description.
            out.push_str("\u{1f} ");
            last_was_space = true;
        } else if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
            last_was_space = false;
        } else if !last_was_space {
            out.push(' ');
            last_was_space = true;
        }
    }
    if !last_was_space {
        out.push(' ');
    }
    out
}

/// A phrase that is looked for.
pub struct Phrase(String);

impl Phrase {
    /// Of this text.
    pub fn new(text: &str) -> Phrase {
        Phrase(spaced(text))
    }
    /// Whether text made by [`spaced`] holds it as whole words. An empty phrase is in nothing.
    pub fn is_in(&self, spaced_text: &str) -> bool {
        self.0.len() > 1 && spaced_text.contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_any_case() {
        for (text, phrase, expected) in [
            ("Phishing mail from HR", "phishing", true),
            ("anti-phishing", "phishing", true),
            ("Spearphishing", "phishing", false),
            ("a data  leak, they say", "Data Leak", true),
            ("a dataleak", "data leak", false),
            ("my data\u{1f} leak", "data leak", false),
            ("anything", "", false),
            ("anything", "--", false),
            ("ÄRGER im Büro", "ärger", true),
        ] {
            assert_eq!(Phrase::new(phrase).is_in(&spaced(text)), expected, "{phrase:?} in {text:?}");
        }
    }
}
