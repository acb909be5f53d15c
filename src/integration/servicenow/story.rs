//! From rows to stories: what happened to each incident, event by event, in an order that can be believed.
//!
//! Owns: the place of each row in its incident's sequence, its moment, and through whose hands the incident went.
//!
//! Two things in such logs need thought. **Order:** `sys_mod_count` rises from row to row of an incident. Of an incident
//! where it does not, the longest rising sequence is believed; a row beside it is reported, and takes part where its place
//! in the file and its time agree and leave it a place of its own. **Hand-overs:** `reassignment_count` rises by one with
//! every change of group, and in a few rows it rises although the log names the same group (or none) before and after.
//! Since no change of group ever leaves the count as it was or raises it by more, the count neither lags nor hides others:
//! the incident went from one group to another that the log does not tell apart. It is replayed as that, a hand-over to a
//! second team of the name, and the row is listed in the report.
//!
//! **Invariant:** within a story positions rise and moments never fall.

use std::{collections::HashMap, fmt};

use super::log::{BadRow, Row, Text};
use crate::clock::Moment;

/// What happened to an incident.
#[derive(Debug)]
pub struct Story {
    /// The number that the log gives it.
    pub number: Text,
    /// When it was reported.
    pub opened_at: Moment,
    /// The events; the first is that it was reported, the others follow the rows.
    pub events: Vec<Event>,
}

/// Something that happened to an incident.
#[derive(Debug)]
pub struct Event {
    /// Its place among those of the incident: the row's `sys_mod_count`, and one less for the report itself.
    pub position: i64,
    /// When.
    pub at: Moment,
    /// What the log knows of the incident afterwards.
    pub row: std::sync::Arc<Row>,
    /// The teams that it went through with this event; the last one has it afterwards. Empty when it stayed.
    pub hands: Vec<Hand>,
    /// Whether the state is another than in the row before.
    pub state_changed: bool,
    /// Whether the assignee is another than in the row before.
    pub assignee_changed: bool,
    /// Whether it was handed over between groups that the log does not tell apart.
    pub unnamed_hand_over: bool,
}

/// Who has an incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hand {
    /// No team.
    Nobody,
    /// The group of this name.
    Group(Text),
    /// A group that the log does not tell from that of this name, or from none.
    Another(Option<Text>),
}

impl Hand {
    fn of(group: Option<&Text>) -> Hand {
        group.map_or(Hand::Nobody, |name| Hand::Group(name.clone()))
    }

    /// As the log names it.
    pub fn logged(&self) -> Option<&Text> {
        match self {
            Hand::Nobody => None,
            Hand::Group(name) => Some(name),
            Hand::Another(name) => name.as_ref(),
        }
    }

    /// The other one that the log names the same.
    fn twin(&self) -> Hand {
        match self {
            Hand::Nobody => Hand::Another(None),
            Hand::Group(name) => Hand::Another(Some(name.clone())),
            Hand::Another(name) => Hand::of(name.as_ref()),
        }
    }
}

/// The name of the team that stands for it; nobody has an empty one.
impl fmt::Display for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hand::Nobody => Ok(()),
            Hand::Group(name) => f.write_str(name),
            Hand::Another(Some(name)) => write!(f, "{name} (another)"),
            Hand::Another(None) => f.write_str("Group without a name"),
        }
    }
}

/// More hand-overs between two rows than this are no history but a mistake.
const MOST_HAND_OVERS: i32 = 100;

/// Puts rows in order. Incidents keep the order of the file.
pub fn tell(rows: Vec<Row>, bad: &mut Vec<BadRow>) -> Vec<Story> {
    let mut places: HashMap<Text, usize> = HashMap::new();
    let mut incidents: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let place = *places.entry(row.number.clone()).or_insert_with(|| {
            incidents.push(Vec::new());
            incidents.len() - 1
        });
        incidents[place].push(row);
    }
    incidents.into_iter().filter_map(|rows| story_of(rows, bad)).collect()
}

fn story_of(rows: Vec<Row>, bad: &mut Vec<BadRow>) -> Option<Story> {
    let believed = rising(&rows.iter().map(|r| r.mod_count).collect::<Vec<_>>());
    let (number, opened_at) = rows.first().map(|r| (r.number.clone(), r.opened_at))?;
    let mut teller = Teller { events: Vec::new(), hand: Hand::Nobody };
    let mut rows: Vec<(bool, Row)> = believed.into_iter().zip(rows).collect();
    // From the back, so that the next believed row is known at each.
    let mut next: Vec<Option<(i64, Moment)>> = Vec::with_capacity(rows.len());
    let mut coming = None;
    for (believed, row) in rows.iter().rev() {
        next.push(coming);
        coming = if *believed { Some((row.mod_count, row.updated_at)) } else { coming };
    }
    for (believed, row) in rows.drain(..) {
        teller.add(believed, row, next.pop().flatten(), bad);
    }
    (!teller.events.is_empty()).then_some(Story { number, opened_at, events: teller.events })
}

/// Marks a longest strictly rising subsequence; of equal counts the later one.
fn rising(counts: &[i64]) -> Vec<bool> {
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(counts.len());
    for (at, count) in counts.iter().enumerate() {
        let length = tails.partition_point(|tail| counts[*tail] < *count);
        before.push(length.checked_sub(1).map(|i| tails[i]));
        match tails.get_mut(length) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut marked = vec![false; counts.len()];
    let mut at = tails.last().copied();
    while let Some(i) = at {
        marked[i] = true;
        at = before[i];
    }
    marked
}

/// Tells one story, row by row.
struct Teller {
    events: Vec<Event>,
    hand: Hand,
}

impl Teller {
    fn add(&mut self, believed: bool, row: Row, next: Option<(i64, Moment)>, bad: &mut Vec<BadRow>) {
        let mut report = |reason: String, replayed: bool| {
            bad.push(BadRow { line: row.line, number: Some(row.number.to_string()), reason, replayed });
        };
        let last = self.events.last().map(|e| (e.position, e.at, e.row.clone()));
        let mut position = row.mod_count;
        if !believed {
            let reason = format!("sys_mod_count {} does not rise in the order of the rows", row.mod_count);
            let free = next.map_or(last.as_ref().map_or(0, |l| l.0 + 1), |(count, _)| count - 1);
            let fits = free > last.as_ref().map_or(-1, |l| l.0)
                && last.as_ref().is_none_or(|l| row.updated_at >= l.1)
                && next.is_none_or(|(_, at)| row.updated_at <= at);
            report(reason, fits);
            if !fits {
                return;
            }
            position = free;
        } else if last.as_ref().is_some_and(|l| row.updated_at < l.2.updated_at) {
            report("sys_updated_at lies before that of the row before; it follows it".to_owned(), true);
        } else if last.is_none() && row.updated_at < row.opened_at {
            report("sys_updated_at lies before opened_at; it follows it".to_owned(), true);
        }
        let more = row.reassignment_count - last.as_ref().map_or(row.reassignment_count, |l| l.2.reassignment_count);
        if more > MOST_HAND_OVERS {
            report(format!("reassignment_count rises by {more} at once"), false);
            return;
        }
        self.push(position, row, more);
    }

    fn push(&mut self, position: i64, row: Row, more: i32) {
        let row = std::sync::Arc::new(row);
        if self.events.is_empty() {
            self.hand = Hand::of(row.group.as_ref());
            let hands = row.group.iter().map(|g| Hand::Group(g.clone())).collect();
            let (at, row) = (row.opened_at, row.clone());
            let (state_changed, assignee_changed, unnamed_hand_over) = (false, true, false);
            let position = position - 1;
            self.events.push(Event { position, at, row, hands, state_changed, assignee_changed, unnamed_hand_over });
        }
        let first = self.events.len() == 1;
        let Some(Event { at, row: before, .. }) = self.events.last() else { return };
        let moved = before.group != row.group;
        let event = Event {
            position,
            at: row.updated_at.max(*at),
            state_changed: first || before.state != row.state,
            assignee_changed: before.assignee != row.assignee,
            unnamed_hand_over: !moved && more > 0,
            hands: Vec::new(),
            row,
        };
        let hands = self.hand_over(&event, moved, more);
        self.events.push(Event { hands, ..event });
    }

    /// As many hand-overs as the count says, ending where the log says; a change of group is always one.
    fn hand_over(&mut self, event: &Event, moved: bool, more: i32) -> Vec<Hand> {
        let mut hands = Vec::new();
        for step in (0..more.max(i32::from(moved))).rev() {
            self.hand = if moved && step == 0 { Hand::of(event.row.group.as_ref()) } else { self.hand.twin() };
            hands.push(self.hand.clone());
        }
        hands
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::integration::servicenow::tests::{Line, log};

    #[test]
    fn a_count_out_of_sequence_is_reported_and_placed_where_there_is_no_doubt() {
        // Counts, the lines reported (replayed or not), the positions of the events.
        for (counts, reported, positions) in [
            (&[0, 1, 2][..], &[][..], &[-1, 0, 1, 2][..]),
            (&[7, 1, 2, 7], &[(2, true)], &[-1, 0, 1, 2, 7]),
            (&[3, 5, 9], &[], &[2, 3, 5, 9]),
            (&[0, 1, 1, 2], &[(3, false)], &[-1, 0, 1, 2]),
            (&[0, 4, 9, 2, 12], &[(5, true)], &[-1, 0, 4, 9, 11, 12]),
        ] {
            let lines: Vec<Line> =
                counts.iter().enumerate().map(|(n, c)| Line::new("INC1").count(*c).minute(n)).collect();
            let log = log(&lines);
            let bad: Vec<(u64, bool)> = log.bad.iter().map(|b| (b.line, b.replayed)).collect();
            assert_eq!(bad, reported, "{counts:?}");
            let told: Vec<i64> = log.stories[0].events.iter().map(|e| e.position).collect();
            assert_eq!(told, positions, "{counts:?}");
        }
    }

    #[test]
    fn hand_overs_are_as_many_as_the_count_says() {
        let group = |name: &str| Hand::Group(name.into());
        let another = |name: &str| Hand::Another(Some(name.into()));
        for (from, to, more, hands) in [
            ("A", "A", 0, vec![]),
            ("A", "B", 1, vec![group("B")]),
            ("A", "?", 1, vec![Hand::Nobody]),
            ("A", "A", 1, vec![another("A")]),
            ("?", "?", 1, vec![Hand::Another(None)]),
            ("A", "A", 2, vec![another("A"), group("A")]),
            ("A", "B", 3, vec![another("A"), group("A"), group("B")]),
            ("A", "B", 0, vec![group("B")]),
        ] {
            let lines =
                [Line::new("INC1").group(from), Line::new("INC1").count(1).minute(1).group(to).reassigned(more)];
            let log = log(&lines);
            assert_eq!(log.stories[0].events[2].hands, hands, "{from} → {to}, {more} more");
        }
    }

    proptest! {
        #[test]
        fn stories_rise_and_lose_no_row(counts in proptest::collection::vec((0_i64..8, 0_usize..8), 1..12)) {
            let lines: Vec<Line> =
                counts.iter().map(|(count, minute)| Line::new("INC1").count(*count).minute(*minute)).collect();
            let log = log(&lines);
            let story = &log.stories[0];
            for pair in story.events.windows(2) {
                prop_assert!(pair[0].position < pair[1].position && pair[0].at <= pair[1].at);
            }
            let left_out = log.bad.iter().filter(|b| !b.replayed).count();
            prop_assert_eq!(story.events.len() - 1 + left_out, lines.len());
        }
    }
}
