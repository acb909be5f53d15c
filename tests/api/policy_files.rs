//! Policies as files: `pointsman policy pull|push|diff|fmt` against a server in a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    Person::*,
    Server, TestDatabase,
    process::{Running, command, prepared_for},
};

/// A server, a folder, and somebody who works with both.
struct Desk {
    server: Running,
    token: String,
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

/// What a command came to.
struct Said {
    code: i32,
    out: String,
    error: String,
}

/// The program, with a server to talk to.
fn program(server: SocketAddr, token: &str) -> Command {
    let mut command = command("unused.db");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "POINTSMAN_TOKEN_FILE"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("POINTSMAN_SERVER", format!("http://{server}")).env("POINTSMAN_TOKEN", token).arg("policy");
    command
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), error: text(output.stderr) }
}

impl Said {
    #[track_caller]
    fn expect(self, code: i32, parts: &[&str]) -> Said {
        assert_eq!(self.code, code, "{}{}", self.out, self.error);
        for part in parts {
            assert!(
                self.out.contains(part) || self.error.contains(part),
                "{part:?} is not in\n{}{}",
                self.out,
                self.error
            );
        }
        self
    }
}

impl Desk {
    /// With an empty folder.
    fn new() -> Desk {
        let (database, token) = prepared_for(Admin);
        let server = Running::start(&database.url());
        Desk { server, token, folder: tempfile::tempdir().unwrap(), _database: database }
    }

    /// With what the server has.
    fn pulled() -> Desk {
        let desk = Desk::new();
        desk.policy("pull", &["--drafts"]).expect(0, &["41 files written"]);
        desk.policy("pull", &[]).expect(0, &["0 files written"]);
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// One of the commands, with the folder.
    fn policy(&self, task: &str, more: &[&str]) -> Said {
        self.policy_at(self.server.address, task, more)
    }

    /// The same, with a server at another address.
    fn policy_at(&self, server: SocketAddr, task: &str, more: &[&str]) -> Said {
        let mut command = program(server, &self.token);
        command.arg(task).arg(self.folder.path()).args(more);
        said(command)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} lacks {from}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("policies.json")).unwrap()).unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/api/v1/{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.server.ask_with(method, &path, &self.token, "If-Match: *\r\n", &body).unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null).1
    }

    /// Writes and publishes a version beside the folder.
    fn publish(&self, policy: &str, source: &str) {
        let (status, version) = self.ask("POST", &format!("policies/{policy}/versions"), &json!({"source": source}));
        assert_eq!(status, 201, "{version}");
        let path = format!("policies/{policy}/versions/{}/publish", version["number"]);
        let (status, answer) = self.ask("POST", &path, &Value::Null);
        assert_eq!(status, 200, "{answer}");
    }
}

/// Every file of a folder with what it holds.
fn held(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// In the tests' company there is this team, so that what ships can go live.
const ROUTING: &str = "//! All goes to the desk.\nfn route(incident) {\n    rule \"All\" when true then assign(\"service-desk\");\n}\n\nfn test_all() {\n    expect(route(incident()), \"service-desk\");\n}\n";

#[test]
fn a_folder_is_pulled_edited_and_pushed_and_the_new_version_is_live() {
    let desk = Desk::new();
    desk.policy("pull", &[]).expect(0, &["routing/incidents.rhai", "18 files written", "Not live, and only there: 23"]);
    let pulled = held(desk.folder.path());
    assert_eq!(pulled.len(), 19);
    for (path, text) in &pulled {
        let shipped =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(path.strip_prefix(desk.folder.path()).unwrap());
        assert!(path.ends_with("policies.json") || fs::read_to_string(shipped).unwrap() == *text, "{}", path.display());
    }
    desk.policy("pull", &[]).expect(0, &["0 files written, 18 unchanged"]);
    assert_eq!(held(desk.folder.path()), pulled);
    desk.policy("check", &[]).expect(0, &[]);
    desk.policy("test", &[]).expect(0, &[]);
    desk.policy("diff", &[]).expect(0, &["are the same"]);

    desk.edit("routing/incidents.rhai", "\"phishing\", ", "\"phishing\", \"smishing\", ");
    desk.edit(
        "tables/category_teams.json",
        "[\"access\", \"identity\"]",
        "[\"access\", \"identity\"],\n    [\"phone\", \"network\"]",
    );
    fs::write(desk.path("routing/new.rhai"), ROUTING).unwrap();
    desk.policy("diff", &[]).expect(
        1,
        &[
            "routing/incidents.rhai      changed here",
            "routing/new.rhai            only here",
            "+        when incident.mentions(\"phishing\", \"smishing\", ",
            "+[\"phone\",\"network\"]",
            "+++ b/routing/new.rhai",
        ],
    );
    let before = held(desk.folder.path());
    desk.policy("push", &["--dry-run", "--publish"])
        .expect(0, &["would be pushed and published", "Nothing was changed"]);
    assert_eq!(held(desk.folder.path()), before);
    assert_eq!(desk.get("policies/routing_incidents")["active_version"], 1);

    let message = "Smishing is phishing, too";
    desk.policy("push", &["--publish", "--message", message]).expect(
        0,
        &[
            "tables/category_teams.json  pushed, and live (version 2)",
            "routing/incidents.rhai      published (version 2)",
            "routing/new.rhai            published (version 1)",
            "5 done.",
        ],
    );
    assert_eq!(desk.get("policies/routing_incidents")["active_version"], 2);
    let version = desk.get("policies/routing_incidents/versions/2");
    assert_eq!((&version["message"], &version["state"]), (&message.into(), &"active".into()));
    assert!(version["source"].as_str().unwrap().contains("smishing"));
    let new = desk.get("policies/routing_new");
    assert_eq!((&new["active_version"], &new["description"]), (&1.into(), &"All goes to the desk.".into()));
    assert_eq!(desk.get("lookup-tables/category_teams")["version"], 2);

    let pushed = held(desk.folder.path());
    desk.policy("pull", &[]).expect(0, &["0 files written, 19 unchanged"]);
    assert_eq!(held(desk.folder.path()), pushed);
    desk.policy("push", &["--publish"]).expect(0, &["Nothing to push"]);
    desk.policy("diff", &[]).expect(0, &["are the same"]);
}

#[test]
fn what_was_changed_on_both_sides_is_neither_overwritten_nor_pushed() {
    let desk = Desk::pulled();
    desk.edit("routing/incidents.rhai", "Everything else", "All the rest");
    desk.policy("pull", &[]).expect(1, &["routing/incidents.rhai  changed here (version 1)", "Nothing was written"]);
    desk.publish("routing_incidents", ROUTING);
    desk.publish("guard_closing", "fn check(incident, transition) { allow() }");
    let before = held(desk.folder.path());
    desk.policy("diff", &[])
        .expect(1, &["changed here and on the server", "guard/closing.rhai      changed on the server"]);
    for task in ["pull", "push"] {
        desk.policy(task, &[]).expect(1, &["routing/incidents.rhai", "changed here and on the server (version 2)"]);
        assert_eq!(held(desk.folder.path()), before, "{task} has written");
    }
    assert_eq!(desk.get("policies/routing_incidents/versions")["items"].as_array().unwrap().len(), 2);

    desk.policy("push", &["--force"]).expect(
        0,
        &[
            "routing/incidents.rhai  pushed (version 3)",
            "guard/closing.rhai      changed on the server; pull it",
            "waits to be published",
        ],
    );
    assert_eq!(desk.get("policies/routing_incidents")["active_version"], 2);
    // The draft that was pushed stays in the folder, until it is wished away.
    desk.policy("pull", &[]).expect(0, &["guard/closing.rhai  written (version 2)", "1 file written"]);
    assert!(fs::read_to_string(desk.path("routing/incidents.rhai")).unwrap().contains("All the rest"));
    desk.policy("pull", &["--force"]).expect(0, &["routing/incidents.rhai  written (version 2)"]);
    assert_eq!(fs::read_to_string(desk.path("routing/incidents.rhai")).unwrap(), ROUTING);
}

#[test]
fn what_the_gate_refuses_is_told_with_its_place_and_nothing_goes_live() {
    let desk = Desk::pulled();
    fs::write(
        desk.path("routing/incidents.rhai"),
        ROUTING.replace("\"All\" when true", "\"All\" when incident.urgancy == 1"),
    )
    .unwrap();
    fs::write(
        desk.path("routing/new.rhai"),
        ROUTING.replace("(incident()), \"service-desk\"", "(incident()), \"network\""),
    )
    .unwrap();
    fs::write(desk.path("routing/sound.rhai"), ROUTING).unwrap();
    let dry = desk.policy("push", &["--dry-run", "--publish"]);
    let mistake =
        "routing/incidents.rhai:3:30: error[unknown_field]: incident has no field `urgancy`; did you mean `urgency`?";
    dry.expect(1, &[mistake]);
    desk.policy("push", &["--publish"]).expect(
        1,
        &[
            mistake,
            "routing/new.rhai        not published",
            "routing/new.rhai:7:5: error[test_failed]: test_all: expected the text \"network\"",
            "routing/sound.rhai      not published",
            "3 done, 2 refused",
        ],
    );
    assert_eq!(desk.get("policies/routing_sound")["active_version"], Value::Null);
    assert_eq!(desk.get("policies/routing_incidents")["active_version"], 1);

    fs::write(desk.path("routing/incidents.rhai"), ROUTING).unwrap();
    fs::write(desk.path("routing/new.rhai"), ROUTING).unwrap();
    desk.policy("push", &["--publish"]).expect(
        0,
        &[
            "routing/incidents.rhai  published (version 3)",
            "routing/new.rhai        published (version 2)",
            "routing/sound.rhai      published (version 1)",
        ],
    );
    assert!(desk.manifest()["files"].as_object().unwrap().values().all(|entry| entry["waits"].is_null()));
}

#[test]
fn drafts_that_were_pulled_are_not_published() {
    let desk = Desk::new();
    desk.policy("pull", &["--drafts"]).expect(0, &["guard/closing.rhai", "41 files written, 0 unchanged"]);
    assert_eq!(desk.manifest()["drafts"], true);
    desk.policy("push", &["--publish"]).expect(0, &["Nothing to push"]);
    assert_eq!(desk.get("policies/guard_closing")["active_version"], Value::Null);
    // A folder that follows drafts is behind as soon as there is another draft.
    desk.ask("POST", "policies/guard_closing/versions", &json!({"source": "fn check(i, t) { allow() }"}));
    desk.edit("guard/closing.rhai", "What came back twice", "What came back");
    desk.policy("push", &[]).expect(1, &["guard/closing.rhai", "changed here and on the server (version 2)"]);
}

#[test]
fn a_table_that_is_none_or_breaks_what_is_live_is_told_with_its_place() {
    let desk = Desk::pulled();
    desk.edit("tables/priority_matrix.json", "    [3, 3, 4]\n", "    [3, 3, 4],\n    [3, 3, 4]\n");
    fs::write(desk.path("routing/new.rhai"), ROUTING).unwrap();
    for more in [&[][..], &["--dry-run"]] {
        desk.policy("push", more)
            .expect(1, &["tables/priority_matrix.json:1:1: error[duplicate]: /rows/9: This key is in the table"]);
    }
    // Tables come first, and what comes after one that is refused is not tried.
    desk.policy("push", &[]).expect(1, &["routing/new.rhai             not pushed", "0 done, 1 refused"]);
    desk.edit("tables/priority_matrix.json", "\"rows\": [", "\"rows\" [");
    desk.policy("push", &["--dry-run"]).expect(1, &["tables/priority_matrix.json:9:10: error[syntax]"]);
}

#[test]
fn who_may_not_is_told_so() {
    let desk = Desk::new();
    let (server, folder) = (desk.server.address, desk.folder.path());
    let pull = |token: &str| {
        let mut command = program(server, token);
        command.arg("pull").arg(folder);
        said(command)
    };
    pull("").expect(2, &["Give a token"]);
    pull("wrong").expect(2, &["Is the token right"]);
    let (_database, token) = prepared_for(Rita);
    pull(&token).expect(2, &["Is the token right"]);
    let mut command = program(server, "unused");
    let file = desk.path("token");
    fs::write(&file, &desk.token).unwrap();
    command.arg("pull").arg(desk.path("there")).arg("--token-file").arg(&file);
    said(command).expect(0, &["18 files written"]);
    assert!(!folder.join("policies.json").exists());

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    desk.policy_at(closed, "pull", &[]).expect(2, &["There is no server at"]);
    desk.policy_at(closed, "diff", &[]).expect(2, &["There is no server at"]);
    let mut command = program(server, &desk.token);
    command.env_remove("POINTSMAN_SERVER").arg("pull").arg(folder);
    said(command).expect(2, &["POINTSMAN_SERVER"]);
    let mut command = program(server, &desk.token);
    command.arg("push").arg(desk.path("missing"));
    said(command).expect(2, &["There is no folder"]);
}

#[test]
fn a_requester_reads_no_policies() {
    let (database, token) = prepared_for(Rita);
    let server = Running::start(&database.url());
    let mut command = program(server.address, &token);
    command.arg("pull").arg(tempfile::tempdir().unwrap().path());
    said(command).expect(2, &["This needs the permission `policy.read`"]);
}

#[test]
fn what_the_server_has_no_more_is_told_and_removed_where_that_is_asked_for() {
    let desk = Desk::pulled();
    fs::write(desk.path("routing/new.rhai"), ROUTING).unwrap();
    desk.policy("push", &[]).expect(0, &["routing/new.rhai  pushed (version 1)"]);
    let (database, token) = prepared_for(Admin);
    let other = Running::start(&database.url());
    let elsewhere = |task: &str, more: &[&str]| {
        let mut command = program(other.address, &token);
        command.arg(task).arg(desk.folder.path()).args(more);
        said(command)
    };
    // What is the same there needs no push, whatever its version is called.
    elsewhere("push", &[]).expect(1, &["routing/new.rhai  no longer on the server"]);
    elsewhere("pull", &[]).expect(0, &["routing/new.rhai  no longer on the server; `--prune` removes it"]);
    desk.edit("routing/new.rhai", "All goes", "Everything goes");
    elsewhere("pull", &["--prune"]).expect(1, &["routing/new.rhai"]);
    assert!(desk.path("routing/new.rhai").exists());
    elsewhere("pull", &["--prune", "--force"]).expect(0, &["routing/new.rhai  removed"]);
    assert!(!desk.path("routing/new.rhai").exists() && desk.manifest()["files"]["routing/new.rhai"].is_null());
}

#[test]
fn two_folders_are_compared_without_a_server() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for folder in &folders {
        fs::create_dir(folder.path().join("routing")).unwrap();
        fs::write(folder.path().join("routing/a.rhai"), ROUTING).unwrap();
    }
    let diff = || {
        let mut command = command("unused.db");
        command.args(["policy", "diff"]).args(folders.iter().map(tempfile::TempDir::path)).arg("--json");
        said(command)
    };
    diff().expect(0, &["\"files\": []"]);
    fs::write(folders[1].path().join("routing/a.rhai"), ROUTING.replace("All", "Most")).unwrap();
    fs::write(folders[1].path().join("routing/b.rhai"), ROUTING).unwrap();
    let report: Value = serde_json::from_str(&diff().expect(1, &[]).out).unwrap();
    let states: Vec<&Value> = report["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    assert_eq!(states, ["changed", "new"]);
    assert!(report["files"][0]["text"].as_str().unwrap().contains("+    rule \"Most\""), "{report}");
    fs::remove_dir_all(folders[1].path()).unwrap();
    diff().expect(2, &["There is no folder"]);
}

#[test]
fn scripts_and_tables_are_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("routing/a.rhai", "fn route(incident){leave( )}");
    write(
        "tables/t.json",
        r#"{"keys":1,"columns":[{"name":"a","type":"int"},{"name":"b","type":"int"}],"rows":[[1,2]]}"#,
    );
    write("other.json", "{  }");
    let fmt = |more: &[&str]| {
        let mut command = command("unused.db");
        command.args(["policy", "fmt"]).arg(folder.path()).args(more);
        said(command)
    };
    let before = held(folder.path());
    fmt(&["--check"]).expect(1, &["routing/a.rhai  is not laid out", "2 files not laid out, 0 wrong, 0 unchanged"]);
    assert_eq!(held(folder.path()), before);
    fmt(&[]).expect(0, &["2 files laid out anew"]);
    assert_eq!(fs::read_to_string(folder.path().join("routing/a.rhai")).unwrap(), "fn route(incident) { leave() }\n");
    assert!(fs::read_to_string(folder.path().join("tables/t.json")).unwrap().contains("\n    [1, 2]\n"));
    fmt(&["--check"]).expect(0, &["2 unchanged"]);
    write("guard/b.rhai", "fn check(incident, transition) { let = }");
    fmt(&[]).expect(2, &["guard/b.rhai:1:38: error[syntax]", "left as it is"]);
    fmt(&["--check", "nowhere.rhai"]).expect(2, &["There is no nowhere.rhai"]);
}

#[actix_web::test]
async fn a_studio_lays_out_a_source() {
    let server = Server::start().await;
    let ask = |source: &str| server.post("/api/v1/policies/format", json!({"source": source}));
    let told = ask("fn f(a){a}").by(Admin).expect(200).await.json();
    assert_eq!(told, json!({"source": "fn f(a) { a }\n", "changed": true}));
    let again = ask("fn f(a) { a }\n").by(Admin).expect(200).await.json();
    assert_eq!(again["changed"], false);
    let wrong = ask("fn f(a) {\n    let = a;\n}").by(Admin).expect(422).await.json();
    assert_eq!((&wrong["errors"][0]["pointer"], &wrong["errors"][0]["code"]), (&"/source".into(), &"syntax".into()));
    assert!(wrong["errors"][0]["detail"].as_str().unwrap().starts_with("line 2, column 9: "), "{wrong}");
    ask("fn f(a){a}").by(Rita).expect(403).await;
    // The path is taken.
    let policy = json!({"name": "format", "decision": "routing"});
    server.post("/api/v1/policies", policy).by(Admin).expect(422).await;
}

/// Answers each request by its path, for ever.
fn hostile(answers: fn(&str) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            while reader.read_line(&mut String::new()).is_ok_and(|length| length > 2) {}
            let body = answers(line.split(' ').nth(1).unwrap());
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ";
            drop(stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()));
        }
    });
    address
}

#[test]
fn a_hostile_server_writes_nothing_outside_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a/b");
    let table = |name: &str| json!({"items": [{"name": name, "sha256": "", "version": 1}]}).to_string();
    let policy = |name: &str, decision: &str| {
        let policy = json!({"name": name, "decision": decision, "kind": "incident", "description": "", "position": 1,
            "enabled": true, "active_version": 1, "version": 1});
        json!({"items": [policy]}).to_string()
    };
    let none = r#"{"items": []}"#.to_owned();
    let tables = ["../x", "../../x", "/tmp/x", "a/b", "..", "x.json", "a\u{0}"].map(|name| (table(name), none.clone()));
    let policies = [("../x", "routing"), ("x", "../.."), ("x", "/"), ("x", "tables"), ("..", "guard")];
    let policies = policies.map(|(name, decision)| (none.clone(), policy(name, decision)));
    static ANSWERS: std::sync::Mutex<(String, String)> = std::sync::Mutex::new((String::new(), String::new()));
    let server = hostile(|path| {
        let (tables, policies) = ANSWERS.lock().unwrap().clone();
        match path.rsplit('/').next() {
            Some("policy-modules" | "lookup-tables") => tables,
            _ => policies,
        }
    });
    for answers in tables.into_iter().chain(policies) {
        *ANSWERS.lock().unwrap() = answers.clone();
        let mut command = program(server, "token");
        command.arg("pull").arg(&folder).arg("--force");
        said(command).expect(2, &["can't be a file"]);
        assert_eq!(held(outer.path()), [], "{answers:?}");
    }
}

/// Stands between a program and a server, and loses the first answers to what makes a version.
fn lossy(server: SocketAddr, lost: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let left = AtomicUsize::new(lost);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut upstream) = (stream.unwrap(), TcpStream::connect(server).unwrap());
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            for line in head.to_lowercase().lines() {
                length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            // One request to a connection, so that the end of the answer is the end of it.
            upstream.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).unwrap();
            upstream.write_all(&body).unwrap();
            let mut answer = Vec::new();
            upstream.read_to_end(&mut answer).unwrap();
            let makes = head.starts_with("POST ") && head.lines().next().unwrap().contains("/versions HTTP");
            let loses = makes && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if !loses {
                drop(stream.write_all(&answer));
            }
        }
    });
    address
}

#[test]
fn a_push_whose_answer_is_lost_makes_one_version_and_goes_on() {
    let desk = Desk::pulled();
    let versions = |policy: &str| desk.get(&format!("policies/{policy}/versions"))["items"].as_array().unwrap().len();
    fs::write(desk.path("routing/incidents.rhai"), ROUTING).unwrap();
    desk.policy_at(lossy(desk.server.address, 1), "push", &[])
        .expect(0, &["routing/incidents.rhai  pushed (version 2)"]);
    assert_eq!(versions("routing_incidents"), 2);

    fs::write(desk.path("routing/new.rhai"), ROUTING).unwrap();
    fs::write(desk.path("routing/other.rhai"), ROUTING).unwrap();
    desk.policy_at(lossy(desk.server.address, usize::MAX), "push", &["--publish"])
        .expect(2, &["routing/new.rhai", "not known", "routing/other.rhai  not pushed", "Push again to go on"]);
    assert_eq!((versions("routing_new"), desk.get("policies/routing_other")["code"].as_str()), (1, Some("not_found")));
    desk.policy("push", &["--publish"]).expect(
        0,
        &[
            "routing/other.rhai      pushed (version 1)",
            "routing/incidents.rhai  published (version 2)",
            "routing/new.rhai        published (version 1)",
        ],
    );
    assert_eq!((versions("routing_new"), versions("routing_other")), (1, 1));
    // The manifest has caught up: what is changed next is one side's change.
    assert_eq!(desk.manifest()["files"]["routing/new.rhai"]["version"], 1);
    desk.policy("diff", &[]).expect(0, &[]);
    desk.edit("routing/new.rhai", "All goes", "Everything goes");
    desk.policy("push", &[]).expect(0, &["routing/new.rhai  pushed (version 2)"]);
}
