//! The inventory of the company, as a system that documents sites, racks and devices would hand it out, brought in by an import.

use std::{collections::HashMap, sync::atomic::AtomicBool};

use diesel::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::company::SERVICE_OWNER;
use crate::{
    assembly::Assembly,
    auth::account,
    error::{Error, Result},
    id::RowId,
    practice::configuration_item::import::{self, Asked, Content, Item, RelationItem},
    record::job::{Bench, JobRow, State},
    schema::record,
};

const DUMP: &str = include_str!("inventory.json");
/// The data source that it comes from.
const SOURCE: &str = "inventory";

#[derive(Deserialize)]
struct Dump {
    sites: Vec<Map<String, Value>>,
    racks: Vec<Map<String, Value>>,
    devices: Vec<Device>,
    interfaces: Vec<Map<String, Value>>,
    cluster: Cluster,
    virtual_machines: Vec<Map<String, Value>>,
    applications: Vec<Application>,
    services: Vec<Needing>,
}

#[derive(Deserialize)]
struct Device {
    name: String,
    role: String,
    rack: String,
    #[serde(default)]
    uplink: Vec<String>,
    #[serde(default)]
    power: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    members: Vec<String>,
    min_up: i32,
    storage: String,
}

#[derive(Deserialize)]
struct Application {
    name: String,
    class: String,
    on: Vec<String>,
    #[serde(default)]
    uses: Vec<String>,
    engine: Option<String>,
}

#[derive(Deserialize)]
struct Needing {
    name: String,
    needs: Vec<String>,
    min_up: Option<i32>,
}

/// What the dump calls a thing, and what its class does.
const NAMES: &[(&str, &str)] = &[
    ("serial", "serial_number"),
    ("os", "operating_system"),
    ("cpus", "cpu_count"),
    ("mac", "mac_address"),
    ("device", "interface_of"),
];

/// Imports it.
pub fn load(assembly: &Assembly) -> Result<()> {
    let dump: Dump = serde_json::from_str(DUMP).map_err(Error::internal)?;
    let bench = Bench {
        kernel: assembly.kernel.clone(),
        database: assembly.database.clone(),
        writer: assembly.writer.clone(),
        clock: assembly.clock.clone(),
    };
    let services: Vec<(String, String)> = bench.database.read_here(|c| {
        let services = record::table.filter(record::kind.eq("service"));
        Ok(services.select((record::title, record::number)).load(c)?)
    })?;
    let content = dump.content(&services.into_iter().collect());
    let asked =
        Asked { source: SOURCE.to_owned(), rehearse: false, class: None, scope: None, observed_at: None, content };
    let (node, now) = (RowId::new(), bench.clock.now());
    let job = bench.writer.run_blocking(move |unit| {
        let connection = unit.connection()?;
        let by = account::find_user(connection, SERVICE_OWNER)?.ok_or_else(|| Error::not_found("service owner"))?;
        let queued = import::row::queue(connection, asked.clone(), by, now)?;
        JobRow::take(connection, node, now)?
            .filter(|job| job.id == queued.id)
            .ok_or_else(|| Error::internal("another job waits"))
    })?;
    import::run::run(&bench, job.clone(), node, &AtomicBool::new(false))?;
    bench.writer.run_blocking(move |unit| job.end(unit.connection()?, node, State::Succeeded, None, now))
}

impl Dump {
    fn content(self, services: &HashMap<String, String>) -> Content {
        let mut content = Content::default();
        let mut add =
            |class: &str, name: &str, attributes: Map<String, Value>| content.items.push(item(class, name, attributes));
        let mut relations = Vec::new();
        for mut site in self.sites {
            add("location", &text(&mut site, "name"), site);
        }
        for mut rack in self.racks {
            let (name, site) = (text(&mut rack, "name"), text(&mut rack, "site"));
            relations.push(relation(&name, "located_in", &site));
            add("rack", &name, rack);
        }
        for device in self.devices {
            relations.push(relation(&device.name, "located_in", &device.rack));
            relations.extend(device.uplink.iter().map(|to| relation(&device.name, "uplinks_to", to)));
            relations
                .extend(device.power.iter().map(|to| within(relation(&device.name, "powered_by", to), "power", 1)));
            let mut rest = device.rest;
            match (device.role.as_str(), rest.shift_remove("address")) {
                ("network_device", Some(address)) => drop(rest.insert("management_address".to_owned(), address)),
                (_, Some(address)) => drop(rest.insert("ip_address".to_owned(), address)),
                (_, None) => (),
            }
            if device.role == "server" {
                rest.insert("hostname".to_owned(), json!(device.name));
            }
            add(&device.role, &device.name, rest);
        }
        for mut interface in self.interfaces {
            let (of, name) = (interface.get("device").cloned().unwrap_or_default(), text(&mut interface, "name"));
            let of = of.as_str().unwrap_or_default().to_owned();
            let name = format!("{of} {name}");
            relations.push(relation(&of, "contains", &name));
            add("network_interface", &name, interface);
        }
        let cluster = self.cluster.name;
        add("cluster", &cluster, Map::new());
        relations.push(relation(&cluster, "stores_on", &self.cluster.storage));
        let hosts = self.cluster.members.iter();
        relations.extend(hosts.map(|host| within(relation(&cluster, "runs_on", host), "hosts", self.cluster.min_up)));
        for mut machine in self.virtual_machines {
            let name = text(&mut machine, "name");
            relations.push(relation(&name, "hosted_on", &cluster));
            machine.insert("hostname".to_owned(), json!(name));
            add("virtual_machine", &name, machine);
        }
        for application in self.applications {
            let engine = application.engine.map(|engine| ("engine".to_owned(), json!(engine)));
            add(&application.class, &application.name, engine.into_iter().collect());
            let on = application.on.iter().map(|on| relation(&application.name, "runs_on", on));
            let redundant = application.on.len() > 1;
            relations.extend(on.map(|on| if redundant { within(on, "machines", 1) } else { on }));
            relations.extend(application.uses.iter().map(|other| relation(&application.name, "uses", other)));
        }
        for service in self.services {
            let Some(number) = services.get(&service.name) else { continue };
            let needs = service.needs.iter().map(|need| relation(number, "depends_on", need));
            relations.extend(needs.map(|need| match service.min_up {
                Some(min_up) => within(need, "redundant", min_up),
                None => need,
            }));
        }
        content.relations = relations;
        content
    }
}

fn text(from: &mut Map<String, Value>, name: &str) -> String {
    from.shift_remove(name).as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn item(class: &str, name: &str, attributes: Map<String, Value>) -> Item {
    let named =
        |name: String| NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| (*ours).to_owned());
    Item {
        key: Some(name.to_owned()),
        class: Some(class.to_owned()),
        title: Some(name.to_owned()),
        state: Some("live".to_owned()),
        attributes: attributes.into_iter().map(|(name, value)| (named(name), value)).collect(),
        ..Item::default()
    }
}

fn relation(from: &str, relation: &str, to: &str) -> RelationItem {
    RelationItem { from: from.to_owned(), relation: relation.to_owned(), to: to.to_owned(), group: None, min_up: None }
}

fn within(relation: RelationItem, group: &str, min_up: i32) -> RelationItem {
    RelationItem { group: Some(group.to_owned()), min_up: Some(min_up), ..relation }
}
