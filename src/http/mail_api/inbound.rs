//! Mail that comes in, as the mail server hands it over.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Bytes, BytesMut},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

use crate::{
    config::Mail,
    error::{Code, Error, Result},
    http::{
        desk::{Call, Reply},
        endpoint::{Answer, Content, Endpoint},
        mount::Api,
        parameter::dry_run,
        record_api::store_file::{Limits, Received, Receiving},
        schema::{inline, schema},
        upload::Upload,
    },
    id::RecordId,
    integration::mail::{
        letter::{File, Letter, MOST_FILES},
        receive::{self, Outcome, Taken},
    },
    record::{attachment::Attachment, header::Header, kernel::Kernel},
};

const TAG: &str = "InboundMail";
const PERMISSION: &str = "mail.receive";
const MEDIA_TYPE: &str = "message/rfc822";
/// Bytes that are taken in at once.
const PIECE: usize = 256 * 1024;

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
struct ReceivedMail {
    /// What became of it.
    outcome: Outcome,
    /// Why it was not taken in.
    #[schema(examples("it comes from a list"))]
    reason: Option<String>,
    /// The record that it is in.
    record: Option<ReceivedMailRecord>,
    /// Files that were left out, because they are too large or too many.
    left_out: Vec<String>,
}

/// The record that a message is in.
#[derive(Debug, Serialize, ToSchema)]
struct ReceivedMailRecord {
    /// Its id.
    id: RecordId,
    /// Its kind.
    #[schema(examples("incident"))]
    kind: String,
    /// Its number.
    #[schema(examples("INC0000042"))]
    number: String,
}

/// Mounts it.
pub(super) fn mount(api: &mut Api) {
    api.tag(TAG, "Mail that comes in becomes a comment, or a contact with the desk.");
    api.mount(receive(), receive_mail);
}

fn example(outcome: &str, record: Value) -> Value {
    json!({"outcome": outcome, "reason": null, "record": record, "left_out": []})
}

fn receive() -> Endpoint {
    let record = |kind, number| json!({"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "kind": kind, "number": number});
    let body = "From: Ada Lovelace <ada@example.org>\r\nTo: desk@example.org\r\nSubject: Re: [INC0000042] Mail does not arrive\r\n\
                Message-ID: <4c1f@example.org>\r\n\r\nIt works again.\r\n";
    let raw = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .description(Some("A message, RFC 5322."));
    Endpoint {
        summary: "Hand in a message that came by mail".into(),
        description: "Its sender is the one active person with the address in `From`; who is not known, or shares their address, is refused \
(422), since anybody can write any address: the mail server must have made sure of it (SPF, DKIM, DMARC) before it hands a message in. \
What the message says, without what it quotes and without a signature, is a comment of the sender's on the record that it answers, \
which is found by `In-Reply-To`, `References` or the number in the subject, as far as the sender may read it. Otherwise it begins an \
interaction. The sender's own permissions count. What a machine has sent is answered with 200 and changes nothing, and so is a message that \
comes again (by its `Message-ID`). Attachments are kept as far as their limit allows."
            .into(),
        parameters: vec![dry_run()],
        request: Some(Content::of(MEDIA_TYPE, inline(Schema::from(raw.build())), json!(body))),
        responses: vec![
            Answer::json(200, "What became of it.", schema::<ReceivedMail>(), example("commented", record("incident", "INC0000042"))),
            Answer::json(201, "It has begun a record.", schema::<ReceivedMail>(), example("opened", record("interaction", "INT0000042")))
                .header("Location", "Where the record is.")
                .header("ETag", "The record's version, for `If-Match`."),
        ],
        problems: vec![
            Code::Malformed,
            Code::Forbidden,
            Code::TooLarge,
            Code::UnsupportedMediaType,
            Code::RequestTimeout,
            Code::Invalid,
            Code::Conflict,
            Code::RefusedByPolicy,
        ],
        ..Endpoint::new(Method::POST, "/api/v1/inbound/mail".to_owned(), "receive_mail", TAG, PERMISSION)
    }
}

async fn receive_mail(
    call: Call,
    settings: web::Data<Mail>,
    limits: Limits,
    request: HttpRequest,
    upload: Upload,
) -> Result<HttpResponse> {
    check_media_type(&request)?;
    let bytes = whole(upload, settings.largest_bytes).await?;
    let letter = tokio::task::spawn_blocking(move || Letter::read(&bytes)).await.map_err(Error::internal)??;
    if let Some(why) = letter.automatic {
        let untouched = Taken { outcome: Outcome::Automatic, record: None };
        return Ok(reply(&call.service.kernel, &untouched, Some(why), Vec::new())?.into_response());
    }
    let letter = Arc::new(letter);
    let known = letter.clone();
    let known = call.read(move |reading| {
        let sender = receive::sender(reading.connection, &known)?;
        receive::known(reading.connection, sender.user, &known)
    });
    if let Some(known) = known.await? {
        return Ok(reply(&call.service.kernel, &known, None, Vec::new())?.into_response());
    }
    let (mut kept, left_out) = stored(&call, &limits, &letter).await?;
    let files: Vec<Attachment> = kept.iter().map(|(row, _)| row.clone()).collect();
    // The mail server may be gone before the answer; what no row names in the end is left to the sweep.
    kept.iter_mut().for_each(|(_, received)| received.keep(true));
    let domain = settings.domain().to_owned();
    let written = call
        .once(None, move |desk| {
            let taken = receive::take_in(desk, &letter, &files, &domain)?;
            reply(desk.kernel, &taken, None, left_out.clone())
        })
        .await;
    let is_in_use = match &written {
        Ok((reply, _)) => ["commented", "opened"].iter().any(|outcome| reply.body["outcome"] == *outcome),
        Err(e) => e.code.status() >= 500,
    };
    kept.iter_mut().for_each(|(_, received)| received.keep(is_in_use));
    Ok(written?.0.into_response())
}

fn check_media_type(request: &HttpRequest) -> Result<()> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    Err(Error::new(Code::UnsupportedMediaType, format!("The body is a message: `Content-Type: {MEDIA_TYPE}`.")))
}

async fn whole(mut upload: Upload, most: u64) -> Result<Vec<u8>> {
    upload.check_announced(most)?;
    let (mut bytes, mut rest) = (Vec::new(), BytesMut::new());
    while let Some(piece) = upload.chunk(&mut rest, PIECE, most).await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Stores the files of a message; gives them with their rows, which name no record yet, and the names of those that are left out.
async fn stored(call: &Call, limits: &Limits, letter: &Letter) -> Result<(Vec<(Attachment, Received)>, Vec<String>)> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for file in &letter.files {
        if kept.len() >= MOST_FILES || file.bytes.len() as u64 > limits.0.max_bytes {
            left_out.push(file.name.clone());
            continue;
        }
        let received = Receiving::begin(call, &limits.0).take_whole(Bytes::from(file.bytes.clone())).await?;
        kept.push((row(call, file, &received), received));
    }
    Ok((kept, left_out))
}

fn row(call: &Call, file: &File, received: &Received) -> Attachment {
    Attachment {
        id: received.id(),
        // Whose it is and where is known when it is attached.
        record_id: RecordId::new(),
        created_by_id: call.cause.caller.user,
        name: file.name.clone(),
        media_type: file.media_type.clone(),
        size: received.size,
        sha256: received.sha256.clone(),
        storage: received.place().as_str().to_owned(),
        created_at: call.cause.at,
    }
}

fn reply(kernel: &Kernel, taken: &Taken, why: Option<&str>, left_out: Vec<String>) -> Result<Reply> {
    let record = taken.record.as_ref().map(|Header { id, kind, number, .. }| ReceivedMailRecord {
        id: *id,
        kind: kind.clone(),
        number: number.clone(),
    });
    let told = ReceivedMail { outcome: taken.outcome, reason: why.map(str::to_owned), record, left_out };
    let body = serde_json::to_value(told).map_err(Error::internal)?;
    match &taken.record {
        Some(header) if taken.outcome == Outcome::Opened => {
            let plural = kernel.practice(&header.kind)?.kind().plural;
            let location = format!("/api/v1/{plural}/{}", header.id);
            Ok(Reply::created(location, body).at_version(header.version))
        }
        _ => Ok(Reply::ok(body)),
    }
}
