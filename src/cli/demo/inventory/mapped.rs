//! What a NetBox tells, as configuration items and relations.
//!
//! A cable says that two things are joined, and not which needs the other: of two devices, the one further from the core reaches the network
//! through the other. Who has several such ways, several supplies or several hosts needs but one of them. What carries nothing that could
//! fail — slugs, heights of device types, VLANs beside their prefix — is left out or becomes an attribute.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::netbox::{Cable, Choice, Device, Dump, Prefix, Termination, VirtualMachine};
use crate::{
    error::{Error, Result},
    practice::configuration_item::import::{Content, Item, RelationItem},
};

/// What a device of a role is, and how far it stands from the core of the network.
struct Role {
    slug: &'static str,
    class: &'static str,
    tier: u8,
}

const ROLES: &[Role] = &[
    Role { slug: "core-switch", class: "switch", tier: 0 },
    Role { slug: "firewall", class: "firewall", tier: 1 },
    Role { slug: "router", class: "router", tier: 2 },
    Role { slug: "vpn-gateway", class: "network_device", tier: 3 },
    Role { slug: "access-point", class: "network_device", tier: 3 },
    Role { slug: "hypervisor", class: "server", tier: 4 },
    Role { slug: "server", class: "server", tier: 4 },
    Role { slug: "storage", class: "storage", tier: 4 },
    Role { slug: "ups", class: "power_supply", tier: 5 },
];

/// What a cable ends in: a port for data, one that takes power, and one that gives it.
const DATA: &str = "dcim.interface";
const TAKES_POWER: &str = "dcim.powerport";
const GIVES_POWER: &str = "dcim.poweroutlet";

/// Where a thing stands in its life, by the status that NetBox has for it.
fn state(status: &Choice) -> &'static str {
    match status.value.as_str() {
        "planned" | "staged" => "planned",
        "inventory" | "offline" => "in_stock",
        _ => "live",
    }
}

fn role_of(device: &Device) -> Result<&'static Role> {
    let found = ROLES.iter().find(|role| role.slug == device.role.slug);
    found.ok_or_else(|| {
        Error::internal(format!("{} is a {}, and nobody knows what that is", device.name, device.role.slug))
    })
}

/// The whole dump.
pub fn mapped(dump: &Dump) -> Result<Content> {
    let mut content = Content::default();
    places(dump, &mut content);
    networks(dump, &mut content);
    devices(dump, &mut content)?;
    interfaces(dump, &mut content);
    clusters(dump, &mut content);
    content.relations.extend(ways(dump)?);
    content.relations.extend(patches(dump));
    Ok(content)
}

fn places(dump: &Dump, content: &mut Content) {
    for site in &dump.sites {
        let about = json!({"address": site.physical_address, "location_type": "site"});
        content.items.push(item(("location", &site.name), state(&site.status), about));
    }
    for rack in &dump.racks {
        let about = json!({"height_units": rack.u_height, "location_type": "rack"});
        content.items.push(item(("rack", &rack.name), state(&rack.status), about));
        content.relations.push(relation(&rack.name, "located_in", &rack.site.name));
    }
}

/// A prefix is a network, which its VLAN gives a name.
fn networks(dump: &Dump, content: &mut Content) {
    for prefix in &dump.prefixes {
        let vlan = dump.vlans.iter().find(|vlan| vlan.vid == prefix.vlan.vid);
        let title = vlan.map_or(prefix.prefix.clone(), |vlan| format!("{}, {}", vlan.name, prefix.prefix));
        let about = json!({"prefix": prefix.prefix, "vlan": prefix.vlan.vid});
        let network = item(("network", &prefix.prefix), state(&prefix.status), about);
        content.items.push(Item { title: Some(title), ..network });
        content.relations.push(relation(&prefix.prefix, "located_in", &prefix.scope.name));
    }
}

fn devices(dump: &Dump, content: &mut Content) -> Result<()> {
    let makers: HashMap<&str, &str> =
        dump.device_types.iter().map(|of| (of.model.as_str(), of.manufacturer.name.as_str())).collect();
    for device in &dump.devices {
        let role = role_of(device)?;
        let address = device.primary_ip4.as_ref().map(|ip| ip.host());
        let mut about = device.custom_fields.clone();
        about.extend([
            ("manufacturer".to_owned(), json!(makers.get(device.device_type.model.as_str()))),
            ("model".to_owned(), json!(device.device_type.model)),
            ("serial_number".to_owned(), json!(device.serial)),
            ("rack".to_owned(), json!(device.rack.as_ref().map(|rack| &rack.name))),
            ("rack_position".to_owned(), json!(device.position)),
        ]);
        // Only servers have a name and an address of their own; what carries others is managed by one.
        let own = match role.class {
            "server" => vec![
                ("hostname", json!(device.name)),
                ("ip_address", json!(address)),
                ("operating_system", json!(device.platform.as_ref().map(|platform| &platform.name))),
            ],
            "storage" | "power_supply" => Vec::new(),
            _ => vec![("management_address", json!(address))],
        };
        about.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        content.items.push(item((role.class, &device.name), state(&device.status), about.into()));
        let place = device.rack.as_ref().unwrap_or(&device.site);
        content.relations.push(relation(&device.name, "located_in", &place.name));
        content.relations.extend(address.and_then(|host| in_network(&dump.prefixes, &device.name, host)));
    }
    Ok(())
}

fn in_network(prefixes: &[Prefix], name: &str, host: &str) -> Option<RelationItem> {
    let network = prefixes.iter().find(|prefix| prefix.holds(host))?;
    Some(relation(name, "connects_to", &network.prefix))
}

/// What an interface is called: on its own, its name means nothing.
fn port(device: &str, name: &str) -> String {
    format!("{device} {name}")
}

fn interfaces(dump: &Dump, content: &mut Content) {
    for interface in &dump.interfaces {
        let (device, name) = (&interface.device.name, port(&interface.device.name, &interface.name));
        let address = dump.ip_addresses.iter().find(|ip| {
            let on = &ip.assigned_object;
            on.name == interface.name && on.device.as_ref().is_some_and(|on| on.name == *device)
        });
        let about = json!({
            "interface_of": device, "mac_address": interface.mac_address, "speed_mbps": interface.speed / 1_000,
            "ip_address": address.map(|ip| ip.host()),
        });
        content.items.push(item(("network_interface", &name), "live", about));
        content.relations.push(relation(device, "contains", &name));
    }
}

fn clusters(dump: &Dump, content: &mut Content) {
    for cluster in &dump.clusters {
        let about = json!({"cluster_type": cluster.r#type.name});
        content.items.push(item(("cluster", &cluster.name), state(&cluster.status), about));
        let least = cluster.custom_fields.get("min_up").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
        let is_host = |device: &&Device| device.cluster.as_ref().is_some_and(|of| of.name == cluster.name);
        let hosts = dump.devices.iter().filter(is_host);
        let runs_on = hosts.map(|host| within(relation(&cluster.name, "runs_on", &host.name), "hosts", least));
        content.relations.extend(runs_on);
    }
    for machine in &dump.virtual_machines {
        let VirtualMachine { name, status, cluster, platform, vcpus, memory, primary_ip4 } = machine;
        let about = json!({
            "hostname": name, "ip_address": primary_ip4.host(), "operating_system": platform.name,
            "cpu_count": vcpus.ceil() as i64, "memory_mib": memory,
        });
        content.items.push(item(("virtual_machine", name), state(status), about));
        content.relations.push(relation(name, "hosted_on", &cluster.name));
        content.relations.extend(in_network(&dump.prefixes, name, primary_ip4.host()));
    }
}

/// The two ends of a cable, each with its device, if it joins devices.
fn ends(cable: &Cable) -> Option<[(&Termination, &str); 2]> {
    let (a, b) = cable.a_terminations.first().zip(cable.b_terminations.first())?;
    Some([(a, a.device()?), (b, b.device()?)])
}

/// By which others each device has power and network: of several, one is enough.
fn ways(dump: &Dump) -> Result<Vec<RelationItem>> {
    let tiers = dump.devices.iter().map(|device| Ok((device.name.as_str(), role_of(device)?.tier)));
    let tiers: HashMap<&str, u8> = tiers.collect::<Result<_>>()?;
    let mut found: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for [(a, from), (b, to)] in dump.cables.iter().filter_map(ends) {
        let kinds = (a.object_type.as_str(), b.object_type.as_str());
        let way = match kinds {
            (TAKES_POWER, GIVES_POWER) => Some(("powered_by", from, to)),
            (GIVES_POWER, TAKES_POWER) => Some(("powered_by", to, from)),
            (DATA, DATA) => match tiers.get(from).cmp(&tiers.get(to)) {
                std::cmp::Ordering::Greater => Some(("uplinks_to", from, to)),
                std::cmp::Ordering::Less => Some(("uplinks_to", to, from)),
                std::cmp::Ordering::Equal => None,
            },
            _ => None,
        };
        if let Some((kind, from, to)) = way {
            let others = found.entry((from, kind)).or_default();
            if !others.contains(&to) {
                others.push(to);
            }
        }
    }
    let each = found.into_iter().flat_map(|((from, kind), others)| {
        let is_redundant = others.len() > 1;
        others.into_iter().map(move |to| {
            let way = relation(from, kind, to);
            if is_redundant {
                within(way, if kind == "powered_by" { "power" } else { "uplinks" }, Some(1))
            } else {
                way
            }
        })
    });
    Ok(each.collect())
}

/// Which interfaces a cable joins.
fn patches(dump: &Dump) -> Vec<RelationItem> {
    let joined = dump.cables.iter().filter_map(ends);
    let data = joined.filter(|[(a, _), (b, _)]| a.object_type == DATA && b.object_type == DATA);
    data.map(|[(a, from), (b, to)]| relation(&port(from, &a.object.name), "connects_to", &port(to, &b.object.name)))
        .collect()
}

/// A configuration item of a class, called so, in a state, with what is known of it.
fn item((class, name): (&str, &str), state: &str, about: Value) -> Item {
    let about = if let Value::Object(about) = about { about } else { Map::new() };
    Item {
        key: Some(name.to_owned()),
        class: Some(class.to_owned()),
        title: Some(name.to_owned()),
        state: Some(state.to_owned()),
        attributes: about.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        ..Item::default()
    }
}

/// A relation, by the names of both ends.
pub fn relation(from: &str, relation: &str, to: &str) -> RelationItem {
    RelationItem { from: from.to_owned(), relation: relation.to_owned(), to: to.to_owned(), group: None, min_up: None }
}

/// The same as one of a redundancy group of its first end.
pub fn within(relation: RelationItem, group: &str, min_up: Option<i32>) -> RelationItem {
    RelationItem { group: Some(group.to_owned()), min_up, ..relation }
}
