//! The classes of configuration items that ship.

use crate::record::class::shipped::Shipped;

type Attributes = &'static [(&'static str, &'static str, &'static str, bool)];

const fn class(
    name: &'static str,
    label: &'static str,
    parent: Option<&'static str>,
    attributes: Attributes,
    identification: &'static [&'static [&'static str]],
) -> Shipped {
    Shipped { name, label, parent, is_abstract: false, attributes, identification }
}

const fn group(
    name: &'static str,
    label: &'static str,
    attributes: Attributes,
    identification: &'static [&'static [&'static str]],
) -> Shipped {
    Shipped { name, label, parent: None, is_abstract: true, attributes, identification }
}

/// The classes, those above first.
pub const SHIPPED: &[Shipped] = &[
    group(
        "hardware",
        "Hardware",
        &[
            ("manufacturer", "Manufacturer", "text", true),
            ("model", "Model", "text", true),
            ("serial_number", "Serial number", "text", true),
            ("asset_tag", "Asset tag", "text", false),
            ("rack", "Rack", "text", false),
            ("rack_position", "Rack position", "integer", false),
            ("warranty_until", "Warranty until", "date", false),
        ],
        &[&["serial_number"], &["asset_tag"], &["title"]],
    ),
    group(
        "software",
        "Software",
        &[
            ("product", "Product", "text", false),
            ("release", "Release", "text", true),
            ("url", "Address", "text", false),
        ],
        &[&["title"]],
    ),
    class(
        "server",
        "Server",
        Some("hardware"),
        &[
            ("hostname", "Host name", "text", true),
            ("ip_address", "IP address", "text", false),
            ("operating_system", "Operating system", "text", true),
            ("cpu_count", "Processors", "integer", false),
            ("memory_mib", "Memory in MiB", "integer", false),
        ],
        &[&["serial_number"], &["hostname"], &["title"]],
    ),
    class(
        "network_device",
        "Network device",
        Some("hardware"),
        &[
            ("management_address", "Management address", "text", true),
            ("firmware", "Firmware", "text", false),
            ("port_count", "Ports", "integer", false),
        ],
        &[],
    ),
    class("switch", "Switch", Some("network_device"), &[], &[]),
    class("router", "Router", Some("network_device"), &[], &[]),
    class("firewall", "Firewall", Some("network_device"), &[], &[]),
    class("load_balancer", "Load balancer", Some("network_device"), &[], &[]),
    class(
        "storage",
        "Storage",
        Some("hardware"),
        &[("capacity_gib", "Capacity in GiB", "integer", true), ("storage_protocol", "Protocol", "text", false)],
        &[],
    ),
    class("workstation", "Workstation", Some("hardware"), &[("assigned_to", "Used by", "text", false)], &[]),
    class("printer", "Printer", Some("hardware"), &[], &[]),
    class("phone", "Phone", Some("hardware"), &[("phone_number", "Number", "text", false)], &[]),
    class(
        "power_supply",
        "Power supply",
        Some("hardware"),
        &[("power_watts", "Power in watts", "integer", false)],
        &[],
    ),
    class(
        "virtual_machine",
        "Virtual machine",
        None,
        &[
            ("hostname", "Host name", "text", true),
            ("ip_address", "IP address", "text", false),
            ("operating_system", "Operating system", "text", true),
            ("cpu_count", "Processors", "integer", false),
            ("memory_mib", "Memory in MiB", "integer", false),
            ("instance_id", "Instance id", "text", false),
        ],
        &[&["instance_id"], &["hostname"], &["title"]],
    ),
    class(
        "container",
        "Container",
        None,
        &[
            ("image", "Image", "text", true),
            ("namespace", "Namespace", "text", false),
            ("replicas", "Replicas", "integer", false),
            ("cpu_limit", "Limit of processors", "text", false),
            ("memory_limit", "Limit of memory", "text", false),
        ],
        &[&["namespace", "title"], &["title"]],
    ),
    class("cluster", "Cluster", None, &[("cluster_type", "Type", "text", false)], &[&["title"]]),
    class("application", "Application", Some("software"), &[("language", "Programming language", "text", false)], &[]),
    class(
        "database",
        "Database",
        Some("software"),
        &[("engine", "Engine", "text", true), ("port", "Port", "integer", false)],
        &[],
    ),
    class("message_queue", "Message queue", Some("software"), &[], &[]),
    class("middleware", "Middleware", Some("software"), &[], &[]),
    class(
        "network_interface",
        "Network interface",
        None,
        &[
            ("interface_of", "Of", "text", true),
            ("mac_address", "MAC address", "text", false),
            ("ip_address", "IP address", "text", false),
            ("speed_mbps", "Speed in Mbit/s", "integer", false),
        ],
        &[&["mac_address"], &["interface_of", "title"]],
    ),
    class(
        "network",
        "Network",
        None,
        &[("prefix", "Prefix", "text", true), ("vlan", "VLAN", "integer", false)],
        &[&["prefix"], &["title"]],
    ),
    class(
        "certificate",
        "Certificate",
        None,
        &[("subject", "Subject", "text", true), ("expires_on", "Expires on", "date", true)],
        &[&["subject"], &["title"]],
    ),
    class(
        "location",
        "Location",
        None,
        &[("address", "Address", "text", false), ("location_type", "Type", "text", false)],
        &[&["title"]],
    ),
    class("rack", "Rack", Some("location"), &[("height_units", "Height units", "integer", false)], &[]),
    class(
        "business_service",
        "Business service",
        None,
        &[("business_owner", "Answers for it", "text", false)],
        &[&["title"]],
    ),
    class("technical_service", "Technical service", None, &[], &[&["title"]]),
    class("other", "Other", None, &[], &[&["title"]]),
];

#[cfg(test)]
mod tests {
    use crate::record::class::{ClassRow, admin::check};

    #[test]
    fn those_that_ship_go_together() {
        let mut rows: Vec<ClassRow> = Vec::new();
        for class in super::SHIPPED {
            let row = class.as_new("configuration_item").row("2026-03-03T11:00:00Z".parse().unwrap()).unwrap();
            check(&rows, &row, None).unwrap_or_else(|e| panic!("{}: {:?}", class.name, e.errors));
            rows.push(row);
        }
    }
}
