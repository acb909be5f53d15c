//! What two versions of a policy differ in, line by line and rule by rule. In what they do, a back-test tells.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use similar::TextDiff;
use utoipa::ToSchema;

use super::{
    Bench, Studio,
    declare::{policy_id, version_number},
};
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::{self, Call},
        endpoint::{Access, Answer, Endpoint, in_query, whole_number},
        mount::Api,
        schema,
    },
    policy::{
        build::{Build, Uses},
        decision::Decision,
        program::compile,
        store::{PolicyRow, VersionRow},
    },
};

/// What two versions differ in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyDiff {
    /// The number of the one.
    from: i32,
    /// The number of the other.
    to: i32,
    /// Line by line, in the unified format.
    text: String,
    /// The names of rules that only the other has.
    rules_added: Vec<String>,
    /// The names of rules that only the one has.
    rules_removed: Vec<String>,
    /// The names of rules whose condition differs.
    rules_changed: Vec<String>,
    /// The modules and lookup tables that they are pinned to different versions of.
    uses_changed: Vec<PolicyUseChange>,
}

/// A module or a lookup table that two versions are pinned to different versions of.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct PolicyUseChange {
    /// `module` or `table`.
    what: &'static str,
    /// Its name.
    name: String,
    /// The version of it that the one is pinned to; null where it is to none.
    from: Option<i32>,
    /// The version of it that the other is pinned to.
    to: Option<i32>,
}

/// A version, and what it is pinned to.
type Whole<'a> = (&'a VersionRow, &'a Build);

impl PolicyDiff {
    /// Of two versions. What does not compile has no rules. Call it on a thread with an ample stack.
    fn of(decision: Decision, (from, build_from): Whole, (to, build_to): Whole) -> Result<Self> {
        let (before, after) = (rules(build_from, decision), rules(build_to, decision));
        let only = |one: &Rules, other: &Rules| one.keys().filter(|name| !other.contains_key(*name)).cloned().collect();
        let changed = before.iter().filter(|(name, condition)| after.get(*name).is_some_and(|now| now != *condition));
        let header = [from, to].map(|version| format!("version {}", version.number));
        Ok(PolicyDiff {
            from: from.number,
            to: to.number,
            text: TextDiff::from_lines(&from.source, &to.source)
                .unified_diff()
                .header(&header[0], &header[1])
                .to_string(),
            rules_added: only(&after, &before),
            rules_removed: only(&before, &after),
            rules_changed: changed.map(|(name, _)| name.clone()).collect(),
            uses_changed: use_changes(&from.uses()?, &to.uses()?),
        })
    }
}

fn use_changes(from: &Uses, to: &Uses) -> Vec<PolicyUseChange> {
    let sorts = [("module", &from.modules, &to.modules), ("table", &from.tables, &to.tables)];
    let changes = sorts.into_iter().flat_map(|(what, from, to)| {
        let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        let change = |name: &String| {
            let (from, to) = (from.get(name).copied(), to.get(name).copied());
            (from != to).then(|| PolicyUseChange { what, name: name.clone(), from, to })
        };
        names.into_iter().filter_map(change).collect::<Vec<_>>()
    });
    changes.collect()
}

/// Conditions by the names of their rules.
type Rules = BTreeMap<String, String>;

/// The rules of a version with their conditions.
fn rules(version: &Build, decision: Decision) -> Rules {
    let compiled = compile(version.script.clone(), decision).ok();
    let rules = compiled.iter().flat_map(|program| program.rules());
    rules.map(|rule| (rule.name.to_string(), rule.condition.to_string())).collect()
}

/// An example of it.
pub(super) fn example() -> Value {
    json!({
        "from": 3, "to": 4, "rules_added": ["Payments"], "rules_removed": [], "rules_changed": [],
        "uses_changed": [{"what": "module", "name": "criticality", "from": 1, "to": 2}],
        "text": "--- version 3\n+++ version 4\n@@ -1,3 +1,6 @@\n fn route(incident) {\n+    rule \"Payments\"\n+        when incident.category == \"payments\"\n+        then assign(\"payments\");\n     rule \"Everything else\"\n",
    })
}

pub(super) fn mount(api: &mut Api) {
    api.mount(diff(), diff_versions);
}

fn diff() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/policies/{id}/versions/{number}/diff".into(),
        id: "diff_policy_versions".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.read".into()),
        summary: "Compare a version with another".into(),
        description: "Line by line and rule by rule, from the version `against` to this one. In what they do, a back-test with `against` compares them.".into(),
        parameters: vec![
            policy_id(),
            version_number(),
            in_query("against", "The number of the other version; the one that is live, if not given.", whole_number(), 2),
        ],
        request: None,
        responses: vec![Answer::json(200, "What they differ in.", schema::schema::<PolicyDiff>(), example())],
        problems: vec![Code::NotFound, Code::Conflict, Code::BadQuery],
    }
}

async fn diff_versions(
    call: Call,
    studio: web::Data<Studio>,
    path: web::Path<(String, i32)>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let ((id, number), against) = (path.into_inner(), desk::number(&request, "against")?);
    let diff = studio
        .run(&call, move |bench| match against {
            Some(against) => bench.diff(&id, against, number),
            None => bench
                .diff_to_live(&id, number)?
                .ok_or_else(|| Error::new(Code::Conflict, "No version of this policy is live; name one in `against`.")),
        })
        .await?;
    Ok(HttpResponse::Ok().json(diff))
}

impl Bench {
    /// What changes against the version that is live, if one is.
    pub(super) fn diff_to_live(&self, id: &str, number: i32) -> Result<Option<PolicyDiff>> {
        let live = self.database.read_here(|connection| Ok(PolicyRow::find(connection, id)?.active_version))?;
        live.map(|live| self.diff(id, live, number)).transpose()
    }

    fn diff(&self, id: &str, from: i32, to: i32) -> Result<PolicyDiff> {
        let (_, before, build_before) = self.stored(id, from)?;
        let (policy, after, build_after) = self.stored(id, to)?;
        let decision = policy.decision()?;
        PolicyDiff::of(decision, (&before, &build_before), (&after, &build_after))
    }
}
