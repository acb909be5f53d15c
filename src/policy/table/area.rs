//! What each row of a table fits, as boxes of numbers: texts are numbered, so that one arithmetic does for all columns.

use std::{
    cell::Cell as Budget,
    collections::{BTreeMap, BTreeSet},
};

use rust_decimal::Decimal;

use super::{
    Cell, Table,
    pattern::{Pattern, Shape, patterns},
    span::{Edge, Span, Spans},
};

/// How often two boxes may be compared in one check of a table.
const MOST_WORK: usize = 3_000_000;

/// The work that a check may do is used up.
#[derive(Debug)]
pub struct Spent;

/// The keys that a row fits: a span for each column of the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Area(Vec<Span>);

impl Area {
    /// Its span in a column.
    pub fn span(&self, column: usize) -> &Span {
        &self.0[column]
    }
    /// The same with another span in a column.
    pub fn with(&self, column: usize, span: Span) -> Area {
        let mut spans = self.0.clone();
        spans[column] = span;
        Area(spans)
    }
    /// Whether all of the other is in it.
    pub fn holds(&self, other: &Area) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a.holds(b))
    }
    fn meets(&self, other: &Area) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a.meets(b))
    }
    /// What they have in common, where they meet.
    pub fn common(&self, other: &Area) -> Area {
        Area(self.0.iter().zip(&other.0).map(|(a, b)| a.common(b)).collect())
    }
    /// What is left of it outside another that it meets.
    fn without(mut self, other: &Area) -> Vec<Area> {
        let mut left = Vec::new();
        for column in 0..self.0.len() {
            let mine = self.0[column];
            left.extend(mine.without(&other.0[column]).map(|part| self.with(column, part)));
            self.0[column] = mine.common(&other.0[column]);
        }
        left
    }
}

/// The areas of all rows of a table.
pub struct Areas {
    all: Vec<Area>,
    shapes: Vec<Vec<Shape>>,
    /// The rows by their spans in the column that tells most of them apart.
    sorted: Spans,
    column: usize,
    work: Budget<usize>,
}

impl Areas {
    /// Of a table.
    pub fn of(table: &Table) -> Areas {
        let head = table.head();
        let read: Vec<Vec<Pattern>> = table.rows().iter().map(|row| patterns(head, row)).collect();
        let texts: Vec<BTreeMap<Cell, Span>> = (0..head.keys).map(|at| numbered(&read, at)).collect();
        let area = |row: &Vec<Pattern>| {
            let spans = row.iter().zip(head.key()).zip(&texts);
            let of_text = |texts: &BTreeMap<Cell, Span>, cell: &Cell| texts.get(cell).copied().unwrap_or(Span::ALL);
            Area(spans.map(|((part, column), texts)| part.span(column.kind, |cell| of_text(texts, cell))).collect())
        };
        let all: Vec<Area> = read.iter().map(area).collect();
        let apart = |at: &usize| all.iter().map(|area| area.0[*at].from).collect::<BTreeSet<Edge>>().len();
        let column = (0..head.keys).max_by_key(apart).unwrap_or_default();
        let sorted = Spans::new(all.iter().enumerate().map(|(row, area)| (area.0[column], row)).collect());
        let shapes = read.iter().map(|row| row.iter().map(Pattern::shape).collect()).collect();
        Areas { all, shapes, sorted, column, work: Budget::new(0) }
    }

    /// Those of all rows.
    pub fn all(&self) -> &[Area] {
        &self.all
    }
    /// What the key of a row is made of.
    pub fn shapes(&self, row: usize) -> &[Shape] {
        &self.shapes[row]
    }

    /// Lets another check begin.
    pub fn renew(&self) {
        self.work.set(0);
    }

    fn spend(&self, work: usize) -> Result<(), Spent> {
        self.work.set(self.work.get().saturating_add(work));
        if self.work.get() > MOST_WORK { Err(Spent) } else { Ok(()) }
    }

    /// The rows that meet an area.
    pub fn meeting(&self, area: &Area) -> Result<Vec<usize>, Spent> {
        let (mut met, mut looked_at) = (Vec::new(), 0);
        self.sorted.meeting(&area.0[self.column], &mut |row| {
            looked_at += 1;
            if self.all[row].meets(area) {
                met.push(row);
            }
        });
        self.spend(looked_at)?;
        Ok(met)
    }

    /// Whether these rows together fit all of an area.
    pub fn covered(&self, area: &Area, rows: &[usize]) -> Result<bool, Spent> {
        let mut left = vec![area.clone()];
        for &row in rows {
            self.spend(left.len())?;
            let (met, apart): (Vec<Area>, Vec<Area>) = left.into_iter().partition(|part| part.meets(&self.all[row]));
            left = met.into_iter().flat_map(|part| part.without(&self.all[row])).chain(apart).collect();
            if left.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is left of an area outside of all rows, from the least in a column on, at most so many parts.
    pub fn left_in_order(&self, area: &Area, column: usize, most: usize) -> Result<Vec<Area>, Spent> {
        let mut rows = self.meeting(area)?;
        rows.sort_unstable_by_key(|&row| self.all[row].0[column].from);
        let (mut open, mut sure) = (vec![area.clone()], Vec::new());
        for row in rows {
            self.spend(open.len())?;
            let other = &self.all[row];
            let begins = other.0[column].from;
            let mut next = Vec::new();
            for part in open {
                match part {
                    // No later row begins before this one.
                    part if part.0[column].to <= begins => sure.push(part),
                    part if part.meets(other) => next.extend(part.without(other)),
                    part => next.push(part),
                }
            }
            open = next;
            if sure.len() >= most {
                break;
            }
        }
        sure.extend(open);
        sure.sort_unstable();
        sure.dedup_by_key(|part| part.0[column]);
        sure.truncate(most);
        Ok(sure)
    }

    /// From the first to the last value that the rows name in a column; nothing where none of them names a range.
    pub fn hull(&self, column: usize) -> Option<Span> {
        let ranged = |row: &usize| self.shapes[*row][column] != Shape::Any;
        let named: Vec<&Span> = (0..self.all.len()).filter(ranged).map(|row| self.all[row].span(column)).collect();
        let from = named.iter().map(|span| span.from).min()?;
        let to = named.iter().map(|span| span.to).max()?;
        let has_range = self.shapes.iter().any(|shapes| shapes[column] == Shape::Range);
        has_range.then_some(Span { from, to })
    }

    /// The ranges of an area that has the shapes of a row, as a sentence tells them.
    pub fn ranges(&self, table: &Table, row: usize, area: &Area) -> String {
        let columns = table.head().key().iter().enumerate().filter(|(at, _)| self.shapes[row][*at] == Shape::Range);
        let told = columns.map(|(at, column)| format!("`{}` of `{}`", area.span(at).written(column.kind), column.name));
        told.collect::<Vec<_>>().join(" and ")
    }

    /// What a row says in the columns of the key but one: ` where a is x`, or nothing.
    pub fn others(&self, table: &Table, row: usize, but: usize) -> String {
        let cells = table.head().key().iter().zip(table.rows()[row].iter()).enumerate().filter(|(at, _)| *at != but);
        let told: Vec<String> = cells.map(|(_, (column, cell))| format!("`{}` is `{}`", column.name, cell)).collect();
        if told.is_empty() { String::new() } else { format!(" where {}", told.join(" and ")) }
    }
}

/// The texts of a column, each with a number of its own and room between two of them for all that aren't there.
fn numbered(rows: &[Vec<Pattern>], column: usize) -> BTreeMap<Cell, Span> {
    let texts: BTreeSet<&Cell> = rows
        .iter()
        .filter_map(|row| match &row[column] {
            Pattern::Value(cell @ Cell::Text(_)) => Some(cell),
            Pattern::Value(_) | Pattern::Range(_) | Pattern::Any => None,
        })
        .collect();
    texts.into_iter().enumerate().map(|(n, text)| (text.clone(), Span::point(Decimal::from(n)))).collect()
}
