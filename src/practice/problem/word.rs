//! The words by which known errors are found: of their titles and symptoms, and of their error codes. They stand in a table of their own
//! while the known error is one that is suggested, so that what somebody types is looked up and not compared with everything.

use std::collections::BTreeSet;

use diesel::{dsl::count_star, prelude::*};

use super::{Problem, rules};
use crate::{
    db::AnyConnection,
    error::Result,
    id::RecordId,
    insert_rows,
    record::{draft::Draft, header::Header, kind::Phase, practice::Details, store::Desk},
    schema::{known_error_word, problem, record},
};

/// The shortest word that counts, and the longest.
const SHORTEST: usize = 3;
const LONGEST: usize = 50;
/// So many words of what is typed are looked up.
const LOOKED_UP: usize = 200;
/// So many records are looked at in one go.
const AT_ONCE: usize = 500;

/// A word of a known error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Insertable)]
#[diesel(table_name = known_error_word, treat_none_as_default_value = false)]
struct WordRow {
    word: String,
    is_code: bool,
    record_id: RecordId,
}

/// The words of some texts, in small letters.
pub(super) fn words(texts: &[&str]) -> BTreeSet<String> {
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let counts = |word: &&str| (SHORTEST..=LONGEST).contains(&word.chars().count());
    words.filter(counts).map(str::to_lowercase).collect()
}

/// The words of a text, however short, as they stand in error codes.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| (1..=LONGEST).contains(&part.chars().count())).map(str::to_lowercase)
}

/// Whether it is suggested: it is known, and its cause is not gone.
fn is_suggested(phase: &str, details: &Problem) -> bool {
    let is_gone = phase == Phase::Done.as_str() || details.closure.as_deref() == Some(rules::RESOLVED);
    details.known_error_at.is_some() && !is_gone
}

/// Of a record, while it is suggested. A code is found by the longest part of it.
fn rows(header: &Header, details: &Problem) -> BTreeSet<WordRow> {
    if !is_suggested(&header.phase, details) {
        return BTreeSet::new();
    }
    let row = |word: String, is_code: bool| WordRow { word, is_code, record_id: header.id };
    let told = words(&[&header.title, details.symptom.as_deref().unwrap_or_default()]);
    let code = details.error_code.as_deref().and_then(|code| parts(code).max_by_key(|part| part.chars().count()));
    told.into_iter().map(|word| row(word, false)).chain(code.map(|part| row(part, true))).collect()
}

/// Keeps the words of a problem as it is about to be.
pub(super) fn keep(draft: &Draft<Problem>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let new = rows(&draft.header, &draft.details);
    let old = draft.old().map(|(header, details)| rows(header, details)).unwrap_or_default();
    if new == old {
        return Ok(());
    }
    let connection = desk.unit.connection()?;
    if !old.is_empty() {
        let mine = known_error_word::table.filter(known_error_word::record_id.eq(draft.header.id));
        diesel::delete(mine).execute(connection)?;
    }
    let new: Vec<WordRow> = new.into_iter().collect();
    insert_rows!(connection, known_error_word::table, new)?;
    Ok(())
}

/// Puts in the words of the known errors that there are, where none are there yet.
pub(super) fn ship(connection: &mut AnyConnection) -> Result<()> {
    let any: Option<RecordId> =
        known_error_word::table.select(known_error_word::record_id).first(connection).optional()?;
    if any.is_some() {
        return Ok(());
    }
    let known: Vec<RecordId> =
        problem::table.filter(problem::known_error_at.is_not_null()).select(problem::record_id).load(connection)?;
    for part in known.chunks(AT_ONCE) {
        let headers = Header::find_all(connection, part)?;
        let details = Problem::load(connection, part)?;
        let of = |header: &Header| details.iter().find(|details| details.record_id == header.id);
        let rows: Vec<WordRow> =
            headers.iter().filter_map(|header| Some(rows(header, of(header)?))).flatten().collect();
        insert_rows!(connection, known_error_word::table, rows)?;
    }
    Ok(())
}

/// The words among these that say something, and the known errors that have two of them or a part of whose code stands in the text.
pub(super) fn look_up(
    connection: &mut AnyConnection,
    given: &BTreeSet<String>,
    text: &str,
    most: i64,
) -> Result<(BTreeSet<String>, Vec<RecordId>)> {
    use known_error_word as word;
    let known: i64 = problem::table.filter(problem::known_error_at.is_not_null()).count().get_result(connection)?;
    let asked: Vec<&String> = given.iter().take(LOOKED_UP).collect();
    let counted: Vec<(String, i64)> = word::table
        .filter(word::is_code.eq(false))
        .filter(word::word.eq_any(asked))
        .group_by(word::word)
        .select((word::word, count_star()))
        .load(connection)?;
    // A word that half of them have says nothing.
    let telling = counted.into_iter().filter(|(_, n)| known < 4 || n * 2 <= known);
    let telling: BTreeSet<String> = telling.map(|(word, _)| word).collect();
    let mut found: Vec<RecordId> = word::table
        .filter(word::is_code.eq(false))
        .filter(word::word.eq_any(telling.iter().collect::<Vec<_>>()))
        .group_by(word::record_id)
        .having(count_star().gt(1))
        .select(word::record_id)
        .order((count_star().desc(), word::record_id.desc()))
        .limit(most)
        .load(connection)?;
    let in_text: BTreeSet<String> = parts(text).collect();
    let by_code: Vec<RecordId> = word::table
        .inner_join(record::table.on(record::id.eq(word::record_id)))
        .filter(word::is_code.eq(true))
        .filter(word::word.eq_any(in_text.iter().take(LOOKED_UP).collect::<Vec<_>>()))
        .order(record::updated_at.desc())
        .select(word::record_id)
        .limit(most)
        .load(connection)?;
    found.extend(by_code);
    Ok((telling, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_neither_too_short_nor_without_an_end() {
        let found = words(&["Mail is LATE: at 17:05 o'clock", &"x".repeat(51)]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["clock", "late", "mail"]);
        assert_eq!(parts("ORA-01555, E5").collect::<Vec<_>>(), ["ora", "01555", "e5"]);
    }
}
