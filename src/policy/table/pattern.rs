//! What the key of a row asks for, and which of two rows is more specific.

use super::{
    ANY, Cell, Column, ColumnType, Head, Match, Row,
    span::{DOTS, Span, Width, measure},
};

/// What a cell in the key of a row asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// This value.
    Value(Cell),
    /// A value within this.
    Range(Span),
    /// Anything.
    Any,
}

/// What a pattern is, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A value.
    Value,
    /// A range.
    Range,
    /// Anything.
    Any,
}

impl Pattern {
    /// What the cell of a column of the key asks for. The cell was read, so a text of a range is one.
    pub fn of(column: &Column, cell: &Cell) -> Pattern {
        match cell {
            Cell::Text(text) if column.matching != Match::Exact && text.as_str() == ANY => Pattern::Any,
            Cell::Text(text) if column.matching == Match::Range && text.contains(DOTS) => {
                Span::parse(column.kind, text).map_or(Pattern::Any, |(span, _)| Pattern::Range(span))
            }
            Cell::Text(_) | Cell::Bool(_) | Cell::Int(_) | Cell::Decimal(_) | Cell::Time(_) => {
                Pattern::Value(cell.clone())
            }
        }
    }
    /// What it is.
    pub fn shape(&self) -> Shape {
        match self {
            Pattern::Value(_) => Shape::Value,
            Pattern::Range(_) => Shape::Range,
            Pattern::Any => Shape::Any,
        }
    }
    /// The numbers that it fits. Text has no numbers of its own, so `of_text` gives them.
    pub fn span(&self, kind: ColumnType, of_text: impl Fn(&Cell) -> Span) -> Span {
        match self {
            Pattern::Value(cell) => measure(cell).map_or_else(|| of_text(cell), |at| Span::of(kind, at)),
            Pattern::Range(span) => *span,
            Pattern::Any if kind == ColumnType::Bool => Span::yes_and_no(),
            Pattern::Any => Span::ALL,
        }
    }
}

/// The key of a row.
pub fn patterns(head: &Head, row: &Row) -> Vec<Pattern> {
    head.key().iter().zip(row.iter()).map(|(column, cell)| Pattern::of(column, cell)).collect()
}

/// How specific a key is: the lesser one answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    wildcards: usize,
    ranges: usize,
    /// What it is made of, column by column.
    pub shapes: Vec<Shape>,
    widths: Vec<Width>,
}

impl Specificity {
    /// Of a key.
    pub fn of(key: &[Pattern]) -> Specificity {
        let shapes: Vec<Shape> = key.iter().map(Pattern::shape).collect();
        let count = |shape| shapes.iter().filter(|s| **s == shape).count();
        let width = |part: &Pattern| if let Pattern::Range(span) = part { Some(span.width()) } else { None };
        Specificity {
            wildcards: count(Shape::Any),
            ranges: count(Shape::Range),
            widths: key.iter().filter_map(width).collect(),
            shapes,
        }
    }
}
