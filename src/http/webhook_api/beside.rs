//! The messages of webhooks that tell of one record.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};

use super::delivery::{asked, documented_page, list_parameters, respond};
use crate::{
    error::{Code, Result},
    http::{
        desk::{Call, record_id_of},
        endpoint::{Access, Endpoint},
        mount::Api,
        record_api::a,
        sheet::under,
    },
    record::{kind::Kind, store, webhook::delivery::DeliveryRow},
};

/// Mounts them for a kind.
pub fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_deliveries(kind, call, id, request));
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "deliveries", format!("list_{}_deliveries", kind.name));
    endpoint.access = Access::Permission("webhook.read".into());
    endpoint.summary = format!("List what webhooks were told of {}", a(kind)).into();
    endpoint.description = format!(
        "The messages about it to all webhooks, the newest first. Needs `{}` as well.",
        kind.permission("read")
    )
    .into();
    endpoint.parameters.extend(list_parameters());
    endpoint.responses = vec![documented_page()];
    endpoint.problems.extend([Code::BadCursor, Code::BadQuery]);
    endpoint
}

async fn list_deliveries(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    call.cause.caller.require(&kind.permission("read"))?;
    let (sheet, wanted) = asked(&request)?;
    respond(&call, sheet, move |reading| {
        let id = record_id_of(reading.connection, kind, &id)?;
        let caller = &reading.cause.caller;
        let record = store::visible(reading.kernel, reading.connection, caller, kind, id)?.id;
        DeliveryRow::of_record(reading.connection, caller, kind, record, wanted)
    })
    .await
}
