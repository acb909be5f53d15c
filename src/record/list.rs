//! Lists of records: filtered, ordered, a page at a time, and only what the caller may see.

use super::{
    catalogue::Catalogue,
    compile,
    document::Document,
    header::Header,
    kernel::Kernel,
    kind::{HEADER, Kind},
    query::{
        cursor::{self, Binding, Cursor, Key, Towards},
        filter::{self, FieldType, Filter},
        limit,
        sort::{self, SortKey},
    },
    render, visibility,
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{
        AnyConnection, Backend, Engine,
        backend::search,
        sql::{Bind, Rows, Sql, among},
    },
    error::{Code, Error, Result},
    id::RecordId,
    schema::record,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use diesel::{
    prelude::*,
    sql_types::{Bool, Integer, Text},
};
use serde_json::Value;

/// So many are read in one go where all are.
const AT_ONCE: i64 = 500;

/// What a caller asks of a list, as they wrote it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `filter=`
    pub filter: Option<String>,
    /// `sort=`
    pub sort: Option<String>,
    /// `q=`
    pub q: Option<String>,
    /// `limit=`
    pub limit: Option<String>,
    /// `cursor=`
    pub cursor: Option<String>,
    /// `count=`
    pub count: bool,
    /// `field=value` pairs.
    pub pairs: Vec<(String, String)>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Document>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the page before ends.
    pub previous: Option<String>,
    /// How many there are on all pages.
    pub total: Option<i64>,
}

/// How a search is cut off that has no order of its own; a sorted one has no end.
const BEST: i64 = 1_000;

/// What is wrong with a filter that stands in a body, with its place there.
pub fn in_body(pointer: &'static str) -> impl Fn(Error) -> Error {
    move |why| if why.code == Code::BadQuery { Error::invalid(pointer, "bad_filter", why.detail) } else { why }
}

/// A query that a list is made of.
#[derive(Clone)]
pub struct List<'a> {
    kernel: &'a Kernel,
    caller: &'a Caller,
    kind: Option<&'static Kind>,
    filter: Option<Filter>,
    catalogue: Arc<Catalogue>,
    q: Option<String>,
    sort: Vec<SortKey>,
    ranked: bool,
    binding: Binding,
}

type Query = record::BoxedQuery<'static, Backend>;

impl<'a> List<'a> {
    /// Reads what was asked.
    pub fn new(
        kernel: &'a Kernel,
        connection: &mut AnyConnection,
        caller: &'a Caller,
        kind: Option<&'static Kind>,
        asked: &Asked,
        now: Moment,
    ) -> Result<Self> {
        // A filter must not tell of what its caller may not read.
        let kinds = kernel.practices().iter().map(|p| p.kind()).filter(|k| caller.can(&k.permission("read")));
        let kinds: Vec<&'static Kind> = kinds.collect();
        let catalogue = kernel.catalogue(connection, kind, &kinds)?;
        let mut filters = asked
            .filter
            .as_deref()
            .map(|text| filter::parse(text, &*catalogue, now))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        for (name, value) in &asked.pairs {
            filters.push(filter::simple(name, value, &*catalogue)?);
        }
        let sortable: Vec<&str> = HEADER.iter().filter(|f| f.sortable).map(|f| f.name).collect();
        let q = asked.q.clone().filter(|q| !q.trim().is_empty());
        let ranked = q.is_some() && asked.sort.is_none();
        let sort = sort::parse(asked.sort.as_deref().unwrap_or("-opened_at"), &sortable)?;
        let bound = [("filter", &asked.filter), ("sort", &asked.sort), ("q", &asked.q)];
        let bound = bound.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?)));
        let pairs = asked.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let binding = Binding::of(bound.chain(pairs).chain([("kind", kind.map_or("", |k| k.name))]));
        let mut filter = filter::all(filters)?;
        if let Some(filter) = &mut filter {
            forget_hidden(kernel, connection, caller, &catalogue, filter)?;
        }
        Ok(List { kernel, caller, kind, filter, catalogue, q, sort, ranked, binding })
    }

    /// Those of its records that fit these filters as well.
    ///
    /// # Errors
    /// Together they ask for too much.
    pub fn with(&self, more: impl IntoIterator<Item = Filter>) -> Result<Self> {
        let filter = filter::all(self.filter.clone().into_iter().chain(more).collect())?;
        Ok(List { filter, ..self.clone() })
    }

    /// What its caller gives as a filter to get its records; empty where that is all.
    ///
    /// # Errors
    /// It would be longer or deeper than one may be.
    pub fn filter_text(&self) -> Result<String> {
        self.filter.as_ref().map_or(Ok(String::new()), Filter::written)
    }

    /// The page that was asked for. Outside of a transaction a record may change between the statements; then the page is read again as
    /// of one moment.
    pub fn page(&self, connection: &mut AnyConnection, asked: &Asked) -> Result<Page> {
        let at_one_moment =
            |connection: &mut AnyConnection| connection.at_one_moment(|c| self.page_unless_changed(c, asked));
        let page = match asked.count {
            // A number of records and the records themselves must fit together.
            true => at_one_moment(connection)?,
            false => match self.page_unless_changed(connection, asked)? {
                None => at_one_moment(connection)?,
                page => page,
            },
        };
        page.ok_or_else(|| Error::internal("a record changed within a moment"))
    }

    fn page_unless_changed(&self, connection: &mut AnyConnection, asked: &Asked) -> Result<Option<Page>> {
        let limit = i64::from(limit::parse(asked.limit.as_deref())?);
        let cursor = match &asked.cursor {
            Some(text) => Some(Cursor::decode(text, &self.binding, if self.ranked { 0 } else { self.sort.len() })?),
            None => None,
        };
        let total = if asked.count { Some(self.count(connection)?) } else { None };
        let page = match self.ranked {
            true => self.ranked_page(connection, cursor, limit)?,
            false => self.sorted_page(connection, cursor, limit)?,
        };
        Ok(page.map(|page| Page { total, ..page }))
    }

    /// Up to `limit` records after `last` in the list's order: for exports, which read page by page.
    pub fn following(&self, connection: &mut AnyConnection, last: Option<&Header>, limit: i64) -> Result<Vec<Header>> {
        let mut query = self.query(connection)?;
        if let Some(last) = last {
            let shown = Document::from(render::header(self.kernel.practice(&last.kind)?.kind(), last)?);
            query = query.filter(compile::after(&self.sort, &self.keys_of(&shown)?, last.id.as_str(), false)?);
        }
        Ok(query.order(compile::order_by(&self.sort, false)).limit(limit).load(connection)?)
    }

    /// The ids of all of them, which are read in parts.
    pub fn ids(&self, connection: &mut AnyConnection) -> Result<Vec<RecordId>> {
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let more = self.following(connection, last.as_ref(), AT_ONCE)?;
            found.extend(more.iter().map(|header| header.id));
            match more.into_iter().next_back() {
                Some(end) => last = Some(end),
                None => return Ok(found),
            }
        }
    }

    /// How many there are on all pages.
    pub fn count(&self, connection: &mut AnyConnection) -> Result<i64> {
        Ok(self.query(connection)?.count().get_result(connection)?)
    }

    /// Those of these records that are in the list.
    pub fn among(&self, connection: &mut AnyConnection, ids: &[RecordId]) -> Result<HashSet<RecordId>> {
        let engine = connection.engine();
        let these = among(engine, "record.id", ids.iter().map(RecordId::as_str));
        let query = record::table.into_boxed::<Backend>().filter(Sql::all([these, self.narrowed(engine)?]));
        Ok(query.select(record::id).load(connection)?.into_iter().collect())
    }

    /// Everything but order and place.
    fn query(&self, connection: &AnyConnection) -> Result<Query> {
        Ok(record::table.into_boxed::<Backend>().filter(self.narrowed(connection.engine())?))
    }

    /// The same as a condition.
    pub fn narrowed(&self, engine: Engine) -> Result<Sql<Bool>> {
        let words = self.q.as_ref().map(|q| search::fits(engine, q));
        Ok(Sql::all([Some(self.condition(engine)?), words].into_iter().flatten()))
    }

    /// Everything but words, order and place.
    fn condition(&self, engine: Engine) -> Result<Sql<Bool>> {
        let kinds: Vec<&'static Kind> = self.kernel.practices().iter().map(|p| p.kind()).collect();
        let of_kind = match self.kind {
            // Its titles have an index of their own, which is found where the kind stands in the statement.
            Some(kind) if kind.has_classes() => Sql::new(format!("record.kind = '{}'", kind.name)),
            Some(kind) => Sql::new("record.kind = ").bind(Bind::Text(kind.name.to_owned())),
            None => {
                let readable = kinds.iter().filter(|k| self.caller.can(&k.permission("read"))).map(|k| k.name);
                among(engine, "record.kind", readable)
            }
        };
        // The catalogue data of one kind is seen by all who may read it, so the condition would only cost.
        let kinds: Vec<&Kind> = self.kind.map_or_else(|| kinds.iter().map(|k| &**k).collect(), |k| vec![k]);
        let is_public = self.kind.is_some_and(|k| k.public);
        let sees = if is_public { None } else { visibility::condition(engine, self.caller, &kinds) };
        let fits = self.filter.as_ref().map(|f| compile::filter(f, &self.catalogue, self.caller)).transpose()?;
        Ok(Sql::all([Some(of_kind), sees, fits].into_iter().flatten()))
    }

    fn sorted_page(&self, connection: &mut AnyConnection, cursor: Option<Cursor>, limit: i64) -> Result<Option<Page>> {
        let backwards = cursor.as_ref().is_some_and(|c| c.towards == Towards::Previous);
        let beyond = cursor.as_ref().map(|c| compile::after(&self.sort, &c.keys, &c.id, backwards)).transpose()?;
        let conditions = [Some(self.narrowed(connection.engine())?), beyond];
        let query = Sql::<(Text, Integer)>::new("SELECT record.id, record.version FROM record WHERE ")
            .then(Sql::all(conditions.into_iter().flatten()))
            .sql(" ORDER BY ")
            .then(compile::order_by(&self.sort, backwards))
            .sql(" LIMIT ")
            .bind(Bind::Integer(limit + 1));
        let mut found: Vec<(RecordId, i32)> = Rows(query).load(connection)?;
        let more = found.len() as i64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(0));
        if backwards {
            found.reverse();
        }
        let Some(records) = self.show(connection, &found)? else { return Ok(None) };
        let (has_next, has_previous) = if backwards { (true, more) } else { (more, cursor.is_some()) };
        let edge = |record: Option<&Document>, towards| match record {
            Some(record) => {
                let id = record.word("id").unwrap_or_default().to_owned();
                Cursor { keys: self.keys_of(record)?, id, towards }.encode(&self.binding).map(Some)
            }
            None => Ok(None),
        };
        let next = if has_next { edge(records.last(), Towards::Next)? } else { None };
        let previous = if has_previous { edge(records.first(), Towards::Previous)? } else { None };
        Ok(Some(Page { next, previous, records, total: None }))
    }

    /// The records of one kind with their details; of all kinds as headers. Nothing when one is no longer there in the version that was
    /// found, which is the one that the caller may see.
    fn show(&self, connection: &mut AnyConnection, found: &[(RecordId, i32)]) -> Result<Option<Vec<Document>>> {
        let shown = match self.kind {
            Some(kind) => render::present(self.kernel, connection, kind, found)?,
            None => {
                let ids: Vec<RecordId> = found.iter().map(|(id, _)| *id).collect();
                render_headers(self.kernel, &in_order(Header::find_all(connection, &ids)?, found))?
            }
        };
        Ok((shown.len() == found.len()).then_some(shown))
    }

    /// The best fits first: tier by tier, each no further than is needed. A page after the first is cut out of the best
    /// thousand, because a tier is no key that an index could find.
    fn ranked_page(&self, connection: &mut AnyConnection, cursor: Option<Cursor>, limit: i64) -> Result<Option<Page>> {
        let most = if cursor.is_some() { BEST } else { limit + 1 };
        let q = self.q.as_deref().unwrap_or_default();
        let ids = search::best(connection, q, &self.condition(connection.engine())?, most)?;
        let limit = usize::try_from(limit).unwrap_or(0);
        let at = |c: &Cursor| ids.iter().position(|(id, _)| id.as_str() == c.id).ok_or_else(cursor::refused);
        let (start, end) = match &cursor {
            None => (0, limit),
            Some(c) if c.towards == Towards::Next => (at(c)? + 1, at(c)? + 1 + limit),
            Some(c) => (at(c)?.saturating_sub(limit), at(c)?),
        };
        let shown = &ids[start.min(ids.len())..end.min(ids.len())];
        let edge = |record: Option<&(RecordId, i32)>, towards| match record {
            Some((id, _)) => Cursor { keys: Vec::new(), id: id.to_string(), towards }.encode(&self.binding).map(Some),
            None => Ok(None),
        };
        let next = if end < ids.len() { edge(shown.last(), Towards::Next)? } else { None };
        let previous = if start > 0 { edge(shown.first(), Towards::Previous)? } else { None };
        Ok(self.show(connection, shown)?.map(|records| Page { records, next, previous, total: None }))
    }

    fn keys_of(&self, record: &Document) -> Result<Vec<Key>> {
        let key = |key: &SortKey| {
            // A kind without a priority has none in its text.
            let json = record.get(&key.field).unwrap_or("null");
            let value: Value = serde_json::from_str(json).map_err(Error::internal)?;
            Ok(match (key.field.as_str(), value) {
                ("opened_at" | "updated_at", Value::String(at)) => Key::Time(at.parse().map_err(Error::internal)?),
                ("priority", n) => Key::Integer(n.as_i64().unwrap_or(0)),
                (_, Value::String(text)) => Key::Text(text),
                _ => return Err(cursor::refused()),
            })
        };
        self.sort.iter().map(key).collect()
    }
}

/// Makes a filter by the id or number of a hidden record one by a record that is not there: it must not tell who refers to it.
fn forget_hidden(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    catalogue: &Catalogue,
    filter: &mut Filter,
) -> Result<()> {
    let mut named = Vec::new();
    records_in(filter, catalogue, &mut named);
    let words = named.iter().map(|(word, _)| word.clone()).collect();
    let seen = visibility::told_of(kernel, connection, caller, words)?;
    for (_, value) in named.into_iter().filter(|(word, _)| !seen.contains(word)) {
        *value = filter::Value::Id(String::new());
    }
    Ok(())
}

/// The ids and numbers of records in a filter, and where they stand.
fn records_in<'a>(filter: &'a mut Filter, catalogue: &Catalogue, found: &mut Vec<(String, &'a mut filter::Value)>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter_mut().for_each(|part| records_in(part, catalogue, found)),
        Filter::Not(inner) => records_in(inner, catalogue, found),
        Filter::Compare { field, value, .. } => {
            let word = match value {
                filter::Value::Id(id) => Some(id.clone()),
                filter::Value::Text(number) => Some(number.to_uppercase()),
                filter::Value::Null
                | filter::Value::Integer(_)
                | filter::Value::Decimal(_)
                | filter::Value::Boolean(_)
                | filter::Value::Time(_)
                | filter::Value::Date(_)
                | filter::Value::Me
                | filter::Value::MyTeams => None,
            };
            let is_record = catalogue.place(field).is_some_and(|place| place.holds == FieldType::Record);
            found.extend(word.filter(|_| is_record).map(|word| (word, value)));
        }
    }
}

fn in_order(headers: Vec<Header>, found: &[(RecordId, i32)]) -> Vec<Header> {
    let mut by_version: HashMap<(RecordId, i32), Header> =
        headers.into_iter().map(|h| ((h.id, h.version), h)).collect();
    found.iter().filter_map(|record| by_version.remove(record)).collect()
}

/// Headers of any kinds, with what their kinds do not use left out.
pub fn render_headers(kernel: &Kernel, headers: &[Header]) -> Result<Vec<Document>> {
    let text = |header: &Header| render::header(kernel.practice(&header.kind)?.kind(), header);
    headers.iter().map(|header| text(header).map(Document::from)).collect()
}
