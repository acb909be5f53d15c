//! Which of the media types on offer the caller wants (RFC 9110, section 12.5.1).

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header as _, Quality},
    mime::{self, Mime},
};

/// The one of `offered` that the caller likes best; among equals the first. `None` when the caller takes none of them.
pub fn choose<'a>(request: &HttpRequest, offered: &[&'a str]) -> Option<&'a str> {
    let wanted = match Accept::parse(request) {
        Ok(Accept(wanted)) if !wanted.is_empty() => wanted,
        _ => return offered.first().copied(),
    };
    let mut best = (Quality::ZERO, None);
    for &offer in offered {
        // The most specific range that matches decides, as in `text/*;q=0.5, text/csv;q=0`.
        let quality = wanted
            .iter()
            .filter_map(|range| Some((specificity(&range.item, offer)?, range.quality)))
            .max_by_key(|(specificity, _)| *specificity)
            .map_or(Quality::ZERO, |(_, quality)| quality);
        if quality > best.0 {
            best = (quality, Some(offer));
        }
    }
    best.1
}

/// How closely `range` names `offer`: 2 exactly, 1 by its family, 0 by `*/*`, nothing when it doesn't.
fn specificity(range: &Mime, offer: &str) -> Option<u8> {
    let (family, kind) = offer.split(';').next()?.split_once('/')?;
    match (range.type_() == family, range.subtype() == kind) {
        (true, true) => Some(2),
        (true, false) if range.subtype() == mime::STAR => Some(1),
        _ if range.type_() == mime::STAR => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        let offered = ["application/json", "text/csv", "application/x-ndjson"];
        let cases = [
            ("", Some("application/json")),
            ("*/*", Some("application/json")),
            ("text/csv", Some("text/csv")),
            ("text/*", Some("text/csv")),
            ("application/json;q=0.5, text/csv;q=0.8", Some("text/csv")),
            ("text/*, text/csv;q=0", None),
            ("*/*, application/json;q=0.1", Some("text/csv")),
            ("application/*", Some("application/json")),
            ("application/json;charset=utf-8", Some("application/json")),
            ("text/html", None),
            ("application/xml;q=1, */*;q=0.01", Some("application/json")),
            ("not a media type", Some("application/json")),
        ];
        for (accept, expected) in cases {
            let request = match accept {
                "" => TestRequest::default(),
                accept => TestRequest::default().insert_header(("accept", accept)),
            };
            assert_eq!(choose(&request.to_http_request(), &offered), expected, "{accept}");
        }
    }
}
