//! The dump of the company's NetBox, as far as it is read: fields are called what NetBox calls them, and an object names others as its API does.

use std::{net::Ipv4Addr, str::FromStr};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

const DUMP: &str = include_str!("netbox.json");

/// All of it.
#[derive(Deserialize)]
pub struct Dump {
    pub sites: Vec<Site>,
    pub racks: Vec<Rack>,
    pub device_types: Vec<DeviceType>,
    pub devices: Vec<Device>,
    pub interfaces: Vec<Interface>,
    pub cables: Vec<Cable>,
    pub vlans: Vec<Vlan>,
    pub prefixes: Vec<Prefix>,
    pub ip_addresses: Vec<IpAddress>,
    pub clusters: Vec<Cluster>,
    pub virtual_machines: Vec<VirtualMachine>,
}

/// Another object, by its name.
#[derive(Clone, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
}

/// A choice, by the word that is stored.
#[derive(Deserialize)]
pub struct Choice {
    /// The word.
    pub value: String,
}

/// A place.
#[derive(Deserialize)]
pub struct Site {
    pub name: String,
    pub status: Choice,
    pub physical_address: String,
}

/// A rack.
#[derive(Deserialize)]
pub struct Rack {
    pub name: String,
    pub site: Named,
    pub status: Choice,
    pub u_height: i32,
}

/// What a maker makes.
#[derive(Deserialize)]
pub struct DeviceType {
    pub manufacturer: Named,
    pub model: String,
}

/// A device type, by its model.
#[derive(Deserialize)]
pub struct Model {
    /// The model.
    pub model: String,
}

/// A device role, by its slug.
#[derive(Deserialize)]
pub struct Role {
    /// The slug.
    pub slug: String,
}

/// An address, with the length of its prefix.
#[derive(Deserialize)]
pub struct Address {
    /// Such as `10.1.0.1/24`.
    pub address: String,
}

/// Something that stands or hangs somewhere.
#[derive(Deserialize)]
pub struct Device {
    pub name: String,
    pub device_type: Model,
    pub role: Role,
    pub site: Named,
    pub rack: Option<Named>,
    pub position: Option<i32>,
    pub serial: String,
    pub status: Choice,
    pub platform: Option<Named>,
    pub primary_ip4: Option<Address>,
    pub cluster: Option<Named>,
    pub custom_fields: Map<String, Value>,
}

/// A port of a device.
#[derive(Deserialize)]
pub struct Interface {
    pub device: Named,
    pub name: String,
    pub mac_address: String,
    /// In kbit/s.
    pub speed: i32,
}

/// What joins two ports.
#[derive(Deserialize)]
pub struct Cable {
    pub a_terminations: Vec<Termination>,
    pub b_terminations: Vec<Termination>,
}

/// An end of a cable.
#[derive(Deserialize)]
pub struct Termination {
    pub object_type: String,
    pub object: Port,
}

/// A component of a device, or of a virtual machine.
#[derive(Deserialize)]
pub struct Port {
    pub device: Option<Named>,
    pub name: String,
}

/// A VLAN.
#[derive(Deserialize)]
pub struct Vlan {
    pub vid: i32,
    pub name: String,
}

/// A VLAN, by its number.
#[derive(Deserialize)]
pub struct Vid {
    /// The number.
    pub vid: i32,
}

/// A range of addresses.
#[derive(Deserialize)]
pub struct Prefix {
    pub prefix: String,
    pub status: Choice,
    pub scope: Named,
    pub vlan: Vid,
}

/// An address, and what has it.
#[derive(Deserialize)]
pub struct IpAddress {
    pub address: String,
    pub assigned_object: Port,
}

/// Hosts that share what runs on them.
#[derive(Deserialize)]
pub struct Cluster {
    pub name: String,
    pub r#type: Named,
    pub status: Choice,
    pub custom_fields: Map<String, Value>,
}

/// A virtual machine.
#[derive(Deserialize)]
pub struct VirtualMachine {
    pub name: String,
    pub status: Choice,
    pub cluster: Named,
    pub platform: Named,
    pub vcpus: f64,
    /// In MiB.
    pub memory: i32,
    pub primary_ip4: Address,
}

impl Dump {
    /// Reads it.
    pub fn read() -> Result<Self> {
        serde_json::from_str(DUMP).map_err(Error::internal)
    }
}

impl Address {
    /// The address alone.
    pub fn host(&self) -> &str {
        host(&self.address)
    }
}

impl Termination {
    /// The device that it is part of, if it is of one.
    pub fn device(&self) -> Option<&str> {
        self.object.device.as_ref().map(|device| device.name.as_str())
    }
}

impl IpAddress {
    /// The address alone.
    pub fn host(&self) -> &str {
        host(&self.address)
    }
}

impl Prefix {
    /// Whether an address lies in it.
    pub fn holds(&self, host: &str) -> bool {
        let parts = self.prefix.split_once('/').and_then(|(network, length)| {
            Some((Ipv4Addr::from_str(network).ok()?, length.parse::<u32>().ok().filter(|length| *length <= 32)?))
        });
        let Some(((network, length), host)) = parts.zip(Ipv4Addr::from_str(host).ok()) else { return false };
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        u32::from(network) & mask == u32::from(host) & mask
    }
}

fn host(address: &str) -> &str {
    address.split_once('/').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_the_addresses_within_it() {
        let cases = [
            ("10.1.0.0/24", "10.1.0.255", true),
            ("10.1.0.0/24", "10.1.1.0", false),
            ("10.1.0.128/25", "10.1.0.127", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("10.1.0.0/33", "10.1.0.1", false),
            ("somewhere", "10.1.0.1", false),
        ];
        for (prefix, host, expected) in cases {
            let named = || Named { name: String::new() };
            let status = Choice { value: String::new() };
            let prefix = Prefix { prefix: prefix.to_owned(), status, scope: named(), vlan: Vid { vid: 1 } };
            assert_eq!(prefix.holds(host), expected, "{} {host}", prefix.prefix);
        }
    }
}
