//! Stretches of numbers: what the ranges of a table come to, and where many of them are looked up.
//!
//! **Invariant:** whole numbers are kept as stretches from just before one to just before the next, so that `1..=2` and
//! `3..` leave nothing between them.

use chrono::{DateTime, NaiveTime};
use rust_decimal::Decimal;

use super::ColumnType;
use crate::{
    clock::{self, Moment},
    policy::facts::Cell,
};

/// What stands between the ends of a range, as in scripts: `1..5` is without the 5, `1..=5` with it.
pub const DOTS: &str = "..";

/// Where a stretch begins or ends: at one end of everything, just before a number or just after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// -1 before every number, 1 after every number.
    end: i8,
    at: Decimal,
    after: bool,
}

impl Edge {
    /// Before every number.
    pub const START: Edge = Edge { end: -1, at: Decimal::ZERO, after: false };
    /// After every number.
    pub const END: Edge = Edge { end: 1, at: Decimal::ZERO, after: false };

    fn before(at: Decimal) -> Edge {
        Edge { end: 0, at: at.normalize(), after: false }
    }
    fn after(at: Decimal) -> Edge {
        Edge { after: true, ..Edge::before(at) }
    }
}

/// A stretch of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Where it begins.
    pub from: Edge,
    /// Where it ends.
    pub to: Edge,
}

/// How wide a span is: of two of which one holds the other, the inner one is the lesser.
pub type Width = (u8, Decimal, bool);

impl Span {
    /// Every number.
    pub const ALL: Span = Span { from: Edge::START, to: Edge::END };

    /// One value of a column.
    pub fn of(kind: ColumnType, at: Decimal) -> Span {
        let to = match kind {
            ColumnType::Decimal | ColumnType::Time => Edge::after(at),
            ColumnType::Bool | ColumnType::Int | ColumnType::Text => Edge::before(at + Decimal::ONE),
        };
        Span { from: Edge::before(at), to }
    }
    /// Just the number itself, to look for what holds it.
    pub fn point(at: Decimal) -> Span {
        Span { from: Edge::before(at), to: Edge::after(at) }
    }
    /// Both values that a column of yes or no has.
    pub fn yes_and_no() -> Span {
        Span { from: Edge::before(Decimal::ZERO), to: Edge::before(Decimal::TWO) }
    }
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }
    /// Whether all of the other is in it.
    pub fn holds(&self, other: &Span) -> bool {
        self.from <= other.from && other.to <= self.to
    }
    /// Whether they have something in common.
    pub fn meets(&self, other: &Span) -> bool {
        self.from < other.to && other.from < self.to
    }
    /// What is left of it before and after another that it meets.
    pub fn without(&self, other: &Span) -> impl Iterator<Item = Span> {
        let parts = [Span { from: self.from, to: other.from }, Span { from: other.to, to: self.to }];
        parts.into_iter().filter(|part| !part.is_empty())
    }
    /// What they have in common, where they meet.
    pub fn common(&self, other: &Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
    /// How wide it is.
    pub fn width(&self) -> Width {
        let open = u8::from(self.from.end != 0) + u8::from(self.to.end != 0);
        let measure = match (self.from.end, self.to.end) {
            (0, 0) => self.to.at.saturating_sub(self.from.at),
            (0, _) => -self.from.at,
            (_, 0) => self.to.at,
            _ => Decimal::ZERO,
        };
        (open, measure, self.to.after)
    }

    /// From its text, with the one way in which that is written: `10..20`, `10..=20`, `10..`, `..20`, `..=20`, of whole
    /// numbers, decimals or times.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(kind: ColumnType, text: &str) -> Result<(Span, String), String> {
        let wrong = || {
            let shape = "`10..20`, `10..=20`, `10..` or `..20`";
            format!("`{text}` is no range: write {shape}, with {} at each end", kind.named())
        };
        let (from, to) = text.split_once(DOTS).ok_or_else(wrong)?;
        let (to, with_end) = to.strip_prefix('=').map_or((to, false), |to| (to, true));
        let end = |text: &str| match text.trim() {
            "" => Ok(None),
            text if text.starts_with('.') || text.ends_with('.') => Err(wrong()),
            text => number(kind, text).map(Some).ok_or_else(wrong),
        };
        let (from, to) = (end(from)?, end(to)?);
        if (from.is_none() && to.is_none()) || (to.is_none() && with_end) {
            return Err(wrong());
        }
        let last = |at| if with_end { Span::of(kind, at).to } else { Edge::before(at) };
        let span = Span { from: from.map_or(Edge::START, Edge::before), to: to.map_or(Edge::END, last) };
        if span.is_empty() {
            return Err(format!("nothing is in the range `{text}`"));
        }
        let [from, to] = [from, to].map(|at| at.map_or_else(String::new, |at| shown(kind, at)));
        Ok((span, format!("{from}{DOTS}{}{to}", if with_end { "=" } else { "" })))
    }

    /// As a sentence tells it.
    pub fn written(&self, kind: ColumnType) -> String {
        let end = |edge: Edge| if edge.end == 0 { shown(kind, edge.at) } else { String::new() };
        let (after, with_end) = (if self.from.after { "after " } else { "" }, if self.to.after { "=" } else { "" });
        format!("{after}{}{DOTS}{with_end}{}", end(self.from), end(self.to))
    }
}

/// A value of a column that has an order, from text.
fn number(kind: ColumnType, text: &str) -> Option<Decimal> {
    match kind {
        ColumnType::Int => text.parse::<i64>().ok().map(Decimal::from),
        ColumnType::Decimal => text.parse().ok(),
        ColumnType::Time => moment(text).map(|at| Decimal::from(at.utc().timestamp_micros())),
        ColumnType::Bool | ColumnType::Text => None,
    }
}

/// A time in RFC 3339, or the beginning of a day in UTC.
pub fn moment(text: &str) -> Option<Moment> {
    let midnight = || clock::day(text).map(|day| Moment::from_utc(day.and_time(NaiveTime::MIN)));
    text.parse::<Moment>().ok().and_then(Moment::storable).or_else(midnight)
}

/// What a cell counts as among numbers; nothing for text.
pub fn measure(cell: &Cell) -> Option<Decimal> {
    match cell {
        Cell::Bool(yes) => Some(Decimal::from(u8::from(*yes))),
        Cell::Int(whole) => Some(Decimal::from(*whole)),
        Cell::Decimal(exact) => Some(*exact),
        Cell::Time(at) => Some(Decimal::from(at.utc().timestamp_micros())),
        Cell::Text(_) => None,
    }
}

fn shown(kind: ColumnType, at: Decimal) -> String {
    let time = || i64::try_from(at).ok().and_then(DateTime::from_timestamp_micros).map(Moment::from);
    match kind {
        ColumnType::Time => time().map_or_else(|| at.to_string(), |at| at.to_string()),
        ColumnType::Bool | ColumnType::Int | ColumnType::Decimal | ColumnType::Text => at.to_string(),
    }
}

/// Spans in the order in which they begin, each with what it belongs to. What meets a span is found without looking at
/// more than a few others: the list is read as a balanced tree, which knows how far each of its branches reaches.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    items: Vec<(Span, usize)>,
    /// The furthest end in the branch whose root stands at this place.
    reach: Vec<Edge>,
}

impl Spans {
    /// Of spans with what they belong to.
    pub fn new(mut items: Vec<(Span, usize)>) -> Spans {
        items.sort_unstable();
        let mut spans = Spans { reach: vec![Edge::START; items.len()], items };
        spans.measure(0, spans.items.len());
        spans
    }

    fn measure(&mut self, first: usize, end: usize) -> Edge {
        if first >= end {
            return Edge::START;
        }
        let root = first.midpoint(end);
        let below = self.measure(first, root).max(self.measure(root + 1, end));
        self.reach[root] = below.max(self.items[root].0.to);
        self.reach[root]
    }

    /// Shows what belongs to the spans that meet this one.
    pub fn meeting(&self, span: &Span, show: &mut impl FnMut(usize)) {
        self.look(0, self.items.len(), span, show);
    }

    fn look(&self, first: usize, end: usize, span: &Span, show: &mut impl FnMut(usize)) {
        let root = first.midpoint(end);
        if first >= end || self.reach[root] <= span.from {
            return;
        }
        self.look(first, root, span, show);
        let (here, owner) = &self.items[root];
        if here.from < span.to {
            if span.meets(here) {
                show(*owner);
            }
            self.look(root + 1, end, span, show);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        for (kind, text, written) in [
            (ColumnType::Int, "10..20", "10..20"),
            (ColumnType::Int, " 10 ..= 20 ", "10..=20"),
            (ColumnType::Int, "-5..", "-5.."),
            (ColumnType::Int, "..=9", "..=9"),
            (ColumnType::Decimal, "1.50..=2.5", "1.50..=2.5"),
            (ColumnType::Decimal, "..0.1", "..0.1"),
            (ColumnType::Time, "2026-12-24..2027-01-02", "2026-12-24T00:00:00Z..2027-01-02T00:00:00Z"),
            (ColumnType::Time, "2026-12-24T08:00:00+01:00..", "2026-12-24T07:00:00Z.."),
        ] {
            let (span, one_way) = Span::parse(kind, text).unwrap();
            assert_eq!(one_way, written, "{text}");
            assert_eq!(Span::parse(kind, &one_way).unwrap().0, span, "{text}");
            assert_eq!(Span::parse(kind, &span.written(kind)).unwrap().0, span, "{text}");
        }
        assert!(Span::parse(ColumnType::Int, &format!("..={}", i64::MAX)).is_ok());
        for text in ["..", "..=", "5", "5..5", "6..5", "1...2", "a..b", "1..2..3", "1..=", "1.5..2", "* ..2"] {
            assert!(Span::parse(ColumnType::Int, text).is_err(), "{text}");
        }
        assert!(Span::parse(ColumnType::Text, "a..b").is_err());
    }

    fn any_span() -> impl Strategy<Value = Span> {
        let edge = |free: Edge| prop_oneof![4 => (-9_i64..9).prop_map(|at| Edge::before(at.into())), 1 => Just(free)];
        let spans = (edge(Edge::START), edge(Edge::END)).prop_map(|(from, to)| Span { from, to });
        spans.prop_filter("not empty", |span| !span.is_empty())
    }

    proptest! {
        #[test]
        fn what_meets_a_span_is_found(spans in prop::collection::vec(any_span(), 0..40), asked in any_span()) {
            let all = Spans::new(spans.iter().copied().enumerate().map(|(i, span)| (span, i)).collect());
            let mut found = Vec::new();
            all.meeting(&asked, &mut |i| found.push(i));
            found.sort_unstable();
            let expected: Vec<usize> = (0..spans.len()).filter(|&i| spans[i].meets(&asked)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn an_inner_span_is_narrower(a in any_span(), b in any_span()) {
            prop_assert!(a == b || !a.holds(&b) || b.width() < a.width());
        }
    }
}
