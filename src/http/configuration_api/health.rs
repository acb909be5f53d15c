//! How healthy configuration items are, and what became of one field of one of them.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::json;

use crate::{
    error::{Code, Error, Result},
    http::{
        desk::{self, Call},
        endpoint::{Answer, Endpoint, in_query, needed, patterned, whole_number},
        mount::Api,
        query::{Query, refused},
        record_api::{a, beside},
        schema::schema,
        sheet::{self, under},
    },
    practice::configuration_item::health::{ConfigurationHealth, Patience, health},
    record::{
        catalogue::is_name,
        history::{self, FieldHistoryEntry},
        kind::Kind,
        query::cursor::Key,
    },
};

const TAG: &str = "Configuration health";
/// After how many days something is stale where nothing is said, and at most.
const STALE: i32 = 30;
/// The same of what no source tells of: those who are asked once a year whether it is right have certified it by then.
const REVIEWED: i32 = 365;
const LONGEST: i32 = 3_650;

/// Mounts the health.
pub(super) fn mount(api: &mut Api) {
    api.tag(TAG, "How complete, correct and compliant configuration items are.");
    api.mount(reading(), read);
}

/// Mounts what stands under the records of a kind that has classes.
pub(super) fn mount_under(api: &mut Api, kind: &'static Kind) {
    api.mount(telling(kind), move |call, id, request| tell(kind, call, id, request));
}

fn reading() -> Endpoint {
    let check = |name: &str, description: &str, failing: i64, filter: &str| json!({"check": name, "description": description, "items": 40, "failing": failing, "filter": filter});
    let missing = "phase != closed AND class = server AND (attributes.hostname = null)";
    let orphans = "phase != closed AND (relations = null AND related_by = null)";
    let twins = "phase != closed AND duplicate_by = \"serial_number\" AND attributes.serial_number.folded = \"S-17\"";
    let example = json!({
        "items": 120, "complete_percent": 97.5,
        "complete": [check("server", "An attribute is missing that the class requires or recommends.", 3, missing)],
        "correct_percent": 98.3, "correct": [check("orphan", "It has no relation to anything.", 2, orphans)],
        "duplicates": [{"attribute": "serial_number", "value": "S-17", "filter": twins, "records": [
            {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "CI0000007", "title": "esx-3"},
        ]}],
        "compliant_percent": null, "compliant": [],
    });
    Endpoint {
        summary: "Tell how healthy configuration items are".into(),
        description: "Of those that you may see: which lack attributes that their class requires or recommends, which have no relations, were not \
                      seen or looked at for long, are retired and still related to, may be there twice, and which don't comply with the rules. Each check comes \
                      with the filter that lists what fails it."
            .into(),
        parameters: vec![
            in_query(
                "stale_days",
                "After how many days without a word of any source something that one has told of is stale; 30 if nothing is said.",
                whole_number(),
                30,
            ),
            in_query(
                "review_days",
                "After how many days without a change or a certification something that no source tells of is stale; 365 if nothing is said.",
                whole_number(),
                365,
            ),
        ],
        responses: vec![Answer::json(200, "How healthy they are.", schema::<ConfigurationHealth>(), example)],
        problems: vec![Code::BadQuery],
        ..Endpoint::new(
            Method::GET,
            "/api/v1/configuration-health".into(),
            "get_configuration_health",
            TAG,
            "configuration_health.read",
        )
    }
}

async fn read(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let patience =
        Patience { seen: days(&request, "stale_days", STALE)?, kept: days(&request, "review_days", REVIEWED)? };
    let told = call
        .read(move |reading| {
            reading.cause.caller.require("configuration_item.read")?;
            health(reading, patience)
        })
        .await?;
    Ok(HttpResponse::Ok().json(told))
}

fn days(request: &HttpRequest, name: &str, otherwise: i32) -> Result<i32> {
    let days: i32 = desk::number(request, name)?.unwrap_or(otherwise);
    if (1..=LONGEST).contains(&days) {
        return Ok(days);
    }
    Err(Error::new(Code::BadQuery, format!("`{name}` is a whole number from 1 to {LONGEST}.")))
}

fn telling(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "field-history", format!("list_{}_field_history", kind.name));
    endpoint.summary = format!("List what became of one field of {}", a(kind)).into();
    endpoint.description =
        "Of a field or of one attribute, the newest first: who or what changed it, from what to what.".into();
    let field = patterned(130, "^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)?$");
    endpoint.parameters.push(needed(in_query(
        "field",
        "The field, or `attributes.name`.",
        field,
        "attributes.hostname",
    )));
    let example = json!({
        "version": 4, "at": "2026-03-02T08:15:00Z",
        "by": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
        "via": "source:discovery", "reason": "", "from": "esx-3", "to": "esx-03",
    });
    sheet::of_pages(&mut endpoint, "A page of changes.", "FieldHistoryEntry", schema::<FieldHistoryEntry>(), example);
    endpoint.problems.push(Code::BadQuery);
    endpoint
}

async fn tell(kind: &'static Kind, call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let field =
        Query::of(&query).text("field").ok_or_else(|| refused("field", "required", "`field` is needed.".to_owned()))?;
    if !field.split('.').all(is_name) {
        let detail = "`field` is the name of a field, or `attributes.` and that of an attribute.";
        return Err(refused("field", "wrong_form", detail.to_owned()));
    }
    let field = field.to_owned();
    let place = |entry: &FieldHistoryEntry| (vec![Key::Integer(entry.version.into())], entry.version.to_string());
    let page = beside::page(
        call,
        (kind, id),
        request,
        1,
        move |reading, record, asked| {
            let rows = usize::try_from(asked.rows()).unwrap_or(0);
            history::of_field(reading, kind, record.id, &field, (asked.after_number()?, rows))
        },
        place,
    );
    page.await
}
