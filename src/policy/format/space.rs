//! Between which tokens space stands.

use crate::policy::tokens::{Token, with_comments};

/// What the piece before is, as far as the space after it goes.
#[derive(Clone, Copy, Default)]
pub struct Last<'a> {
    text: &'a str,
    end: (usize, usize),
    start: (usize, usize),
    /// Whether it ends an operand, so that an operator may follow.
    pub operand: bool,
    /// Whether what follows is the name of a field or a function, whatever word it is.
    pub dot: bool,
    /// Whether no line may begin after it.
    pub holds_on: bool,
    keyword: bool,
    /// Whether nothing parts it from what follows, and from what stands before.
    tight_after: bool,
    tight_before: bool,
    unary: bool,
    comment: bool,
    /// Whether it opens a list, arguments, parentheses or a part of a text.
    list: bool,
    opens: bool,
}

/// Words between which and what follows space stands.
const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "for", "in", "!in", "return", "while", "loop", "do", "until", "break",
    "continue", "fn", "import", "export", "as", "and", "or", "not", "throw", "try", "catch",
];

/// Whether a word is one of the language.
pub fn is_keyword(text: &str) -> bool {
    KEYWORDS.contains(&text)
}

impl<'a> Last<'a> {
    /// Of a comment.
    pub fn comment() -> Self {
        Last { text: "/", comment: true, ..Last::default() }
    }

    /// Of what closes a bracket.
    pub fn closing(token: Token<'a>) -> Self {
        Last { operand: !token.opens, list: token.opens, opens: token.opens, ..Last::of(token) }
    }

    /// Of any other; `free` says whether an operand may stand there.
    pub fn token(token: Token<'a>, free: bool, keyword: bool, opens_pipes: bool, pipes: bool) -> Self {
        let text = token.text;
        let literal = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '`'));
        let raw = text.len() > 2 && text.starts_with('#');
        let dot = matches!(text, "." | "?." | "::");
        let unary = free && matches!(text, "-" | "+" | "!");
        let ranges = matches!(text, ".." | "..=");
        let brace = matches!(text, "{" | "#{");
        Last {
            operand: (literal || raw) && !keyword && !token.opens,
            dot,
            holds_on: unary || matches!(text, "fn" | "rule" | "::") && (keyword || dot),
            keyword,
            tight_after: dot || unary || ranges || opens_pipes,
            tight_before: dot || ranges || (pipes && !opens_pipes),
            unary,
            list: token.opens && !brace,
            opens: token.opens,
            ..Last::of(token)
        }
    }

    fn of(token: Token<'a>) -> Self {
        Last { text: token.text, start: token.range.start, end: token.range.end, ..Last::default() }
    }

    /// Whether space stands between it and a comment.
    pub fn parted_from_comment(&self) -> bool {
        !self.text.is_empty() && !self.list
    }

    /// Whether space stands between it and the next one; `called` says that the next one opens arguments or an index.
    pub fn parted(&self, next: &Last, called: bool) -> bool {
        if self.text.is_empty() || (self.list && !self.comment) || matches!(next.text, "," | ";" | ":") {
            return false;
        }
        if self.comment || next.text == "{" || self.keyword || next.keyword || (self.opens && !self.list) {
            return true;
        }
        if self.tight_after || next.tight_before || called {
            return joins(self.text, next.text) || (self.unary && is_number(next.text) && self.end != next.start);
        }
        true
    }
}

/// Whether two tokens become others where nothing parts them.
fn joins(one: &str, other: &str) -> bool {
    let both = format!("{one}{other}");
    with_comments(&both).first().is_none_or(|first| first.text != one)
}

/// A minus before a number is part of it where nothing parts them, and is not where something does: `-1.abs()` is 1,
/// `- 1.abs()` is -1.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}
