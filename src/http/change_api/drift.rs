//! What was found other than it should be: reported by whoever audits configuration items, held against the changes of that time, and
//! settled by people.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::CHANGE;
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply},
        endpoint::{Answer, Content, Endpoint, in_path, in_query, moment, one_of, short_text, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        query::Query,
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId, UserId},
    practice::change::unauthorised::{self, DriftRow, DriftState, Wanted},
    record::{
        drift::{Drift, Finding, SUMMARY},
        link::LinkedRecord,
        store::Desk,
        visibility,
    },
};

const WORDS: [(&str, DriftState); 3] =
    [("open", DriftState::Open), ("authorised", DriftState::Authorised), ("settled", DriftState::Settled)];

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(list(), list_drift).mount(one(), get_drift).mount(report(), report_drift).mount(settle(), settle_drift);
}

/// Something that was found other than it should be.
#[derive(Debug, Serialize, ToSchema)]
struct UnauthorisedChange {
    /// Its id.
    id: RowId,
    /// What is other than it should be.
    configuration_item_id: RecordId,
    /// When that was found.
    found_at: Moment,
    /// When it became so, as far as is known.
    drifted_at: Moment,
    /// When it was last seen as it should be; null where nobody knows.
    #[schema(required = true)]
    last_seen_at: Option<Moment>,
    /// In which way it is other.
    finding: Finding,
    /// The field that is other, or what the thing calls the relation, where a data source has found one; null otherwise.
    #[schema(required = true)]
    field: Option<String>,
    /// The record at the other end of the relation; null where it is none, or you do not see it.
    #[schema(required = true)]
    related_id: Option<RecordId>,
    /// When it was last found so: again and again, where a data source finds it whenever it looks.
    last_found_at: Moment,
    /// What is other.
    summary: String,
    /// What has found it.
    source: String,
    /// Where it stands: `authorised` where a change of the thing was being made then, or between when it was last seen and then.
    state: DriftState,
    /// That change; null where there is none.
    #[schema(required = true)]
    change_id: Option<RecordId>,
    /// What came of it.
    comment: String,
    /// Who has reported it.
    reported_by_id: UserId,
    /// Who has settled it; null before.
    #[schema(required = true)]
    settled_by_id: Option<UserId>,
    /// When; null before.
    #[schema(required = true)]
    settled_at: Option<Moment>,
}

/// What was found other than it should be, and what may have made it so.
#[derive(Debug, Serialize, ToSchema)]
struct WeighedUnauthorisedChange {
    #[serde(flatten)]
    change: UnauthorisedChange,
    /// Changes that were being made then of what it rests on, or of what rests on it, as far as you see them: one of them may have made it so.
    /// At most 20.
    candidates: Vec<LinkedRecord>,
}

/// What was found.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUnauthorisedChange {
    /// What is other than it should be.
    configuration_item_id: RecordId,
    /// What is other.
    #[schema(min_length = 1, max_length = 2000)]
    summary: String,
    /// What has found it.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    source: String,
    /// When it was last seen as it should be: a change that was made since then is held to have made it so.
    #[serde(default)]
    #[schema(required = false)]
    last_seen_at: Option<Moment>,
    /// When it became so at the latest; now, if not given. Never later than that.
    #[serde(default)]
    #[schema(required = false)]
    drifted_at: Option<Moment>,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnauthorisedChangeSettlement {
    /// What came of it: undone, or accepted, and why.
    #[schema(min_length = 1, max_length = 2000)]
    comment: String,
    /// A change that it belongs to after all.
    #[serde(default)]
    #[schema(required = false)]
    change_id: Option<RecordId>,
}

impl From<DriftRow> for UnauthorisedChange {
    fn from(row: DriftRow) -> Self {
        UnauthorisedChange {
            state: DriftState::stored(&row.state),
            id: row.id,
            configuration_item_id: row.configuration_item_id,
            found_at: row.found_at,
            drifted_at: row.drifted_at,
            last_seen_at: row.last_seen_at,
            finding: Finding::stored(&row.finding),
            field: row.field,
            related_id: row.related_id,
            last_found_at: row.last_found_at,
            summary: row.summary,
            source: row.source,
            change_id: row.change_id,
            comment: row.comment,
            reported_by_id: row.reported_by_id,
            settled_by_id: row.settled_by_id,
            settled_at: row.settled_at,
        }
    }
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7d", "configuration_item_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c",
        "found_at": "2026-03-02T08:40:00Z", "drifted_at": "2026-03-02T03:12:00Z",
        "last_seen_at": "2026-03-01T03:12:00Z", "finding": "reported", "field": null, "related_id": null, "last_found_at": "2026-03-02T08:40:00Z", "summary": "Port 23 is open.", "source": "audit",
        "state": "open", "change_id": null, "comment": "", "reported_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        "settled_by_id": null, "settled_at": null,
    })
}

fn endpoint(method: Method, rest: &str, id: &'static str) -> Endpoint {
    let permission = match (&method, rest) {
        (&Method::GET, _) => "unauthorised_change.read",
        (_, "") => "unauthorised_change.report",
        _ => "unauthorised_change.settle",
    };
    Endpoint::new(method, format!("/api/v1/unauthorised-changes{rest}"), id, CHANGE.label, permission)
}

fn list() -> Endpoint {
    let of_item = "Only those of this configuration item, or of a relation with it.";
    let mut parameters = vec![
        in_query("state", "Only those that stand so.", one_of(WORDS.iter().map(|(word, _)| *word)), "open"),
        in_query(
            "finding",
            "Only those that are other in this way.",
            one_of(Finding::ALL.map(Finding::as_str)),
            "changed",
        ),
        in_query("source", "Only what this has found.", short_text(200), "discovery"),
        in_query("configuration_item_id", of_item, uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c"),
        in_query("from", "Only those that were found from then on.", moment(), "2026-03-01T00:00:00Z"),
        in_query("until", "Only those that were found before.", moment(), "2026-04-01T00:00:00Z"),
    ];
    parameters.extend(sheet::parameters());
    let page = sheet::shape("UnauthorisedChange", schema::<UnauthorisedChange>());
    Endpoint {
        summary: "List what was changed without a change".into(),
        description: "The newest first: what was found other than it should be, of configuration items that you see."
            .into(),
        parameters,
        responses: vec![
            Answer::json(200, "A page of them.", page, json!({"items": [example()], "next_cursor": null}))
                .header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "", "list_unauthorised_changes")
    }
}

async fn list_drift(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::of(&pairs);
    let wanted = Wanted {
        state: query.choice("state", &WORDS)?,
        finding: query.choice("finding", &Finding::ALL.map(|finding| (finding.as_str(), finding)))?,
        source: query.text("source").map(str::to_owned),
        item: query.id("configuration_item_id")?,
        from: query.moment("from")?,
        until: query.moment("until")?,
    };
    let sheet = Sheet::read(request.path(), pairs, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let most = usize::try_from(asked.rows()).unwrap_or_default();
            let rows = DriftRow::page(reading, &wanted, asked.after_id()?, most)?;
            let shown = rows.into_iter().map(UnauthorisedChange::from).collect();
            asked.cut(shown, |row: &UnauthorisedChange| (Vec::new(), row.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn one() -> Endpoint {
    let mut example = example();
    example["candidates"] = json!([{
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "kind": "change", "number": "CHG0000007", "title": "Replace the host",
        "state": "implement", "phase": "open",
    }]);
    Endpoint {
        summary: "Read one".into(),
        description: "With the changes that may have made it so though they do not say so.".into(),
        parameters: vec![in_path("id", "Its id.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7d")],
        responses: vec![Answer::json(200, "It.", schema::<WeighedUnauthorisedChange>(), example)],
        problems: vec![Code::NotFound],
        ..endpoint(Method::GET, "/{id}", "get_unauthorised_change")
    }
}

async fn get_drift(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id: RowId = id.parse().map_err(|_| Error::not_found("unauthorised change"))?;
    let shown = call
        .read(move |reading| {
            let row = DriftRow::visible(reading, id)?;
            let candidates = unauthorised::candidates(reading, &row)?.iter().map(LinkedRecord::of).collect();
            Ok(WeighedUnauthorisedChange { change: row.into(), candidates })
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn report() -> Endpoint {
    let body = json!({"configuration_item_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7c", "summary": "Port 23 is open.", "source": "audit"});
    Endpoint {
        summary: "Report that something is other than it should be".into(),
        description: "It is held against the changes of the configuration item: where one was being made when it became so, it is `authorised`; \
                      otherwise it is `open` until somebody settles it. Data sources that report drift do so by themselves."
            .into(),
        parameters: vec![dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(schema::<NewUnauthorisedChange>(), body)),
        responses: vec![
            Answer::json(201, "It is taken in.", schema::<UnauthorisedChange>(), example())
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::Invalid],
        ..endpoint(Method::POST, "", "report_unauthorised_change")
    }
}

async fn report_drift(call: Call, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewUnauthorisedChange = fit(body.clone())?;
    call.write(&body, move |desk| {
        let drift = drift_of(desk, &new)?;
        let row = unauthorised::report(desk, &drift)?;
        Ok(Reply::created(format!("/api/v1/unauthorised-changes/{}", row.id), shown(desk, row)?))
    })
    .await
}

/// As the caller may see it: of a change or another end that they don't see, nothing is told.
fn shown(desk: &mut Desk<'_, '_>, row: DriftRow) -> Result<Value> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let about = [row.change_id, row.related_id].into_iter().flatten().collect();
    let seen = visibility::among(kernel, desk.unit.connection()?, &caller, about)?;
    let row = row.among(|id| seen.contains_key(id));
    serde_json::to_value(UnauthorisedChange::from(row)).map_err(Error::internal)
}

fn text(field: &str, text: &str, least: usize, most: usize) -> Result<String> {
    let length = text.trim().chars().count();
    if (least..=most).contains(&length) {
        return Ok(text.trim().to_owned());
    }
    Err(Error::invalid(format!("/{field}"), "wrong_form", format!("`{field}` has {least} to {most} characters.")))
}

fn must_see(desk: &mut Desk<'_, '_>, field: &str, kind: &str, id: RecordId) -> Result<()> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let seen = visibility::among(kernel, desk.unit.connection()?, &caller, vec![id])?;
    if seen.get(&id).is_some_and(|header| header.kind == kind) {
        return Ok(());
    }
    let detail = format!("There is no such {}.", kind.replace('_', " "));
    Err(Error::invalid(format!("/{field}"), "no_such_reference", detail))
}

fn drift_of(desk: &mut Desk<'_, '_>, new: &NewUnauthorisedChange) -> Result<Drift> {
    let now = desk.cause.at;
    let drifted_at = new.drifted_at.unwrap_or(now);
    if drifted_at > now {
        return Err(Error::invalid("/drifted_at", "out_of_range", "`drifted_at` has not come yet."));
    }
    if new.last_seen_at.is_some_and(|seen| seen > drifted_at) {
        let detail = "It became so before it was last seen as it should be.";
        return Err(Error::invalid("/last_seen_at", "out_of_range", detail));
    }
    must_see(desk, "configuration_item_id", "configuration_item", new.configuration_item_id)?;
    Ok(Drift {
        item: new.configuration_item_id,
        last_seen_at: new.last_seen_at,
        last_looked_at: None,
        finding: Finding::Reported,
        field: None,
        related: None,
        drifted_at,
        summary: text("summary", &new.summary, 1, SUMMARY)?,
        source: text("source", &new.source, 0, 200)?,
    })
}

fn settle() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "/{id}/settle", "settle_unauthorised_change");
    let id = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7d";
    endpoint.parameters = vec![in_path("id", "Its id.", uuid(), id), dry_run(), idempotency_key(), reason()];
    Endpoint {
        summary: "Say what came of something that no change said".into(),
        description: "That it was undone or is accepted, and why; with the change that it belongs to, where there is one after all.".into(),
        request: Some(Content::json(schema::<UnauthorisedChangeSettlement>(), json!({"comment": "Closed again."}))),
        responses: vec![Answer::json(200, "It is settled.", schema::<UnauthorisedChange>(), example())],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict],
        ..endpoint
    }
}

async fn settle_drift(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let given: UnauthorisedChangeSettlement = fit(body.clone())?;
    let id: RowId = id.parse().map_err(|_| Error::not_found("unauthorised change"))?;
    call.write(&body, move |desk| {
        let comment = text("comment", &given.comment, 1, 2_000)?;
        let before = DriftRow::find(desk.unit.connection()?, id)?;
        let hidden = |_| Error::not_found("unauthorised change");
        must_see(desk, "id", "configuration_item", before.configuration_item_id).map_err(hidden)?;
        if let Some(change) = given.change_id {
            must_see(desk, "change_id", "change", change)?;
        }
        let row = unauthorised::settle(desk, id, given.change_id, &comment)?;
        Ok(Reply::ok(shown(desk, row)?))
    })
    .await
}
