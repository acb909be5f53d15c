//! What an import says at its end, for people and for machines.

use std::fmt;

use serde::Serialize;

use super::{Mode, log::BadRow};

/// What an import came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether policies were watched or decided.
    pub mode: Mode,
    /// Rows of the file.
    pub rows: u64,
    /// Events of the selected incidents: one for each good row and one for each report of an incident.
    pub events: u64,
    /// Events replayed now.
    pub replayed: u64,
    /// Events that an earlier run had replayed.
    pub there_already: u64,
    /// Calls made now.
    pub calls: u64,
    /// Rows with something wrong.
    pub bad_rows: Vec<BadRow>,
    /// Lines where `reassignment_count` rises and the log names the same group before and after; replayed as a hand-over to
    /// a second team of that name.
    pub unnamed_hand_overs: Vec<u64>,
    /// What was made of it, held against the log.
    pub comparison: Comparison,
}

impl Report {
    /// Whether the records tell what the log tells. What routing answers is its own affair, and so are priority and teams
    /// where policies decide.
    pub fn is_whole(&self) -> bool {
        let Comparison { not_replayed, priority, reassignment_count, reopen_count, final_state, .. } = &self.comparison;
        let followed = matches!(self.mode, Mode::Decide) || (priority.is_whole() && reassignment_count.is_whole());
        not_replayed.is_empty() && followed && reopen_count.is_whole() && final_state.is_whole()
    }
}

/// Records held against the log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Incidents compared.
    pub incidents: u64,
    /// Incidents that are not there.
    pub not_replayed: Vec<String>,
    /// After each row, the priority that the policies want.
    pub priority: Share,
    /// Of each incident.
    pub reassignment_count: Share,
    /// Of each incident.
    pub reopen_count: Share,
    /// Of each incident, with what it waits for.
    pub final_state: Share,
    /// Of each incident.
    pub final_team: Share,
    /// Where the policies sent each incident when it was reported, and the first group that the log names.
    pub routing: Share,
    /// How many of them the policies sent nowhere.
    pub not_routed: u64,
}

/// How many of how many are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Equal ones.
    pub equal: u64,
    /// All.
    pub of: u64,
    /// The first that differ.
    pub differing: Vec<Difference>,
}

/// Something that differs from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where.
    pub number: String,
    /// What the log says.
    pub in_log: String,
    /// What is stored here.
    pub here: String,
}

/// How many differences are kept of each kind.
const KEPT: usize = 1_000;
/// How many lines are shown of each list.
const SHOWN: usize = 20;

impl Share {
    /// Counts one more, with what differs.
    pub fn add(&mut self, difference: Option<Difference>) {
        self.of += 1;
        match difference {
            None => self.equal += 1,
            Some(difference) if self.differing.len() < KEPT => self.differing.push(difference),
            Some(_) => (),
        }
    }

    /// Whether nothing differs.
    pub fn is_whole(&self) -> bool {
        self.equal == self.of
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A share is shown with two places; as a float it is exact enough for that.
        let percent = if self.of == 0 { 100.0 } else { self.equal as f64 / self.of as f64 * 100.0 };
        write!(f, "{:>8} of {:>8}  {percent:6.2} %", self.equal, self.of)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, value: &dyn fmt::Display| writeln!(f, "{what:<38}{value:>8}");
        line("rows in the file", &self.rows)?;
        line("events of the selected incidents", &self.events)?;
        line("  replayed now", &self.replayed)?;
        line("  replayed before", &self.there_already)?;
        line("calls made", &self.calls)?;
        line("rows with something wrong", &self.bad_rows.len())?;
        line("hand-overs between groups of one name", &self.unnamed_hand_overs.len())?;
        writeln!(f, "\nCompared with the log (policies {})", self.mode.as_participle())?;
        self.comparison.fmt(f)?;
        if !self.bad_rows.is_empty() {
            writeln!(f, "\nRows with something wrong")?;
        }
        for row in self.bad_rows.iter().take(SHOWN) {
            let number = row.number.as_deref().unwrap_or("-");
            let fate = if row.replayed { "replayed all the same" } else { "left out" };
            writeln!(f, "  line {:<8}{number:<14}{}; {fate}", row.line, row.reason)?;
        }
        rest(f, self.bad_rows.len())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = [
            ("priority, of every row", &self.priority),
            ("reassignment_count, of every incident", &self.reassignment_count),
            ("reopen_count, of every incident", &self.reopen_count),
            ("final state, of every incident", &self.final_state),
            ("final team, of every incident", &self.final_team),
            ("routing, the first group of the log", &self.routing),
        ];
        for (what, share) in &shares {
            writeln!(f, "{what:<38}{share}")?;
        }
        writeln!(f, "{:<38}{:>8}", "  sent nowhere by the policies", self.not_routed)?;
        writeln!(f, "{:<38}{:>8}", "incidents that are not there", self.not_replayed.len())?;
        // Routing is an opinion: its differences are many and in the JSON form.
        for (what, share) in shares.iter().take(5).filter(|(_, share)| !share.is_whole()) {
            writeln!(f, "\n{what}: different")?;
            for d in share.differing.iter().take(SHOWN) {
                writeln!(f, "  {:<28}log {:<24}here {}", d.number, d.in_log, d.here)?;
            }
            rest(f, usize::try_from(share.of - share.equal).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }
}

fn rest(f: &mut fmt::Formatter<'_>, all: usize) -> fmt::Result {
    match all.checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(f, "  … and {more} more"),
    }
}
