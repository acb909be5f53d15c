//! Finding the row that answers a key: by hash for values, by binary search for ranges.
//!
//! **Invariant:** what is found is what a scan of all rows would find, whatever their order.

use std::collections::HashMap;

use super::{
    Cell, Head, Row,
    pattern::{Pattern, Shape, Specificity, patterns},
    span::{Span, Spans, measure},
};

/// The rows of a table by what their keys are made of.
#[derive(Clone, Debug)]
pub struct Index {
    /// Those of which fewer things are left open first.
    groups: Vec<Group>,
    /// The place of each row among all, the most specific first.
    ranks: Vec<usize>,
}

/// Rows whose keys are made of the same: a value here, a range there.
#[derive(Clone, Debug)]
struct Group {
    shapes: Vec<Shape>,
    /// By the values in their keys.
    buckets: HashMap<Vec<Cell>, Bucket>,
}

/// Rows whose keys have the same values and differ in their ranges alone.
#[derive(Clone, Debug)]
struct Bucket {
    /// All ranges of each row.
    rows: Vec<(usize, Vec<Span>)>,
    /// The first range of each, to search in.
    first: Spans,
}

/// Rows, each with the ranges of its key, by the values of the key.
type ByValues = HashMap<Vec<Cell>, Vec<(usize, Vec<Span>)>>;

impl Index {
    /// Of rows that were read.
    pub fn new(head: &Head, rows: &[Row]) -> Index {
        let read: Vec<Vec<Pattern>> = rows.iter().map(|row| patterns(head, row)).collect();
        let mut order: Vec<(Specificity, usize)> =
            read.iter().enumerate().map(|(at, row)| (Specificity::of(row), at)).collect();
        order.sort();
        let mut ranks = vec![0; rows.len()];
        for (rank, (_, at)) in order.iter().enumerate() {
            ranks[*at] = rank;
        }
        let mut groups: Vec<(Vec<Shape>, ByValues)> = Vec::new();
        for (specificity, at) in order {
            if groups.last().is_none_or(|(shapes, _)| *shapes != specificity.shapes) {
                groups.push((specificity.shapes, HashMap::new()));
            }
            let (values, spans) = apart(&read[at]);
            if let Some((_, buckets)) = groups.last_mut() {
                buckets.entry(values).or_default().push((at, spans));
            }
        }
        let group = |(shapes, buckets): (_, HashMap<_, _>)| {
            let buckets = buckets.into_iter().map(|(values, rows)| (values, Bucket::new(rows))).collect();
            Group { shapes, buckets }
        };
        Index { groups: groups.into_iter().map(group).collect(), ranks }
    }

    /// Of answers that were given: row by row, just for these keys.
    pub fn of_answers(keys: Vec<Vec<Cell>>) -> Index {
        let (ranks, shapes) = ((0..keys.len()).collect(), keys.first().map(|key| vec![Shape::Value; key.len()]));
        let mut buckets = HashMap::new();
        for (row, key) in keys.into_iter().enumerate() {
            buckets.entry(key).or_insert_with(|| Bucket::new(vec![(row, Vec::new())]));
        }
        Index { groups: shapes.map(|shapes| Group { shapes, buckets }).into_iter().collect(), ranks }
    }

    /// The row that answers a key.
    pub fn find(&self, key: &[Cell]) -> Option<usize> {
        self.groups.iter().find_map(|group| group.find(key, &self.ranks))
    }

    /// The place of a row among all, the most specific first.
    pub fn rank(&self, row: usize) -> usize {
        self.ranks[row]
    }
}

/// The values of a key, and its ranges.
fn apart(key: &[Pattern]) -> (Vec<Cell>, Vec<Span>) {
    let (mut values, mut spans) = (Vec::new(), Vec::new());
    for part in key {
        match part {
            Pattern::Value(cell) => values.push(cell.clone()),
            Pattern::Range(span) => spans.push(*span),
            Pattern::Any => (),
        }
    }
    (values, spans)
}

impl Group {
    fn find(&self, key: &[Cell], ranks: &[usize]) -> Option<usize> {
        if key.len() != self.shapes.len() {
            return None;
        }
        let of = |shape: Shape| self.shapes.iter().zip(key).filter(move |(s, _)| **s == shape).map(|(_, cell)| cell);
        let bucket = match self.shapes.iter().all(|s| *s == Shape::Value) {
            true => self.buckets.get(key),
            false => self.buckets.get(&of(Shape::Value).cloned().collect::<Vec<_>>()),
        };
        let points = of(Shape::Range).map(|cell| measure(cell).map(Span::point)).collect::<Option<Vec<_>>>()?;
        bucket?.find(&points, ranks)
    }
}

impl Bucket {
    fn new(rows: Vec<(usize, Vec<Span>)>) -> Bucket {
        let first = rows.iter().enumerate().filter_map(|(i, (_, spans))| Some((*spans.first()?, i))).collect();
        Bucket { first: Spans::new(first), rows }
    }

    /// The most specific row that holds all the points.
    fn find(&self, points: &[Span], ranks: &[usize]) -> Option<usize> {
        let Some(first) = points.first() else { return self.rows.first().map(|(at, _)| *at) };
        let mut best: Option<usize> = None;
        self.first.meeting(first, &mut |i| {
            let (at, spans) = &self.rows[i];
            let fits = spans.iter().zip(points).all(|(span, point)| span.holds(point));
            if fits && best.is_none_or(|best| ranks[*at] < ranks[best]) {
                best = Some(*at);
            }
        });
        best
    }
}
