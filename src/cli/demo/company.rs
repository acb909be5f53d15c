//! The company of the demonstration, as tables: where people sit, what they do, what they run.
//!
//! Marlow Freight is a haulier with four sites; Brightwater Clinics is a customer that reports to the same service desk. The
//! names of the teams are those that the shipped policies and tables know.

/// The company.
pub const COMPANY: &str = "Marlow Freight";
/// Its customer.
pub const CUSTOMER: &str = "Brightwater Clinics";

/// An organisation, the one above it, and where its people say that something happens.
pub struct Organisation {
    /// Its name.
    pub name: &'static str,
    /// The organisation above it; the root where there is none.
    pub above: Option<&'static str>,
    /// Places in it.
    pub places: &'static [&'static str],
}

/// Parents come first.
pub const ORGANISATIONS: &[Organisation] = &[
    Organisation { name: COMPANY, above: None, places: &["Head Office, board room", "Head Office, fourth floor"] },
    Organisation {
        name: "Head Office",
        above: Some(COMPANY),
        places: &["Head Office, first floor", "Head Office, second floor", "Head Office, reception"],
    },
    Organisation {
        name: "Distribution North",
        above: Some(COMPANY),
        places: &["North, dock 4", "North, packing line 2", "North, dispatch office"],
    },
    Organisation {
        name: "Distribution South",
        above: Some(COMPANY),
        places: &["South, goods-in", "South, cold store", "South, dispatch office"],
    },
    Organisation {
        name: "Finance and People",
        above: Some(COMPANY),
        places: &["Head Office, third floor", "working from home"],
    },
    // Below the company, whose service desk takes its calls.
    Organisation { name: CUSTOMER, above: Some(COMPANY), places: &["Riverside clinic", "Hill Street clinic"] },
];

/// A team and what it is for.
pub const TEAMS: &[(&str, &str)] = &[
    ("service-desk", "First contact for everybody; solves what it can and passes on the rest."),
    ("security-response", "Phishing, malware, lost devices and anything else that smells."),
    ("network-operations", "Switches, wireless, firewalls and remote access."),
    ("server-operations", "Servers, storage, backup and mail."),
    ("database-operations", "Databases, their copies and their speed."),
    ("workplace", "Laptops, telephones, printers and meeting rooms."),
    ("application-support", "The applications that the business runs on."),
    ("identity", "Accounts, rights, and who has joined or left."),
    ("duty-manager", "Decides when nobody else is there to ask."),
    ("vip-desk", "Looks after those whose time costs the company most."),
    (BOARD, "Looks at changes that work depends on before they are made."),
];

/// Somebody.
pub struct Person {
    /// The name to sign in with.
    pub user_name: &'static str,
    /// The name that others read.
    pub name: &'static str,
    /// The organisation they belong to.
    pub home: &'static str,
    /// Their role.
    pub role: &'static str,
    /// The teams they work in.
    pub teams: &'static [&'static str],
    /// Whether policies treat them with priority.
    pub vip: bool,
}

const fn agent(user_name: &'static str, name: &'static str, teams: &'static [&'static str]) -> Person {
    // At the top of the company, so that they see the records of all its sites.
    Person { user_name, name, home: COMPANY, role: "agent", teams, vip: false }
}

const fn keeper(user_name: &'static str, name: &'static str, role: &'static str) -> Person {
    Person { user_name, name, home: COMPANY, role, teams: &[], vip: false }
}

const fn requester(user_name: &'static str, name: &'static str, home: &'static str) -> Person {
    Person { user_name, name, home, role: "requester", teams: &[], vip: false }
}

const fn vip(user_name: &'static str, name: &'static str, home: &'static str) -> Person {
    Person { vip: true, ..requester(user_name, name, home) }
}

/// Who defines custom fields, and owns the policies.
pub const POLICY_ADMINISTRATOR: &str = "oscar.nyberg";
/// Who reads everything and changes nothing.
pub const AUDITOR: &str = "leila.rahimi";
/// Who sees to it that changes come soon and break nothing.
pub const CHANGE_MANAGER: &str = "nadia.petrova";
/// The team that looks at changes which much depends on, and one who sits on it.
pub const BOARD: &str = "change-advisory-board";
/// Who speaks for that team.
pub const BOARD_MEMBER: &str = "helen.pryce";
/// Who keeps the services and configuration items.
pub const SERVICE_OWNER: &str = "ingrid.vasquez";
/// An agent to try things as.
pub const AN_AGENT: &str = "maya.okafor";
/// A requester to try things as.
pub const A_REQUESTER: &str = "ewan.macleod";

/// Everybody.
pub const PEOPLE: &[Person] = &[
    agent(AN_AGENT, "Maya Okafor", &["service-desk"]),
    agent("tomasz.wrona", "Tomasz Wrona", &["service-desk"]),
    agent("lucia.ferreira", "Lúcia Ferreira", &["service-desk"]),
    agent("ben.hartley", "Ben Hartley", &["service-desk", "vip-desk"]),
    agent("amara.diallo", "Amara Diallo", &["security-response"]),
    agent("henrik.solberg", "Henrik Solberg", &["security-response"]),
    agent("priya.raman", "Priya Raman", &["network-operations"]),
    agent("jonas.keller", "Jonas Keller", &["network-operations"]),
    agent("siobhan.doyle", "Siobhán Doyle", &["network-operations"]),
    agent("kenji.mori", "Kenji Mori", &["server-operations", "duty-manager", BOARD]),
    agent("olena.bondar", "Olena Bondar", &["server-operations"]),
    agent("marcus.webb", "Marcus Webb", &["server-operations"]),
    agent("farah.aziz", "Farah Aziz", &["database-operations"]),
    agent("stefan.ionescu", "Ștefan Ionescu", &["database-operations"]),
    agent("grace.mbeki", "Grace Mbeki", &["workplace"]),
    agent("luca.marino", "Luca Marino", &["workplace"]),
    agent("ana.kovac", "Ana Kovač", &["workplace"]),
    agent("daniel.osei", "Daniel Osei", &["application-support"]),
    agent("mei.tan", "Mei Tan", &["application-support"]),
    agent("ruth.abrams", "Ruth Abrams", &["application-support"]),
    agent("noor.haddad", "Noor Haddad", &["identity"]),
    agent("victor.lindqvist", "Victor Lindqvist", &["identity"]),
    agent(BOARD_MEMBER, "Helen Pryce", &["duty-manager", BOARD]),
    agent("camille.laurent", "Camille Laurent", &["vip-desk"]),
    keeper(SERVICE_OWNER, "Ingrid Vásquez", "service_owner"),
    keeper(CHANGE_MANAGER, "Nadia Petrova", "change_manager"),
    keeper(POLICY_ADMINISTRATOR, "Oscar Nyberg", "policy_administrator"),
    keeper(AUDITOR, "Leila Rahimi", "auditor"),
    vip("eleanor.marlow", "Eleanor Marlow", COMPANY),
    vip("raj.malhotra", "Raj Malhotra", "Finance and People"),
    vip("sofia.brandt", "Dr Sofia Brandt", CUSTOMER),
    requester("hannah.cole", "Hannah Cole", "Head Office"),
    requester("yusuf.demir", "Yusuf Demir", "Head Office"),
    requester(A_REQUESTER, "Ewan MacLeod", "Distribution North"),
    requester("katarzyna.nowak", "Katarzyna Nowak", "Distribution North"),
    requester("dele.adeyemi", "Dele Adeyemi", "Distribution North"),
    requester("paulo.mendes", "Paulo Mendes", "Distribution South"),
    requester("ines.castillo", "Inés Castillo", "Distribution South"),
    requester("tuan.pham", "Tuấn Phạm", "Distribution South"),
    requester("claire.dubois", "Claire Dubois", "Finance and People"),
    requester("mateo.silva", "Mateo Silva", "Finance and People"),
    requester("aisha.khan", "Aisha Khan", "Finance and People"),
    requester("nils.berg", "Nils Berg", CUSTOMER),
    requester("fiona.gallagher", "Fiona Gallagher", CUSTOMER),
    requester("george.mwangi", "George Mwangi", CUSTOMER),
];

/// A service: name, what it is, how much depends on it, who runs it.
pub const SERVICES: &[(&str, &str, &str, &str)] = &[
    ("Order management", "Takes and tracks the orders of all customers.", "gold", "application-support"),
    ("Warehouse management", "Knows what lies where, and what leaves when.", "gold", "application-support"),
    ("Corporate network", "Joins the sites with each other and with the world.", "gold", "network-operations"),
    ("Email and calendar", "Mailboxes, calendars and meeting rooms.", "silver", "server-operations"),
    ("Remote access", "Work from anywhere but a site.", "silver", "network-operations"),
    ("Customer portal", "Customers book, follow and document their consignments.", "silver", "application-support"),
    ("HR and payroll", "Contracts, absences and pay.", "silver", "application-support"),
    ("Printing", "Paper, labels and consignment notes.", "bronze", "workplace"),
];

/// A configuration item: name, class, environment, criticality, the service it serves, and its own team where it has one.
/// Those without a team go to the one that the table of classes names.
pub type Item = (&'static str, &'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// A class that the company has of its own: what pickers scan with is a phone, and more.
pub const HANDHELD: &str = "handheld";

/// What hangs on what, as those who run it know: an application, the machines that it runs on, of which one is enough, and what else it
/// needs.
pub type Runs = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Which applications run where, and what they call.
pub const RUNS: &[Runs] = &[
    ("orders-app-01", &["orders-vm-01", "orders-vm-02"], &["orders-db-01"]),
    ("orders-db-01", &["db-vm-01"], &[]),
    ("wms-app-01", &["wms-vm-01"], &["wms-db-01"]),
    ("wms-db-01", &["db-vm-01"], &[]),
    ("portal-web", &["portal-vm-01", "portal-vm-02"], &["portal-db-01", "orders-app-01"]),
    ("portal-db-01", &["db-vm-01"], &[]),
    ("payroll-app-01", &["payroll-vm-01"], &[]),
];

/// Things of which a service needs at least so many; all of them, where nothing is said.
pub type Need = (&'static [&'static str], Option<i32>);

/// What each service rests on.
pub const NEEDS: &[(&str, &[Need])] = &[
    ("Order management", &[(&["orders-app-01"], None)]),
    ("Warehouse management", &[(&["wms-app-01", "wifi-north", "wifi-south"], None)]),
    (
        "Corporate network",
        &[
            (&["core-switch-hq", "core-switch-hq-02"], Some(1)),
            (&["firewall-hq", "edge-router-north", "edge-router-south"], None),
        ],
    ),
    ("Email and calendar", &[(&["mail-gateway-01", "mail-store-01"], None)]),
    ("Remote access", &[(&["vpn-gateway-01", "vpn-gateway-02"], Some(1))]),
    ("Customer portal", &[(&["portal-web"], None)]),
    ("HR and payroll", &[(&["payroll-app-01"], None)]),
    ("Printing", &[(&["print-server-01"], None)]),
];

/// Where the data of the virtual machines lie: the cluster, and its storage.
pub const STORES: &[(&str, &str)] = &[("hq-cluster", "storage-array-01")];

/// The configuration items.
pub const ITEMS: &[Item] = &[
    ("orders-app-01", "application", "production", "gold", Some("Order management"), Some("application-support")),
    ("orders-app-test", "application", "test", "bronze", Some("Order management"), Some("application-support")),
    ("orders-db-01", "database", "production", "gold", Some("Order management"), None),
    ("orders-db-staging", "database", "staging", "bronze", Some("Order management"), None),
    ("wms-app-01", "application", "production", "gold", Some("Warehouse management"), Some("application-support")),
    ("wms-vm-01", "virtual_machine", "production", "gold", Some("Warehouse management"), Some("server-operations")),
    ("wms-db-01", "database", "production", "gold", Some("Warehouse management"), None),
    ("handhelds-north", HANDHELD, "production", "silver", Some("Warehouse management"), Some("workplace")),
    ("handhelds-south", HANDHELD, "production", "silver", Some("Warehouse management"), Some("workplace")),
    ("core-switch-hq", "network_device", "production", "gold", Some("Corporate network"), Some("network-operations")),
    (
        "edge-router-north",
        "network_device",
        "production",
        "gold",
        Some("Corporate network"),
        Some("network-operations"),
    ),
    (
        "edge-router-south",
        "network_device",
        "production",
        "gold",
        Some("Corporate network"),
        Some("network-operations"),
    ),
    ("wifi-north", "network_device", "production", "silver", Some("Corporate network"), Some("network-operations")),
    ("wifi-south", "network_device", "production", "silver", Some("Corporate network"), Some("network-operations")),
    ("firewall-hq", "network_device", "production", "gold", Some("Corporate network"), Some("network-operations")),
    ("mail-gateway-01", "server", "production", "silver", Some("Email and calendar"), None),
    ("mail-store-01", "server", "production", "silver", Some("Email and calendar"), None),
    ("storage-array-01", "storage", "production", "gold", None, None),
    ("backup-01", "server", "production", "silver", None, None),
    ("vpn-gateway-01", "network_device", "production", "silver", Some("Remote access"), Some("network-operations")),
    ("vpn-gateway-02", "network_device", "production", "silver", Some("Remote access"), Some("network-operations")),
    ("portal-web", "container", "production", "silver", Some("Customer portal"), Some("application-support")),
    ("portal-web-test", "container", "test", "bronze", Some("Customer portal"), Some("application-support")),
    ("portal-db-01", "database", "production", "silver", Some("Customer portal"), None),
    ("payroll-app-01", "application", "production", "silver", Some("HR and payroll"), Some("application-support")),
    ("print-server-01", "server", "production", "bronze", Some("Printing"), None),
    ("printer-hq-2", "printer", "production", "bronze", Some("Printing"), Some("workplace")),
    ("label-printer-north-4", "printer", "production", "silver", Some("Printing"), Some("workplace")),
    ("laptops-finance", "workstation", "production", "silver", None, None),
    ("laptops-office", "workstation", "production", "bronze", None, None),
    ("build-01", "server", "development", "bronze", None, None),
];

/// Custom fields of incidents: name, label, help, type.
pub const CUSTOM_FIELDS: &[(&str, &str, &str, &str)] = &[
    ("affected_users", "People affected", "How many people can't work as usual.", "integer"),
    ("asset_tag", "Asset tag", "The number on the sticker: MF- and five digits.", "text"),
];
