//! Clusters: incidents that have something in common, and come again and again; which of them are few and weigh most, and which become more.

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    error::{Error, Result},
    record::{
        kind::{Field, Kind},
        list::{Asked, List},
        store::Reading,
        tally::RecordCount,
    },
};

/// The most clusters of one answer.
const MOST: usize = 500;
/// Groups that are looked at in a window; beyond that they are so small that none is a cluster.
const GROUPS: i64 = 10_000;
/// The share of all incidents, in percent, that the vital few make up (Pareto, after Juran).
const VITAL: f64 = 80.0;
/// From how many standard deviations on a difference is no chance: 95 of 100 are nearer.
const NO_CHANCE: f64 = 1.96;

/// Which incidents are looked at.
#[derive(Clone, Debug)]
pub struct Question {
    /// By what they are put together.
    pub by: Vec<&'static Field>,
    /// Those that were opened from then on.
    pub from: Moment,
    /// Those that were opened before.
    pub until: Moment,
    /// Those that fit this filter as well.
    pub filter: Option<String>,
    /// How many make a cluster.
    pub least: i64,
}

/// Whether they become more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ClusterTrend)]
pub enum Trend {
    /// More than before, and not by chance.
    Rising,
    /// As many as before, as far as can be told.
    Steady,
    /// Fewer than before, and not by chance.
    Falling,
}

/// Incidents that have something in common.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentCluster {
    /// What they have in common, and how many they are.
    #[serde(flatten)]
    pub counted: RecordCount,
    /// How many there were in the window of the same length before.
    pub before: i64,
    /// Whether they become more.
    pub trend: Trend,
    /// How many of a hundred of all incidents of the window they are.
    pub percent: f64,
    /// The same for this and all clusters before it.
    pub cumulative_percent: f64,
    /// Whether it belongs to the few that make up 80 of a hundred together.
    pub vital: bool,
}

/// The clusters of a window.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentClusters {
    /// When it begins.
    pub from: Moment,
    /// When it ends.
    pub until: Moment,
    /// How many incidents were opened in it that you may see.
    pub total: i64,
    /// The clusters, the largest first; at most 500.
    pub items: Vec<IncidentCluster>,
}

/// The clusters of the incidents that the caller sees.
///
/// # Errors
/// A filter that is wrong; a window that ends before it begins.
pub fn clusters(reading: &mut Reading<'_>, kind: &'static Kind, question: &Question) -> Result<IncidentClusters> {
    let length = question.until.since(question.from);
    if length <= TimeDelta::zero() {
        return Err(Error::invalid("until", "out_of_range", "`until` comes after `from`."));
    }
    let now = counted(reading, kind, question, (question.from, question.until))?;
    let before = counted(reading, kind, question, (question.from.minus(length), question.from))?;
    let total = now.iter().map(|group| group.count).sum();
    let of_before = |key| before.iter().find(|group| group.key == key).map_or(0, |group| group.count);
    let mut cumulative = 0;
    let clusters = now.iter().filter(|group| group.count >= question.least && has_something(group)).map(|group| {
        let (was, vital) = (of_before(group.key.clone()), percent(cumulative, total) < VITAL);
        cumulative += group.count;
        IncidentCluster {
            counted: group.clone(),
            before: was,
            trend: trend(group.count, was),
            percent: percent(group.count, total),
            cumulative_percent: percent(cumulative, total),
            vital,
        }
    });
    let items = clusters.take(MOST).collect();
    Ok(IncidentClusters { from: question.from, until: question.until, total, items })
}

fn counted(
    reading: &mut Reading<'_>,
    kind: &'static Kind,
    question: &Question,
    (from, until): (Moment, Moment),
) -> Result<Vec<RecordCount>> {
    let window = format!("opened_at >= {from} AND opened_at < {until}");
    let filter = question.filter.as_ref().map_or_else(|| window.clone(), |filter| format!("{window} AND ({filter})"));
    let asked = Asked { filter: Some(filter), ..Asked::default() };
    let caller = &reading.cause.caller;
    let list = List::new(reading.kernel, reading.connection, caller, Some(kind), &asked, reading.cause.at)?;
    list.tally(reading.connection, kind, &question.by, GROUPS)
}

/// Those that have nothing have nothing in common.
fn has_something(group: &RecordCount) -> bool {
    group.key.values().all(|value| !value.is_null())
}

/// How many of a hundred, to two digits.
fn percent(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 * 10_000.0 / whole as f64).round() / 100.0 }
}

/// Whether there are more than in a time of the same length before. Given how many there are in both together, each of them falls into either
/// with the same chance if nothing has changed (Przyborowski and Wilenski, 1940): the difference has the mean 0 and the variance of the sum.
fn trend(now: i64, before: i64) -> Trend {
    let deviations = (now - before) as f64 / ((now + before).max(1) as f64).sqrt();
    match deviations {
        _ if deviations >= NO_CHANCE => Trend::Rising,
        _ if deviations <= -NO_CHANCE => Trend::Falling,
        _ => Trend::Steady,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_trend_is_more_than_chance() {
        let cases = [
            (0, 0, Trend::Steady),
            (3, 0, Trend::Steady),
            (4, 0, Trend::Rising),
            (0, 4, Trend::Falling),
            (12, 8, Trend::Steady),
            (30, 15, Trend::Rising),
            (1_000, 1_050, Trend::Steady),
            (1_000, 1_100, Trend::Falling),
        ];
        for (now, before, expected) in cases {
            assert_eq!(trend(now, before), expected, "{now} after {before}");
        }
    }

    proptest! {
        #[test]
        fn what_rises_one_way_falls_the_other(now in 0_i64..100_000, before in 0_i64..100_000) {
            let turned = match trend(before, now) {
                Trend::Rising => Trend::Falling,
                Trend::Steady => Trend::Steady,
                Trend::Falling => Trend::Rising,
            };
            prop_assert_eq!(trend(now, before), turned);
        }
    }
}
