//! How often targets are met.
//!
//! *Attainment* is the share of clocks that stopped in a period without having missed their target: met / (met + missed). What was
//! cancelled counts neither way. A clock that is reset counts as missed where any of its rounds was.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::row::{Agreement, ServiceLevelRow};
use crate::{
    clock::Moment,
    db::sql::{self, Bind, Rows, Sql},
    error::Result,
    id::RecordId,
    record::{kind::Kind, store::Reading, visibility},
};

/// By what clocks are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttainmentBy)]
pub enum By {
    /// All together.
    All,
    /// The priority of the record.
    Priority,
    /// The organisation of the record.
    Organisation,
    /// The service that the record is about.
    Service,
    /// The team that had the record when the clock stopped.
    Team,
    /// The service level.
    ServiceLevel,
    /// The kind of the record.
    Kind,
    /// The day in UTC on which it stopped.
    Day,
    /// The month in UTC in which it stopped.
    Month,
}

impl By {
    /// All of them, with their words.
    pub const ALL: &[(&str, By)] = &[
        ("all", By::All),
        ("priority", By::Priority),
        ("organisation", By::Organisation),
        ("service", By::Service),
        ("team", By::Team),
        ("service_level", By::ServiceLevel),
        ("kind", By::Kind),
        ("day", By::Day),
        ("month", By::Month),
    ];

    /// The expression whose value clocks are counted by, and that of the word for people.
    fn expressions(self, days: [&'static str; 2]) -> (&'static str, &'static str) {
        let [day, month] = days;
        match self {
            By::All => ("'all'", "'all'"),
            By::Priority => ("CAST(service_clock.priority AS TEXT)", "CAST(service_clock.priority AS TEXT)"),
            By::Organisation => (
                "service_clock.organisation_id",
                "(SELECT organisation.name FROM organisation WHERE organisation.id = service_clock.organisation_id)",
            ),
            By::Service => (
                "service_clock.service_id",
                "(SELECT named.title FROM record AS named WHERE named.id = service_clock.service_id)",
            ),
            By::Team => ("service_clock.team_id", "(SELECT team.name FROM team WHERE team.id = service_clock.team_id)"),
            By::ServiceLevel => (
                "service_clock.service_level_id",
                "(SELECT service_level.name FROM service_level WHERE service_level.id = service_clock.service_level_id)",
            ),
            By::Kind => ("record.kind", "record.kind"),
            By::Day => (day, day),
            By::Month => (month, month),
        }
    }
}

/// Which clocks are counted.
#[derive(Clone, Debug)]
pub struct Question {
    /// Those that stopped from this moment on.
    pub from: Moment,
    /// Those that stopped before this moment.
    pub until: Moment,
    /// Those of this agreement.
    pub agreement: Option<Agreement>,
    /// Those that measure this.
    pub metric: Option<String>,
    /// Those of records of this kind.
    pub kind: Option<String>,
    /// Those of records that are about this service.
    pub service: Option<RecordId>,
    /// By what they are counted together.
    pub by: By,
}

impl Question {
    /// All clocks that stopped between two moments.
    pub fn of(by: By, from: Moment, until: Moment) -> Self {
        Question { from, until, agreement: None, metric: None, kind: None, service: None, by }
    }
}

/// How often the targets of some clocks were met.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Attainment {
    /// Of which agreement.
    pub agreement: Agreement,
    /// What was measured.
    pub metric: String,
    /// What they have in common: an id, a number, a day (`2026-03-02`) or a month (`2026-03`). Null where they have none.
    pub key: Option<String>,
    /// The same for people: a name where the key is an id.
    pub label: Option<String>,
    /// Clocks that stopped in time.
    pub met: i64,
    /// Clocks that stopped too late.
    pub missed: i64,
    /// How many of a hundred were in time, to two digits; null where none stopped.
    pub percent: Option<f64>,
    /// The mean of what was counted when they stopped, in seconds of working time.
    pub mean_seconds: f64,
    /// What may be missed; null where clocks are not counted by service level, or where that one has no objective.
    pub budget: Option<ErrorBudget>,
}

/// How many clocks may miss their target before the objective of their service level does.
///
/// The error budget of *The Site Reliability Workbook* (Beyer and others, 2018, chapter 2): (1 − objective) × all, here in whole clocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorBudget {
    /// How many of a hundred are to be met, to two digits.
    pub objective: f64,
    /// How many may be missed, of as many as stopped.
    pub allowed: i64,
    /// How many more may be missed; below 0, how many too many were.
    pub left: i64,
}

impl ErrorBudget {
    /// Of an objective in percent, and of what was met and missed.
    pub fn of(objective: f64, met: i64, missed: i64) -> Self {
        let share = i128::from(10_000 - hundredths(objective));
        let allowed = share * i128::from(met + missed) / 10_000;
        let allowed = i64::try_from(allowed).unwrap_or(i64::MAX);
        ErrorBudget { objective, allowed, left: allowed - missed }
    }
}

/// A percentage in hundredths.
fn hundredths(percent: f64) -> i64 {
    (percent * 100.0).round() as i64
}

/// How often targets were met, of the records that the caller sees.
pub fn attained(reading: &mut Reading<'_>, question: &Question) -> Result<Vec<Attainment>> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let engine = connection.engine();
    let kinds: Vec<&Kind> = kernel.practices().iter().map(|p| p.kind()).collect();
    let readable = kinds.iter().filter(|k| caller.can(&k.permission("read"))).map(|k| k.name);
    let readable = readable.filter(|name| question.kind.as_ref().is_none_or(|kind| kind == name));
    let conditions = [
        Some(sql::among(engine, "record.kind", readable)),
        visibility::condition(engine, caller, &kinds),
        Some(
            Sql::new("service_clock.state = 'stopped' AND service_clock.ended_at >= ").bind(Bind::Time(question.from)),
        ),
        Some(Sql::new("service_clock.ended_at < ").bind(Bind::Time(question.until))),
        question.agreement.map(|a| Sql::new("service_clock.agreement = ").bind(Bind::Text(a.as_str().to_owned()))),
        question.metric.clone().map(|metric| Sql::new("service_clock.metric = ").bind(Bind::Text(metric))),
        question.service.map(|id| Sql::new("service_clock.service_id = ").bind(Bind::Text(id.as_str().to_owned()))),
    ];
    let (key, label) = question.by.expressions(connection.engine().day_and_month_of_end());
    let met = "service_clock.breached_at IS NULL AND service_clock.breached_rounds = 0";
    let select = format!(
        "SELECT service_clock.agreement, service_clock.metric, {key} AS grouped, MIN({label}) AS label, \
         SUM(CASE WHEN {met} THEN 1 ELSE 0 END) AS met, COUNT(*) AS counted, \
         CAST(AVG(service_clock.elapsed) AS BIGINT) AS mean \
         FROM service_clock INNER JOIN record ON record.id = service_clock.record_id WHERE "
    );
    type Row = (String, String, Option<String>, Option<String>, i64, i64, i64);
    let query = Sql::<(Text, Text, Nullable<Text>, Nullable<Text>, BigInt, BigInt, BigInt)>::new(select);
    let query = query.then(Sql::all(conditions.into_iter().flatten()));
    let query = query.sql(" GROUP BY service_clock.agreement, service_clock.metric, grouped ORDER BY service_clock.agreement, service_clock.metric, grouped");
    let rows: Vec<Row> = Rows(query).load(connection)?;
    let mut counted: Vec<Attainment> = rows.into_iter().filter_map(attainment).collect();
    if question.by == By::ServiceLevel {
        let objectives = ServiceLevelRow::objectives(connection)?;
        for one in &mut counted {
            let objective = one.key.as_ref().and_then(|id| objectives.get(id));
            one.budget = objective.map(|objective| ErrorBudget::of(*objective, one.met, one.missed));
        }
    }
    Ok(counted)
}

fn attainment(
    (agreement, metric, key, label, met, counted, mean): (
        String,
        String,
        Option<String>,
        Option<String>,
        i64,
        i64,
        i64,
    ),
) -> Option<Attainment> {
    Some(Attainment {
        agreement: Agreement::named(&agreement)?,
        metric,
        key,
        label,
        met,
        missed: counted - met,
        percent: percent(met, counted),
        mean_seconds: mean as f64 / 1e6,
        budget: None,
    })
}

/// How many of a hundred, to two digits.
fn percent(met: i64, counted: i64) -> Option<f64> {
    let hundredths = (i128::from(met) * 10_000 + i128::from(counted) / 2).checked_div(i128::from(counted))?;
    Some(hundredths as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::{ErrorBudget, percent};

    #[test]
    fn percentages_are_rounded_to_two_digits() {
        for (met, counted, expected) in
            [(0, 0, None), (0, 3, Some(0.0)), (1, 3, Some(33.33)), (2, 3, Some(66.67)), (3, 3, Some(100.0))]
        {
            assert_eq!(percent(met, counted), expected);
        }
    }

    #[test]
    fn what_may_be_missed_is_a_share_of_all() {
        for (objective, met, missed, allowed, left) in [
            (95.0, 190, 6, 9, 3),
            (95.0, 180, 20, 10, -10),
            (99.99, 9_999, 1, 1, 0),
            (100.0, 50, 0, 0, 0),
            (95.0, 0, 0, 0, 0),
        ] {
            assert_eq!(ErrorBudget::of(objective, met, missed), ErrorBudget { objective, allowed, left });
        }
    }
}
