//! How many statements a request costs: a list of fifty costs what a list of one does, and nothing grows unseen.

use std::fmt::Write as _;

use pointsman::{db::Engine, record::kind::Kind};
use serde_json::{Value, json};

use crate::support::{
    Person::*,
    Server, golden,
    listener::{heard, listen},
    sample::{all, create, kinds, maximal, minimal, one, step_input, steps},
};

/// How often each request is measured.
const TRIES: usize = 5;

/// What the calls cost, as lines of the table.
struct Costs<'a> {
    server: &'a Server,
    lines: Vec<(String, usize)>,
}

impl Costs<'_> {
    /// Counts the statements of a request, which is sent once before, so that what is remembered is. Now and then a request
    /// also looks whether policies have changed: the cheapest of several tells what it costs by itself.
    async fn of(&mut self, what: String, ask: impl AsyncFn() -> u16) -> usize {
        ask().await;
        heard(self.server);
        let mut count = usize::MAX;
        for _ in 0..TRIES {
            let status = ask().await;
            assert!(status < 300, "{what}: {status}");
            count = count.min(heard(self.server).len());
        }
        assert!(count > 0, "nobody listens");
        self.lines.push((what, count));
        count
    }
}

async fn cost_of_kind(server: &Server, kind: &'static Kind, costs: &mut Costs<'_>) {
    let name = kind.name;
    let body = Value::from(maximal(server, kind).await);
    let references: Vec<&str> = kind.all_fields().filter(|f| f.name.ends_with("_id")).map(|f| f.short_name()).collect();
    let made = server.post(&all(kind), body.clone()).by(Admin).expect(201).await;
    let get = async |path: String| server.get(&path).by(Alex).status().await;
    costs.of(format!("get {name}"), async || get(one(kind, &made)).await).await;
    let expanded = format!("{}?expand={}", one(kind, &made), references.join(","));
    costs.of(format!("get {name} expanded"), async || get(expanded.clone()).await).await;
    costs.of(format!("transitions of {name}"), async || get(format!("{}/transitions", one(kind, &made))).await).await;
    let list = format!("{}?count=true&expand={}", all(kind), references.join(","));
    let few = costs.of(format!("list {name} expanded"), async || get(list.clone()).await).await;
    for _ in 0..49 {
        server.post(&all(kind), body.clone()).by(Admin).expect(201).await;
    }
    let many = costs.of(format!("list {name} expanded, fifty"), async || get(list.clone()).await).await;
    assert_eq!(few, many, "{name}: the list costs more the longer it is");
    let least = Value::from(minimal(server, kind).await);
    costs.of(format!("create {name}"), async || server.post(&all(kind), least.clone()).by(Admin).status().await).await;
    costs
        .of(format!("create {name}, full"), async || server.post(&all(kind), body.clone()).by(Admin).status().await)
        .await;
    let title = std::cell::Cell::new(0);
    let change = async || {
        title.set(title.get() + 1);
        let body = json!({"title": format!("Change {}", title.get())});
        server.patch(&one(kind, &made), body).by(Admin).header("if-match", "*").status().await
    };
    costs.of(format!("update {name}"), change).await;
    let step = steps(kind).find(|step| step.from.contains(&kind.lifecycle.initial) && step.requires.is_empty());
    if let Some(step) = step {
        let input = step_input(server, kind, step).await;
        let mut records = Vec::new();
        for _ in 0..=TRIES {
            records.push(create(server, kind).await);
        }
        let next = std::cell::Cell::new(0);
        let take = async || {
            let record = &records[next.replace(next.get() + 1)];
            server.post(&format!("{}/{}", one(kind, record), step.name), input.clone()).by(Admin).status().await
        };
        costs.of(format!("{} {name}", step.name), take).await;
    }
}

/// A story costs as much whether one incident belongs to its problem or ten do.
async fn cost_of_story(server: &Server, costs: &mut Costs<'_>) {
    let problem = server.post("/api/v1/problems", json!({"title": "A full disk"})).by(Alex).expect(201).await;
    let incident = async || {
        let made = server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Alex).expect(201).await;
        let link = json!({"relation": "caused_by", "record_id": problem.field("id")});
        server.post(&format!("/api/v1/incidents/{}/links", made.field("id")), link).by(Alex).expect(201).await;
    };
    let story = format!("/api/v1/records/{}/story", problem.field("number"));
    let read = async || server.get(&story).by(Alex).status().await;
    incident().await;
    let few = costs.of("story of problem".to_owned(), read).await;
    for _ in 0..9 {
        incident().await;
    }
    let many = costs.of("story of problem with ten incidents".to_owned(), read).await;
    assert_eq!(few, many, "a story costs more the longer it is");
}

#[actix_web::test]
async fn requests_cost_as_many_statements_as_the_table_says() {
    listen();
    let server = Server::start_with(|config| {
        config.database.writers = 1;
        config.database.readers = 1;
    })
    .await;
    let mut costs = Costs { server: &server, lines: Vec::new() };
    for kind in kinds() {
        cost_of_kind(&server, kind, &mut costs).await;
    }
    cost_of_story(&server, &mut costs).await;
    let width = costs.lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (what, count) in &costs.lines {
        writeln!(text, "{what:<width$}  {count}").unwrap();
    }
    let engine = match server.assembly.database.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    golden::holds(&format!("tests/api/golden/query_counts_{engine}.txt"), &text);
}
