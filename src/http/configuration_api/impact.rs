//! What fails when a record does, and what it rests on.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Schema, schema::Type};

use super::relation::record_example;
use crate::{
    error::{Code, Error, Result, did_you_mean},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint, in_query, name_of, one_of, patterned},
        mount::Api,
        record_api::{a, visible},
        schema::schema,
        sheet::under,
    },
    record::{
        graph::{
            impact::{Asked, Direction, Impact, impact},
            walk::DEEPEST,
        },
        header::Header,
        kind::Kind,
        visibility,
    },
};

/// How deep is looked where nothing is said.
const DEPTH: i32 = 10;
/// How many are told where nothing is said, and at most.
const LIMIT: i32 = 50;
const MOST: i32 = 200;
/// What can fail along with the record, at most.
const TOGETHER: usize = 20;

/// Mounts it for a kind.
pub(super) fn mount_under(api: &mut Api, kind: &'static Kind) {
    api.mount(asking(kind), move |call, id, request| ask(kind, call, id, request));
}

fn number(most: i32) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Int32)))
        .minimum(Some(1))
        .maximum(Some(most))
        .into()
}

fn asking(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "impact", format!("get_{}_impact", kind.name));
    endpoint.summary = format!("What would be hit if {} failed, or what it rests on", a(kind)).into();
    endpoint.description = "Looking `up`, failure spreads along relations as their types say. What depends on a redundancy group is hit when \
         fewer than `min_up` of it remain in use; otherwise it is `spared`, with how many are left. Looking `down`, what the record rests \
         on is told, and whether its failure alone would hit it. Each comes with the shortest way and why. Circles end where they began."
        .into();
    let ids = patterned(1_000, "^[0-9A-Za-z,-]+$");
    endpoint.parameters.extend([
        in_query(
            "direction",
            "`up`, towards what depends on it, if nothing is said; or `down`.",
            one_of(["up", "down"]),
            "up",
        ),
        in_query("depth", "How many steps at most; 10 if nothing is said.", number(DEEPEST), 10),
        in_query("kind", "Tell only records of this kind; all are gone through.", name_of(40), "service"),
        in_query(
            "with",
            "Ids or numbers of what else fails at the same time, with commas between them.",
            ids,
            "CI0000008",
        ),
        in_query("limit", "How many are told at most; 50 if nothing is said. All are counted.", number(MOST), 50),
    ]);
    let example = json!({
        "direction": "up", "depth": 10, "total": 1, "by_kind": {"service": 1},
        "records": [{
            "record": record_example(), "depth": 1, "critical": true, "reason": "dependency", "redundancy": null,
            "path": [{"record": record_example(), "relation": "runs_on"}],
        }],
        "spared": [],
    });
    endpoint.responses = vec![Answer::json(200, "What was found.", schema::<Impact>(), example)];
    endpoint.problems.push(Code::BadQuery);
    endpoint
}

async fn ask(kind: &'static Kind, call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let direction = match given("direction").as_deref() {
        None | Some("up") => Direction::Up,
        Some("down") => Direction::Down,
        Some(_) => return Err(Error::new(Code::BadQuery, "`direction` is `up` or `down`.")),
    };
    let depth = within(desk::number(&request, "depth")?, DEPTH, DEEPEST, "depth")?;
    let limit = within(desk::number(&request, "limit")?, LIMIT, MOST, "limit")?;
    let wanted = given("kind");
    let together: Vec<String> = given("with")
        .iter()
        .flat_map(|words| words.split(','))
        .map(str::trim)
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect();
    if together.len() > TOGETHER {
        return Err(Error::new(Code::BadQuery, format!("At most {TOGETHER} others fail at the same time.")));
    }
    let told = call
        .read(move |reading| {
            let kinds: Vec<&str> =
                reading.kernel.practices().iter().filter(|p| !p.in_use().is_empty()).map(|p| p.kind().name).collect();
            if let Some(unknown) = wanted.as_deref().filter(|name| !kinds.contains(name)) {
                let near = did_you_mean(unknown, kinds.iter().copied());
                return Err(Error::new(
                    Code::BadQuery,
                    format!("Nothing depends on records of the kind `{unknown}`{near}."),
                ));
            }
            let (kernel, caller) = (reading.kernel, reading.cause.caller.clone());
            let mut starts = vec![visible(reading, kind, &id)?.id];
            for other in &together {
                let found = match Header::id_of(reading.connection, other)? {
                    Some(id) => visibility::among(kernel, reading.connection, &caller, vec![id])?.remove(&id),
                    None => None,
                };
                let absent =
                    || Error::new(Code::BadQuery, format!("`with`: there is no record {other} that you may see."));
                starts.push(found.ok_or_else(absent)?.id);
            }
            let asked = Asked { starts, direction, depth, kind: wanted, limit: usize::try_from(limit).unwrap_or(0) };
            impact(kernel, reading.connection, &caller, &asked)
        })
        .await?;
    Ok(HttpResponse::Ok().json(told))
}

fn within(given: Option<i32>, usual: i32, most: i32, name: &str) -> Result<i32> {
    match given.unwrap_or(usual) {
        n if (1..=most).contains(&n) => Ok(n),
        _ => Err(Error::new(Code::BadQuery, format!("`{name}` is a whole number from 1 to {most}."))),
    }
}
