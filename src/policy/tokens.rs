//! The words of a script with their exact extents: Rhai's tree knows where things start, but not where they end.

use rhai::Position;

/// A line and a column, both from 1; columns count characters.
pub type Place = (usize, usize);

/// From a place up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it starts.
    pub start: Place,
    /// The first place after it.
    pub end: Place,
}

/// A word, a literal or a symbol. A text with `${…}` in it is several, of which the first opens and the last closes.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Where it stands.
    pub range: Range,
    opens: bool,
    closes: bool,
}

/// The tokens of a script in order, without its comments.
#[derive(Debug)]
pub struct Tokens<'a> {
    all: Vec<Token<'a>>,
    /// For each bracket the one that belongs to it; for others, and for brackets without one, themselves.
    mates: Vec<usize>,
    /// Where the names of functions stand in their definitions.
    definitions: Vec<usize>,
}

impl<'a> Tokens<'a> {
    /// Of a script, also of one that doesn't compile.
    pub fn of(source: &'a str) -> Self {
        let mut reader = Reader { rest: source, place: (1, 1), braces: Vec::new() };
        let mut all = Vec::new();
        while let Some(token) = reader.next() {
            all.push(token);
        }
        let mut mates: Vec<usize> = (0..all.len()).collect();
        let mut open = Vec::new();
        for (at, token) in all.iter().enumerate() {
            if token.closes
                && let Some(mate) = open.pop()
            {
                (mates[at], mates[mate]) = (mate, at);
            }
            if token.opens {
                open.push(at);
            }
        }
        let definitions = (1..all.len()).filter(|&at| all[at - 1].text == "fn").collect();
        Tokens { all, mates, definitions }
    }

    /// The token at an index.
    pub fn get(&self, at: usize) -> Option<&Token<'a>> {
        self.all.get(at)
    }
    /// Its text; empty past the end.
    pub fn text(&self, at: usize) -> &'a str {
        self.all.get(at).map_or("", |t| t.text)
    }
    /// The index of the token that starts at a place that Rhai gave.
    pub fn at(&self, place: Position) -> Option<usize> {
        let wanted = (place.line()?, place.position()?);
        self.all.binary_search_by_key(&wanted, |t| t.range.start).ok()
    }
    /// The index of the last token before a place that Rhai gave.
    pub fn before(&self, place: Position) -> Option<usize> {
        let wanted = (place.line()?, place.position()?);
        self.all.partition_point(|t| t.range.start < wanted).checked_sub(1)
    }
    /// The bracket that belongs to the one at an index; the index itself where there is none.
    pub fn mate(&self, at: usize) -> usize {
        self.mates.get(at).copied().unwrap_or(at)
    }
    /// From the start of one token to the end of another.
    pub fn range(&self, first: usize, last: usize) -> Option<Range> {
        Some(Range { start: self.get(first)?.range.start, end: self.get(last.max(first))?.range.end })
    }
    /// What is written from one token to another, without the space between.
    pub fn written(&self, first: usize, last: usize) -> Vec<&'a str> {
        self.all.get(first..=last).unwrap_or_default().iter().map(|t| t.text).collect()
    }
    /// The end of what is in parentheses or brackets, widened so that none in it is left without its mate.
    pub fn balanced(&self, first: usize, last: usize) -> (usize, usize) {
        let inside = first..=last.max(first);
        let mates = || inside.clone().map(|at| self.mate(at));
        (mates().min().unwrap_or(first).min(first), mates().max().unwrap_or(last).max(last))
    }

    /// The index of a function's name in its definition.
    pub fn function(&self, name: &str, params: usize) -> Option<usize> {
        let defined = || self.definitions.iter().copied().filter(|&at| self.text(at) == name);
        defined().find(|at| self.count(at + 1) == params).or_else(|| defined().next())
    }
    /// How many things stand in the parentheses at an index, parted by commas.
    fn count(&self, open: usize) -> usize {
        let close = self.mate(open);
        if close <= open + 1 { 0 } else { 1 + (open..close).filter(|&at| self.text(at) == ",").count() }
    }
}

/// Symbols of more than one character that must not be taken apart.
const SYMBOLS: &[&str] = &["..=", "..", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?[", "::", "#{"];

struct Reader<'a> {
    rest: &'a str,
    place: Place,
    /// For each text that is open at a `${`, how many braces are open in it.
    braces: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// Takes so many bytes and moves on.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.floor_char_boundary(bytes.min(self.rest.len())));
        match taken.rsplit_once('\n') {
            Some((_, last)) => self.place = (self.place.0 + taken.matches('\n').count(), last.chars().count() + 1),
            None => self.place.1 += taken.chars().count(),
        }
        self.rest = rest;
        taken
    }

    /// Skips space and comments.
    fn skip(&mut self) {
        loop {
            let space = self.rest.len() - self.rest.trim_start().len();
            self.take(space);
            if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.take(comment(self.rest));
            } else if space == 0 {
                return;
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip();
        let first = self.rest.chars().next()?;
        let (start, mut opens, mut closes) = (self.place, false, false);
        let resumes = first == '}' && self.braces.last() == Some(&0);
        let length = match first {
            '`' => {
                let (length, ends) = template(&self.rest[1..]);
                opens = !ends;
                length + 1
            }
            '}' if resumes => {
                let (length, ends) = template(&self.rest[1..]);
                (opens, closes) = (!ends, true);
                self.braces.pop();
                length + 1
            }
            '"' | '\'' => quoted(self.rest, first),
            '#' if raw_fence(self.rest).is_some() => raw(self.rest),
            c if c.is_alphanumeric() || c == '_' => word(self.rest),
            c => SYMBOLS.iter().find(|s| self.rest.starts_with(**s)).map_or(c.len_utf8(), |s| s.len()),
        };
        let text = self.take(length);
        if opens {
            self.braces.push(0);
        } else if !resumes {
            opens = matches!(text, "(" | "[" | "{" | "#{" | "?[");
            closes = matches!(text, ")" | "]" | "}");
            self.count_braces(text);
        }
        Some(Token { text, range: Range { start, end: self.place }, opens, closes })
    }

    fn count_braces(&mut self, text: &str) {
        if let Some(open) = self.braces.last_mut() {
            match text {
                "{" | "#{" => *open += 1,
                "}" => *open = open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// How long a comment is, with those inside it.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// How long a text up to its closing quote is.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// How long the rest of a text in backticks is, up to its end or its next `${`, and whether it ends.
fn template(text: &str) -> (usize, bool) {
    let end = text.find('`').map_or(text.len(), |at| at + 1);
    text[..end].find("${").map_or((end, true), |at| (at + 2, false))
}

/// How many `#` open a raw text.
fn raw_fence(text: &str) -> Option<usize> {
    let fence = text.bytes().take_while(|b| *b == b'#').count();
    text[fence..].starts_with('"').then_some(fence)
}

fn raw(text: &str) -> usize {
    let fence = raw_fence(text).unwrap_or_default();
    let close = format!("\"{}", &text[..fence]);
    text[fence + 1..].find(&close).map_or(text.len(), |at| fence + 1 + at + close.len())
}

/// How long a word or a number is. `1.5` is one number, `1.len()` and `1..5` are not.
fn word(text: &str) -> usize {
    let run = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let whole = run(text);
    let fraction = text[whole..].strip_prefix('.').filter(|f| f.starts_with(|c: char| c.is_ascii_digit()));
    match fraction {
        Some(fraction) if text.starts_with(|c: char| c.is_ascii_digit()) => whole + 1 + run(fraction),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        Tokens::of(source).all.iter().map(|t| t.text).collect()
    }

    #[test]
    fn words_literals_and_symbols_are_parted() {
        for (source, expected) in [
            ("a.b?.c == 1.5", vec!["a", ".", "b", "?.", "c", "==", "1.5"]),
            ("0..=5 1.len()", vec!["0", "..=", "5", "1", ".", "len", "(", ")"]),
            (r#"x("a\"b", 'c') // d "#, vec!["x", "(", r#""a\"b""#, ",", "'c'", ")"]),
            ("/* a /* b */ c */ d", vec!["d"]),
            ("`a${b + `c${d}`}e` f", vec!["`a${", "b", "+", "`c${", "d", "}`", "}e`", "f"]),
            ("`${#{a: 1}.a}`", vec!["`${", "#{", "a", ":", "1", "}", ".", "a", "}`"]),
            (r##"#"a"b"# c"##, vec![r##"#"a"b"#"##, "c"]),
            ("\"open", vec!["\"open"]),
            ("/* open", vec![]),
        ] {
            assert_eq!(texts(source), expected, "{source}");
        }
    }

    #[test]
    fn places_count_characters_and_brackets_find_each_other() {
        let tokens = Tokens::of("fn f(ä) {\r\n\t\"ü\" + [ä]\n}\nfn f() {}");
        assert_eq!(tokens.get(6).map(|t| t.range), Some(Range { start: (2, 2), end: (2, 5) }));
        assert_eq!(tokens.at(Position::new(2, 6)), Some(7));
        assert_eq!((tokens.mate(5), tokens.mate(8), tokens.mate(10)), (11, 10, 8));
        assert_eq!(tokens.balanced(7, 8), (7, 10));
        assert_eq!(
            (tokens.function("f", 0), tokens.function("f", 1), tokens.function("g", 0)),
            (Some(13), Some(1), None)
        );
    }
}
