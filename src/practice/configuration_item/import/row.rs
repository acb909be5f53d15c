//! The tables of imports: sources, what each has said of what, and what became of each row.

use std::collections::HashMap;

use diesel::{dsl::exists, prelude::*};
use serde_json::json;

use super::{
    Asked, Content, KIND, Outcome,
    reconcile::{Empty, Gone, MANUAL},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend, JsonText, sql::among},
    error::Result,
    id::{RecordId, RowId, UserId},
    insert_rows,
    record::job::JobRow,
    schema::{
        configuration_import_content, configuration_import_row, configuration_origin, configuration_seen, data_source,
    },
};

/// Somebody or something that tells of configuration items.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = data_source, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct SourceRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub priority: i32,
    pub priorities: JsonText,
    pub stale_days: Option<i32>,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub reports_drift: bool,
    pub missing: String,
    pub empty: String,
}

/// When a source last told of a record, and what it calls it.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_seen, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "told by their names")]
pub struct SeenRow {
    pub record_id: RecordId,
    pub source: String,
    pub external_key: Option<String>,
    pub seen_at: Moment,
    pub seen_before: Option<Moment>,
}

/// Who has said what a field holds.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable)]
#[diesel(table_name = configuration_origin, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "told by their names")]
pub struct OriginRow {
    pub record_id: RecordId,
    pub field: String,
    pub source: String,
    pub value: String,
    pub seen_at: Moment,
}

/// What became of a row of an import.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = configuration_import_row, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ImportRow {
    pub job_id: RowId,
    pub seq: i64,
    pub outcome: String,
    pub pointer: String,
    pub record_id: Option<RecordId>,
    pub title: String,
    pub detail: JsonText,
}

/// The sources that ship: name, what it is for, priority, and after how many days what it said is stale.
const SHIPPED: &[(&str, &str, i32, Option<i32>)] = &[
    (MANUAL, "What people write by hand.", 80, None),
    ("inventory", "A maintained inventory of what there is, such as of sites, racks and devices.", 60, Some(90)),
    (DISCOVERY, "What a scan of the network found.", 40, Some(14)),
    ("spreadsheet", "Lists that were sent by mail.", 20, Some(30)),
];
/// The one that looks at the things themselves, and so finds what was changed without a change.
const DISCOVERY: &str = "discovery";

/// Puts in the sources that ship and are not there.
pub fn seed(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let there: Vec<String> = data_source::table.select(data_source::name).load(connection)?;
    let lacking = SHIPPED.iter().filter(|(name, ..)| !there.iter().any(|known| known == name));
    let rows = lacking.map(|(name, description, priority, stale_days)| {
        Ok(SourceRow {
            id: RowId::new(),
            name: (*name).to_owned(),
            description: (*description).to_owned(),
            priority: *priority,
            priorities: JsonText::of(&json!({}))?,
            stale_days: *stale_days,
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
            reports_drift: *name == DISCOVERY,
            missing: Gone::default().as_str().to_owned(),
            empty: Empty::default().as_str().to_owned(),
        })
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    insert_rows!(connection, data_source::table, rows)?;
    Ok(())
}

impl SourceRow {
    /// All of them, by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(data_source::table.order(data_source::name).load(connection)?)
    }
}

impl SeenRow {
    /// What a source has told of these records.
    pub fn by(connection: &mut AnyConnection, source: &str, records: &[RecordId]) -> Result<Vec<Self>> {
        let seen = configuration_seen::table.filter(configuration_seen::source.eq(source));
        let mine = among(connection.engine(), "configuration_seen.record_id", records.iter().map(RecordId::as_str));
        Ok(seen.filter(mine).load(connection)?)
    }

    /// When the source last looked before a moment.
    pub fn before(&self, at: Moment) -> Option<Moment> {
        [Some(self.seen_at), self.seen_before].into_iter().flatten().find(|seen| *seen < at)
    }

    /// When a source last told of a record.
    pub fn last(connection: &mut AnyConnection, source: &str, record: RecordId) -> Result<Option<Moment>> {
        let seen = configuration_seen::table.filter(configuration_seen::source.eq(source));
        let seen = seen.filter(configuration_seen::record_id.eq(record)).select(configuration_seen::seen_at);
        Ok(seen.first(connection).optional()?)
    }

    /// Who has told of a record, and when.
    pub fn of_record(connection: &mut AnyConnection, record: RecordId) -> Result<Vec<Self>> {
        let seen = configuration_seen::table.filter(configuration_seen::record_id.eq(record));
        Ok(seen.order(configuration_seen::source).load(connection)?)
    }

    /// The record that a source calls so.
    pub fn named(connection: &mut AnyConnection, source: &str, key: &str) -> Result<Option<RecordId>> {
        let named = configuration_seen::table
            .filter(configuration_seen::source.eq(source))
            .filter(configuration_seen::external_key.eq(key));
        Ok(named.select(configuration_seen::record_id).first(connection).optional()?)
    }

    /// Says that the source has told of the record. A key that it does not give again stays, and so does when it looked before.
    pub fn put(mut self, connection: &mut AnyConnection) -> Result<()> {
        let mine = configuration_seen::table.find((self.record_id, self.source.clone()));
        let old: Option<Self> = mine.clone().first(connection).optional()?;
        if let Some(old) = old {
            self.seen_before = old.before(self.seen_at);
            self.external_key = self.external_key.or(old.external_key);
        }
        diesel::delete(mine).execute(connection)?;
        diesel::insert_into(configuration_seen::table).values(self).execute(connection)?;
        Ok(())
    }
}

impl OriginRow {
    /// Who has said what of a record, by field.
    pub fn of_record(connection: &mut AnyConnection, record: RecordId) -> Result<HashMap<String, Self>> {
        let rows: Vec<Self> =
            configuration_origin::table.filter(configuration_origin::record_id.eq(record)).load(connection)?;
        Ok(rows.into_iter().map(|row| (row.field.clone(), row)).collect())
    }

    /// Puts these in the place of what was said before of the same fields of one record.
    pub fn put(connection: &mut AnyConnection, record: RecordId, rows: &[Self]) -> Result<()> {
        let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
        let old = configuration_origin::table
            .filter(configuration_origin::record_id.eq(record))
            .filter(configuration_origin::field.eq_any(fields));
        diesel::delete(old).execute(connection)?;
        insert_rows!(connection, configuration_origin::table, rows)?;
        Ok(())
    }
}

/// Queues an import; what it says stands beside its job.
pub fn queue(connection: &mut AnyConnection, asked: Asked, by: UserId, now: Moment) -> Result<JobRow> {
    let content = JsonText::of(&asked.content)?;
    let asked = Asked { content: Content::default(), ..asked };
    let job = JobRow::queue(connection, KIND, asked.source.clone(), JsonText::of(&asked)?, by, now)?;
    let row = (configuration_import_content::job_id.eq(job.id), configuration_import_content::content.eq(content));
    diesel::insert_into(configuration_import_content::table).values(row).execute(connection)?;
    Ok(job)
}

/// What a job is to do, with what it says.
pub fn asked(connection: &mut AnyConnection, job: &JobRow) -> Result<Asked> {
    let asked: Asked = job.asked.read()?;
    // It stood with the job before it had a place of its own.
    if !asked.content.is_empty() {
        return Ok(asked);
    }
    let content = configuration_import_content::table.find(job.id).select(configuration_import_content::content);
    let content: Option<JsonText> = content.first(connection).optional()?;
    Ok(Asked { content: content.map(|text| text.read()).transpose()?.unwrap_or_default(), ..asked })
}

impl ImportRow {
    /// Whether a row of `items` or `relations` was refused of which nobody can tell what it is of.
    pub fn is_any_unknown(connection: &mut AnyConnection, job: RowId, of: &str) -> Result<bool> {
        use configuration_import_row as row;
        let refused = row::table.filter(row::job_id.eq(job)).filter(row::outcome.eq(Outcome::Refused.as_str()));
        let unknown = refused.filter(row::pointer.like(format!("/{of}/%"))).filter(row::record_id.is_null());
        Ok(diesel::select(exists(unknown)).get_result(connection)?)
    }

    /// The last configuration item of a job that was not found, and the number of the last row that tells of something missing.
    pub fn last_missing(connection: &mut AnyConnection, job: RowId) -> Result<(Option<RecordId>, Option<i64>)> {
        use configuration_import_row as row;
        let gone = Outcome::GONE.map(Outcome::as_str);
        let missing = || row::table.filter(row::job_id.eq(job)).filter(row::outcome.eq_any(gone));
        let items = missing().filter(row::pointer.eq("")).order(row::seq.desc());
        let item: Option<Option<RecordId>> = items.select(row::record_id).first(connection).optional()?;
        let last = missing().order(row::seq.desc()).select(row::seq).first(connection).optional()?;
        Ok((item.flatten(), last))
    }

    /// Those of a job after the one of that number, in order; of one outcome where one is given.
    pub fn list(
        connection: &mut AnyConnection,
        job: RowId,
        outcome: Option<&str>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Self>> {
        use configuration_import_row as row;
        let mut rows = row::table.filter(row::job_id.eq(job)).filter(row::seq.gt(after)).into_boxed::<Backend>();
        if let Some(outcome) = outcome {
            rows = rows.filter(row::outcome.eq(outcome.to_owned()));
        }
        Ok(rows.order(row::seq).limit(limit).load(connection)?)
    }

    /// Adds them.
    pub fn insert_all(connection: &mut AnyConnection, rows: &[Self]) -> Result<()> {
        insert_rows!(connection, configuration_import_row::table, rows)?;
        Ok(())
    }
}
