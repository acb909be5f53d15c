//! What two versions of a policy differ in, line by line and rule by rule. In what they do, a back-test tells.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use similar::TextDiff;
use utoipa::ToSchema;

use super::{
    Studio,
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
}

impl PolicyDiff {
    /// Of two versions. What does not compile has no rules. Call it on a thread with an ample stack.
    pub(super) fn of(decision: Decision, from: &VersionRow, to: &VersionRow) -> Self {
        let (before, after) = (rules(&from.source, decision), rules(&to.source, decision));
        let only = |one: &Rules, other: &Rules| one.keys().filter(|name| !other.contains_key(*name)).cloned().collect();
        let changed = before.iter().filter(|(name, condition)| after.get(*name).is_some_and(|now| now != *condition));
        let header = [from, to].map(|version| format!("version {}", version.number));
        PolicyDiff {
            from: from.number,
            to: to.number,
            text: TextDiff::from_lines(&from.source, &to.source)
                .unified_diff()
                .header(&header[0], &header[1])
                .to_string(),
            rules_added: only(&after, &before),
            rules_removed: only(&before, &after),
            rules_changed: changed.map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Conditions by the names of their rules.
type Rules = BTreeMap<String, String>;

/// The rules of a source with their conditions.
fn rules(source: &str, decision: Decision) -> Rules {
    let compiled = compile(source, decision).ok();
    let rules = compiled.iter().flat_map(|program| program.rules());
    rules.map(|rule| (rule.name.to_string(), rule.condition.to_string())).collect()
}

/// An example of it.
pub(super) fn example() -> Value {
    json!({
        "from": 3, "to": 4, "rules_added": ["Payments"], "rules_removed": [], "rules_changed": [],
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
    let ((id, number), query) = (path.into_inner(), desk::query(&request)?);
    let against = query.iter().find(|(name, _)| name == "against").map(|(_, given)| given.parse::<i32>()).transpose();
    let against = against.map_err(|_| Error::new(Code::BadQuery, "`against` is the number of a version."))?;
    let diff = studio
        .run(&call, move |bench| {
            let (decision, from, to) = bench.database.read_here(|c| {
                let policy = PolicyRow::find(c, &id)?;
                let none = || Error::new(Code::Conflict, "No version of this policy is live; name one in `against`.");
                let against = against.or(policy.active_version).ok_or_else(none)?;
                Ok((policy.decision()?, policy.version(c, against)?, policy.version(c, number)?))
            })?;
            Ok(PolicyDiff::of(decision, &from, &to))
        })
        .await?;
    Ok(HttpResponse::Ok().json(diff))
}
