//! Publishing several versions at once: all of them in one commit, or none.

use std::collections::HashSet;

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Studio, policies, shape::Policy};
use crate::{
    config,
    db::AnyConnection,
    error::{Code, Error, FieldError, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply},
        endpoint::{Access, Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        schema,
    },
    policy::{
        publish::{Examined, go_live, must_be_allowed, must_not_be_live},
        store::PolicyRow,
    },
    record::input::given,
};

/// Versions of one publication at most.
const MOST: usize = 100;

/// Versions that are to go live together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicyPublication {
    /// One of each policy.
    #[schema(min_items = 1, max_items = 100)]
    versions: Vec<PublishedVersion>,
}

/// A version that is to go live with others.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishedVersion {
    /// Its policy: the name or the id.
    #[schema(max_length = 100, examples("routing_incidents"))]
    policy: String,
    /// Its number.
    #[schema(minimum = 1)]
    number: i32,
    /// The version of the policy, as its `ETag` says, that you have seen; another one is refused. Any, where it is not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, minimum = 1)]
    seen: Option<i32>,
}

/// Policies of which versions went live together.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyPublication {
    /// As they are now, in the order in which they were asked for.
    policies: Vec<Policy>,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(publish(), publish_versions);
}

fn publish() -> Endpoint {
    let asked = json!({"versions": [{"policy": "routing_incidents", "number": 3, "seen": 5}]});
    let published = json!({"policies": [policies::example()]});
    Endpoint {
        method: Method::POST,
        path: "/api/v1/policy-publications".into(),
        id: "publish_policy_versions".into(),
        tag: "Policy".into(),
        access: Access::Permission("policy.publish".into()),
        summary: "Make versions of several policies live together".into(),
        description: "All of them in one commit, so that no decision is made with some of them alone, or none: where one may not go live, nothing does, and `errors` holds for each of them what keeps it from that. Each needs what it needs to go live by itself.".into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::schema::<NewPolicyPublication>(), asked)),
        responses: vec![Answer::json(200, "As they are now.", schema::schema::<PolicyPublication>(), published)],
        problems: vec![Code::Invalid, Code::Conflict],
    }
}

async fn publish_versions(call: Call, studio: web::Data<Studio>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let NewPolicyPublication { versions } = fit(body.clone())?;
    if versions.is_empty() || versions.len() > MOST {
        return Err(Error::invalid("/versions", "wrong_length", format!("There are 1 to {MOST} versions.")));
    }
    // What was changed on another node a moment ago counts, too.
    studio.policies.expire();
    let asked = versions.clone();
    let examined = studio.run(&call, move |bench| {
        each(&asked, |_, one| {
            let examined = bench.examine(&one.policy, one.number, &[])?;
            examined.must_be_green().map(|()| examined)
        })
    });
    let (examined, rules) = (examined.await?, studio.rules.clone());
    let answer = call
        .write(&body, move |desk| {
            let connection = desk.unit.connection()?;
            let mut named = HashSet::new();
            let ready = each(&versions, |place, one| {
                let policy = may_go_live(connection, &rules, one, &examined[place])?;
                if named.insert(policy.id) { Ok(policy) } else { Err(twice()) }
            });
            let mut policies = Vec::new();
            for (policy, one) in ready?.into_iter().zip(&versions) {
                policies.push(Policy::of(&go_live(desk, policy, one.number, "published")?)?);
            }
            Ok(Reply::ok(serde_json::to_value(PolicyPublication { policies }).map_err(Error::internal)?))
        })
        .await?;
    studio.policies.expire();
    Ok(answer)
}

/// The policy of a version, if that may go live.
fn may_go_live(
    connection: &mut AnyConnection,
    rules: &config::Policy,
    one: &PublishedVersion,
    examined: &Examined,
) -> Result<PolicyRow> {
    let policy = PolicyRow::find(connection, &one.policy)?;
    if let Some(seen) = one.seen.filter(|seen| *seen != policy.version) {
        let detail = format!("{} is at version {}, not {seen}.", policy.name, policy.version);
        return Err(Error::new(Code::Conflict, detail));
    }
    examined.must_stand(connection, &policy)?;
    must_not_be_live(&policy, one.number)?;
    let version = policy.version(connection, one.number)?;
    must_be_allowed(connection, rules, &version)?;
    Ok(policy)
}

fn twice() -> Error {
    Error::new(Code::Invalid, "Its policy is named before.")
}

/// Does something with each version, and gives all that comes of it, or all that is refused, each with its place.
fn each<T>(
    versions: &[PublishedVersion],
    mut work: impl FnMut(usize, &PublishedVersion) -> Result<T>,
) -> Result<Vec<T>> {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    let mut code = Code::Conflict;
    for (place, one) in versions.iter().enumerate() {
        match work(place, one) {
            Ok(outcome) => done.push(outcome),
            Err(why) if why.source.is_none() && why.code.status() < 500 => {
                if why.code != Code::Conflict {
                    code = Code::Invalid;
                }
                refused.extend(placed(&format!("/versions/{place}"), why));
            }
            Err(trouble) => return Err(trouble),
        }
    }
    if refused.is_empty() {
        return Ok(done);
    }
    Err(Error { code, ..Error::invalid_all(refused) })
}

/// What is wrong with one version, as a part of the whole.
fn placed(pointer: &str, why: Error) -> Vec<FieldError> {
    if why.errors.is_empty() {
        return vec![FieldError::new(pointer, why.code.as_str(), why.detail)];
    }
    why.below(pointer).errors
}
