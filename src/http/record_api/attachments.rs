//! The attachments of a record.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::{Value, json};
use utoipa::openapi::{
    ObjectBuilder,
    schema::{KnownFormat, SchemaFormat, Type},
};

use super::{
    a, beside,
    read::visible,
    store_file::{Limits, Receiving, contents},
};
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::{self, Call, Reply, record_id_of},
        endpoint::{Access, Answer, Content, Endpoint, in_path, in_query, needed, patterned, uuid},
        entity_tag::IfNoneMatch,
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::{Shape, inline, schema},
        sheet::{self, encoded, under},
        upload::Upload,
    },
    id::RowId,
    record::{
        attachment::{self, Attachment, Place},
        kind::Kind,
    },
};

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_attachments(kind, call, id, request));
    api.mount(create(kind), move |call, id, limits, request, upload| attach(kind, call, id, limits, request, upload));
    api.mount(get(kind), move |call, path| get_attachment(kind, call, path));
    api.mount(download(kind), move |call, path, limits, request| send_content(kind, call, path, limits, request));
    api.mount(delete(kind), move |call, path, limits| detach(kind, call, path, limits));
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72", "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f",
        "name": "screenshot.png", "media_type": "image/png", "size": 48213,
        "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "created_by_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "created_at": "2026-03-02T08:15:00Z",
    })
}

fn bytes() -> Shape {
    let object = ObjectBuilder::new().schema_type(Type::String);
    inline(utoipa::openapi::Schema::from(
        object.format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).description(Some("Any bytes.")).build(),
    ))
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "attachments", format!("list_{}_attachments", kind.name));
    endpoint.summary = format!("List the attachments of {}", a(kind)).into();
    endpoint.description = "Oldest first, without their content.".into();
    sheet::of_pages(&mut endpoint, "A page of attachments.", "Attachment", schema::<Attachment>(), example());
    endpoint
}

async fn list_attachments(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let page = beside::page(
        call,
        (kind, id),
        request,
        0,
        |reading, record, asked| attachment::of_record(reading.connection, record.id, asked.after_id()?, asked.rows()),
        |row| (Vec::new(), row.id.to_string()),
    );
    page.await
}

/// The name of a file: no path, and no control characters.
const NAME: &str =
    r"^[^/\\\u0000-\u001F\u007F-\u009F]*[^\s/\\\u0000-\u001F\u007F-\u009F][^/\\\u0000-\u001F\u007F-\u009F]*$";

fn create(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "attachments", format!("create_{}_attachment", kind.name));
    endpoint.access = Access::Permission(kind.permission("comment").into());
    endpoint.summary = format!("Attach a file to {}", a(kind)).into();
    endpoint.description = "The body is the file itself, up to the limit that the operator set (25 MiB if nothing was said). Its `Content-Type` may be any and is kept. It is a change of the record: the `ETag` is its new one. An upload that breaks off leaves nothing.".into();
    let name = needed(in_query("name", "The name of the file.", patterned(255, NAME), "screenshot.png"));
    endpoint.parameters.extend([name, if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.request = Some(Content::of("application/octet-stream", bytes(), json!("…")).optional());
    endpoint.responses = vec![
        Answer::json(201, "It is attached.", schema::<Attachment>(), example())
            .header("ETag", "The record's version, for `If-Match`.")
            .header("Location", "Where it is."),
    ];
    endpoint.problems.extend([Code::TooLarge, Code::RequestTimeout, Code::Stale]);
    endpoint
}

async fn attach(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    limits: Limits,
    request: HttpRequest,
    upload: Upload,
) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let name = query.into_iter().find(|(n, _)| n == "name").map(|(_, v)| v).unwrap_or_default();
    attachment::check_name(&name)?;
    let media_type = media_type(&request)?;
    upload.check_announced(limits.0.max_bytes)?;
    // Before the bytes are taken in; the write looks again.
    let of = call.read(move |reading| visible(reading, kind, &id).map(|header| header.id)).await?;
    let receiving = Receiving::begin(&call, &limits.0);
    let mut received = receiving.take_in(upload, limits.0.max_bytes).await?;
    let row = Attachment {
        id: received.id(),
        record_id: of,
        name,
        media_type,
        size: received.size,
        sha256: received.sha256.clone(),
        storage: received.place().as_str().to_owned(),
        created_by_id: call.cause.caller.user,
        created_at: call.cause.at,
    };
    let same = json!({"name": row.name, "media_type": row.media_type, "sha256": row.sha256});
    let expected = call.expected_if_given();
    let location = format!("{}/{}", request.path(), row.id);
    let wanted = row.id.to_string();
    // Whoever sent it may be gone before the answer; what no row names in the end is left to the sweep.
    received.keep(true);
    let response = call
        .write(&same, move |desk| {
            let outcome = expected.try_each(|version| attachment::add(desk, kind, version, row.clone()))?;
            let body = serde_json::to_value(&row).map_err(Error::internal)?;
            Ok(Reply { version: Some(outcome.version), ..Reply::created(location.clone(), body) })
        })
        .await;
    // The answer to a retry names the attachment of the first request, and a rehearsal none.
    let is_named = |response: &HttpResponse| {
        response.headers().get(header::LOCATION).is_some_and(|l| l.as_bytes().ends_with(wanted.as_bytes()))
    };
    let is_not_there = match &response {
        Ok(response) => !is_named(response),
        Err(e) => e.code.status() < 500,
    };
    if is_not_there {
        received.keep(false);
    }
    response
}

fn media_type(request: &HttpRequest) -> Result<String> {
    const LONGEST: usize = 127;
    let Some(given) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok("application/octet-stream".to_owned());
    };
    if given.as_bytes().starts_with(b"multipart/") {
        let detail = "The body is the file itself, not a form: send its own `Content-Type`, and its name in `name`.";
        return Err(Error::new(Code::UnsupportedMediaType, detail));
    }
    let parsed = given.to_str().ok().filter(|t| t.len() <= LONGEST && t.parse::<actix_web::mime::Mime>().is_ok());
    parsed.map(str::to_owned).ok_or_else(|| Error::new(Code::Malformed, "`Content-Type` is no media type."))
}

fn one(kind: &'static Kind, method: Method, rest: &str, id: String) -> Endpoint {
    let mut endpoint = under(kind, method, rest, id);
    let id = in_path("attachment_id", "The id of the attachment.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72");
    endpoint.parameters.push(id);
    endpoint
}

fn get(kind: &'static Kind) -> Endpoint {
    let mut endpoint = one(kind, Method::GET, "attachments/{attachment_id}", format!("get_{}_attachment", kind.name));
    endpoint.summary = format!("Read about an attachment of {}", a(kind)).into();
    endpoint.description = "Its name, type, size and digest, without its content.".into();
    endpoint.responses = vec![Answer::json(200, "The attachment.", schema::<Attachment>(), example())];
    endpoint
}

async fn get_attachment(kind: &'static Kind, call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(found(kind, &call, path.into_inner()).await?))
}

/// The attachment of a path, of a record that the caller sees.
async fn found(kind: &'static Kind, call: &Call, (of, id): (String, String)) -> Result<Attachment> {
    let id = attachment_id(&id)?;
    call.read(move |reading| {
        let of = visible(reading, kind, &of)?.id;
        attachment::find(reading.connection, of, id)
    })
    .await
}

fn attachment_id(text: &str) -> Result<RowId> {
    text.parse().map_err(|_| Error::not_found("attachment"))
}

fn download(kind: &'static Kind) -> Endpoint {
    let id = format!("download_{}_attachment", kind.name);
    let mut endpoint = one(kind, Method::GET, "attachments/{attachment_id}/content", id);
    endpoint.summary = format!("Download an attachment of {}", a(kind)).into();
    endpoint.description =
        "The bytes as they came, with their media type. Always as a download, never to be shown by a browser as a page of this server. With `If-None-Match`, 304 when you have it already. Whatever `Accept` says, it is sent as what it is.".into();
    // No media type is declared, so that none is negotiated: the content is what it is.
    endpoint.responses = vec![
        Answer::empty(200, "The bytes, of the attachment's own media type.")
            .header("ETag", "The SHA-256 of the content.")
            .header("Content-Type", "What it was sent as.")
            .header("Content-Disposition", "`attachment`, with its name."),
        Answer::empty(304, "You have it already."),
    ];
    endpoint
}

async fn send_content(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    limits: Limits,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let attachment = found(kind, &call, path.into_inner()).await?;
    let tag = format!("\"{}\"", attachment.sha256);
    if IfNoneMatch::of(&request).names(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let size = u64::try_from(attachment.size).unwrap_or(0);
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, attachment.media_type.as_str()))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&attachment.name)))
        .insert_header((header::ETAG, tag))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        // Sent as it is: the tag is of these bytes.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .no_chunking(size);
    let place = Place::of(&attachment, &limits.0);
    Ok(response.streaming(contents(call.service.database.clone(), place, attachment)))
}

/// `Content-Disposition` with a name for every client (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " ._-()".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encoded(name))
}

fn delete(kind: &'static Kind) -> Endpoint {
    let id = format!("delete_{}_attachment", kind.name);
    let mut endpoint = one(kind, Method::DELETE, "attachments/{attachment_id}", id);
    endpoint.access = Access::Permission(kind.permission("comment").into());
    endpoint.summary = format!("Take an attachment of {} away", a(kind)).into();
    endpoint.description = format!(
        "Your own; those of others need the permission `{}`. `If-Match` is the record's `ETag`.",
        kind.permission("update")
    )
    .into();
    endpoint.parameters.extend([if_match(true), dry_run(), reason()]);
    endpoint.responses =
        vec![Answer::empty(204, "It is gone.").header("ETag", "The record's version, for `If-Match`.")];
    endpoint
}

async fn detach(
    kind: &'static Kind,
    call: Call,
    path: web::Path<(String, String)>,
    limits: Limits,
) -> Result<HttpResponse> {
    let (of, id) = path.into_inner();
    let (expected, id) = (call.expected()?, attachment_id(&id)?);
    let response = call
        .write(&Value::Null, move |desk| {
            let of = record_id_of(desk.unit.reference(), kind, &of)?;
            let (outcome, _) = expected.try_each(|version| attachment::remove(desk, kind, of, version, id))?;
            Ok(Reply::empty().at_version(outcome.version))
        })
        .await?;
    if !call.dry_run {
        super::store_file::remove_file(&limits.0, id).await;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_do_no_harm_in_a_header() {
        let cases = [
            ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
            ("a\"; b.txt", "attachment; filename=\"a__ b.txt\"; filename*=UTF-8''a%22%3B%20b.txt"),
            ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ];
        for (name, expected) in cases {
            assert_eq!(disposition(name), expected);
        }
    }
}
