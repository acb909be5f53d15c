//! What the company knows of what it has: the dump of its NetBox ([`netbox`]), as configuration items and relations ([`mapped`]), and what those
//! who run the applications add to it.

mod mapped;
mod netbox;

use std::collections::HashMap;

use serde_json::{Map, json};

use self::mapped::{relation, within};
use super::company::{ITEMS, NEEDS, RUNS, STORES};
use crate::{
    error::{Error, Result},
    practice::configuration_item::import::{Content, Item, RelationItem},
};

/// The data source that it comes from.
pub const SOURCE: &str = "inventory";
/// What the databases are.
const ENGINE: &str = "PostgreSQL 18";

/// All of it. `services` are the numbers of the services, by their titles.
pub fn content(services: &HashMap<String, String>) -> Result<Content> {
    let mut content = mapped::mapped(&netbox::Dump::read()?)?;
    for (name, machines, uses) in RUNS {
        content.items.push(application(name)?);
        let least = (machines.len() > 1).then_some(1);
        content.relations.extend(machines.iter().map(|on| enough(relation(name, "runs_on", on), "machines", least)));
        content.relations.extend(uses.iter().map(|other| relation(name, "uses", other)));
    }
    content.relations.extend(STORES.iter().map(|(cluster, storage)| relation(cluster, "stores_on", storage)));
    for (service, needs) in NEEDS {
        let unknown = || Error::internal(format!("there is no service called {service}"));
        let number = services.get(*service).ok_or_else(unknown)?;
        for (things, least) in *needs {
            let needed = things.iter().map(|thing| enough(relation(number, "depends_on", thing), "redundant", *least));
            content.relations.extend(needed);
        }
    }
    Ok(content)
}

/// An application, as it is known already: so the relations find it.
fn application(name: &str) -> Result<Item> {
    let known = ITEMS.iter().find(|(title, ..)| *title == name);
    let (_, class, ..) = known.ok_or_else(|| Error::internal(format!("there is no item called {name}")))?;
    let engine = (*class == "database").then(|| ("engine".to_owned(), json!(ENGINE)));
    Ok(Item {
        key: Some(name.to_owned()),
        class: Some((*class).to_owned()),
        title: Some(name.to_owned()),
        attributes: Map::from_iter(engine),
        ..Item::default()
    })
}

/// One of several, of which some are enough.
fn enough(relation: RelationItem, group: &str, least: Option<i32>) -> RelationItem {
    if least.is_some() { within(relation, group, least) } else { relation }
}
