//! Imports as jobs: cut off at any place and gone on with, with a body of their own size, beside the job and not in it.

use std::sync::atomic::AtomicBool;

use diesel::prelude::*;
use pointsman::{
    id::RowId,
    practice::configuration_item::import::run::run,
    record::job::{Bench, Do, JobRow, Told},
    schema::job,
};
use serde_json::json;

use super::{ITEMS, import::IMPORTS, item};
use crate::support::{Person::*, Server};

/// One node after the other takes the job and is cut off as soon as it can be; gives what came of each.
pub fn cut_off(server: &Server, id: &str, work: Do) -> Vec<Told> {
    let assembly = &server.assembly;
    let bench = Bench {
        kernel: assembly.kernel.clone(),
        database: assembly.database.clone(),
        writer: assembly.writer.clone(),
        clock: assembly.clock.clone(),
    };
    let (id, now): (RowId, _) = (id.parse().unwrap(), assembly.clock.now());
    let node_after_node = || {
        let mut told = Vec::new();
        while told.last() != Some(&Told::GoOn) && told.len() < 10 {
            let node = RowId::new();
            let taken = bench.writer.run_blocking(move |unit| {
                let mine = (job::state.eq("running"), job::node.eq(node), job::beat_at.eq(now));
                diesel::update(job::table.find(id)).set(mine).execute(unit.connection()?)?;
                JobRow::find(unit.connection()?, id)
            });
            // At last there is a node that goes on.
            let is_ending = AtomicBool::new(told.len() < 4);
            told.push(work(&bench, taken.unwrap(), node, &is_ending).unwrap());
        }
        told
    };
    // On a thread of its own: the thread of a test drives its requests and must not block.
    std::thread::scope(|scope| scope.spawn(node_after_node).join().unwrap())
}

#[actix_web::test]
async fn an_audit_goes_on_where_it_was_cut_off() {
    let server = Server::start().await;
    for n in 0..3 {
        item(&server, "server", &format!("gone-{n}"), json!({})).await;
    }
    let content = json!({"items": [{"key": "x", "class": "printer", "title": "x"}]});
    let path = format!("{IMPORTS}?source=inventory&scope=is_a%20%3D%20server");
    let queued = server.post(&path, content).by(Admin).expect(202).await;
    let told = cut_off(&server, &queued.field("id"), run);
    assert_eq!(told, [Told::Lost, Told::Lost, Told::GoOn]);
    let one = format!("{IMPORTS}/{}", queued.field("id"));
    let rows = server.get(&format!("{one}/rows")).by(Admin).expect(200).await.json();
    let outcomes: Vec<&str> =
        rows["items"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["created", "missing", "missing", "missing"]);
    assert_eq!(server.get(&one).by(Admin).expect(200).await.json()["counts"]["missing"], 3);
}

#[actix_web::test]
async fn relations_that_are_missing_are_the_same_however_often_it_was_cut_off() {
    let server = Server::start().await;
    let vm = |key: &str| json!({"key": key, "class": "virtual_machine", "title": key});
    let runs = |vm: &str| json!({"from": vm, "relation": "runs_on", "to": "device:1"});
    let items = json!([super::import::host(json!({})), vm("vm:1"), vm("vm:2"), vm("vm:3")]);
    let all = json!({"items": items, "relations": [runs("vm:1"), runs("vm:2"), runs("vm:3")]});
    super::import::import(&server, "source=inventory", all).await;
    // vm:3 is missing itself, so what it ran on is no news; only the relation of vm:1 is.
    let less = json!({"items": [super::import::host(json!({})), vm("vm:1"), vm("vm:2")], "relations": [runs("vm:2")]});
    let path = format!("{IMPORTS}?source=inventory&scope=is_a%20%3D%20virtual_machine");
    let queued = server.post(&path, less).by(Admin).expect(202).await;
    let told = cut_off(&server, &queued.field("id"), run);
    assert!(told.len() > 3 && told.last() == Some(&Told::GoOn), "{told:?}");
    let rows = server.get(&format!("{IMPORTS}/{}/rows", queued.field("id"))).by(Admin).expect(200).await.json();
    let missing: Vec<_> = rows["items"].as_array().unwrap().iter().filter(|row| row["outcome"] == "missing").collect();
    let titles: Vec<&str> = missing.iter().map(|row| row["title"].as_str().unwrap()).collect();
    assert!(titles.len() == 2 && titles[0] == "vm:3" && titles[1].contains(" runs_on "), "{titles:?}");
    assert_eq!((&missing[0]["relation_id"], missing[1]["relation_id"].is_string()), (&json!(null), true));
}

#[actix_web::test]
async fn an_import_may_be_larger_than_other_bodies_and_does_not_stand_in_its_job() {
    let settings = |config: &mut pointsman::config::Config| {
        config.server.json_limit_bytes = 4_000;
        config.server.import_limit_bytes = 20_000;
    };
    let server = Server::start_with(settings).await;
    let rows = |count: usize| -> serde_json::Value {
        (0..count).map(|n| json!({"class": "server", "title": format!("A server of some length {n}")})).collect()
    };
    let path = format!("{IMPORTS}?source=inventory");
    let queued = server.post(&path, json!({"items": rows(200)})).by(Admin).expect(202).await;
    let id: RowId = queued.field("id").parse().unwrap();
    let asked: String =
        server.assembly.database.read_here(|c| Ok(job::table.find(id).select(job::asked).first(c)?)).unwrap();
    assert!(asked.len() < 200 && asked.contains("inventory"), "{asked}");
    server.assembly.jobs().work_off().await.unwrap();
    let done = server.get(&format!("{IMPORTS}/{id}")).by(Admin).expect(200).await.json();
    assert_eq!(done["counts"]["created"], 200, "{done}");
    server.post(&path, json!({"items": rows(600)})).by(Admin).expect(413).await;
    server
        .post(ITEMS, json!({"title": "x", "class": "server", "description": "x".repeat(5_000)}))
        .by(Admin)
        .expect(413)
        .await;
}
