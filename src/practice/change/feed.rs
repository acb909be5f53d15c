//! The forward schedule of change as calendars subscribe to it: iCalendar (RFC 5545), written.

use super::{
    conflict::Span,
    plan,
    window::{WindowKind, WindowRow},
};
use crate::{clock::Moment, record::header::Header};

/// How many octets a line has at most, without its end.
const LINE: usize = 75;

/// A calendar of these changes and times of windows, as of a moment. Changes that are not planned are passed over.
pub fn calendar(changes: &[Header], windows: &[(WindowRow, Span)], now: Moment) -> String {
    let mut text = String::new();
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Pointsman//Forward schedule of change//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
    ] {
        put(&mut text, line);
    }
    put(&mut text, "X-WR-CALNAME:Forward schedule of change");
    for change in changes {
        event(&mut text, change, now);
    }
    for (window, span) in windows {
        time(&mut text, window, *span, now);
    }
    put(&mut text, "END:VCALENDAR");
    text
}

fn event(text: &mut String, change: &Header, now: Moment) {
    let Some(span) = plan::span(change) else { return };
    let status = match change.state.as_str() {
        "cancelled" => "CANCELLED",
        "new" | "assess" | "authorise" => "TENTATIVE",
        _ => "CONFIRMED",
    };
    begin(text, &change.id.to_string(), span, now);
    put(text, &format!("LAST-MODIFIED:{}", utc(change.updated_at)));
    put(text, &format!("SEQUENCE:{}", change.version));
    put(text, &format!("SUMMARY:{}", escaped(&format!("{} {}", change.number, change.title))));
    describe(text, &change.description);
    put(text, &format!("STATUS:{status}"));
    put(text, &format!("CATEGORIES:{}", escaped(&change.state)));
    put(text, "TRANSP:TRANSPARENT");
    put(text, "END:VEVENT");
}

/// A time of a window: a blackout takes the time that it has, a maintenance window leaves it free.
fn time(text: &mut String, window: &WindowRow, span: Span, now: Moment) {
    let transparency = match WindowKind::stored(&window.kind) {
        WindowKind::Maintenance => "TRANSPARENT",
        WindowKind::Blackout => "OPAQUE",
    };
    begin(text, &format!("{}-{}", window.id, utc(span.from)), span, now);
    put(text, &format!("LAST-MODIFIED:{}", utc(window.updated_at)));
    put(text, &format!("SEQUENCE:{}", window.version));
    put(text, &format!("SUMMARY:{}", escaped(&window.name)));
    describe(text, &window.description);
    put(text, "STATUS:CONFIRMED");
    put(text, &format!("CATEGORIES:{}", escaped(&window.kind)));
    put(text, &format!("TRANSP:{transparency}"));
    put(text, "END:VEVENT");
}

fn begin(text: &mut String, id: &str, span: Span, now: Moment) {
    put(text, "BEGIN:VEVENT");
    put(text, &format!("UID:{id}@pointsman"));
    put(text, &format!("DTSTAMP:{}", utc(now)));
    put(text, &format!("DTSTART:{}", utc(span.from)));
    // RFC 5545, 3.8.2.2: an end is later than its beginning; an event without one ends when it begins.
    if utc(span.from) < utc(span.until) {
        put(text, &format!("DTEND:{}", utc(span.until)));
    }
}

fn describe(text: &mut String, description: &str) {
    if !description.is_empty() {
        put(text, &format!("DESCRIPTION:{}", escaped(description)));
    }
}

fn utc(at: Moment) -> String {
    at.utc().format("%Y%m%dT%H%M%SZ").to_string()
}

/// A text as a value: what means something in iCalendar is quoted.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => (),
            c => out.push(c),
        }
    }
    out
}

/// Adds a line, folded so that no piece has too many octets and none is cut within a character.
fn put(text: &mut String, line: &str) {
    let (mut rest, mut most) = (line, LINE);
    while rest.len() > most {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(most));
        text.push_str(piece);
        text.push_str("\r\n ");
        (rest, most) = (more, LINE - 1);
    }
    text.push_str(rest);
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::calendar::ical::events;

    #[test]
    fn lines_are_folded_between_characters() {
        let mut text = String::new();
        put(&mut text, &format!("SUMMARY:{}", "é".repeat(100)));
        assert!(text.split("\r\n").all(|line| line.len() <= LINE), "{text}");
        assert_eq!(text.replace("\r\n ", "").trim_end(), format!("SUMMARY:{}", "é".repeat(100)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = "One; two, three\\four\nfive ".repeat(20);
        let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n");
        put(&mut text, &format!("SUMMARY:{}", escaped(&long)));
        text.push_str("END:VEVENT\r\nEND:VCALENDAR\r\n");
        let read = events(&text).unwrap();
        assert_eq!(read[0].get("SUMMARY").unwrap().text(), long.trim_end());
    }
}
