//! Keeping what is known right: baselines, health and its rules, certification.

use actix_web::http::Method;
use pointsman::record::job::Told;
use serde_json::{Value, json};

use super::{ITEMS, SERVICES, group, import::import, item, relate, resume::cut_off, service};
use crate::support::{Person::*, Server, people};

const BASELINES: &str = "/api/v1/configuration-baselines";
const CAMPAIGNS: &str = "/api/v1/certification-campaigns";

#[actix_web::test]
async fn a_baseline_is_compared_with_now_and_with_another() {
    let server = Server::start().await;
    let (web, old) = (
        item(&server, "virtual_machine", "web", json!({"memory_mib": 1024})).await,
        item(&server, "server", "old", json!({})).await,
    );
    let host = item(&server, "server", "host", json!({})).await;
    let relation = relate(&server, (ITEMS, &web), "runs_on", &old, None).await;
    group(&server, (ITEMS, &host), "disks", 2).await;
    let order = |name: &str| server.post(BASELINES, json!({"name": name, "filter": "phase = open"})).by(Admin);
    let take = async |name: &str| {
        let path = format!("{BASELINES}/{}", order(name).expect(202).await.field("id"));
        server.get(&format!("{path}/differences")).by(Admin).expect(409).await;
        server.assembly.jobs().work_off().await.unwrap();
        server.get(&path).by(Admin).expect(200).await
    };
    let before = take("Before").await;
    assert_eq!((before.field("items").as_str(), before.field("taken_at").is_empty()), ("3", false));
    order("Before").expect(409).await;
    let wrong = json!({"name": "Wrong", "filter": "no_such = 1"});
    let refused = server.post(BASELINES, wrong).by(Admin).expect(422).await.json();
    assert_eq!(refused["errors"][0]["pointer"], "/filter");
    let path = format!("{BASELINES}/{}", before.field("id"));
    let kept = server.get(&format!("{path}/items?limit=2")).by(Admin).expect(200).await.json();
    let kept_web = kept["items"].as_array().unwrap().iter().find(|item| item["title"] == "web").unwrap();
    assert_eq!((kept["items"].as_array().unwrap().len(), kept["next_cursor"].is_string()), (2, true));
    assert_eq!(kept_web["fields"]["attributes.memory_mib"], 1024);
    assert_eq!(kept_web["relations"], json!([{"relation": "runs_on", "record_id": old, "group": null}]));
    let differences = |query: String| server.get(&format!("{path}/differences{query}")).by(Admin);
    assert_eq!(differences(String::new()).expect(200).await.json()["items"], json!([]));

    let one = format!("{ITEMS}/{web}");
    let now = server.get(&one).by(Admin).expect(200).await;
    let now = server.patch(&one, json!({"attributes": {"memory_mib": 2048}})).by(Admin).seen(&now).expect(200).await;
    let gone = format!("{one}/relations/{}", relation.field("id"));
    server.ask(Method::DELETE, &gone).by(Admin).seen(&now).expect(204).await;
    relate(&server, (ITEMS, &web), "runs_on", &host, None).await;
    server.post(&format!("{ITEMS}/{old}/retire"), json!({})).by(Admin).expect(200).await;
    item(&server, "server", "new", json!({})).await;
    group(&server, (ITEMS, &host), "disks", 1).await;
    let after = take("After").await;
    for query in [String::new(), format!("?against={}", after.field("id"))] {
        let found = differences(query.clone()).expect(200).await.json();
        let found = found["items"].as_array().unwrap();
        let of = |title: &str| found.iter().find(|d| d["title"] == title).unwrap_or(&Value::Null).clone();
        assert_eq!(of("web")["changes"], json!([{"field": "attributes.memory_mib", "from": 1024, "to": 2048}]));
        assert_eq!(of("web")["relations_removed"][0]["record_id"], old);
        assert_eq!(of("web")["relations_added"][0]["record_id"], host);
        // The other end of a relation is told of it, too.
        let theirs = json!([{"relation": "runs", "record_id": web, "group": null}]);
        assert_eq!((&of("host")["how"], &of("host")["relations_added"]), (&json!("changed"), &theirs));
        assert_eq!(of("host")["changes"], json!([{"field": "redundancy_groups.disks", "from": 2, "to": 1}]));
        assert_eq!(of("old")["relations_removed"], theirs);
        assert_eq!(of("new")["how"], "added");
        // What is there still but fits the filter no more has changed; in the other baseline it is not.
        assert_eq!(of("old")["how"], if query.is_empty() { "changed" } else { "removed" });
        assert_eq!(found.len(), 4);
    }
    let page = differences("?limit=2".to_owned()).expect(200).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let next = format!("?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(differences(next).expect(200).await.json()["items"].as_array().unwrap().len(), 2);
    server.ask(Method::DELETE, &path).by(Alex).expect(403).await;
    server.ask(Method::DELETE, &path).by(Admin).expect(204).await;
    server.get(&path).by(Admin).expect(404).await;
}

#[actix_web::test]
async fn a_baseline_that_is_taken_up_again_tells_of_one_moment() {
    let server = Server::start().await;
    for n in 0..3 {
        item(&server, "server", &format!("host-{n}"), json!({})).await;
    }
    let id = server.post(BASELINES, json!({"name": "Whole"})).by(Admin).expect(202).await.field("id");
    let told = cut_off(&server, &id, pointsman::practice::configuration_item::baseline::take);
    assert_eq!(told.last(), Some(&Told::GoOn));
    assert!(told.len() > 1, "{told:?}");
    let path = format!("{BASELINES}/{id}");
    let taken = server.get(&path).by(Admin).expect(200).await;
    assert_eq!((taken.field("items").as_str(), taken.field("taken_at").is_empty()), ("3", false));
    let items = server.get(&format!("{path}/items")).by(Admin).expect(200).await.json();
    assert_eq!(items["items"].as_array().unwrap().len(), 3);
    assert_eq!(server.get(&format!("{path}/differences")).by(Admin).expect(200).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn health_tells_how_many_fail_and_lists_them() {
    let server = Server::start().await;
    let shop = service(&server, "Shop").await;
    let whole =
        json!({"manufacturer": "A", "model": "B", "serial_number": "S-1", "hostname": "a", "operating_system": "C"});
    let good = item(&server, "server", "good", whole).await;
    relate(&server, (SERVICES, &shop), "depends_on", &good, None).await;
    item(&server, "server", "bare", json!({"serial_number": "s-1 "})).await;
    let retired = item(&server, "server", "retired", json!({})).await;
    relate(&server, (ITEMS, &good), "uses", &retired, None).await;
    server.post(&format!("{ITEMS}/{retired}/retire"), json!({})).by(Admin).expect(200).await;
    let seen = json!({"items": [{"class": "server", "title": "good", "attributes": {"hostname": "a"}}]});
    server.post("/api/v1/configuration-imports?source=discovery", seen).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let rule = json!({"name": "An owner", "scope": "is_a = hardware", "condition": "owner != null"});
    server.post("/api/v1/compliance-rules", rule).by(Admin).expect(201).await;
    for (wrong, pointer) in [
        (json!({"name": "x", "condition": "owner is"}), "/condition"),
        (json!({"name": "x", "condition": " "}), "/condition"),
        (json!({"name": "x", "scope": "no_such = 1", "condition": "owner != null"}), "/scope"),
    ] {
        let refused = server.post("/api/v1/compliance-rules", wrong).by(Admin).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    server.at("2026-05-03T11:00:00Z");
    let health = server.get("/api/v1/configuration-health").by(Alex).expect(200).await.json();
    assert_eq!((&health["items"], &health["complete_percent"]), (&json!(2), &json!(50.0)));
    // Both are wrong: `good` is stale, `bare` related to nothing, and they may be the same.
    assert_eq!((&health["correct_percent"], &health["compliant_percent"]), (&json!(0.0), &json!(0.0)));
    let mut failing = Vec::new();
    for checks in ["complete", "correct", "compliant"] {
        for check in health[checks].as_array().unwrap() {
            let filter: String = check["filter"].as_str().unwrap().bytes().map(|b| format!("%{b:02X}")).collect();
            let list = server.get(&format!("{ITEMS}?count=true&filter={filter}")).by(Alex).expect(200).await;
            assert_eq!(list.field("total"), check["failing"].to_string(), "{check}");
            failing.push((check["check"].as_str().unwrap(), check["failing"].as_i64().unwrap()));
        }
    }
    let correct =
        [("orphan", 1), ("stale", 1), ("dangling_reference", 0), ("duplicate", 2), ("retired_but_related", 1)];
    let expected: Vec<(&str, i64)> = [("server", 1)].into_iter().chain(correct).chain([("An owner", 2)]).collect();
    assert_eq!(failing, expected);
    assert_eq!(
        (&health["duplicates"][0]["attribute"], &health["duplicates"][0]["value"]),
        (&json!("serial_number"), &json!("S-1"))
    );
    assert_eq!(health["duplicates"][0]["records"].as_array().unwrap().len(), 2);
    let fresh = server.get("/api/v1/configuration-health?stale_days=100").by(Alex).expect(200).await.json();
    assert_eq!(fresh["correct"][1]["failing"], 0);
    for wrong in ["stale_days=0", "review_days=0", "review_days=3651"] {
        server.get(&format!("/api/v1/configuration-health?{wrong}")).by(Alex).expect(400).await;
    }
    server.get("/api/v1/configuration-health").by(Rita).expect(403).await;
}

#[actix_web::test]
async fn what_imports_can_not_tell_apart_is_a_duplicate() {
    let server = Server::start().await;
    for title in ["A shop", "a SHOP"] {
        item(&server, "other", title, json!({})).await;
    }
    let other = json!({"items": [{"class": "other", "title": "A SHOP"}]});
    let (_, rows) = import(&server, "source=discovery&rehearse=true", other).await;
    assert_eq!(rows[0]["outcome"], "ambiguous");
    let health = server.get("/api/v1/configuration-health").by(Alex).expect(200).await.json();
    let found = &health["duplicates"][0];
    assert_eq!((&found["attribute"], found["records"].as_array().unwrap().len()), (&json!("title"), 2));
}

#[actix_web::test]
async fn a_class_may_need_more_attributes_than_a_filter_compares() {
    let server = Server::start().await;
    let names: Vec<String> = (0..120).map(|n| format!("needed_{n}")).collect();
    let attribute = |name: &String| json!({"name": name, "label": "A", "field_type": "text", "recommended": true});
    let attributes: Vec<Value> = names.iter().map(attribute).collect();
    let class = json!({"name": "wide", "label": "Wide", "attributes": attributes});
    server.post("/api/v1/classes", class).by(Admin).expect(201).await;
    let whole: Value = names.iter().map(|name| (name.clone(), json!("x"))).collect();
    item(&server, "wide", "whole", whole.clone()).await;
    let mut last = whole;
    last["needed_119"] = Value::Null;
    item(&server, "wide", "last", last).await;
    item(&server, "wide", "bare", json!({})).await;
    // What is retired is no duplicate of anything.
    for title in ["one", "two"] {
        let id = item(&server, "server", title, json!({"serial_number": "S-1"})).await;
        server.post(&format!("{ITEMS}/{id}/retire"), json!({})).by(Admin).expect(200).await;
    }
    let health = server.get("/api/v1/configuration-health").by(Alex).expect(200).await.json();
    let failing: Vec<&Value> = health["complete"].as_array().unwrap().iter().map(|check| &check["failing"]).collect();
    assert_eq!((failing, &health["complete_percent"]), (vec![&json!(1), &json!(2)], &json!(33.3)));
    assert_eq!(health["duplicates"], json!([]));
}

#[actix_web::test]
async fn a_campaign_asks_reminds_and_tells_how_far_it_is() {
    let server = Server::start().await;
    let network = people::team(&server.assembly, "network").to_string();
    let make = |title: &str, more: Value| {
        let mut body = json!({"title": title, "class": "server"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post(ITEMS, body).by(Admin)
    };
    let mine = make("mine", json!({"owner_id": Alex.id(&server.assembly)})).expect(201).await.field("id");
    let theirs = make("theirs", json!({"support_team_id": network})).expect(201).await.field("id");
    let new = json!({"name": "Spring", "filter": "is_a = server", "due_at": "2026-03-13T11:00:00Z", "remind_days": 3});
    server.post(CAMPAIGNS, new.clone()).by(Alex).expect(403).await;
    let campaign = server.post(CAMPAIGNS, new).by(Admin).expect(201).await;
    let path = format!("{CAMPAIGNS}/{}", campaign.field("id"));
    let decide = |record: &str, body: Value| server.post(&format!("{path}/items/{record}/decide"), body);
    decide(&theirs, json!({"outcome": "certified"})).by(Alex).expect(403).await;
    decide(&theirs, json!({"outcome": "rejected"})).by(Nora).expect(422).await;
    decide(&theirs, json!({"outcome": "rejected", "comment": "Scrapped in May."})).by(Nora).expect(200).await;
    let asked = server.get(&format!("{path}/items?mine=true&outcome=open")).by(Alex).expect(200).await.json();
    assert_eq!((asked["items"].as_array().unwrap().len(), &asked["items"][0]["record"]["title"]), (1, &json!("mine")));
    let history = server.get(&format!("{ITEMS}/{theirs}/history")).by(Admin).expect(200).await.json();
    assert_eq!(history["items"][0]["action"], "configuration_item.certification_rejected");

    let actions = async |id: &str| {
        let history = server.get(&format!("{ITEMS}/{id}/history")).by(Admin).expect(200).await.json();
        let actions = history["items"].as_array().unwrap().iter();
        actions
            .map(|entry| entry["action"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (at, expected) in [
        ("2026-03-03T11:00:00Z", &["certification_asked", "created"][..]),
        ("2026-03-09T11:00:00Z", &["certification_asked", "created"][..]),
        ("2026-03-10T11:00:00Z", &["certification_due", "certification_asked", "created"][..]),
        ("2026-03-12T11:00:00Z", &["certification_due", "certification_asked", "created"][..]),
        ("2026-03-13T11:00:00Z", &["certification_overdue", "certification_due", "certification_asked", "created"][..]),
        ("2026-03-20T11:00:00Z", &["certification_overdue", "certification_due", "certification_asked", "created"][..]),
    ] {
        server.at(at);
        server.assembly.jobs().fire_timers().await.unwrap();
        assert_eq!(actions(&mine).await, expected, "{at}");
    }
    assert_eq!(actions(&theirs).await, ["certification_rejected", "created"]);
    let progress = server.get(&path).by(Alex).expect(200).await.json()["progress"].clone();
    assert_eq!(progress, json!({"items": 2, "certified": 0, "rejected": 1, "open": 1}));
    decide(&mine, json!({"outcome": "certified"})).by(Alex).expect(200).await;
    // Lists find what is certified, what was too long ago, and what never was or is not right.
    let found = async |filter: &str| {
        let filter: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
        let list = server.get(&format!("{ITEMS}?filter={filter}")).by(Alex).expect(200).await.json();
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("certified_at > now() - 365d").await, ["mine"]);
    assert_eq!(found("certified_at >= 2026-03-20T00:00:00Z AND certified_at < 2026-03-21T00:00:00Z").await, ["mine"]);
    assert_eq!(found("certified_at <= now() - 365d").await, [""; 0]);
    assert_eq!(found("certified_at = null").await, ["theirs"]);
    decide(&theirs, json!({"outcome": "certified"})).by(Nora).expect(200).await;
    assert_eq!(found("certified_at = null").await, [""; 0]);
    decide(&theirs, json!({"outcome": "rejected", "comment": "No."})).by(Nora).expect(200).await;
    assert_eq!(found("certified_at = null").await, ["theirs"]);
    let one = format!("{ITEMS}/{mine}");
    let body = json!({"certified_at": "2026-03-01T00:00:00Z"});
    server.patch(&one, body).by(Admin).header("if-match", "*").expect(422).await;
    assert_eq!(server.get(&one).by(Alex).expect(200).await.field("certified_at"), "2026-03-20T11:00:00Z");
    server.post(&format!("{path}/end"), json!({})).by(Admin).expect(200).await;
    decide(&mine, json!({"outcome": "certified"})).by(Alex).expect(409).await;
    for (change, pointer) in [
        (json!({"due_at": "2026-03-01T00:00:00Z"}), "/due_at"),
        (json!({"filter": "class = printer"}), "/filter"),
        (json!({"name": ""}), "/name"),
    ] {
        let mut body = json!({"name": "x", "filter": "is_a = server", "due_at": "2026-06-01T00:00:00Z"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = server.post(CAMPAIGNS, body).by(Admin).expect(422).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    server.at("2027-04-01T11:00:00Z");
    assert_eq!(found("certified_at <= now() - 365d").await, ["mine"]);
}
