//! From tokens to a [`Filter`], checking limits and types on the way.

use std::{iter::Peekable, vec::IntoIter};

use chrono::TimeDelta;

use super::{
    Fault, FieldType, Fields, Filter, MAX_DEPTH, MAX_TERMS, Op,
    lexer::{Placed, Token},
    too_deep, too_many_terms,
    value::{self, Raw},
};
use crate::{clock::Moment, record::query::shown};

/// The filter that `tokens` spell; `end` is the place after the last of them.
pub(super) fn filter(tokens: Vec<Placed>, end: usize, fields: &dyn Fields, now: Moment) -> Result<Filter, Fault> {
    if tokens.is_empty() {
        // Whoever sends an empty filter has lost one; giving every record would hide that.
        return Err(Fault::new(1, "syntax", "the filter is empty; leave the parameter out to get everything"));
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), fields, now, terms: 0, end };
    let filter = parser.any(0)?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(Placed { at, token: Token::Close }) => Err(Fault::new(at, "syntax", "this `)` closes nothing")),
        Some(Placed { at, token }) => {
            Err(Fault::new(at, "syntax", format!("expected `AND` or `OR` before {}", described(&token))))
        }
    }
}

struct Parser<'a> {
    tokens: Peekable<IntoIter<Placed>>,
    fields: &'a dyn Fields,
    now: Moment,
    terms: usize,
    /// Where something is missing when it is missing at the end.
    end: usize,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut parts = vec![self.all(depth)?];
        while self.take_keyword("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(Filter::or(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut parts = vec![self.one(depth)?];
        while self.take_keyword("AND") {
            parts.push(self.one(depth)?);
        }
        Ok(Filter::and(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Fault> {
        let at = self.place();
        if self.take_keyword("NOT") {
            let inner = self.one(deeper(depth, at)?)?;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.take(&Token::Open) {
            let inner = self.any(deeper(depth, at)?)?;
            return if self.take(&Token::Close) { Ok(inner) } else { Err(self.expected("`AND`, `OR` or `)`")) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, Fault> {
        let at = self.place();
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(too_many_terms(at));
        }
        let field = self.field()?;
        let op_at = self.place();
        let Some(op) = self.op() else {
            return Err(self.expected(&format!("an operator after `{}`", shown(&field))));
        };
        let Some(field_type) = self.fields.find(&field) else {
            let names = self.fields.names();
            return Err(Fault::unknown(at, "field", &field, names.iter().map(String::as_str)));
        };
        value::check_operator(&field, &field_type, op).map_err(|wrong| wrong.at(op_at))?;
        self.compare(field, &field_type, op)
    }

    fn compare(&mut self, field: String, field_type: &FieldType, op: Op) -> Result<Filter, Fault> {
        let at = self.place();
        let raw = self.value()?;
        let value = value::resolve(&field, field_type, op, raw).map_err(|wrong| wrong.at(at))?;
        Ok(Filter::Compare { field, op, value })
    }

    fn field(&mut self) -> Result<String, Fault> {
        match self.tokens.next_if(|placed| matches!(&placed.token, Token::Word(word) if !is_keyword(word))) {
            Some(Placed { token: Token::Word(word), .. }) => Ok(word),
            Some(_) | None => Err(self.expected("a field")),
        }
    }

    fn op(&mut self) -> Option<Op> {
        match self.tokens.next_if(|placed| matches!(placed.token, Token::Op(_)))?.token {
            Token::Op(op) => Some(op),
            Token::Open | Token::Close | Token::Minus | Token::Plus | Token::Word(_) | Token::Quoted(_) => None,
        }
    }

    fn value(&mut self) -> Result<Raw, Fault> {
        let is_value = |placed: &Placed| match &placed.token {
            Token::Word(word) => !is_keyword(word),
            Token::Quoted(_) => true,
            Token::Open | Token::Close | Token::Op(_) | Token::Minus | Token::Plus => false,
        };
        match self.tokens.next_if(is_value).map(|placed| placed.token) {
            Some(Token::Quoted(text)) => Ok(Raw::Quoted(text)),
            Some(Token::Word(word)) if word == "now" && self.take(&Token::Open) => self.relative().map(Raw::Moment),
            Some(Token::Word(word)) => Ok(Raw::Bare(word)),
            Some(Token::Open | Token::Close | Token::Op(_) | Token::Minus | Token::Plus) | None => {
                Err(self.expected("a value"))
            }
        }
    }

    /// What follows `now(`: the other parenthesis and perhaps a distance, whose sign may be a token of its own or part of the word.
    fn relative(&mut self) -> Result<Moment, Fault> {
        if !self.take(&Token::Close) {
            return Err(self.expected("`)` after `now(`"));
        }
        let at = self.place();
        let sign = if self.take(&Token::Minus) {
            Some("-")
        } else if self.take(&Token::Plus) {
            Some("+")
        } else {
            None
        };
        let distance_at = self.place();
        match self
            .tokens
            .next_if(|p| matches!(&p.token, Token::Word(word) if sign.is_some() || word.starts_with(['-', '+'])))
        {
            Some(Placed { token: Token::Word(word), .. }) => {
                let signed = format!("{}{word}", sign.unwrap_or_default());
                distance(&signed)
                    .and_then(|delta| self.now.plus(delta).storable())
                    .ok_or_else(|| not_a_distance(at, &signed))
            }
            Some(_) | None if sign.is_some() => Err(Fault { at: distance_at, ..self.expected("a distance like `2d`") }),
            Some(_) | None => Ok(self.now),
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        self.tokens.next_if(|placed| placed.token == *token).is_some()
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_it = |placed: &Placed| matches!(&placed.token, Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.tokens.next_if(is_it).is_some()
    }

    /// Where the next token begins.
    fn place(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |placed| placed.at)
    }

    /// Something else stands where `what` should.
    fn expected(&mut self, what: &str) -> Fault {
        let found = self.tokens.peek().map_or_else(|| "the end".to_owned(), |placed| described(&placed.token));
        Fault::new(self.place(), "syntax", format!("expected {what}, found {found}"))
    }
}

fn deeper(depth: usize, at: usize) -> Result<usize, Fault> {
    if depth < MAX_DEPTH {
        return Ok(depth + 1);
    }
    Err(too_deep(at))
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// `-2d` as a span of time. `None` when it has another form or no calendar holds it.
fn distance(signed: &str) -> Option<TimeDelta> {
    let (number, unit) = signed.split_at_checked(signed.len().checked_sub(1)?)?;
    let (sign, digits) = number.split_at_checked(1)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: i64 = digits.parse().ok()?;
    let amount = if sign == "-" { -amount } else { amount };
    match unit {
        "m" => TimeDelta::try_minutes(amount),
        "h" => TimeDelta::try_hours(amount),
        "d" => TimeDelta::try_days(amount),
        "w" => TimeDelta::try_weeks(amount),
        _ => None,
    }
}

fn not_a_distance(at: usize, signed: &str) -> Fault {
    let detail =
        format!("`{}` is not a distance in time like `-30m`, `-8h`, `-2d` or `+1w`, or too far", shown(signed));
    Fault::new(at, "wrong_type", detail)
}

fn described(token: &Token) -> String {
    match token {
        Token::Open => "`(`".to_owned(),
        Token::Close => "`)`".to_owned(),
        Token::Op(op) => format!("`{}`", op.as_str()),
        Token::Minus => "`-`".to_owned(),
        Token::Plus => "`+`".to_owned(),
        Token::Word(word) => format!("`{}`", shown(word)),
        Token::Quoted(text) => format!("\"{}\"", shown(text)),
    }
}
