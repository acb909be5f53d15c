//! Certification campaigns: starting and ending them, how far they are, and what those who are asked say.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::relation::record_example;
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply, record_id_of},
        endpoint::{Answer, Content, Endpoint, in_path, in_query, one_of, patterned, yes_or_no},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId, TeamId, UserId},
    practice::configuration_item::{
        ConfigurationItemPractice,
        certification::{
            self, CampaignRow, CertificationProgress, CertificationRow, NewCertificationCampaign, Verdict, Wanted,
        },
    },
    record::{link::LinkedRecord, practice::Practice, store::Reading, visibility},
};

const TAG: &str = "Certification";
const READ: &str = "certification.read";
const PATH: &str = "/api/v1/certification-campaigns";
/// The outcomes that lists are narrowed by.
const OUTCOMES: [&str; 3] = ["open", "certified", "rejected"];

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.tag(
        TAG,
        "Campaigns in which those who answer for configuration items say whether what is known of them is right.",
    );
    api.mount(starting(), start).mount(listing(), list).mount(getting(), get).mount(ending(), end);
    api.mount(listing_items(), list_items).mount(deciding(), decide);
}

/// A campaign, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
struct CertificationCampaign {
    /// Its id.
    id: RowId,
    /// Its name.
    name: String,
    /// What is to be looked at.
    description: String,
    /// The filter that found what is asked about.
    filter: String,
    /// Until when everybody is to have answered.
    due_at: Moment,
    /// When those who have not are reminded.
    remind_at: Option<Moment>,
    /// How far it is.
    progress: CertificationProgress,
    /// When it began.
    created_at: Moment,
    /// When it was ended.
    ended_at: Option<Moment>,
}

/// A configuration item that is asked about.
#[derive(Debug, Serialize, ToSchema)]
struct Certification {
    /// The configuration item; null where you may not see it.
    record: Option<LinkedRecord>,
    /// The owner, who is asked.
    owner_id: Option<UserId>,
    /// The support team, which is asked.
    team_id: Option<TeamId>,
    /// What was said; null while nothing was.
    outcome: Option<String>,
    /// What was said with it.
    comment: String,
    /// Who said it.
    decided_by_id: Option<UserId>,
    /// When.
    decided_at: Option<Moment>,
}

/// What somebody says of a configuration item.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CertificationDecision {
    /// Whether what is known of it is right.
    outcome: Verdict,
    /// What is not; needed to reject.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    comment: String,
}

fn example() -> Value {
    json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b1e", "name": "Servers, spring", "description": "", "filter": "is_a = server",
        "due_at": "2026-04-01T00:00:00Z", "remind_at": "2026-03-25T00:00:00Z",
        "progress": {"items": 40, "certified": 31, "rejected": 2, "open": 7},
        "created_at": "2026-03-02T08:15:00Z", "ended_at": null,
    })
}

fn item_example() -> Value {
    json!({
        "record": record_example(), "owner_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "team_id": null,
        "outcome": "certified", "comment": "", "decided_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        "decided_at": "2026-03-03T09:00:00Z",
    })
}

fn endpoint(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: if rest.is_empty() { Vec::new() } else { vec![parameter::id("campaign")] },
        problems: if rest.is_empty() { Vec::new() } else { vec![Code::NotFound] },
        ..Endpoint::new(method, format!("{PATH}{rest}"), id, TAG, permission)
    }
}

fn id_of(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("certification campaign"))
}

fn shown(reading: &mut Reading<'_>, row: CampaignRow) -> Result<CertificationCampaign> {
    let progress = row.progress(reading.connection)?;
    let CampaignRow { id, name, description, filter, due_at, remind_at, created_at, ended_at, .. } = row;
    Ok(CertificationCampaign { id, name, description, filter, due_at, remind_at, progress, created_at, ended_at })
}

fn told(desk: &mut crate::record::store::Desk<'_, '_>, row: CampaignRow) -> Result<Value> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
    serde_json::to_value(shown(&mut reading, row)?).map_err(Error::internal)
}

fn starting() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "", "create_certification_campaign", certification::MANAGE);
    endpoint.summary = "Start a certification campaign".into();
    endpoint.description = format!(
        "The owner and the support team of each configuration item that the filter finds are asked, at most {} of them. Those who have not \
         answered are reminded: `configuration_item.certification_due` and `configuration_item.certification_overdue` are events.",
        certification::MOST
    )
    .into();
    endpoint.parameters = vec![dry_run(), idempotency_key(), reason()];
    let body = json!({"name": "Servers, spring", "filter": "is_a = server", "due_at": "2036-04-01T00:00:00Z", "remind_days": 7});
    endpoint.request = Some(Content::json(schema::<NewCertificationCampaign>(), body));
    endpoint.responses = vec![
        Answer::json(201, "It has begun.", schema::<CertificationCampaign>(), example())
            .header("Location", "Where it is."),
    ];
    endpoint.problems = vec![Code::Invalid, Code::BadQuery, Code::IdempotencyMismatch];
    endpoint
}

async fn start(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewCertificationCampaign = fit(body.clone())?;
    call.write(&body, move |desk| {
        let row = certification::start(desk, &new)?;
        let location = format!("{PATH}/{}", row.id);
        Ok(Reply::created(location, told(desk, row)?))
    })
    .await
}

fn listing() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "", "list_certification_campaigns", READ);
    endpoint.summary = "List certification campaigns".into();
    endpoint.description = "The newest first, each with how far it is.".into();
    endpoint.parameters = sheet::parameters().into();
    let page = sheet::shape("CertificationCampaign", schema::<CertificationCampaign>());
    endpoint.responses = vec![
        Answer::json(200, "A page of campaigns.", page, json!({"items": [example()], "next_cursor": null}))
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems = vec![Code::BadCursor, Code::BadQuery];
    endpoint
}

async fn list(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let rows = CampaignRow::list(reading.connection, asked.after_id()?, asked.rows())?;
            let rows = rows.into_iter().map(|row| shown(reading, row)).collect::<Result<Vec<_>>>()?;
            asked.cut(rows, |row| (Vec::new(), row.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn getting() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "/{id}", "get_certification_campaign", READ);
    endpoint.summary = "Read a certification campaign".into();
    endpoint.description = "With how far it is.".into();
    endpoint.responses = vec![Answer::json(200, "The campaign.", schema::<CertificationCampaign>(), example())];
    endpoint
}

async fn get(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    let shown = call
        .read(move |reading| {
            let row = CampaignRow::find(reading.connection, id)?;
            shown(reading, row)
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn ending() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "/{id}/end", "end_certification_campaign", certification::MANAGE);
    endpoint.summary = "End a certification campaign".into();
    endpoint.description = "Nobody is asked or reminded any more. What was said stays.".into();
    endpoint.parameters.extend([dry_run(), idempotency_key(), reason()]);
    endpoint.responses = vec![Answer::json(200, "It has ended.", schema::<CertificationCampaign>(), example())];
    endpoint.problems.push(Code::Conflict);
    endpoint
}

async fn end(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    call.write(&Value::Null, move |desk| {
        let row = certification::end(desk, id)?;
        desk.tell("ended", ("certification_campaign", row.id.as_str(), 2), &json!({"ended_at": [null, row.ended_at]}))?;
        Ok(Reply::ok(told(desk, row)?))
    })
    .await
}

fn listing_items() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "/{id}/items", "list_certifications", READ);
    endpoint.summary = "List what a certification campaign asks about".into();
    endpoint.description = "Each configuration item with who is asked and what was said.".into();
    let outcome = one_of(OUTCOMES);
    endpoint.parameters.extend([
        in_query("outcome", "Only those of this outcome; `open` for none yet.", outcome, "open"),
        in_query("mine", "Only those that you are asked about.", yes_or_no(), true),
    ]);
    endpoint.parameters.extend(sheet::parameters());
    let page = sheet::shape("Certification", schema::<Certification>());
    endpoint.responses = vec![
        Answer::json(200, "A page of them.", page, json!({"items": [item_example()], "next_cursor": null}))
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems.extend([Code::BadCursor, Code::BadQuery]);
    endpoint
}

async fn list_items(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let id = id_of(&id)?;
    let query = desk::query(&request)?;
    let outcome = query.iter().find(|(name, _)| name == "outcome").map(|(_, value)| value.clone());
    if let Some(unknown) = outcome.as_deref().filter(|word| !OUTCOMES.contains(word)) {
        return Err(Error::new(Code::BadQuery, format!("`{unknown}` is none of {}.", OUTCOMES.join(", "))));
    }
    let caller = call.cause.caller.clone();
    let asked_of = desk::flag(&query, "mine").then(|| (caller.user, caller.teams.to_vec()));
    let sheet = Sheet::read(request.path(), query, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            CampaignRow::find(reading.connection, id)?;
            let wanted = Wanted { outcome, asked: asked_of };
            let rows = CertificationRow::list(reading.connection, id, &wanted, asked.after_id()?, asked.rows())?;
            let places: Vec<RecordId> = rows.iter().map(|row| row.record_id).collect();
            let items = shown_items(reading, rows)?.into_iter().zip(places).collect();
            asked.cut(items, |(_, place): &(Certification, RecordId)| (Vec::new(), place.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut.map(|(item, _)| item), None))
}

fn shown_items(reading: &mut Reading<'_>, rows: Vec<CertificationRow>) -> Result<Vec<Certification>> {
    let ids = rows.iter().map(|row| row.record_id).collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let shown = rows.into_iter().map(|row| {
        let record = seen.get(&row.record_id).map(LinkedRecord::of);
        let CertificationRow { owner_id, team_id, outcome, comment, decided_by_id, decided_at, .. } = row;
        Certification { record, owner_id, team_id, outcome, comment, decided_by_id, decided_at }
    });
    Ok(shown.collect())
}

fn deciding() -> Endpoint {
    let mut endpoint =
        endpoint(Method::POST, "/{id}/items/{record_id}/decide", "decide_certification", "certification.decide");
    endpoint.summary = "Certify or reject a configuration item".into();
    endpoint.description = "For its owner, its support team, and those who manage campaigns. It stands in the history of the configuration \
                            item. Saying something else later replaces it."
        .into();
    let record = patterned(40, "^([0-9A-Fa-f-]{36}|[A-Za-z]+[0-9]+)$");
    endpoint.parameters.extend([
        in_path("record_id", "The id or number of the configuration item.", record, "CI0000007"),
        dry_run(),
        idempotency_key(),
        reason(),
    ]);
    endpoint.request = Some(Content::json(
        schema::<CertificationDecision>(),
        json!({"outcome": "rejected", "comment": "It was scrapped in May."}),
    ));
    endpoint.responses = vec![Answer::json(200, "It is said.", schema::<Certification>(), item_example())];
    endpoint.problems.extend([Code::Invalid, Code::Conflict]);
    endpoint
}

async fn decide(call: Call, path: web::Path<(String, String)>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (id, record) = path.into_inner();
    let id = id_of(&id)?;
    let CertificationDecision { outcome, comment } = fit(body.clone())?;
    call.write(&body, move |desk| {
        let record = record_id_of(desk.unit.reference(), &ConfigurationItemPractice::KIND, &record)?;
        let row = certification::decide(desk, id, record, (outcome, &comment))?;
        let (kernel, cause) = (desk.kernel, desk.cause);
        let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
        let shown = shown_items(&mut reading, vec![row])?.pop();
        Ok(Reply::ok(serde_json::to_value(shown).map_err(Error::internal)?))
    })
    .await
}
