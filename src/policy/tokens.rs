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

/// A word, a literal, a symbol or a comment. A text with `${…}` in it is several, of which the first opens and the last
/// closes.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Where it stands.
    pub range: Range,
    /// Whether it is a comment: it means nothing, and a comment of a line ends with its line.
    pub comment: bool,
    /// Whether something begins with it that another token ends.
    pub opens: bool,
    /// Whether it ends what another token began.
    pub closes: bool,
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
        let mut all = with_comments(source);
        all.retain(|token| !token.comment);
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
    /// The functions that are defined: the index of each name, and how many parameters it has.
    pub fn functions(&self) -> impl Iterator<Item = (usize, usize)> {
        self.definitions.iter().map(|&at| (at, self.count(at + 1)))
    }
    /// How many things stand in the parentheses at an index, parted by commas.
    fn count(&self, open: usize) -> usize {
        let close = self.mate(open);
        if close <= open + 1 { 0 } else { 1 + (open..close).filter(|&at| self.text(at) == ",").count() }
    }
}

/// The tokens of a script in order, with its comments.
pub fn with_comments(source: &str) -> Vec<Token<'_>> {
    let mut reader = Reader { rest: source, place: (1, 1), braces: Vec::new() };
    std::iter::from_fn(|| reader.next()).collect()
}

/// Symbols of more than one character that must not be taken apart, the longer before those that they begin with.
const SYMBOLS: &[&str] = &[
    "...", "..=", "..", "===", "==", "=>", "!==", "!=", "<<=", "<=", "<<", "<-", ">>=", ">=", ">>", "&&", "&=", "||",
    "|=", "|>", "??", "?.", "?[", "::", ":=", "#{", "++", "+=", "--", "-=", "->", "**=", "**", "*=", "/=", "%=", "^=",
];

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

    fn next(&mut self) -> Option<Token<'a>> {
        self.take(self.rest.len() - self.rest.trim_start().len());
        let first = self.rest.chars().next()?;
        let (start, mut opens, mut closes) = (self.place, false, false);
        if let Some(length) = comment(self.rest) {
            let text = self.take(length);
            return Some(Token { text, range: Range { start, end: self.place }, comment: true, opens, closes });
        }
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
            c if c.is_ascii_digit() => number(self.rest),
            c if c.is_alphanumeric() || c == '_' => run(self.rest),
            '!' if self.rest[1..].starts_with("in") && run(&self.rest[1..]) == 2 => "!in".len(),
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
        Some(Token { text, range: Range { start, end: self.place }, comment: false, opens, closes })
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

/// How long the comment is that a text begins with, with those inside it; nothing where there is none.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find(['\r', '\n']).unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

/// How long a text up to its closing quote is. A quote that stands there twice is one in the text.
fn quoted(text: &str, quote: char) -> usize {
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        if c == '\\' || (c == quote && rest.peek().is_some_and(|(_, next)| *next == quote)) {
            rest.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// How long the rest of a text in backticks is, up to its end or its next `${`, and whether it ends. A backtick that stands
/// there twice is one in the text, and so is `${` after a backslash.
fn template(text: &str) -> (usize, bool) {
    let mut at = 0;
    while let Some(found) = text[at..].find(['`', '$', '\\']) {
        at += found;
        let rest = &text[at..];
        match rest {
            _ if rest.starts_with("``") => at += 2,
            _ if rest.starts_with('`') => return (at + 1, true),
            _ if rest.starts_with("${") => return (at + 2, false),
            _ if rest.starts_with("\\${") => at += 3,
            _ => at += 1,
        }
    }
    (text.len(), true)
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

/// How long the letters, digits and `_` are that a text begins with.
fn run(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// How long a number is, by Rhai's rules: `1.5`, `1.` and `2e-3` are one, `1.len()` and `1..5` are not.
fn number(text: &str) -> usize {
    let digits = |from: usize, base: u32| {
        let rest = &text[from..];
        from + rest.find(|c: char| !c.is_digit(base) && c != '_').unwrap_or(rest.len())
    };
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => return digits(2, 16),
        [b'0', b'o' | b'O', ..] => return digits(2, 8),
        [b'0', b'b' | b'B', ..] => return digits(2, 2),
        _ => {}
    }
    let mut end = digits(0, 10);
    if let Some(fraction) = text[end..].strip_prefix('.')
        && !fraction.is_empty()
        && !fraction.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '.')
    {
        end = digits(end + 1, 10);
    }
    if let Some(power) = text[end..].strip_prefix(['e', 'E'])
        && power.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-')
    {
        end = digits(end + 2, 10);
    }
    end
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
            ("/* a /* b */ c */ d /e", vec!["d", "/", "e"]),
            ("// a\rb", vec!["b"]),
            ("a !in b !inner", vec!["a", "!in", "b", "!", "inner"]),
            (
                "1. 1.5e-3 2e5 0x1e-3 1_0.5 1.abs()",
                vec!["1.", "1.5e-3", "2e5", "0x1e", "-", "3", "1_0.5", "1", ".", "abs", "(", ")"],
            ),
            ("a **= b -= c", vec!["a", "**=", "b", "-=", "c"]),
            (r#""a""b" 'c' """#, vec![r#""a""b""#, "'c'", r#""""#]),
            ("`a``b` `\\${c`", vec!["`a``b`", "`\\${c`"]),
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
