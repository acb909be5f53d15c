//! Clusters: incidents that have something in common, and come again and again; which of them are few and weigh most, and which become more.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{PROACTIVE, ProblemPractice, incidents::CAUSED_BY};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    id::RecordId,
    record::{
        header::Header,
        kind::{Field, Holds, Kind},
        link,
        list::{Asked, List},
        practice::Practice,
        query::filter::{self, Filter, Op},
        raise,
        store::{Desk, Outcome, Reading},
        tally::{LinkedCount, RecordCount, Recurring},
        visibility,
    },
};

/// The most clusters of one answer.
const MOST: i64 = 500;
/// So many problems of all clusters together are looked at, and told of one.
const PROBLEMS: i64 = 5_000;
const TOLD: usize = 5;
/// So many incidents are linked with a problem that is raised from them; as many pages of as many are looked through for them.
const LINKED: i64 = 200;
const PAGES: usize = 10;
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
    /// How many make a cluster, now or in the window before.
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
    /// What they have in common, and how many they are. Where none came in the window, the first and last are of the one before.
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
    /// A filter that lists them, and from which a problem is raised; it finds nothing where none came in the window.
    #[schema(examples(
        "opened_at >= \"2026-01-01T00:00:00Z\" AND opened_at < \"2026-04-01T00:00:00Z\" AND category = \"mail\""
    ))]
    pub filter: String,
    /// The problems that they belong to already, of those that you may see: open ones first, then those of the most; at most five.
    pub problems: Vec<ClusterProblem>,
}

/// A problem that incidents of a cluster belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClusterProblem {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub state: String,
    /// Whether somebody still works on it.
    pub open: bool,
    /// How many incidents of the cluster belong to it.
    pub incidents: i64,
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
/// A filter that is wrong, or leaves no room for what a cluster has in common; a window that ends before it begins.
pub fn clusters(reading: &mut Reading<'_>, kind: &'static Kind, question: &Question) -> Result<IncidentClusters> {
    let Question { from, until, ref by, .. } = *question;
    let length = until.since(from);
    if length <= TimeDelta::zero() {
        return Err(Error::invalid("until", "out_of_range", "`until` comes after `from`."));
    }
    let all = list(reading, kind, question.filter.clone())?;
    let opened = |op, at| Filter::compare("opened_at", op, filter::Value::Time(at));
    let since = |at| all.with([opened(Op::GreaterOrEqual, at), opened(Op::Less, until)]);
    let now = since(from)?;
    let total = now.count(reading.connection)?;
    let linked = now.linked(reading.connection, kind, by, CAUSED_BY, PROBLEMS)?;
    let both = since(from.minus(length).storable().unwrap_or(Moment::FIRST))?;
    let found = both.recurring(reading.connection, kind, by, (from, question.least.max(1)), MOST)?;
    let mut problems = problems(reading, linked)?;
    let mut cumulative = 0;
    let clusters = found.into_iter().map(|Recurring { counted, before }| {
        let vital = counted.count > 0 && percent(cumulative, total) < VITAL;
        cumulative += counted.count;
        Ok(IncidentCluster {
            before,
            trend: trend(counted.count, before),
            percent: percent(counted.count, total),
            cumulative_percent: percent(cumulative, total),
            vital,
            filter: now.with(have(by, &counted.key))?.filter_text()?,
            problems: problems.remove(&key_text(&counted.key)).unwrap_or_default(),
            counted,
        })
    });
    let items = clusters.collect::<Result<_>>()?;
    Ok(IncidentClusters { from, until, total, items })
}

fn list<'a>(reading: &mut Reading<'a>, kind: &'static Kind, filter: Option<String>) -> Result<List<'a>> {
    let asked = Asked { filter, ..Asked::default() };
    List::new(reading.kernel, reading.connection, &reading.cause.caller, Some(kind), &asked, reading.cause.at)
}

/// That records have what a cluster has in common.
fn have(by: &[&'static Field], key: &Map<String, Value>) -> impl Iterator<Item = Filter> {
    by.iter().filter_map(|field| {
        let text = key.get(field.name)?.as_str()?.to_owned();
        let value = match field.holds {
            Holds::Integer(..) => filter::Value::Integer(text.parse().ok()?),
            Holds::Line(_) | Holds::Choice(_) | Holds::Class => filter::Value::Text(text),
            Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_) => filter::Value::Id(text),
            // Nothing is counted by these.
            Holds::Text(_) | Holds::Time | Holds::Tags | Holds::Custom | Holds::Attributes => return None,
        };
        Some(Filter::compare(field.name, Op::Equal, value))
    })
}

fn key_text(key: &Map<String, Value>) -> String {
    Value::from(key.clone()).to_string()
}

/// The problems of each cluster that the caller sees.
fn problems(reading: &mut Reading<'_>, linked: Vec<LinkedCount>) -> Result<HashMap<String, Vec<ClusterProblem>>> {
    let ids = linked.iter().map(|linked| linked.other).collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let mut of: HashMap<String, Vec<ClusterProblem>> = HashMap::new();
    for LinkedCount { key, other, count: incidents } in linked {
        let Some(header) = seen.get(&other).filter(|header| header.kind == ProblemPractice::KIND.name) else {
            continue;
        };
        let Header { id, number, title, state, .. } = header.clone();
        of.entry(key_text(&key)).or_default().push(ClusterProblem {
            id,
            number,
            title,
            state,
            open: header.is_active(),
            incidents,
        });
    }
    for problems in of.values_mut() {
        // The sort is stable: they come in the order of how many belong to them.
        problems.sort_by_key(|problem| !problem.open);
        problems.truncate(TOLD);
    }
    Ok(of)
}

/// A problem that was raised from incidents.
#[derive(Debug)]
pub struct Raised {
    /// The problem.
    pub problem: Outcome,
    /// The incidents that were linked with it, the latest first.
    pub linked: Vec<RecordId>,
    /// Whether there are more that belong to no problem yet.
    pub more: bool,
}

/// Raises a proactive problem from the incidents that a filter finds and that belong to no problem yet: it takes over what they have in common,
/// beside what is given, and is linked with the latest of them.
///
/// # Errors
/// A filter that is wrong; no such incident; what keeps the caller from making the problem, or from changing an incident.
pub fn raise(desk: &mut Desk<'_, '_>, kind: &'static Kind, filter: &str, given: Map<String, Value>) -> Result<Raised> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
    let (found, more) = alone(&mut reading, kind, filter)?;
    if found.is_empty() {
        return Err(Error::new(Code::Conflict, "The filter finds no incident that belongs to no problem yet."));
    }
    let linked: Vec<RecordId> = found.iter().map(|header| header.id).collect();
    let records = kernel.practice(kind.name)?.render(reading.connection, found)?;
    let practice = kernel.practice(ProblemPractice::KIND.name)?;
    let mut fields = raise::in_common(practice.kind(), &records);
    fields.insert("origin".to_owned(), PROACTIVE.into());
    fields.extend(given);
    let problem = practice.create(desk, fields)?;
    for incident in &linked {
        link::create(desk, kind, *incident, None, CAUSED_BY, problem.id.as_str())?;
    }
    Ok(Raised { problem, linked, more })
}

/// The latest incidents that a filter finds and that belong to no problem yet; and whether there may be more.
fn alone(reading: &mut Reading<'_>, kind: &'static Kind, filter: &str) -> Result<(Vec<Header>, bool)> {
    let list = list(reading, kind, Some(filter.to_owned()))?;
    let (mut found, mut last): (Vec<Header>, Option<Header>) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = list.following(reading.connection, last.as_ref(), LINKED)?;
        let is_last = (page.len() as i64) < LINKED;
        last = page.last().cloned();
        let ids: Vec<RecordId> = page.iter().map(|header| header.id).collect();
        let belong = link::which_do(reading.connection, (CAUSED_BY, ProblemPractice::KIND.name), &ids)?;
        found.extend(page.into_iter().filter(|header| !belong.contains(&header.id)));
        if found.len() as i64 > LINKED {
            found.truncate(LINKED as usize);
            return Ok((found, true));
        }
        if is_last {
            return Ok((found, false));
        }
    }
    Ok((found, true))
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
