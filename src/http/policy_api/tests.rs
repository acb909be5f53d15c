//! From a written version to the next record's team and back, through the router and a database of its own.

mod tables;

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap},
    },
    test::{TestRequest, call_service, init_service},
    web,
};
use diesel::prelude::*;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{Studio, mount};
use crate::{
    auth::{
        account::{NewUser, create_organisation, create_user},
        caller::{Caller, Sees},
    },
    clock::{Clock, Moment},
    config::Server,
    db::{AnyConnection, Database, migrate, writer::Writer},
    error::{Code, Error, Result},
    http::{
        app::{Authenticate, Parts, app},
        desk::Service,
        mount::Api,
        record_api, support,
    },
    id::{OrganisationId, TeamId, UserId},
    policy::{
        library::Library,
        live::Policies,
        runner::{Runner, on_ample_stack},
        store,
    },
    practice,
    record::kernel::Kernel,
    schema::{audit, team},
};

const START: &str = "2026-03-03T10:00:00Z";
const SOURCE: &str = "fn route(incident) {\n    rule \"Network goes to the desk\"\n        when incident.category == \"network\" and incident.urgency <= 3\n        then assign(\"service-desk\");\n    rule \"The rest too\" when true then assign(\"service-desk\");\n}\n\nfn test_all() {\n    expect(route(incident()), \"service-desk\");\n}\n";

/// `Bearer boss` may do all, `Bearer author` writes, `Bearer nobody` sees only their own.
struct Callers(UserId, UserId, OrganisationId);

impl Authenticate for Callers {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Arc<Caller>>> {
        let caller = |user, permissions: &[&str], sees| Caller {
            permissions: Arc::new(permissions.iter().map(|&p| p.to_owned()).collect::<BTreeSet<_>>()),
            sees,
            ..Caller::server(user, self.2)
        };
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let found = match token {
            Some("Bearer boss") => Ok(caller(self.0, &["*"], Sees::All)),
            Some("Bearer author") => Ok(caller(self.0, &["policy.read", "policy.write"], Sees::All)),
            Some("Bearer nobody") => Ok(caller(self.1, &["decision.read", "policy.read", "incident.*"], Sees::Own)),
            _ => Err(Error::new(Code::Unauthenticated, "Sign in first.")),
        };
        Box::pin(std::future::ready(found.map(Arc::new)))
    }
}

struct Bench {
    parts: Parts,
    database: Database,
    _folder: tempfile::TempDir,
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Value,
    text: String,
}

fn add_team(connection: &mut AnyConnection, name: &str, organisation: OrganisationId, now: Moment) {
    let row = (
        team::id.eq(TeamId::new()),
        team::name.eq(name),
        team::description.eq(""),
        team::organisation_id.eq(organisation),
        team::active.eq(true),
        team::version.eq(1),
        team::created_at.eq(now),
        team::updated_at.eq(now),
    );
    diesel::insert_into(team::table).values(row).execute(connection).unwrap();
}

impl Bench {
    fn new() -> Bench {
        let (folder, now) = (tempfile::tempdir().unwrap(), START.parse::<Moment>().unwrap());
        let database = Database::open(folder.path().join("test.db").to_str().unwrap(), 4).unwrap();
        let mut connection = database.connect().unwrap();
        migrate::up(&mut connection).unwrap();
        let organisation = create_organisation(&mut connection, "Acme", None, now).unwrap();
        let mut user = |name| create_user(&mut connection, &NewUser::person(name, name, organisation), now).unwrap();
        let (boss, nobody) = (user("boss"), user("nobody"));
        for name in ["service-desk", "network-operations", "workplace"] {
            add_team(&mut connection, name, organisation, now);
        }
        let library = Library::shipped().unwrap();
        let policies = on_ample_stack(|| {
            store::seed(&mut connection, &library, now).unwrap();
            Arc::new(Policies::load(&mut connection, database.clone()).unwrap())
        })
        .unwrap();
        let kernel = Arc::new(Kernel::new(practice::ALL, policies.clone(), database.clone(), 5));
        let service = web::Data::new(Service {
            kernel,
            database: database.clone(),
            writer: Writer::start(&database, 1, 8).unwrap(),
            clock: Clock::set_to(now),
            in_flight: std::sync::Mutex::default(),
        });
        let studio = web::Data::new(Studio {
            policies,
            runner: Runner::start(1).unwrap(),
            rules: Default::default(),
            findings: Default::default(),
        });
        let mut api = Api::new();
        record_api::mount(&mut api, practice::ALL);
        mount(&mut api);
        let mut parts = support::parts(Server::default(), api.build().unwrap());
        parts.authenticate = Arc::new(Callers(boss, nobody, organisation));
        parts.state = Arc::new(move |config| {
            config.app_data(service.clone()).app_data(studio.clone());
        });
        Bench { parts, database, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let app = init_service(app(&self.parts)).await;
        let path = format!("/api/v1{path}");
        let request = TestRequest::with_uri(&path).method(method).set_payload(body.to_owned());
        let who = headers.iter().any(|h| h.0 == "authorization");
        let kind = headers.iter().any(|h| h.0 == "content-type");
        let request = [("authorization", "Bearer boss", who), ("content-type", "application/json", kind)]
            .into_iter()
            .filter(|h| !h.2)
            .fold(request, |request, (name, value, _)| request.insert_header((name, value)));
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        let (response, bytes) = support::body_of(call_service(&app, request.to_request()).await).await;
        Got {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Value {
        let got = self.ask(Method::GET, path, &[], "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.body
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(Method::POST, path, &[], &body).await
    }

    /// Makes an incident; gives it with the name of its team.
    async fn incident(&self, category: &str) -> (Value, String) {
        let made = self.post("/incidents", json!({"title": "It is slow", "category": category})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let id = made.body["team_id"].as_str().unwrap_or_default().to_owned();
        let team = self.database.read_here(|c| Ok(team::table.find(id).select(team::name).first(c).optional()?));
        (made.body, team.unwrap().unwrap_or_default())
    }

    /// Writes a version of the shipped routing policy; gives its number.
    async fn write(&self, source: &str) -> i64 {
        let made = self.post("/policies/routing_incidents/versions", json!({"source": source})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["number"].as_i64().unwrap()
    }

    async fn publish(&self, number: i64) -> Got {
        self.post(&format!("/policies/routing_incidents/versions/{number}/publish"), Value::Null).await
    }

    /// The decision of a kind on a record.
    fn decision(&self, record: &Value, kind: &str) -> String {
        use crate::schema::decision;
        let of = decision::table
            .filter(decision::record_id.eq(record["id"].as_str().unwrap()))
            .filter(decision::kind.eq(kind));
        self.database.read_here(|c| Ok(of.select(decision::id).first(c)?)).unwrap()
    }
}

#[actix_web::test]
async fn a_published_version_decides_and_a_rollback_takes_it_back() {
    let bench = Bench::new();
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let number = bench.write(SOURCE).await;
    assert_eq!(bench.incident("network").await.1, "network-operations", "a draft decides nothing");
    let path = format!("/policies/routing_incidents/versions/{number}/publish");
    let rehearsed = bench.ask(Method::POST, &format!("{path}?dry_run=true"), &[], "").await;
    assert_eq!(rehearsed.body["active_version"], number);
    assert_eq!(bench.incident("network").await.1, "network-operations", "a dry run publishes nothing");
    let key = [("idempotency-key", "once")];
    let published = bench.ask(Method::POST, &path, &key, "").await;
    assert_eq!((published.status, &published.body["active_version"]), (200, &json!(number)), "{}", published.text);
    let again = bench.ask(Method::POST, &path, &key, "").await;
    assert_eq!((again.status, again.headers.contains_key("idempotency-replayed")), (200, true));
    assert_eq!(bench.incident("network").await.1, "service-desk");
    assert_eq!(bench.publish(number).await.status, 409);
    let back = bench.post("/policies/routing_incidents/rollback", Value::Null).await;
    assert_eq!((back.status, &back.body["active_version"]), (200, &json!(1)), "{}", back.text);
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let draft = bench.write(SOURCE).await;
    let refused = bench.post("/policies/routing_incidents/rollback", json!({"to": draft})).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["code"]), (422, &json!("never_live")));
    let states: Vec<Value> = bench.get("/policies/routing_incidents/versions").await["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["state"].clone())
        .collect();
    assert_eq!(states, ["draft", "retired", "active"]);
    let told: Vec<(String, String)> = bench
        .database
        .read_here(|c| {
            let mine = audit::table.filter(audit::subject_kind.eq("policy")).order(audit::seq);
            Ok(mine.select((audit::action, audit::subject_id)).load(c)?)
        })
        .unwrap();
    let actions: Vec<&str> = told.iter().map(|t| t.0.as_str()).collect();
    let written = "policy.version_written";
    assert_eq!(actions, [written, "policy.published", "policy.rolled_back", written]);
}

#[actix_web::test]
async fn what_is_wrong_does_not_go_live() {
    let bench = Bench::new();
    for (source, code, start) in [
        ("fn route(incident) {\n    assign(\"service-desk\"\n}\n", "syntax", "line 3, column 1: "),
        ("fn route(incident) {\n    assign(\"servicedesk\")\n}\n", "unknown_team", "line 2, column 12: "),
        (
            &SOURCE.replace("incident()), \"service", "incident()), \"other"),
            "test_failed",
            "line 9, column 5: test_all: ",
        ),
    ] {
        let number = bench.write(source).await;
        let refused = bench.publish(number).await;
        let first = &refused.body["errors"][0];
        assert_eq!((refused.status, &first["code"]), (422, &json!(code)), "{}", refused.text);
        assert!(first["detail"].as_str().unwrap().starts_with(start), "{first}");
    }
    assert_eq!(bench.get("/policies/routing_incidents").await["active_version"], 1);
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let report = bench.post("/policies/routing_incidents/versions/4/test", Value::Null).await.body;
    assert_eq!((&report["green"], &report["passed"], &report["failed"]), (&json!(false), &json!(0), &json!(1)));
    // What ships names teams that are not here, and asks for them first.
    let shipped = bench.get("/policies/routing_incidents/versions/1").await;
    let number = bench.write(&format!("{}\n", shipped["source"].as_str().unwrap())).await;
    let published = bench.publish(number).await;
    assert_eq!(published.status, 200, "{}", published.text);
}

#[actix_web::test]
async fn a_field_that_is_not_there_is_found_at_its_place() {
    let bench = Bench::new();
    let source = "fn route(incident) {\n    if incident.urgancy == 1 { return leave(); }\n    leave()\n}\n";
    let got = bench.post("/policies/validate", json!({"decision": "routing", "source": source})).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let found = &got.body["diagnostics"][0];
    let place = ["line", "column", "end_line", "end_column"].map(|name| found[name].as_u64().unwrap());
    assert_eq!(
        (&found["code"], place, &found["suggestion"]),
        (&json!("unknown_field"), [2, 17, 2, 24], &json!("urgency"))
    );
    assert_eq!((&got.body["valid"], got.body["diagnostics"].as_array().unwrap().len()), (&json!(false), 1));
    let wrong = bench.post("/policies/validate", json!({"decision": "routing", "kind": "service", "source": ""})).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (422, &json!("/kind")));
}

#[actix_web::test]
async fn a_rehearsal_shows_each_rule_and_stores_nothing() {
    let bench = Bench::new();
    let (incident, _) = bench.incident("gardening").await;
    let before = bench.get("/policies/routing_incidents/status").await;
    let asked = json!({
        "decision": "routing", "record": incident["number"], "source": SOURCE, "changes": {"category": "network"},
    });
    let got = bench.post("/policies/simulate", asked.clone()).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let run = &got.body["runs"][0];
    assert_eq!((&run["rules"][0]["fitted"], &run["policy"]["mode"]), (&json!(true), &json!("candidate")));
    assert_eq!(got.body["input"]["changed"]["category"], "gardening");
    let made_up = json!({
        "decision": "routing", "record": {"category": "network", "caller": {"vip": true}}, "at": "2026-03-03T23:00:00Z",
    });
    let got = bench.post("/policies/simulate", made_up).await.body;
    assert_eq!(got["would"]["write"], json!([{"field": "team", "from": null, "to": "network-operations"}]));
    let rules = got["runs"][0]["rules"].as_array().unwrap();
    let missed = rules.iter().find(|r| r["name"].as_str().unwrap().starts_with("Out of hours")).unwrap();
    assert_eq!(missed["because"], "incident.urgency <= 2", "{missed}");
    assert!(
        got["sentence"].as_str().unwrap().starts_with("INC0000001 went to network-operations because rule"),
        "{got}"
    );
    assert_eq!(got["runs"][0]["host_calls"][0]["function"], "team_exists");
    let guard = json!({"decision": "guard", "record": incident["id"], "transition": "resolve", "changes": {"resolution_notes": "x"}});
    let got = bench.post("/policies/simulate", guard).await;
    assert_eq!(got.body["would"]["refuse"][0]["field"], "resolution_notes", "{}", got.text);
    for (asked, pointer) in [
        (json!({"decision": "routing", "record": {"urgancy": 1}}), "/record/urgancy"),
        (json!({"decision": "routing", "record": {"caller": {"vipp": true}}}), "/record/caller/vipp"),
        (json!({"decision": "guard", "record": {}, "transition": "resolv"}), "/transition"),
        (json!({"decision": "routing", "record": incident["id"], "changes": {"urgancy": 1}}), "/changes/urgancy"),
        (json!({"decision": "routing", "record": {}, "source": "fn route(i) {"}), "/source"),
        (json!({"decision": "routing", "record": {}, "source": SOURCE, "version": 1}), "/version"),
        (json!({"decision": "routing", "record": incident["id"], "as_of": "2199-01-01T00:00:00Z"}), "/as_of"),
    ] {
        let refused = bench.post("/policies/simulate", asked).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", refused.text);
    }
    let after = bench.get("/policies/routing_incidents/status").await;
    assert_eq!((&after["evaluations"], &after["errors"]), (&before["evaluations"], &json!(0)));
    assert_eq!((&after["evaluations"], &after["version_on_this_node"]), (&json!(1), &json!(1)));
    for (who, status) in [("Bearer nobody", 403), ("Bearer author", 403), ("Bearer boss", 200)] {
        let got = bench.ask(Method::POST, "/policies/simulate", &[("authorization", who)], &asked.to_string()).await;
        assert_eq!(got.status, status, "{who}: {}", got.text);
    }
    let live = json!({"decision": "routing", "record": incident["number"]});
    let got =
        bench.ask(Method::POST, "/policies/simulate", &[("authorization", "Bearer nobody")], &live.to_string()).await;
    assert_eq!(got.status, 404, "{}", got.text);
}

#[actix_web::test]
async fn errors_in_a_rehearsal_open_no_breaker() {
    let bench = Bench::new();
    let failing = "fn route(incident) {\n    let n = if incident.category == \"x\" { () } else { incident.category };\n    assign(n)\n}\n";
    let number = bench.write(failing).await;
    let published = bench.publish(number).await;
    assert_eq!(published.status, 200, "{}", published.text);
    for _ in 0..6 {
        let got =
            bench.post("/policies/simulate", json!({"decision": "routing", "record": {"category": "x"}})).await.body;
        assert_eq!(
            (&got["runs"][0]["outcome"], &got["runs"][1]["policy"]["mode"]),
            (&json!("error"), &json!("last_good"))
        );
    }
    assert_eq!(bench.get("/policies/routing_incidents/status").await["breaker_open"], false);
}

#[actix_web::test]
async fn a_decision_is_explained_and_replayed_to_those_who_see_the_record() {
    let bench = Bench::new();
    let (incident, _) = bench.incident("network").await;
    for kind in ["priority", "routing"] {
        let id = bench.decision(&incident, kind);
        let why = bench.get(&format!("/decisions/{id}/explanation")).await;
        let sentence = why["sentence"].as_str().unwrap();
        let (start, rule) = match kind {
            "priority" => ("got priority 4 because rule ", "The matrix of impact and urgency"),
            _ => ("went to network-operations because rule ", "The category table"),
        };
        let start = format!("{} {start}\"{rule}\" (line ", incident["number"].as_str().unwrap());
        assert!(sentence.starts_with(&start), "{sentence}");
        assert_eq!(why["policy"]["version"], 1);
        let again = bench.post(&format!("/decisions/{id}/replay"), Value::Null).await;
        assert_eq!((again.status, &again.body["same"]), (200, &json!(true)), "{}", again.text);
        assert_eq!(again.body["then"]["effects"], again.body["now"]["effects"]);
        for (method, what) in [(Method::GET, "explanation"), (Method::POST, "replay")] {
            let nobody = [("authorization", "Bearer nobody")];
            let hidden = bench.ask(method.clone(), &format!("/decisions/{id}/{what}"), &nobody, "").await;
            let missing = bench.ask(method, &format!("/decisions/{}/{what}", TeamId::new()), &nobody, "").await;
            assert_eq!((hidden.status, &hidden.body["detail"]), (404, &missing.body["detail"]));
        }
    }
}

#[actix_web::test]
async fn a_lookup_table_decides_as_it_is_now() {
    let bench = Bench::new();
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let csv = [("content-type", "text/csv"), ("if-match", "\"1\"")];
    let put = bench.ask(Method::PUT, "/lookup-tables/category_teams", &csv, "category,team\nnetwork,workplace\n").await;
    assert_eq!((put.status, &put.body["version"]), (200, &json!(2)), "{}", put.text);
    assert_eq!(put.headers.get("etag").unwrap(), "\"2\"");
    assert!(put.body["description"].as_str().unwrap().starts_with("Which team"), "the doc stays");
    assert_eq!(bench.incident("network").await.1, "workplace");
    for (headers, body, status) in [
        (&[("content-type", "text/csv")][..], "a,b\n", 428),
        (&[("content-type", "text/csv"), ("if-match", "\"1\"")], "a,b\n", 412),
        (&[("if-match", "\"2\"")], "{\"columns\": [], \"keys\": 1, \"rows\": []}", 422),
        (&[("content-type", "text/html"), ("if-match", "\"2\"")], "<p>", 415),
        (&[("content-type", "text/csv; charset=latin1"), ("if-match", "\"2\"")], "category,team\n", 415),
        (&[("content-type", "text/csv"), ("content-encoding", "gzip"), ("if-match", "\"2\"")], "category,team\n", 415),
        (&[("authorization", "Bearer author"), ("if-match", "*")], "{}", 403),
    ] {
        let refused = bench.ask(Method::PUT, "/lookup-tables/category_teams", headers, body).await;
        assert_eq!(refused.status, status, "{}", refused.text);
    }
    let text = bench.ask(Method::GET, "/lookup-tables/category_teams", &[("accept", "text/csv")], "").await;
    assert_eq!((text.status, text.text.as_str()), (200, "category:text,team:text\nnetwork,workplace\n"));
    let back = bench.post("/lookup-tables/category_teams/versions/1/restore", Value::Null).await;
    assert_eq!((back.status, &back.body["version"]), (200, &json!(3)), "{}", back.text);
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let versions = bench.get("/lookup-tables/category_teams/versions").await;
    let digests: Vec<&Value> = versions["items"].as_array().unwrap().iter().map(|v| &v["sha256"]).collect();
    assert_eq!((digests.len(), digests[0] == digests[2], digests[0] == digests[1]), (3, true, false));
    let made = bench.ask(Method::PUT, "/lookup-tables/sites", &csv[..1], "site,floor:int\nnorth,2\n").await;
    assert_eq!(
        (made.status, made.headers.get("location").unwrap().to_str().unwrap()),
        (201, "/api/v1/lookup-tables/sites")
    );
    assert_eq!(bench.get("/lookup-tables/sites/versions/1").await["content"]["rows"], json!([["north", 2]]));
}

#[actix_web::test]
async fn a_new_policy_is_asked_in_its_place_while_it_is_enabled() {
    let bench = Bench::new();
    let made = bench.post("/policies", json!({"name": "routing_first", "decision": "routing", "position": -1})).await;
    assert_eq!(
        (made.status, made.headers.get("location").unwrap().to_str().unwrap()),
        (201, "/api/v1/policies/routing_first")
    );
    bench.post("/policies/routing_first/versions", json!({"source": SOURCE})).await;
    bench.post("/policies/routing_first/versions/1/publish", Value::Null).await;
    assert_eq!(bench.incident("network").await.1, "service-desk");
    let patch = |etag: &'static str, body: &'static str| {
        let headers = [("content-type", "application/merge-patch+json"), ("if-match", etag)];
        let bench = &bench;
        async move { bench.ask(Method::PATCH, "/policies/routing_first", &headers, body).await }
    };
    assert_eq!(patch("\"1\"", "{\"enabled\": false}").await.status, 412);
    assert_eq!(patch("\"2\"", "{\"enabled\": null}").await.status, 422);
    let off = patch("\"2\"", "{\"enabled\": false}").await;
    assert_eq!((off.status, &off.body["enabled"]), (200, &json!(false)), "{}", off.text);
    assert_eq!(bench.incident("network").await.1, "network-operations");
    let policies = bench.get("/policies?decision=routing").await;
    let live = policies["items"].as_array().unwrap().iter().filter(|p| !p["active_version"].is_null());
    let order: Vec<Value> = live.map(|p| p["name"].clone()).collect();
    assert_eq!(order, ["routing_first", "routing_incidents"]);
    for (body, pointer) in [
        (json!({"name": "routing_first", "decision": "routing"}), "/name"),
        (json!({"name": "validate", "decision": "routing"}), "/name"),
        (json!({"name": "Not a name", "decision": "routing"}), "/name"),
        (json!({"name": "x", "decision": "routing", "kind": "incidnt"}), "/kind"),
    ] {
        let refused = bench.post("/policies", body).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", refused.text);
    }
}

#[actix_web::test]
async fn what_scripts_may_call_read_and_say_is_told() {
    let bench = Bench::new();
    let schema = bench.get("/policy-schema").await;
    assert_eq!(
        (&schema["records"][0]["name"], &schema["transition"]["name"], &schema["moment"]["name"]),
        (&json!("incident"), &json!("transition"), &json!("moment"))
    );
    assert_eq!(schema["teams"], json!(["network-operations", "service-desk", "workplace"]));
    let tables = schema["tables"].as_array().unwrap();
    let table = tables.iter().find(|table| table["name"] == "category_teams").unwrap();
    assert_eq!(
        (&table["name"], &table["columns"][1]["name"], &table["keys"]),
        (&json!("category_teams"), &json!("team"), &json!(1))
    );
    let fields = schema["records"][0]["fields"].as_array().unwrap();
    let of = |name: &str| fields.iter().find(|f| f["name"] == name).unwrap();
    assert_eq!((&of("caller")["may_be_empty"], &of("title")["may_be_empty"]), (&json!(true), &json!(false)));
    let codes = schema["diagnostics"].as_array().unwrap();
    assert!(codes.iter().any(|c| c["code"] == "unreachable" && c["severity"] == "warning"));
    let functions = bench.get("/policy-functions").await;
    let find =
        |name: &str| functions["functions"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap().clone();
    assert_eq!(find("assign")["decisions"], json!(["routing", "escalation"]));
    assert_eq!(
        find("mentions")["decisions"],
        json!(["priority", "routing", "guard", "escalation", "assess_risk", "approve"])
    );
    assert_eq!((&find("expect")["only_in_tests"], &find("hour")["form"]), (&json!(true), &json!("property")));
    assert!(functions["rhai"].as_array().unwrap().iter().any(|g| g["name"] == "lists"));
    for path in ["/policy-schema", "/policy-functions"] {
        let refused = bench.ask(Method::GET, path, &[("authorization", "Bearer stranger")], "").await;
        assert_eq!(refused.status, 401, "{path}");
    }
}
