//! The words by which known errors are found: of their titles and symptoms, and of their error codes. They stand in a table of their own
//! while the known error is one that is suggested, so that what somebody types is looked up and not compared with everything.
//!
//! How much a word says follows from how many known errors have it: of all that are suggested, those of other organisations as well, since a
//! few alone know nothing of how usual a word is.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use diesel::{dsl::count_star, prelude::*};

use super::{Problem, rules, sight::Sight};
use crate::{
    db::{AnyConnection, Backend},
    error::Result,
    id::RecordId,
    insert_rows,
    record::{
        draft::Draft,
        header::Header,
        practice::Details,
        store::{Desk, Reading},
    },
    schema::{known_error_word, problem, record},
};

/// The shortest word that counts, and the longest.
const SHORTEST: usize = 3;
const LONGEST: usize = 50;
/// The word that each known error has, by which they are counted.
pub(super) const EACH: &str = "";
/// So many words of what is typed count: those of the title and the rarest. They lead to so many places at most.
const TELLING: usize = 200;
const PLACES: i64 = 5_000;
/// So many known errors know nothing yet of how usual a word is; then it has to be so long.
const FEW: i64 = 12;
const LONG: usize = 4;
/// What a rare word says, and one that is not quite usual. Less than both together is chance.
const RARE: u32 = 2;
const UNUSUAL: u32 = 1;
/// The least that shared words have to say.
pub(super) const LEAST: u32 = RARE + UNUSUAL;
/// So many records or words are looked at in one go.
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
fn is_suggested(header: &Header, details: &Problem) -> bool {
    details.known_error_at.is_some() && !rules::is_gone(header, details)
}

/// Of a record, while it is suggested. A code is found by the longest part of it.
fn rows(header: &Header, details: &Problem) -> BTreeSet<WordRow> {
    if !is_suggested(header, details) {
        return BTreeSet::new();
    }
    let row = |word: String, is_code: bool| WordRow { word, is_code, record_id: header.id };
    let told = words(&[&header.title, details.symptom.as_deref().unwrap_or_default()]);
    let code = details.error_code.as_deref().and_then(|code| parts(code).max_by_key(|part| part.chars().count()));
    let told = told.into_iter().chain([EACH.to_owned()]);
    told.map(|word| row(word, false)).chain(code.map(|part| row(part, true))).collect()
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

/// How much a word says that so many of the known errors have.
fn weight(word: &str, have_it: i64, known: i64) -> u32 {
    let is_usual = if known < FEW {
        word.chars().count() < LONG || known >= 4 && have_it * 2 > known
    } else {
        have_it * 5 > known
    };
    match is_usual {
        true => 0,
        false if known < FEW || have_it == 1 || have_it * 20 <= known => RARE,
        false => UNUSUAL,
    }
}

/// What the words of a text say that say something.
fn telling(connection: &mut AnyConnection, title: &str, description: &str) -> Result<HashMap<String, u32>> {
    use known_error_word as word;
    let each = word::table.filter(word::is_code.eq(false)).filter(word::word.eq(EACH));
    let known: i64 = each.count().get_result(connection)?;
    let (in_title, given) = (words(&[title]), words(&[title, description]));
    let mut found: Vec<(String, i64)> = Vec::new();
    for part in given.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
        let counted = word::table.filter(word::is_code.eq(false)).filter(word::word.eq_any(part));
        found
            .extend(counted.group_by(word::word).select((word::word, count_star())).load::<(String, i64)>(connection)?);
    }
    let weighed = found.into_iter().map(|(word, n)| {
        let says = weight(&word, n, known);
        (word, n, says)
    });
    let mut telling: Vec<(String, i64, u32)> = weighed.collect();
    telling.retain(|(.., says)| *says > 0);
    telling.sort_by_cached_key(|(word, n, says)| (Reverse(*says), !in_title.contains(word), *n, word.clone()));
    telling.truncate(TELLING);
    let mut places = 0;
    telling.retain(|(_, n, _)| {
        let fits = places + n <= PLACES;
        places += if fits { *n } else { 0 };
        fits
    });
    Ok(telling.into_iter().map(|(word, _, says)| (word, says)).collect())
}

/// Which of these words, or of codes these parts, lead to which known errors of which the caller may be told.
fn places(
    reading: &mut Reading<'_>,
    sight: &Sight,
    these: &[String],
    is_code: bool,
) -> Result<Vec<(RecordId, String)>> {
    let known = known_error_word::table.inner_join(record::table.on(record::id.eq(known_error_word::record_id)));
    let mut found = known.into_boxed::<Backend>();
    if let Some(sees) = sight.condition(reading.connection.engine(), &reading.cause.caller) {
        found = found.filter(sees);
    }
    found = found.filter(known_error_word::is_code.eq(is_code)).filter(known_error_word::word.eq_any(these));
    let found = found.order(record::updated_at.desc()).limit(PLACES);
    Ok(found.select((known_error_word::record_id, known_error_word::word)).load(reading.connection)?)
}

/// What the words of a text say that say something, and the known errors of which the caller may be told and that share enough of them, or a
/// part of whose code stands in the text; `most` of each.
pub(super) fn look_up(
    reading: &mut Reading<'_>,
    sight: &Sight,
    (title, description): (&str, &str),
    most: usize,
) -> Result<(HashMap<String, u32>, Vec<RecordId>)> {
    let telling = telling(reading.connection, title, description)?;
    let mut shared: HashMap<RecordId, u32> = HashMap::new();
    for (id, word) in places(reading, sight, &telling.keys().cloned().collect::<Vec<_>>(), false)? {
        *shared.entry(id).or_default() += telling.get(&word).copied().unwrap_or_default();
    }
    let mut by_word: Vec<(u32, RecordId)> = shared.into_iter().map(|(id, says)| (says, id)).collect();
    by_word.retain(|(says, _)| *says >= LEAST);
    by_word.sort_unstable_by_key(|best| Reverse(*best));
    let mut found: Vec<RecordId> = by_word.into_iter().take(most).map(|(_, id)| id).collect();
    let in_text: BTreeSet<String> = parts(title).chain(parts(description)).collect();
    let mut by_code = Vec::new();
    for part in in_text.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
        by_code.extend(places(reading, sight, part, true)?.into_iter().map(|(id, _)| id));
    }
    let text = format!("{title} {description}").to_lowercase();
    found.extend(whose_code_is_in(reading.connection, &by_code, &text)?.into_iter().take(most));
    Ok((telling, found))
}

/// Those of these known errors whose code stands in the text as a whole.
fn whose_code_is_in(connection: &mut AnyConnection, ids: &[RecordId], text: &str) -> Result<Vec<RecordId>> {
    let mut found = Vec::new();
    for part in ids.chunks(AT_ONCE) {
        let codes = problem::table.filter(problem::record_id.eq_any(part));
        let codes: Vec<(RecordId, Option<String>)> =
            codes.select((problem::record_id, problem::error_code)).load(connection)?;
        let is_there = |code: &Option<String>| code.as_ref().is_some_and(|code| text.contains(&code.to_lowercase()));
        found.extend(codes.into_iter().filter(|(_, code)| is_there(code)).map(|(id, _)| id));
    }
    Ok(found)
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

    #[test]
    fn a_word_says_the_more_the_rarer_it_is() {
        let cases = [
            ("invoices", 1, 1, RARE),
            ("the", 1, 1, 0),
            ("mail", 2, 4, RARE),
            ("mail", 3, 4, 0),
            ("vpn", 1, 12, RARE),
            ("mail", 2, 12, UNUSUAL),
            ("does", 3, 12, 0),
            ("invoices", 50, 1_000, RARE),
            ("mail", 200, 1_000, UNUSUAL),
            ("does", 201, 1_000, 0),
        ];
        for (word, have_it, known, says) in cases {
            assert_eq!(weight(word, have_it, known), says, "{word}: {have_it} of {known}");
        }
    }
}
