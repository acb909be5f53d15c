//! What a story tells of long texts: how they begin.

use serde_json::Value;

use super::super::history::HistoryEntry;

/// So many characters are told of what a field held, of what it holds, of a reason and of a decision.
const LONGEST: usize = 4_000;
/// What counts as one is what is no text.
const SCALAR: usize = 8;

/// What was told, in characters, and whether it was all.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub size: usize,
    pub is_cut: bool,
}

/// Cuts what is long in an entry.
pub(super) fn entry(entry: &mut HistoryEntry) -> Told {
    let mut told = text(&mut entry.reason);
    for value in entry.changes.iter_mut().flat_map(|change| [&mut change.from, &mut change.to]) {
        let mut room = LONGEST;
        told.is_cut |= !fit(value, &mut room);
        told.size += LONGEST - room;
    }
    told
}

/// Cuts a text that is long.
pub(super) fn text(text: &mut String) -> Told {
    let mut room = LONGEST;
    let is_cut = !fit_text(text, &mut room);
    Told { size: LONGEST - room, is_cut }
}

/// Makes a value fit into the room that there is, which becomes less; false where something was cut off.
fn fit(value: &mut Value, room: &mut usize) -> bool {
    let mut is_whole = true;
    let mut keep = |value: &mut Value| {
        let is_room = *room > 0;
        is_whole &= is_room && fit(value, room);
        is_room
    };
    match value {
        Value::String(text) => return fit_text(text, room),
        Value::Array(items) => items.retain_mut(keep),
        Value::Object(members) => members.retain(|_, value| keep(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => *room = room.saturating_sub(SCALAR),
    }
    is_whole
}

fn fit_text(text: &mut String, room: &mut usize) -> bool {
    match text.char_indices().nth(*room) {
        Some((end, _)) => {
            text.truncate(end);
            text.push('…');
            *room = 0;
            false
        }
        None => {
            *room = room.saturating_sub(text.chars().count().max(1));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_told_until_the_room_is_used_up() {
        let long = "ü".repeat(10);
        let cases = [
            (json!("ü"), json!("ü"), true),
            (json!(long), json!(long), true),
            (json!(format!("{long}ü")), json!(format!("{long}…")), false),
            (json!(["12345", "12345", "1"]), json!(["12345", "12345"]), false),
            (json!({"a": "123456", "b": {"c": "12345", "d": 1}}), json!({"a": "123456", "b": {"c": "1234…"}}), false),
            (json!([null, true, 3]), json!([null, true]), false),
            (json!(["", "", ""]), json!(["", "", ""]), true),
        ];
        for (value, expected, is_whole) in cases {
            let (mut told, mut room) = (value.clone(), 10);
            assert_eq!((fit(&mut told, &mut room), &told), (is_whole, &expected), "{value}");
        }
    }
}
