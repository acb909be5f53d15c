//! Pages of what has one order: forward only, by the place of the last row.

use actix_web::{
    HttpResponse,
    http::{Method, header},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder,
    path::Parameter,
    schema::{SchemaType, Type},
};

use super::{
    endpoint::{Access, Answer, Endpoint},
    entity_tag::etag,
    parameter,
    schema::{Shape, named},
};
use crate::{
    clock::Moment,
    error::{Code, Result},
    record::{
        kind::Kind,
        query::{
            cursor::{self, Binding, Cursor, Key, Towards},
            limit,
        },
    },
};

/// Which page is asked for.
#[derive(Clone)]
pub(super) struct Sheet {
    limit: i64,
    after: Option<Cursor>,
    binding: Binding,
    path: String,
    query: Vec<(String, String)>,
}

/// A page and where the next one begins.
pub(super) struct Cut<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Cut<T> {
    /// The same page of other things.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Cut<U> {
        Cut { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

impl Sheet {
    /// Reads `limit` and `cursor`; the other parameters and the path bind the cursor. `keys` tells how many keys it holds
    /// beside the id.
    pub fn read(path: &str, query: Vec<(String, String)>, keys: usize) -> Result<Self> {
        let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let limit = limit::parse(given("limit"))?.into();
        let others = query.iter().filter(|(n, _)| !matches!(n.as_str(), "limit" | "cursor"));
        let binding = Binding::of(others.map(|(n, v)| (n.as_str(), v.as_str())).chain([("path", path)]));
        let after = given("cursor").map(|text| Cursor::decode(text, &binding, keys)).transpose()?;
        Ok(Sheet { limit, after, binding, path: path.to_owned(), query })
    }

    /// How many rows to load: one more than fit, to see whether there are more.
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// The id of the row after which the page begins.
    pub fn after_id<T: std::str::FromStr>(&self) -> Result<Option<T>> {
        self.after.as_ref().map(|c| c.id.parse().map_err(|_| cursor::refused())).transpose()
    }

    /// The number of the row after which the page begins.
    pub fn after_number(&self) -> Result<Option<i32>> {
        let Some(cursor) = &self.after else { return Ok(None) };
        match cursor.keys.as_slice() {
            [Key::Integer(n)] => i32::try_from(*n).map(Some).map_err(|_| cursor::refused()),
            _ => Err(cursor::refused()),
        }
    }

    /// The moment of the row after which the page begins.
    pub fn after_moment(&self) -> Result<Option<Moment>> {
        let Some(cursor) = &self.after else { return Ok(None) };
        match cursor.keys.as_slice() {
            [Key::Time(at)] => Ok(Some(*at)),
            _ => Err(cursor::refused()),
        }
    }

    /// Cuts rows to the page; `place` tells the keys and the id of a row.
    pub fn cut<T>(&self, mut items: Vec<T>, place: impl Fn(&T) -> (Vec<Key>, String)) -> Result<Cut<T>> {
        let more = items.len() as i64 > self.limit;
        items.truncate(usize::try_from(self.limit).unwrap_or(0));
        let next = match items.last().filter(|_| more) {
            None => None,
            Some(last) => {
                let (keys, id) = place(last);
                Some(Cursor { keys, id, towards: Towards::Next }.encode(&self.binding)?)
            }
        };
        Ok(Cut { items, next })
    }

    /// The page as an answer; with the `ETag` of the record where writes to the list need it.
    pub fn respond<T: Serialize>(&self, cut: &Cut<T>, version: Option<i32>) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &cut.next {
            response.insert_header((header::LINK, link(&self.path, &self.query, "next", cursor)));
        }
        if let Some(version) = version {
            response.insert_header((header::ETAG, etag(version)));
        }
        response.json(json!({"items": cut.items, "next_cursor": cut.next}))
    }
}

/// `limit` and `cursor`.
pub(super) fn parameters() -> [Parameter; 2] {
    [parameter::limit(), parameter::cursor()]
}

/// A page of `item`, called `{name}Page`.
pub(super) fn shape(name: &str, item: Shape) -> Shape {
    let items = ArrayBuilder::new().items(item.reference()).description(Some("The items of this page."));
    let next = ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .description(Some("Where the next page begins; null on the last one."));
    let object = ObjectBuilder::new()
        .description(Some("A page of a list that is read from its beginning to its end."))
        .property("items", items)
        .required("items")
        .property("next_cursor", next)
        .required("next_cursor");
    named(format!("{name}Page"), object.build()).with(item)
}

/// An endpoint for what stands beside a record, for those who may read the kind; the rest is filled in by whoever mounts it.
pub(super) fn under(kind: &Kind, method: Method, rest: &str, id: String) -> Endpoint {
    Endpoint {
        method,
        path: format!("/api/v1/{}/{{id}}/{rest}", kind.plural).into(),
        id: id.into(),
        tag: kind.label.into(),
        access: Access::Permission(kind.permission("read").into()),
        summary: "".into(),
        description: "".into(),
        parameters: vec![parameter::record_id(kind)],
        request: None,
        responses: Vec::new(),
        problems: vec![Code::NotFound],
    }
}

/// Says of an endpoint that it answers with pages of what stands beside a record and changes with it.
pub(super) fn of_pages(endpoint: &mut Endpoint, answer: &'static str, name: &str, item: Shape, example: Value) {
    endpoint.parameters.extend(parameters());
    let example = json!({"items": [example], "next_cursor": null});
    endpoint.responses = vec![
        Answer::json(200, answer, shape(name, item), example)
            .header("ETag", "The record's version, for `If-Match`.")
            .header("Link", "The `next` page (RFC 8288)."),
    ];
    endpoint.problems.push(Code::BadCursor);
}

/// A link to another page of a list (RFC 8288): the same query with this cursor.
pub(super) fn link(path: &str, query: &[(String, String)], rel: &str, cursor: &str) -> String {
    let others = query.iter().filter(|(n, _)| n != "cursor").map(|(n, v)| (n.as_str(), v.as_str()));
    let pairs = others.chain([("cursor", cursor)]).map(|(n, v)| format!("{}={}", encoded(n), encoded(v)));
    format!("<{path}?{}>; rel=\"{rel}\"", pairs.collect::<Vec<_>>().join("&"))
}

/// Text as it may stand in a URL.
pub(super) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED_IN_URLS)
}

/// All but what RFC 3986, 2.3 calls unreserved.
const RESERVED_IN_URLS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
