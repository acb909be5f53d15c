//! Lists of records: filtered, ordered, a page at a time, and only what the caller may see.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    catalogue::Catalogue,
    compile, custom,
    header::Header,
    kernel::Kernel,
    kind::{HEADER, Kind},
    query::{
        cursor::{self, Binding, Cursor, Key, Towards},
        filter::{self, FieldType, Filter},
        limit,
        sort::{self, SortKey},
    },
    visibility,
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, Backend, Condition},
    error::Result,
    id::RecordId,
    schema::record,
};

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
    /// The records, as headers.
    pub headers: Vec<Header>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the page before ends.
    pub previous: Option<String>,
    /// How many there are on all pages.
    pub total: Option<i64>,
}

/// How a ranked search is cut off; a sorted one has no end.
const BEST: i64 = 1_000;

/// A query that a list is made of.
pub struct List<'a> {
    kernel: &'a Kernel,
    caller: &'a Caller,
    kind: Option<&'static Kind>,
    filter: Option<Filter>,
    catalogue: Catalogue,
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
        let custom = kind.map(|k| custom::fields_of(connection, k.name)).transpose()?.unwrap_or_default();
        // A filter must not tell of what its caller may not read.
        let kinds = kernel.practices().iter().map(|p| p.kind()).filter(|k| caller.can(&k.permission("read")));
        let kinds: Vec<&'static Kind> = kinds.collect();
        let catalogue = Catalogue::new(kind, &kinds, &custom);
        let mut filters = asked
            .filter
            .as_deref()
            .map(|text| filter::parse(text, &catalogue, now))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        for (name, value) in &asked.pairs {
            filters.push(filter::simple(name, value, &catalogue)?);
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

    /// The page that was asked for.
    pub fn page(&self, connection: &mut AnyConnection, asked: &Asked) -> Result<Page> {
        let limit = i64::from(limit::parse(asked.limit.as_deref())?);
        let cursor = match &asked.cursor {
            Some(text) => Some(Cursor::decode(text, &self.binding, if self.ranked { 0 } else { self.sort.len() })?),
            None => None,
        };
        let total = if asked.count { Some(self.query(connection)?.count().get_result(connection)?) } else { None };
        let page = match self.ranked {
            true => self.ranked_page(connection, cursor, limit)?,
            false => self.sorted_page(connection, cursor, limit)?,
        };
        Ok(Page { total, ..page })
    }

    /// Up to `limit` records after `last` in the list's order: for exports, which read page by page.
    pub fn following(&self, connection: &mut AnyConnection, last: Option<&Header>, limit: i64) -> Result<Vec<Header>> {
        let mut query = self.query(connection)?;
        if let Some(last) = last {
            query = query.filter(compile::after(&self.sort, &self.keys_of(last)?, last.id.as_str(), false)?);
        }
        Ok(query.order(compile::order_by(&self.sort, false)).limit(limit).load(connection)?)
    }

    /// Everything but order and place.
    fn query(&self, connection: &AnyConnection) -> Result<Query> {
        let mut query = record::table.into_boxed::<Backend>();
        let kinds: Vec<&'static Kind> = self.kernel.practices().iter().map(|p| p.kind()).collect();
        query = match self.kind {
            Some(kind) => query.filter(record::kind.eq(kind.name)),
            None => {
                let readable = kinds.iter().filter(|k| self.caller.can(&k.permission("read"))).map(|k| k.name);
                query.filter(record::kind.eq_any(readable.collect::<Vec<_>>()))
            }
        };
        // The catalogue data of one kind is seen by all who may read it, so the condition would only cost.
        let kinds: Vec<&Kind> = self.kind.map_or_else(|| kinds.iter().map(|k| &**k).collect(), |k| vec![k]);
        if !self.kind.is_some_and(|k| k.public)
            && let Some(sees) = visibility::condition(self.caller, &kinds)
        {
            query = query.filter(sees);
        }
        if let Some(filter) = &self.filter {
            query = query.filter(compile::filter(filter, &self.catalogue, self.caller)?);
        }
        if let Some(q) = &self.q {
            query = query.filter(self.fits_words(connection, q));
        }
        Ok(query)
    }

    fn fits_words(&self, connection: &AnyConnection, q: &str) -> Condition<record::table> {
        AnyConnection::matches_words(connection.engine(), q)
    }

    fn sorted_page(&self, connection: &mut AnyConnection, cursor: Option<Cursor>, limit: i64) -> Result<Page> {
        let backwards = cursor.as_ref().is_some_and(|c| c.towards == Towards::Previous);
        let mut query = self.query(connection)?;
        if let Some(cursor) = &cursor {
            query = query.filter(compile::after(&self.sort, &cursor.keys, &cursor.id, backwards)?);
        }
        let order = compile::order_by(&self.sort, backwards);
        let mut headers: Vec<Header> = query.order(order).limit(limit + 1).load(connection)?;
        let more = headers.len() as i64 > limit;
        headers.truncate(usize::try_from(limit).unwrap_or(0));
        if backwards {
            headers.reverse();
        }
        let (has_next, has_previous) = if backwards { (true, more) } else { (more, cursor.is_some()) };
        let edge = |header: Option<&Header>, towards| match header {
            Some(h) => Cursor { keys: self.keys_of(h)?, id: h.id.to_string(), towards }.encode(&self.binding).map(Some),
            None => Ok(None),
        };
        let next = if has_next { edge(headers.last(), Towards::Next)? } else { None };
        let previous = if has_previous { edge(headers.first(), Towards::Previous)? } else { None };
        Ok(Page { next, previous, headers, total: None })
    }

    /// The best fits first. The order is made for the best thousand and a page is cut out of it, because a rank is no key
    /// that an index could find.
    fn ranked_page(&self, connection: &mut AnyConnection, cursor: Option<Cursor>, limit: i64) -> Result<Page> {
        let q = self.q.as_deref().unwrap_or_default();
        let rank = AnyConnection::word_rank(connection.engine(), q);
        let ids: Vec<RecordId> = self
            .query(connection)?
            .order((rank.desc(), record::id.desc()))
            .limit(BEST)
            .select(record::id)
            .load(connection)?;
        let limit = usize::try_from(limit).unwrap_or(0);
        let at = |c: &Cursor| ids.iter().position(|id| id.as_str() == c.id).ok_or_else(cursor::refused);
        let (start, end) = match &cursor {
            None => (0, limit),
            Some(c) if c.towards == Towards::Next => (at(c)? + 1, at(c)? + 1 + limit),
            Some(c) => (at(c)?.saturating_sub(limit), at(c)?),
        };
        let shown = &ids[start.min(ids.len())..end.min(ids.len())];
        let edge = |id: Option<&RecordId>, towards| match id {
            Some(id) => Cursor { keys: Vec::new(), id: id.to_string(), towards }.encode(&self.binding).map(Some),
            None => Ok(None),
        };
        let next = if end < ids.len() { edge(shown.last(), Towards::Next)? } else { None };
        let previous = if start > 0 { edge(shown.first(), Towards::Previous)? } else { None };
        Ok(Page { headers: in_order(Header::find_all(connection, shown)?, shown), next, previous, total: None })
    }

    fn keys_of(&self, header: &Header) -> Result<Vec<Key>> {
        self.sort
            .iter()
            .map(|key| {
                Ok(match key.field.as_str() {
                    "number" => Key::Text(header.number.clone()),
                    "state" => Key::Text(header.state.clone()),
                    "phase" => Key::Text(header.phase.clone()),
                    "title" => Key::Text(header.title.clone()),
                    "priority" => Key::Integer(header.priority.into()),
                    "opened_at" => Key::Time(header.opened_at),
                    "updated_at" => Key::Time(header.updated_at),
                    _ => return Err(cursor::refused()),
                })
            })
            .collect()
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

fn in_order(headers: Vec<Header>, ids: &[RecordId]) -> Vec<Header> {
    let mut by_id: std::collections::HashMap<RecordId, Header> = headers.into_iter().map(|h| (h.id, h)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}

/// Headers of any kinds as JSON objects, with what their kinds do not use left out.
pub fn render_headers(kernel: &Kernel, headers: &[Header]) -> Result<Vec<Map<String, Value>>> {
    headers
        .iter()
        .map(|header| super::render::record(kernel.practice(&header.kind)?.kind(), header, &Map::new()))
        .collect()
}
