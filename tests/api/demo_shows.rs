//! `pointsman demo`: what the API shows of the configuration, the changes and the problems that it leaves behind.

use std::{collections::BTreeSet, sync::Arc};

use diesel::prelude::*;
use pointsman::{record::store::Unit, schema::user_account};
use serde_json::Value;

use crate::{
    demo::{Filled, fill, task},
    support::{Person, Server},
};

/// One month is enough for all of these: living through it takes seconds.
#[test]
fn there_is_something_to_see_of_configuration_changes_and_problems() {
    let Filled { assembly, summary, database } = fill(&task(1));
    // Who looks is an administrator who has signed in before.
    let settle = |unit: &mut Unit<'_>| {
        let admin = user_account::table.filter(user_account::user_name.eq(Person::Admin.user_name()));
        let settled = user_account::must_change_password.eq(false);
        Ok(diesel::update(admin).set(settled).execute(unit.connection()?)?)
    };
    assembly.writer.run_blocking(settle).unwrap();
    actix_web::rt::System::new().block_on(async {
        let shown = Shown(Server::around(Arc::new(assembly), Arc::new(database)).await);
        the_inventory_came_in_whole(&shown).await;
        the_core_switch_hits_what_hangs_on_it_alone(&shown).await;
        a_baseline_tells_what_became_other(&shown).await;
        health_knows_rules_and_a_class_of_the_company(&shown).await;
        a_campaign_is_on_its_way(&shown).await;
        what_nobody_asked_for_is_told(&shown).await;
        standard_changes_are_made_by_a_model(&shown).await;
        the_schedule_shows_the_freeze_that_is_in_a_changes_way(&shown).await;
        a_board_has_met_and_meets_again(&shown).await;
        risk_is_asked_about_and_what_a_change_broke_is_known(&shown).await;
        problems_are_known_errors_and_clusters(&shown).await;
        everything_to_look_at_is_there(&shown, &serde_json::to_value(&summary).unwrap()).await;
    });
}

struct Shown(Server);

impl Shown {
    async fn get(&self, path: &str) -> Value {
        self.0.get(&format!("/api/v1/{path}")).by(Person::Admin).expect(200).await.json()
    }
    async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }
    /// The record of that title.
    async fn record(&self, plural: &str, title: &str) -> Value {
        let number = self.number(plural, title).await;
        self.get(&format!("{plural}/{number}")).await
    }
    /// The number of the record of that title.
    async fn number(&self, plural: &str, title: &str) -> String {
        let path = format!("{plural}?filter=title%20%3D%20%22{}%22", title.replace(' ', "%20"));
        let found = self.items(&path).await;
        assert_eq!(found.len(), 1, "{title}: {found:?}");
        text(&found[0], "number")
    }
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap_or_default().to_owned()
}

fn texts(of: &[Value], field: &str) -> Vec<String> {
    of.iter().map(|one| text(one, field)).collect()
}

fn titles(of: &Value) -> BTreeSet<String> {
    of.as_array().unwrap().iter().map(|one| text(&one["record"], "title")).collect()
}

fn holds_all(found: &BTreeSet<String>, expected: &[&str]) {
    let lacking: Vec<_> = expected.iter().filter(|title| !found.contains(**title)).collect();
    assert!(lacking.is_empty(), "{lacking:?} of {found:?}");
}

async fn the_inventory_came_in_whole(shown: &Shown) {
    let jobs = shown.items("jobs?kind=configuration_import").await;
    let mut found = Vec::new();
    for job in &jobs {
        assert_eq!(job["state"], "succeeded", "{job}");
        let import = shown.get(&format!("configuration-imports/{}", text(job, "id"))).await;
        let count = |outcome: &str| import["counts"][outcome].as_i64().unwrap();
        assert_eq!((count("ambiguous"), count("refused")), (0, 0), "{import}");
        found.push((text(&import, "source"), count("created") > 200, count("different")));
    }
    // The inventory tells of all again in the end, and what people have said stands: a memory, and a state.
    let of = |source: &str, is_much: bool, different| (source.to_owned(), is_much, different);
    let expected =
        [of("discovery", false, 2), of("inventory", false, 2), of("discovery", false, 0), of("inventory", true, 0)];
    assert_eq!(found, expected);
    let core = shown.number("configuration_items", "core-switch-hq").await;
    let item = shown.get(&format!("configuration_items/{core}")).await;
    assert_eq!((text(&item, "class"), &item["attributes"]["firmware"]), ("switch".to_owned(), &"12.4.1".into()));
    let relations = shown.items(&format!("configuration_items/{core}/relations")).await;
    let kinds: BTreeSet<String> = texts(&relations, "relation").into_iter().collect();
    holds_all(&kinds, &["located_in", "powered_by", "contains", "connects_to", "downlinks_to"]);
    let groups = shown.get(&format!("configuration_items/{core}/redundancy-groups")).await;
    assert_eq!(
        (groups.as_array().unwrap().len(), &groups[0]["name"], &groups[0]["min_up"]),
        (1, &"power".into(), &1.into())
    );
    let cluster = shown.number("configuration_items", "hq-cluster").await;
    let groups = shown.get(&format!("configuration_items/{cluster}/redundancy-groups")).await;
    let hosts = (&groups[0]["name"], &groups[0]["min_up"], groups[0]["members"].as_array().unwrap().len());
    assert_eq!(hosts, (&"hosts".into(), &2.into(), 3));
    let network = shown.items("configuration_items?filter=class%20%3D%20network&limit=100").await;
    assert_eq!((network.len(), &network[0]["attributes"]["vlan"].is_i64()), (7, &true));
}

async fn the_core_switch_hits_what_hangs_on_it_alone(shown: &Shown) {
    let core = shown.number("configuration_items", "core-switch-hq").await;
    let impact = shown.get(&format!("configuration_items/{core}/impact?depth=20&limit=200")).await;
    let (hit, spared) = (titles(&impact["records"]), titles(&impact["spared"]));
    holds_all(&hit, &["firewall-hq", "wifi-north", "mail-store-01", "Email and calendar", "Corporate network"]);
    holds_all(&spared, &["esx-01", "esx-02", "esx-03", "storage-array-01"]);
    for lives_on in ["hq-cluster", "orders-app-01", "Order management", "Customer portal", "HR and payroll"] {
        assert!(!hit.contains(lives_on), "{lives_on}: {hit:?}");
    }
    let way = impact["records"].as_array().unwrap().iter().find(|hit| hit["record"]["title"] == "Printing").unwrap();
    let way: Vec<String> = way["path"].as_array().unwrap().iter().map(|step| text(&step["record"], "title")).collect();
    assert_eq!(way[way.len() - 4..], ["firewall-hq", "edge-router-north", "print-server-01", "Printing"], "{way:?}");
}

async fn a_baseline_tells_what_became_other(shown: &Shown) {
    let baselines = shown.items("configuration-baselines").await;
    assert_eq!(texts(&baselines, "name"), ["Start of the month"]);
    let path = format!("configuration-baselines/{}", text(&baselines[0], "id"));
    assert!(baselines[0]["items"].as_i64().unwrap() > 100 && !baselines[0]["taken_at"].is_null());
    let found = shown.items(&format!("{path}/differences?limit=200")).await;
    let of = |title: &str| found.iter().find(|one| one["title"] == title).unwrap_or_else(|| panic!("{title}"));
    let fields = |title: &str| texts(of(title)["changes"].as_array().unwrap(), "field");
    assert_eq!(fields("print-server-01"), ["attributes.memory_mib"]);
    assert_eq!(fields("vpn-gateway-02"), ["state"]);
    assert_eq!([&of("portal-vm-03")["how"], &of("nas-south-02")["how"]], ["added", "added"]);
    assert_eq!(of("portal-web")["relations_added"][0]["relation"], "runs_on");
    let history = shown.number("configuration_items", "print-server-01").await;
    let history = format!("configuration_items/{history}/field-history?field=attributes.memory_mib");
    assert!(shown.items(&history).await.len() >= 2);
}

async fn health_knows_rules_and_a_class_of_the_company(shown: &Shown) {
    let health = shown.get("configuration-health").await;
    let compliant = health["compliant"].as_array().unwrap();
    let failing = |name: &str| compliant.iter().find(|check| check["check"] == name).unwrap()["failing"].as_i64();
    assert_eq!(failing("Servers run what their makers still mend"), Some(1));
    assert!(failing("What much depends on has a team").is_some());
    assert!(health["items"].as_i64().unwrap() > 100);
    let classes = shown.items("classes?q=handheld").await;
    assert_eq!((text(&classes[0], "parent"), classes[0]["attributes"].as_array().unwrap().len()), ("phone".into(), 2));
    let many = shown.items("configuration_items?filter=attributes.pieces%20%3E%2040").await;
    assert_eq!(texts(&many, "title"), ["handhelds-north"]);
}

async fn a_campaign_is_on_its_way(shown: &Shown) {
    let campaigns = shown.items("certification-campaigns").await;
    let progress = &campaigns[0]["progress"];
    let [certified, rejected, open] = ["certified", "rejected", "open"].map(|n| progress[n].as_i64().unwrap());
    assert_eq!((certified, rejected), (2, 1), "{campaigns:?}");
    assert!(open > 3);
    let items = format!("certification-campaigns/{}/items?outcome=rejected", text(&campaigns[0], "id"));
    assert_eq!(texts(&shown.items(&items).await, "comment"), ["It hangs above the cold store now, not in the rack."]);
}

async fn what_nobody_asked_for_is_told(shown: &Shown) {
    let router = shown.record("configuration_items", "edge-router-south").await;
    let open = shown.items("unauthorised-changes?state=open").await;
    assert_eq!(texts(&open, "field"), ["attributes.firmware"]);
    assert_eq!((&open[0]["configuration_item_id"], text(&open[0], "source")), (&router["id"], "discovery".to_owned()));
    // The maintained inventory counts more than a scan: what is recorded stands.
    assert_eq!(router["attributes"]["firmware"], "8.2.1");
    let authorised = shown.items("unauthorised-changes?state=authorised").await;
    assert_eq!(texts(&authorised, "field"), ["attributes.operating_system"]);
    let change = shown.get(&format!("changes/{}", text(&authorised[0], "change_id"))).await;
    assert_eq!(change["title"], "Enlarge the log volume of the mail store and let it warn");
    let settled = shown.items("unauthorised-changes?state=settled").await;
    assert_eq!((settled.len(), text(&settled[0], "finding")), (1, "appeared".to_owned()));
    assert_eq!(shown.record("configuration_items", "nas-south-02").await["state"], "retired");
}

async fn standard_changes_are_made_by_a_model(shown: &Shown) {
    let models = shown.items("change-models").await;
    assert_eq!(
        (texts(&models, "name"), models[0]["tasks"].as_array().unwrap().len()),
        (vec!["Patch a server".into()], 3)
    );
    let made = shown.items("changes?filter=change_type%20%3D%20standard&sort=number").await;
    assert_eq!(texts(&made, "state"), ["closed", "scheduled"]);
    for change in &made {
        assert_eq!((text(change, "model"), text(change, "risk")), ("Patch a server".to_owned(), "low".to_owned()));
        assert!(text(change, "implementation_plan").starts_with("Take a copy"));
    }
    let tasks = shown.items(&format!("changes/{}/tasks", text(&made[0], "number"))).await;
    assert_eq!(texts(&tasks, "state"), ["done"; 3]);
}

async fn the_schedule_shows_the_freeze_that_is_in_a_changes_way(shown: &Shown) {
    let schedule = shown.get("change-schedule").await;
    let windows = schedule["windows"].as_array().unwrap();
    let names: Vec<_> = windows.iter().map(|window| (text(window, "name"), text(window, "kind"))).collect();
    let expected = [("After the last lorry", "maintenance"), ("Stocktaking", "blackout")];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    holds_all(
        &texts(schedule["items"].as_array().unwrap(), "title").into_iter().collect(),
        &["A second feed for the cabinet at Distribution North", "Patches of the mail gateway"],
    );
    let change = shown.number("changes", "Move the staging database of Order management to the new machine").await;
    let conflicts = shown.items(&format!("changes/{change}/conflicts")).await;
    let frozen = conflicts.iter().find(|conflict| conflict["kind"] == "ci_in_blackout").unwrap();
    assert_eq!(frozen["window"], "Stocktaking");
    let from = text(&shown.get(&format!("changes/{change}")).await, "planned_start");
    let free = shown.get(&format!("changes/{change}/free-slot?from={from}")).await;
    assert_eq!(free["planned_start"], frozen["over_at"]);
    let ahead = shown.number("changes", "A second feed for the cabinet at Distribution North").await;
    let preview = shown.get(&format!("changes/{ahead}/impact-preview")).await;
    holds_all(&titles(&preview["impact"]["records"]), &["wifi-north", "print-server-01", "Printing"]);
    assert_eq!(texts(preview["touches"].as_array().unwrap(), "title"), ["edge-router-north", "Corporate network"]);
}

async fn a_board_has_met_and_meets_again(shown: &Shown) {
    let meetings = shown.items("cab-meetings").await;
    assert_eq!(texts(&meetings, "state"), ["held", "planned"]);
    assert!(text(&meetings[0], "minutes").starts_with("Helen, Kenji and Nadia"));
    assert!(meetings.iter().all(|meeting| meeting["attendees"].as_array().unwrap().len() == 2));
    let held = shown.items(&format!("cab-meetings/{}/agenda", text(&meetings[0], "id"))).await;
    assert_eq!(texts(&held, "decision"), ["recommended"; 2], "{held:?}");
    assert!(texts(&held, "minutes").iter().all(|said| !said.is_empty()));
    let ahead = shown.items(&format!("cab-meetings/{}/agenda", text(&meetings[1], "id"))).await;
    let ahead: Vec<_> = ahead.iter().map(|item| (text(item, "title"), text(item, "reason"))).collect();
    let expected =
        [("Take back the release of Order management", "review"), ("New version of warehouse management", "authorise")];
    assert_eq!(ahead, expected.map(|(title, reason)| (title.to_owned(), reason.to_owned())));
}

async fn risk_is_asked_about_and_what_a_change_broke_is_known(shown: &Shown) {
    let change = shown.number("changes", "Firmware of the core switch at Head Office").await;
    let assessed = shown.get(&format!("changes/{change}/risk-assessment")).await;
    assert_eq!((assessed["answers"].as_array().unwrap().len(), text(&assessed, "risk")), (5, "medium".to_owned()));
    let caused = shown.items(&format!("changes/{change}/caused-incidents")).await;
    let linked: Vec<_> = caused.iter().filter(|incident| incident["linked"] == true).cloned().collect();
    assert_eq!(texts(&linked, "title"), ["firewall-hq: the uplink is down"]);
}

async fn problems_are_known_errors_and_clusters(shown: &Shown) {
    let known = shown.items("problems?filter=known_error_at%20%21%3D%20null&sort=number").await;
    assert_eq!(known.len(), 2);
    let fits = shown
        .0
        .post(
            "/api/v1/known-errors/suggest",
            serde_json::json!({"title": "Both lines of the site are down, the breaker again"}),
        )
        .by(Person::Admin)
        .expect(200)
        .await
        .json();
    assert_eq!(fits["items"][0]["title"], "Both lines of Distribution North hang on one breaker", "{fits}");
    let clusters = shown.get("incident-clusters?by=category,service_id").await;
    assert!(clusters["items"].as_array().unwrap().len() > 3, "{clusters}");
    let analysed = shown.items(&format!("problems/{}/analyses", text(&known[0], "number"))).await;
    assert_eq!(analysed[0]["finding"]["technique"], "five_whys", "{analysed:?}");
}

async fn everything_to_look_at_is_there(shown: &Shown, summary: &Value) {
    let looks = summary["look"].as_array().unwrap();
    assert_eq!(looks.len(), 12, "{looks:?}");
    for look in looks.iter().filter(|look| look["what"] != "the documentation, to try it out") {
        let at = text(look, "at");
        let (_, path) = at.split_once("/api/v1/").unwrap();
        let shown = shown.get(path).await;
        let lists = ["items", "records", "correct"].into_iter().filter_map(|name| shown[name].as_array());
        assert!(lists.into_iter().all(|list| !list.is_empty()), "{at}: {shown}");
    }
}
