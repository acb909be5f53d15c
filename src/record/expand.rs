//! `expand=`: embeds what references point to, beside their ids, with at most one query for each reference.

use super::{
    document::Document,
    face::{Shown, faces},
    kind::{Field, HEADER, Holds},
    mention, render,
    store::Reading,
    visibility,
};
use crate::error::Result;

/// Embeds the references called `names` into `records`. What the caller may not see stays out.
pub fn embed(reading: &mut Reading<'_>, names: &[String], records: &mut [Document]) -> Result<()> {
    for name in names {
        let Some(field) = reference(reading, name) else { continue };
        let ids = records.iter().filter_map(|record| record.word(field.name));
        let found = if let Holds::Record(of) = field.holds {
            self::records(reading, of, ids)?
        } else {
            faces(reading.kernel.faces(), reading.connection, field.holds, ids)?
        };
        for record in records.iter_mut() {
            match record.word(field.name).and_then(|id| found.get(id)) {
                Some(embedded) => record.set(field.short_name(), embedded.clone()),
                None => record.empty(field.short_name()),
            }
        }
    }
    Ok(())
}

fn reference(reading: &Reading<'_>, name: &str) -> Option<&'static Field> {
    let details = reading.kernel.practices().iter().flat_map(|p| p.kind().fields);
    HEADER.iter().chain(details).find(|f| f.short_name() == name && f.short_name() != f.name)
}

/// Those that the caller sees and may read, and of what they refer to in turn only what the caller sees.
fn records<'a>(reading: &mut Reading<'_>, of: &str, ids: impl Iterator<Item = &'a str>) -> Result<Shown> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let ids = ids.filter_map(|id| id.parse().ok()).collect();
    let seen = visibility::among(kernel, connection, caller, ids)?;
    let seen: Vec<_> = seen.into_values().map(|header| (header.id, header.version)).collect();
    let mut shown = render::present(kernel, connection, kernel.practice(of)?.kind(), &seen)?;
    mention::hide_references(kernel, connection, caller, &mut shown)?;
    shown
        .iter()
        .filter_map(|record| Some((record.word("id")?.to_owned(), record)))
        .map(|(id, record)| Ok((id, record.text()?.into())))
        .collect()
}
