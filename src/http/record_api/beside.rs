//! Pages of what stands beside a record: with its `ETag`, since they change with it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::read::visible;
use crate::{
    error::Result,
    http::{
        desk::{self, Call},
        sheet::Sheet,
    },
    record::{header::Header, kind::Kind, query::cursor::Key, store::Reading},
};

/// Answers with a page of what stands beside a record that the caller sees: `rows` reads it after the place that is asked for, and
/// `place` tells where a row stands, by as many keys as `keys` beside its id.
pub(in crate::http) async fn page<T: Serialize + Send + 'static>(
    call: Call,
    (kind, id): (&'static Kind, web::Path<String>),
    request: HttpRequest,
    keys: usize,
    rows: impl FnOnce(&mut Reading<'_>, &Header, &Sheet) -> Result<Vec<T>> + Send + 'static,
    place: fn(&T) -> (Vec<Key>, String),
) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, keys)?;
    let asked = sheet.clone();
    let (version, cut) = call
        .read(move |reading| {
            reading.cause.caller.require(&kind.permission("read"))?;
            let record = visible(reading, kind, &id)?;
            let rows = rows(reading, &record, &asked)?;
            Ok((record.version, asked.cut(rows, place)?))
        })
        .await?;
    Ok(sheet.respond(&cut, Some(version)))
}
