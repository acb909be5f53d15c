//! Who may do and see what, on a node that did not make the change: right within a second, whatever was changed, and by
//! whomever.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl, connection::SimpleConnection, prelude::*};
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::{AnyConnection, migrate},
    schema::setting,
};
use serde_json::{Value, json};

use crate::support::{
    Person::{self, *},
    TestDatabase, people,
    process::{Running, SOON, prepared},
};

/// How old what a node believes of a caller may be.
const AT_MOST: Duration = Duration::from_secs(1);

/// Two servers on one database, and the administrator of both.
struct Nodes {
    here: Running,
    there: Running,
    assembly: Assembly,
    admin: String,
    _database: TestDatabase,
}

impl Nodes {
    fn start() -> Nodes {
        let (database, _) = prepared();
        let mut config = Config::default();
        config.database.url = DatabaseUrl::new(database.url());
        let assembly = Assembly::open(config, Clock::System).unwrap();
        let admin = people::token_for(&assembly, Admin, "*");
        let [here, there] = [(); 2].map(|()| Running::start(&database.url()));
        Nodes { here, there, assembly, admin, _database: database }
    }

    fn token(&self, person: Person) -> String {
        people::token_for(&self.assembly, person, "*")
    }

    fn path(&self, person: Person) -> String {
        format!("users/{}", person.id(&self.assembly))
    }

    /// A change that the administrator makes on the one node.
    fn change(&self, method: &str, path: &str, body: Value) -> Value {
        changed(&self.here, &self.admin, method, path, body)
    }

    /// Makes a change on the one node that takes from `token` what it may get at `path`: at once there, and within a second
    /// on the other node.
    fn taken(&self, token: &str, path: &str, refusal: u16, change: impl FnOnce()) {
        let asked = |node: &Running| node.ask("GET", &format!("/api/v1/{path}"), token, "").unwrap().0;
        assert_eq!((asked(&self.here), asked(&self.there)), (200, 200), "{path} before the change");
        change();
        let acknowledged = Instant::now();
        assert_eq!(asked(&self.here), refusal, "{path} on the node that made the change");
        loop {
            let began = acknowledged.elapsed();
            match asked(&self.there) {
                200 => assert!(began < AT_MOST, "{path} is still answered after {began:?}"),
                status => return assert_eq!(status, refusal, "{path} on the other node"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn changed(node: &Running, token: &str, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/api/v1/{path}");
    let (status, text) = node.ask_with(method, &path, token, "If-Match: *\r\n", &body).unwrap();
    assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

#[test]
fn what_is_taken_on_one_node_is_taken_on_the_other() {
    let nodes = Nodes::start();
    let one = nodes.token(Alex);
    let (alex, nora, bea) = (nodes.path(Alex), nodes.path(Nora), nodes.path(Bea));
    nodes.taken(&one, "incidents", 401, || {
        let own = changed(&nodes.here, &one, "GET", "auth/tokens", Value::Null);
        let id = own["items"][0]["id"].as_str().unwrap().to_owned();
        changed(&nodes.here, &one, "DELETE", &format!("auth/tokens/{id}"), Value::Null);
    });
    nodes.taken(&nodes.token(Alex), "incidents", 403, || {
        nodes.change("DELETE", &format!("{alex}/roles/agent"), Value::Null);
    });
    nodes.taken(&nodes.token(Nora), "incidents", 401, || {
        nodes.change("PATCH", &nora, json!({"active": false}));
    });
    nodes.taken(&nodes.token(Bea), "teams", 403, || {
        nodes.change("PATCH", "roles/agent", json!({"permissions": ["incident.read"]}));
    });
    nodes.taken(&nodes.token(Bea), "incidents", 403, || {
        nodes.change("DELETE", &format!("{bea}/roles/agent"), Value::Null);
    });
}

#[test]
fn what_is_out_of_sight_on_one_node_is_so_on_the_other() {
    let nodes = Nodes::start();
    let [acme, bolt] = ["Acme", "Bolt"].map(|name| people::organisation(&nodes.assembly, name));
    let branch = nodes.change("POST", "organisations", json!({"name": "Branch", "parent_id": acme}));
    let (nora, team) = (nodes.path(Nora), people::team(&nodes.assembly, "network"));
    let incident = |organisation: &Value| {
        let new = json!({"title": "Dark", "organisation_id": organisation, "team_id": team});
        format!("incidents/{}", nodes.change("POST", "incidents", new)["number"].as_str().unwrap())
    };
    let (of_branch, of_bolt, of_acme) = (incident(&branch["id"]), incident(&json!(bolt)), incident(&json!(acme)));
    let token = nodes.token(Nora);
    nodes.taken(&token, &of_bolt, 404, || {
        let membership = format!("teams/{team}/members/{}", Nora.id(&nodes.assembly));
        nodes.change("DELETE", &membership, Value::Null);
    });
    nodes.taken(&token, &of_branch, 404, || {
        let path = format!("organisations/{}", branch["id"].as_str().unwrap());
        nodes.change("PATCH", &path, json!({"parent_id": bolt}));
    });
    nodes.taken(&token, &of_acme, 404, || {
        nodes.change("PATCH", &nora, json!({"organisation_id": bolt}));
    });
}

#[test]
fn a_session_that_ends_on_one_node_ends_on_the_other() {
    let nodes = Nodes::start();
    let log_in = |password: &str| {
        let body = json!({"user_name": "rita", "password": password}).to_string();
        let (status, text) = nodes.here.ask("POST", "/api/v1/auth/login", "", &body).unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["access_token"].as_str().unwrap().to_owned()
    };
    let reset = || {
        let path = format!("{}/reset_password", nodes.path(Rita));
        nodes.change("POST", &path, Value::Null)["one_time_password"].as_str().unwrap().to_owned()
    };
    let password = |token: &str, old: &str, new: &str| {
        let body = json!({"old_password": old, "new_password": new});
        changed(&nodes.here, token, "POST", "auth/password", body);
    };
    let (one_time, own) = (reset(), "eleven red signals at night");
    password(&log_in(&one_time), &one_time, own);
    let [first, second, third] = [(); 3].map(|()| log_in(own));
    nodes.taken(&first, "incidents", 401, || {
        changed(&nodes.here, &first, "POST", "auth/logout", Value::Null);
    });
    nodes.taken(&second, "incidents", 401, || password(&third, own, "twelve green signals at noon"));
    nodes.taken(&third, "incidents", 401, || drop(reset()));
}

/// What an operator changes with SQL counts as what the server changes itself: each of these raises the epoch, on both
/// databases, and nothing else does.
#[test]
fn every_change_of_what_is_remembered_raises_its_epoch() {
    let database = TestDatabase::create();
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    let assembly = Assembly::open(config, Clock::System).unwrap();
    people::settle(&assembly);
    people::token_for(&assembly, Alex, "*");
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    migrate::up(&mut connection).unwrap();
    let moment = "'2030-01-01 00:00:00'";
    let session = format!(
        "INSERT INTO refresh_token (id, family_id, user_id, token_hash, created_at, expires_at) \
         SELECT 's', 's', id, 's', {moment}, {moment} FROM user_account WHERE user_name = 'alex'"
    );
    let cases: &[(&str, &[&str])] = &[
        ("UPDATE user_account SET active = active WHERE user_name = 'alex'", &["standing_epoch"]),
        ("UPDATE user_account SET password_hash = 'x' WHERE user_name = 'alex'", &[]),
        ("UPDATE organisation SET path = path WHERE name = 'Bolt'", &["standing_epoch"]),
        ("UPDATE organisation SET version = version + 1", &[]),
        ("UPDATE role SET permissions = '[]' WHERE name = 'agent'", &["standing_epoch"]),
        ("UPDATE user_role SET role_id = role_id", &["standing_epoch"]),
        ("DELETE FROM user_role", &["standing_epoch"]),
        ("DELETE FROM team_member", &["standing_epoch"]),
        ("UPDATE personal_token SET last_used_at = created_at", &[]),
        ("UPDATE personal_token SET scopes = '[]'", &["standing_epoch"]),
        ("DELETE FROM personal_token", &["standing_epoch"]),
        (&session, &[]),
        ("UPDATE refresh_token SET used_at = created_at", &[]),
        ("UPDATE refresh_token SET revoked_at = created_at", &["standing_epoch"]),
        ("DELETE FROM refresh_token", &[]),
        ("UPDATE team SET active = active WHERE name = 'network'", &["policy_epoch"]),
        ("UPDATE policy SET enabled = enabled", &["policy_epoch"]),
        ("UPDATE lookup_table SET content = content", &["policy_epoch"]),
        ("UPDATE calendar SET content = content", &["policy_epoch", "service_level_epoch"]),
        ("UPDATE service_level SET content = content", &["service_level_epoch"]),
        ("UPDATE relation_type SET label = label", &["graph_epoch"]),
    ];
    for (sql, expected) in cases {
        let before = epochs(&mut connection);
        connection.batch_execute(sql).unwrap();
        let raised: Vec<String> = epochs(&mut connection).difference(&before).map(|(name, _)| name.clone()).collect();
        assert_eq!(raised, *expected, "{sql}");
    }
}

fn epochs(connection: &mut AnyConnection) -> BTreeSet<(String, String)> {
    let rows: Vec<(String, String)> = setting::table.filter(setting::name.like("%_epoch")).load(connection).unwrap();
    assert_eq!(rows.len(), 4);
    rows.into_iter().collect()
}

/// A stream ends with its caller's credentials, and not half a minute later.
#[test]
fn a_stream_ends_with_the_token_that_opened_it() {
    use std::io::{Read, Write};
    let nodes = Nodes::start();
    let token = nodes.token(Rita);
    let mut stream = std::net::TcpStream::connect(nodes.there.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(crate::support::process::request("GET", "/api/v1/stream", &token, "").as_bytes()).unwrap();
    let mut piece = [0; 4096];
    assert!(stream.read(&mut piece).unwrap() > 0);
    nodes.change("PATCH", &nodes.path(Rita), json!({"active": false}));
    // Well before the first heartbeat, which is what would end the read otherwise.
    while stream.read(&mut piece).unwrap() > 0 {}
}
