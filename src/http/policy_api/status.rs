//! How a policy fares: what its latest decisions took and came to.

use std::collections::HashMap;

use actix_web::{HttpResponse, http::Method, web};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Bench, Studio, declare::policy_id};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Code, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint},
        mount::Api,
        schema,
    },
    policy::{chain::ActivePolicy, diagnostic::LOOP, store::PolicyRow, trace::RuleTrace},
    record::decide::SHADOW,
    schema::decision,
};

/// How many of the latest evaluations are looked at.
const SAMPLE: i64 = 1_000;

/// How a policy fares.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyStatus {
    /// The name of the policy.
    policy: String,
    /// Whether it is asked at all.
    enabled: bool,
    /// The version that is live; null when none is.
    active_version: Option<i32>,
    /// The version that this node asks; null when it asks none.
    version_on_this_node: Option<i64>,
    /// Whether errors opened the breaker on this node: the last good version answers until something is published.
    breaker_open: bool,
    /// Why that version can't run at all, which every decision that asks it takes for a failure; null when it can.
    problem: Option<String>,
    /// What the figures below are made of.
    covers: PolicyStatusCover,
    /// How many evaluations there are in the sample.
    evaluations: usize,
    /// How many of them failed or went over a limit.
    errors: usize,
    /// How many said nothing and left it to the next policy.
    passed: usize,
    /// How often it was not asked, because consequences had gone too deep. These took no time.
    loops: usize,
    /// Half of them took no longer than this; null without any.
    p50_microseconds: Option<i64>,
    /// All but one in a hundred took no longer than this; null without any.
    p99_microseconds: Option<i64>,
    /// The rules of the version that this node asks, and how often each was tried and fitted in the sample.
    rules: Vec<PolicyRuleStatus>,
}

/// What figures are made of.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyStatusCover {
    /// The sample is the latest evaluations that were stored with a record, by any node and of any version, so many at
    /// most. Rehearsals, refused transitions and writes that failed are not among them.
    at_most: i64,
    /// The moment of the oldest in it.
    from: Option<Moment>,
    /// The moment of the latest in it.
    to: Option<Moment>,
}

/// How often a rule was tried and fitted.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyRuleStatus {
    /// Its name.
    name: String,
    /// Its line.
    line: usize,
    /// How often it was tried.
    tried: usize,
    /// How often it fitted.
    fitted: usize,
}

pub(super) fn mount(api: &mut Api) {
    let endpoint = Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/{id}/status".into(),
        id: "get_policy_status".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "How a policy fares".into(),
        description: "Which version is live, whether its breaker is open on this node, and figures over its latest evaluations. `covers` says what they are made of.".into(),
        parameters: vec![policy_id()],
        request: None,
        responses: vec![Answer::json(200, "How it fares.", schema::schema::<PolicyStatus>(), json!({
            "policy": "routing_incidents", "enabled": true, "active_version": 3, "version_on_this_node": 3,
            "breaker_open": false, "problem": null,
            "covers": {"at_most": SAMPLE, "from": "2026-03-02T08:15:00Z", "to": "2026-03-05T16:40:00Z"},
            "evaluations": 412, "errors": 0, "passed": 3, "loops": 0, "p50_microseconds": 11, "p99_microseconds": 38,
            "rules": [{"name": "The category table", "line": 38, "tried": 390, "fitted": 211}],
        }))],
        problems: vec![Code::NotFound],
    };
    api.mount(endpoint, get);
}

async fn get(call: Call, studio: web::Data<Studio>, id: web::Path<String>) -> Result<HttpResponse> {
    let status = studio.run(&call, move |bench| bench.status(&id)).await?;
    Ok(HttpResponse::Ok().json(status))
}

/// Moment, version, outcome, duration and rules of an evaluation.
type Sampled = (Moment, Option<i32>, String, i64, JsonText);

fn sample(connection: &mut AnyConnection, policy: &PolicyRow) -> Result<Vec<Sampled>> {
    let mine = decision::table.filter(decision::policy_id.eq(policy.id)).filter(decision::mode.ne(SHADOW));
    let columns = (decision::at, decision::policy_version, decision::outcome, decision::microseconds, decision::rules);
    Ok(mine.order(decision::id.desc()).limit(SAMPLE).select(columns).load(connection)?)
}

impl Bench {
    fn status(&self, id: &str) -> Result<PolicyStatus> {
        let live = self.live()?;
        let (row, sample) = self.database.read_here(|connection| {
            let row = PolicyRow::find(connection, id)?;
            let sample = sample(connection, &row)?;
            Ok((row, sample))
        })?;
        let here = live.bundle().all().find(|p| p.id == row.id.as_str());
        let counted = |outcomes: &[&str]| sample.iter().filter(|s| outcomes.contains(&s.2.as_str())).count();
        let mut took: Vec<i64> = sample.iter().filter(|s| s.2 != LOOP).map(|s| s.3).collect();
        took.sort_unstable();
        Ok(PolicyStatus {
            policy: row.name,
            enabled: row.enabled,
            active_version: row.active_version,
            version_on_this_node: here.map(|p| p.active.number),
            breaker_open: here.is_some_and(|p| p.breaker_is_open()),
            problem: here.and_then(|p| p.active.program.problem()).map(|problem| problem.message.clone()),
            covers: PolicyStatusCover {
                at_most: SAMPLE,
                from: sample.iter().map(|s| s.0).min(),
                to: sample.iter().map(|s| s.0).max(),
            },
            evaluations: sample.len(),
            errors: counted(&["error", "limit"]),
            passed: counted(&["passed"]),
            loops: counted(&[LOOP]),
            p50_microseconds: percentile(&took, 50),
            p99_microseconds: percentile(&took, 99),
            rules: here.map(|p| rules(p, &sample)).transpose()?.unwrap_or_default(),
        })
    }
}

/// The smallest value that `percent` of the sorted values don't exceed.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

fn rules(policy: &ActivePolicy, sample: &[Sampled]) -> Result<Vec<PolicyRuleStatus>> {
    let mut counts: HashMap<(String, usize), (usize, usize)> = HashMap::new();
    for (_, version, _, _, rules) in sample {
        if version.map(i64::from) != Some(policy.active.number) {
            continue;
        }
        for rule in rules.read::<Vec<RuleTrace>>()? {
            let count = counts.entry((rule.name.to_string(), rule.line)).or_default();
            count.0 += 1;
            count.1 += usize::from(rule.fitted);
        }
    }
    let status = |rule: &crate::policy::program::Rule| {
        let (tried, fitted) = counts.get(&(rule.name.to_string(), rule.line)).copied().unwrap_or_default();
        PolicyRuleStatus { name: rule.name.to_string(), line: rule.line, tried, fitted }
    };
    Ok(policy.active.program.rules().iter().map(status).collect())
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let hundred: Vec<i64> = (1..=100).collect();
        for (values, percent, expected) in [
            (&[][..], 50, None),
            (&[7], 50, Some(7)),
            (&[7], 99, Some(7)),
            (&[1, 2], 50, Some(1)),
            (&[1, 2, 3], 50, Some(2)),
            (&hundred, 50, Some(50)),
            (&hundred, 99, Some(99)),
        ] {
            assert_eq!(percentile(values, percent), expected, "{values:?} {percent}");
        }
    }
}
