//! The words and signs of a filter.

use super::{Fault, Op};

/// A word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Op(Op),
    Minus,
    Plus,
    /// Without quotes: a path, a keyword or a bare value.
    Word(String),
    /// What stood between quotes.
    Quoted(String),
}

/// A token and where it begins.
#[derive(Debug)]
pub(super) struct Placed {
    pub at: usize,
    pub token: Token,
}

/// Cuts a filter into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(first) = chars.get(next) {
        if first.is_whitespace() {
            next += 1;
            continue;
        }
        let (token, end) = token(&chars, next)?;
        found.push(Placed { at: next + 1, token });
        next = end;
    }
    Ok(found)
}

/// The token that begins at `start`, and where the rest begins.
fn token(chars: &[char], start: usize) -> Result<(Token, usize), Fault> {
    let first = chars.get(start).copied().unwrap_or(' ');
    let second = chars.get(start + 1).copied().unwrap_or(' ');
    let one = |token| Ok((token, start + 1));
    let two = |op| Ok((Token::Op(op), start + 2));
    match (first, second) {
        ('(', _) => one(Token::Open),
        (')', _) => one(Token::Close),
        ('!', '=') => two(Op::NotEqual),
        ('<', '=') => two(Op::LessOrEqual),
        ('>', '=') => two(Op::GreaterOrEqual),
        ('=', _) => one(Token::Op(Op::Equal)),
        ('<', _) => one(Token::Op(Op::Less)),
        ('>', _) => one(Token::Op(Op::Greater)),
        (':', _) => one(Token::Op(Op::Has)),
        ('"' | '\'', _) => quoted(chars, start).map(|(text, end)| (Token::Quoted(text), end)),
        ('-' | '+', digit) if digit.is_ascii_digit() => Ok(word(chars, start)),
        ('-', _) => one(Token::Minus),
        ('+', _) => one(Token::Plus),
        (c, _) if c.is_alphanumeric() || c == '_' => Ok(word(chars, start)),
        (c, _) => Err(Fault::new(start + 1, "syntax", stray(c))),
    }
}

/// A run of characters that need no quotes. One that begins with a digit may hold `:`, as times do; a path never begins so.
fn word(chars: &[char], start: usize) -> (Token, usize) {
    let time = chars.get(start).is_some_and(char::is_ascii_digit);
    let in_word = |c: &char| c.is_alphanumeric() || "_.-+@/".contains(*c) || (time && *c == ':');
    let length = 1 + chars.iter().skip(start + 1).take_while(|c| in_word(c)).count();
    let text = chars.iter().skip(start).take(length).collect();
    (Token::Word(text), start + length)
}

/// The text in the quotes that open at `start`, and where the rest begins.
pub(super) fn quoted(chars: &[char], start: usize) -> Result<(String, usize), Fault> {
    let quote = chars.get(start).copied();
    let mut text = String::new();
    let mut next = start + 1;
    while let Some(&c) = chars.get(next) {
        next += 1;
        if Some(c) == quote {
            return Ok((text, next));
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.get(next) {
            Some(&escaped @ ('"' | '\'' | '\\')) => text.push(escaped),
            Some(_) | None => {
                return Err(Fault::new(next, "syntax", "in quotes, `\\` stands only before a quote or another `\\`"));
            }
        }
        next += 1;
    }
    Err(Fault::new(start + 1, "syntax", "this quote is never closed"))
}

fn stray(c: char) -> String {
    let instead = match c {
        '!' => "; write `!=` or `NOT`",
        '&' => "; write `AND`",
        '|' | ',' => "; write `OR`",
        _ => "; a value with special characters needs quotes",
    };
    format!("unexpected character `{}`{instead}", c.escape_debug())
}
