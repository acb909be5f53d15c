//! Weighing a change before it is made, and looking at what it caused afterwards.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{CHANGE, reads};
use crate::{
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{self, Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_query},
        entity_tag::etag,
        mount::Api,
        parameter::{dry_run, if_match, reason},
        query::{Query, refused},
        record_api::visible,
        schema::schema,
        sheet::under,
    },
    id::RecordId,
    practice::change::{
        caused,
        questionnaire::{self, Given, Question},
    },
};

/// How long after a change its incidents are looked for at most, and where nothing is said, in hours.
const HOURS: i64 = 24 * 30;
const USUAL: i64 = 24;

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.mount(get(), get_assessment).mount(put(), put_assessment).mount(caused_by(), list_caused);
}

/// The questionnaire of risk, and how it was answered.
#[derive(Debug, Serialize, ToSchema)]
struct RiskAssessment {
    /// The questions.
    questions: Vec<Question>,
    /// The answers.
    answers: Vec<Given>,
    /// What they come to by the questions as they are now, in per cent of all points; null where nothing is answered. The change holds
    /// the risk of when it was answered.
    #[schema(required = true)]
    score: Option<i32>,
    /// The risk of that; null where nothing is answered.
    #[schema(required = true)]
    risk: Option<&'static str>,
}

impl RiskAssessment {
    fn read(connection: &mut AnyConnection, change: RecordId) -> Result<Self> {
        let (questions, answers) = (questionnaire::questions(connection)?, questionnaire::answers(connection, change)?);
        let score = questionnaire::score(&questions, &answers);
        Ok(RiskAssessment { questions, answers, score, risk: score.map(questionnaire::risk) })
    }
}

/// Answers to the questionnaire, in the place of all earlier ones.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRiskAnswers {
    /// The answers; a question that is left out counts as its worst answer.
    #[schema(max_items = 50)]
    answers: Vec<Given>,
}

fn answers() -> Value {
    json!([{"question": "users", "answer": "some"}, {"question": "backout", "answer": "minutes"}])
}

fn as_it_is(text: &'static str) -> Answer {
    let question = json!({
        "name": "backout", "text": "How long does the way back take?", "weight": 3,
        "answers": [{"name": "minutes", "text": "Minutes", "points": 0}, {"name": "none", "text": "There is none", "points": 3}],
    });
    let example = json!({"questions": [question], "answers": answers(), "score": 54, "risk": "medium"});
    Answer::json(200, text, schema::<RiskAssessment>(), example)
        .header("ETag", "The version of the change, for `If-Match`.")
}

fn get() -> Endpoint {
    let mut endpoint = reads("risk-assessment", "get_change_risk_assessment");
    endpoint.summary = "Read the questionnaire of risk".into();
    endpoint.description = "The questions with their weights, and how they were answered. The risk of the change is the higher of this one and \
                            what the policies of `assess_risk` say."
        .into();
    endpoint.responses = vec![as_it_is("As it is now.")];
    endpoint
}

async fn get_assessment(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let (version, shown) = call
        .read(move |reading| {
            let header = visible(reading, CHANGE, &id)?;
            Ok((header.version, RiskAssessment::read(reading.connection, header.id)?))
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header(("ETag", etag(version))).json(shown))
}

fn put() -> Endpoint {
    let mut endpoint = under(CHANGE, Method::PUT, "risk-assessment", "put_change_risk_assessment".to_owned());
    endpoint.access = Access::Permission(CHANGE.permission("update").into());
    endpoint.summary = "Answer the questionnaire of risk".into();
    endpoint.description =
        "In the place of all earlier answers. What was approved with another risk is asked again.".into();
    endpoint.parameters.extend([if_match(false), dry_run(), reason()]);
    endpoint.request = Some(Content::json(schema::<NewRiskAnswers>(), json!({"answers": answers()})));
    endpoint.responses = vec![as_it_is("It is answered.")];
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    endpoint
}

async fn put_assessment(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewRiskAnswers = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), CHANGE, &id)?;
        let outcome = expected.try_each(|version| questionnaire::assess(desk, of, version, &new.answers))?;
        let shown = RiskAssessment::read(desk.unit.settled(of)?, of)?;
        Ok(Reply::ok(serde_json::to_value(shown).map_err(Error::internal)?).at_version(outcome.version))
    })
    .await
}

/// An incident that a change may have caused.
#[derive(Debug, Serialize, ToSchema)]
struct CausedIncident {
    /// Its id.
    id: RecordId,
    /// Its number.
    #[schema(examples("INC0000042"))]
    number: String,
    /// Its title.
    title: String,
    /// Its state.
    state: String,
    /// When it was opened.
    opened_at: crate::clock::Moment,
    /// Whether it is linked to the change by `caused_by`; otherwise it is a guess by time and configuration item.
    linked: bool,
}

/// Incidents that a change may have caused.
#[derive(Debug, Serialize, ToSchema)]
struct CausedIncidentList {
    /// The incidents, by number.
    items: Vec<CausedIncident>,
}

/// The schema of so many hours, for parameters.
fn hours() -> utoipa::openapi::Schema {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::Integer)
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Int32)))
        .minimum(Some(0))
        .maximum(Some(HOURS))
        .into()
}

fn caused_by() -> Endpoint {
    let mut endpoint = reads("caused-incidents", "list_change_caused_incidents");
    endpoint.summary = "List the incidents that a change may have caused".into();
    endpoint.description = "Those that are linked to it as such, and those of the same things, of what is next to them, or of what is hit while they \
                            are down, that were opened since it began and within some hours after it ended. Link those that it has caused, by \
                            `caused_by`."
        .into();
    endpoint.parameters.push(in_query("hours", "How long after its end; 24, if not given.", hours(), 24));
    let one = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "number": "INC0000042", "title": "Mail does not arrive", "state": "new",
        "opened_at": "2026-03-07T21:10:00Z", "linked": false,
    });
    endpoint.responses =
        vec![Answer::json(200, "The incidents.", schema::<CausedIncidentList>(), json!({"items": [one]}))];
    endpoint.problems.push(Code::BadQuery);
    endpoint
}

async fn list_caused(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let pairs = desk::query(&request)?;
    let query = Query::read(&pairs, &["hours"])?;
    let hours = match query.text("hours") {
        None => USUAL,
        Some(text) => {
            let hours = text.parse::<i64>().ok().filter(|hours| (0..=HOURS).contains(hours));
            hours.ok_or_else(|| refused("hours", "out_of_range", format!("`hours` is 0 to {HOURS}.")))?
        }
    };
    let found = call
        .read(move |reading| {
            let header = visible(reading, CHANGE, &id)?;
            caused::by(reading, &header, TimeDelta::hours(hours))
        })
        .await?;
    let items = found.into_iter().map(|(incident, linked)| CausedIncident {
        id: incident.id,
        number: incident.number,
        title: incident.title,
        state: incident.state,
        opened_at: incident.opened_at,
        linked,
    });
    Ok(HttpResponse::Ok().json(CausedIncidentList { items: items.collect() }))
}
