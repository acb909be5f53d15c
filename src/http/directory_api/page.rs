//! Lists of the directory, by name or what else puts them in order, and id; a page at a time.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::path::Parameter;

use crate::{
    error::{Code, Error, Result, did_you_mean},
    http::{
        endpoint::{in_query, short_text, yes_or_no},
        parameter, sheet,
    },
    id::{RowId, TeamId},
    record::query::{
        cursor::{self, Binding, Cursor, Key, Towards},
        limit,
    },
};

/// Which ones are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Patterns for the beginning of a name and of a word in it.
    pub begins: Option<(String, String)>,
    /// Only active ones, or only others.
    pub active: Option<bool>,
    /// Only members of this team.
    pub team: Option<TeamId>,
    /// Where the page begins or ends.
    pub place: Option<Place>,
    /// How many.
    pub limit: u32,
    count: bool,
    binding: Binding,
}

/// The edge of a page.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name of the one at the edge, or by what else they are in order, as text.
    pub name: String,
    /// Its id.
    pub id: RowId,
    /// Which way the page lies.
    pub towards: Towards,
}

/// Puts order, edge and size of the page on a boxed query. One row more is asked for, to know whether there is a next page. What is no name is
/// read from its text.
macro_rules! keyset {
    ($query:expr, $wanted:expr, $name:expr, $id:expr) => {
        keyset!($query, $wanted, $name, $id, |name: &str| Ok::<_, $crate::error::Error>(name.to_owned()))
    };
    ($query:expr, $wanted:expr, $key:expr, $id:expr, $read:expr) => {{
        let query = $query;
        match &$wanted.place {
            None => query.order(($key.asc(), $id.asc())),
            Some(edge) => {
                let key = $read(&edge.name)?;
                match edge.towards {
                    $crate::record::query::cursor::Towards::Next => query
                        .filter($key.gt(key.clone()).or($key.eq(key).and($id.gt(edge.id))))
                        .order(($key.asc(), $id.asc())),
                    $crate::record::query::cursor::Towards::Previous => query
                        .filter($key.lt(key.clone()).or($key.eq(key).and($id.lt(edge.id))))
                        .order(($key.desc(), $id.desc())),
                }
            }
        }
        .limit(i64::from($wanted.limit) + 1)
    }};
}
pub(in crate::http) use keyset;

/// Lets a boxed query find what begins with what is wanted.
macro_rules! named {
    ($query:expr, $wanted:expr, $name:expr) => {{
        let (query, wanted): (_, Option<&$crate::http::directory_api::page::Wanted>) = ($query, $wanted);
        match wanted.and_then(|wanted| wanted.begins.clone()) {
            None => query,
            Some((whole, word)) => {
                let fits = |pattern: String| {
                    let name = $crate::db::sql::lower($name);
                    name.like(pattern.to_ascii_lowercase()).escape('\\')
                };
                query.filter(fits(whole).or(fits(word)))
            }
        }
    }};
}
pub(in crate::http) use named;

/// The same, and what is active or not, where that is asked.
macro_rules! narrowed {
    ($query:expr, $wanted:expr, $name:expr, $active:expr) => {{
        let wanted: Option<&$crate::http::directory_api::page::Wanted> = $wanted;
        let query = $crate::http::directory_api::page::named!($query, wanted, $name);
        match wanted.and_then(|wanted| wanted.active) {
            None => query,
            Some(active) => query.filter($active.eq(active)),
        }
    }};
}
pub(in crate::http) use narrowed;

/// The parameters of a list.
pub fn parameters(has_active: bool) -> Vec<Parameter> {
    let mut all =
        vec![in_query("q", "The beginning of the name, or of a word in it, in any case.", short_text(200), "desk")];
    if has_active {
        all.push(in_query("active", "Only active ones (`true`) or only others (`false`).", yes_or_no(), true));
    }
    all.extend([parameter::limit(), parameter::cursor(), parameter::count()]);
    all
}

impl Wanted {
    /// Reads what was asked. `path` is what cursors are bound to.
    pub fn read(path: &str, query: &[(String, String)], has_active: bool) -> Result<Self> {
        check_names(query, has_active)?;
        let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let flag = |name: &str| match given(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Error::new(Code::Malformed, format!("`{name}` is `true` or `false`."))),
        };
        let deciding = ["q", "active"].iter().filter_map(|name| Some((*name, given(name)?)));
        let binding = Binding::of(deciding.chain([("path", path)]));
        let place = given("cursor").map(|text| Place::read(text, &binding)).transpose()?;
        Ok(Wanted {
            begins: given("q").map(str::trim).filter(|q| !q.is_empty()).map(patterns),
            active: flag("active")?,
            team: None,
            place,
            limit: limit::parse(given("limit"))?,
            count: flag("count")? == Some(true),
            binding,
        })
    }

    /// The same, of one team alone. Cursors are bound to it by the path.
    #[must_use]
    pub fn of_team(mut self, team: TeamId) -> Self {
        self.team = Some(team);
        self
    }

    /// Whether all pages are to be counted.
    pub fn is_counted(&self) -> bool {
        self.count
    }

    fn backwards(&self) -> bool {
        self.place.as_ref().is_some_and(|edge| edge.towards == Towards::Previous)
    }
}

impl Place {
    fn read(text: &str, binding: &Binding) -> Result<Self> {
        let Cursor { keys, id, towards } = Cursor::decode(text, binding, 1)?;
        match (keys.as_slice(), id.parse()) {
            ([Key::Text(name)], Ok(id)) => Ok(Place { name: name.clone(), id, towards }),
            _ => Err(cursor::refused()),
        }
    }
}

fn check_names(query: &[(String, String)], has_active: bool) -> Result<()> {
    let known = ["q", "limit", "cursor", "count", "active"];
    let known = if has_active { &known[..] } else { &known[..4] };
    match query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let near = did_you_mean(name, known.iter().copied());
            Err(Error::new(Code::BadQuery, format!("This list has no parameter `{name}`{near}.")))
        }
    }
}

/// LIKE patterns for texts that begin with `q`, and for those in which a word does.
fn patterns(q: &str) -> (String, String) {
    let quoted = q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    (format!("{quoted}%"), format!("% {quoted}%"))
}

/// The answer with a page: what was found (one more than the page holds, when there is a next one), in the order in which
/// it was found.
pub fn respond<T: Serialize>(
    path: &str,
    query: &[(String, String)],
    wanted: &Wanted,
    mut found: Vec<T>,
    total: Option<i64>,
    key: impl Fn(&T) -> (String, String),
) -> Result<HttpResponse> {
    let more = found.len() > wanted.limit as usize;
    found.truncate(wanted.limit as usize);
    if wanted.backwards() {
        found.reverse();
    }
    let edge = |item: Option<&T>, towards| {
        item.map(|item| {
            let (name, id) = key(item);
            Cursor { keys: vec![Key::Text(name)], id, towards }.encode(&wanted.binding)
        })
        .transpose()
    };
    let (has_next, has_previous) = if wanted.backwards() { (true, more) } else { (more, wanted.place.is_some()) };
    let next = edge(found.last().filter(|_| has_next), Towards::Next)?;
    let previous = edge(found.first().filter(|_| has_previous), Towards::Previous)?;
    let mut response = HttpResponse::Ok();
    let links: Vec<String> = [("next", &next), ("prev", &previous)]
        .into_iter()
        .filter_map(|(rel, cursor)| Some(sheet::link(path, query, rel, cursor.as_deref()?)))
        .collect();
    if !links.is_empty() {
        response.insert_header((header::LINK, links.join(", ")));
    }
    let body: Value = json!({"items": found, "next_cursor": next, "previous_cursor": previous, "total": total});
    Ok(response.json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_search_is_no_pattern() {
        assert_eq!(patterns("a%b_c\\"), ("a\\%b\\_c\\\\%".to_owned(), "% a\\%b\\_c\\\\%".to_owned()));
    }

    #[test]
    fn unknown_parameters_are_refused_with_the_one_meant() {
        let ask = |name: &str, has_active| {
            Wanted::read("/x", &[(name.to_owned(), "true".to_owned())], has_active).err().map(|e| e.detail)
        };
        assert_eq!(ask("active", true), None);
        assert!(ask("active", false).is_some());
        assert!(ask("actve", true).unwrap().contains("did you mean `active`"));
    }
}
