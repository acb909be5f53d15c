//! How the databases answer lists and searches: by an index wherever there is one, whatever is asked and whoever asks.
//!
//! A plan hangs on the sizes of tables and not on values. Those of a test are small, where to read a whole table is quick. So SQLite
//! is told that they are large, and PostgreSQL that it is dear to: it then does so only where no index serves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_types::{Bool, Integer, Text},
};
use pointsman::{
    db::{AnyConnection, Engine},
    record::kind::{Field, Holds, Kind},
};
use serde_json::{Value, json};

use crate::support::{
    Person::{self, *},
    Server, golden,
    listener::{heard, listen},
    people,
    sample::{all, create_with, kinds, one},
};

/// The tables that grow for ever, beside the details.
const LARGE: &[&str] =
    &["record", "record_text", "record_tag", "participant", "custom_value", "outbox", "audit", "journal", "link"];
/// What stands between them and the caller.
const DIRECTORY: &[&str] = &["organisation", "team", "team_member", "user_account"];

/// Indexes in the order of which lists are read, no further than the page goes.
const ORDERS: &[&str] = &[
    "record_by_number",
    "record_by_opened_of_all",
    "record_by_updated_of_all",
    // The newest texts: a search on PostgreSQL begins with a few hundred of them.
    "record_text_pkey",
];
/// Requests that may read a whole table.
const EXCEPTIONS: &[&str] = &[
    // There are few services, and to ask who owns which is rare: an index of owners would cost more than it saves.
    "/api/v1/incidents?service.owner=alex",
    // Counts all that the caller sees, so there is nothing to leave out.
    "/api/v1/records?count=true",
];

/// Lists of incidents, of the kinds that people keep open all day, beside those that every field with an index makes.
const LISTS: &[&str] = &[
    "sort=priority,opened_at",
    "state=new&sort=priority,opened_at",
    "team=my_teams&phase=open,waiting&sort=priority,opened_at",
    "team={team}&phase=open&sort=priority,opened_at",
    "assignee=me&phase=open",
    "requester=me",
    "requester={person}",
    "organisation={organisation}",
    "service={service}",
    "team=null",
    "tags=printer",
    "custom.a_text=blue",
    "custom.a_integer=7",
    "category=network&subcategory=switch",
    "service.owner=alex",
    "service.support_team=network",
    "requester.user_name=rita",
    "team.name=network",
    "filter=opened_at >= 2026-03-03T12:00:00Z",
    "filter=title : jam",
    "filter=priority <= 2 and not state = new",
    "count=true",
    "count=true&state=new",
    "q=printer",
    "q=printer&state=new",
    "q=printer&count=true",
    "q=printer&sort=-opened_at",
];

#[derive(diesel::QueryableByName)]
struct Step {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Integer)]
    parent: i32,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What SQLite knows of an index: how many rows there are, and how many have the same first column, first two columns, ...
#[derive(diesel::QueryableByName)]
struct Size {
    #[diesel(sql_type = Text)]
    idx: String,
    #[diesel(sql_type = Text)]
    stat: String,
    #[diesel(sql_type = Bool)]
    by_kind: bool,
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// The plan of a statement, a line a step, whatever its values.
#[expect(clippy::disallowed_methods, reason = "what a database says of a statement has no table")]
fn plan(connection: &mut AnyConnection, sql: &str) -> Vec<String> {
    match connection {
        AnyConnection::Sqlite(c) => {
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(c).unwrap();
            let mut depths = BTreeMap::from([(0, 0)]);
            let mut line = |step: Step| {
                let depth = depths[&step.parent];
                depths.insert(step.id, depth + 1);
                format!("{}{}", "  ".repeat(depth), step.detail)
            };
            steps.into_iter().map(&mut line).collect()
        }
        AnyConnection::Postgres(c) => {
            let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
            let nulls = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
            c.batch_execute(&format!("PREPARE asked AS {sql}")).unwrap();
            let lines: Vec<Line> =
                diesel::sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE asked{nulls}")).load(c).unwrap();
            c.batch_execute("DEALLOCATE asked").unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
    }
}

/// A connection that plans as the server's do, and knows how much there is of what.
fn planner(server: &Server) -> AnyConnection {
    let mut connection = AnyConnection::open(&server.url()).unwrap();
    connection.learn_sizes().unwrap();
    let details = kinds().into_iter().map(|kind| kind.name);
    let large: Vec<&str> = LARGE.iter().copied().chain(details).collect();
    match &mut connection {
        AnyConnection::Sqlite(c) => enlarge(c, &large),
        AnyConnection::Postgres(c) => {
            let tables = [&large, DIRECTORY].concat().join(", ");
            // What is visible to all, which an index-only scan looks at, hangs on the transactions of other tests.
            let settings =
                "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_indexonlyscan = off";
            c.batch_execute(&format!("ANALYZE {tables}; {settings}")).unwrap();
        }
    }
    connection
}

/// Lets SQLite think that these tables have ten thousand times as many rows: in as few kinds, states and priorities, but for ten
/// thousand times as many teams, people and services.
#[expect(clippy::disallowed_methods, reason = "what a database knows of its tables has no table of ours")]
fn enlarge(connection: &mut SqliteConnection, tables: &[&str]) {
    let sizes = format!(
        "SELECT idx, stat, coalesce(leading.name, '') = 'kind' AS by_kind FROM sqlite_stat1 \
         JOIN pragma_index_info(idx) AS leading ON leading.seqno = 0 WHERE tbl IN ('{}')",
        tables.join("', '")
    );
    let sizes: Vec<Size> = diesel::sql_query(sizes).load(connection).unwrap();
    assert!(!sizes.is_empty(), "nothing was learnt");
    for Size { idx, stat, by_kind } in sizes {
        let numbers: Vec<u64> = stat.split(' ').map_while(|word| word.parse().ok()).collect();
        let rows = numbers[0];
        let is_share = |at: usize, n: u64| at == 0 || (by_kind && n * 10 >= rows);
        let grown = numbers.iter().enumerate().map(|(at, n)| if is_share(at, *n) { n * 10_000 } else { *n });
        let stat = grown.map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        connection.batch_execute(&format!("UPDATE sqlite_stat1 SET stat = '{stat}' WHERE idx = '{idx}'")).unwrap();
    }
    connection.batch_execute("ANALYZE sqlite_schema").unwrap();
}

/// The statements among those heard that read records, without their values.
fn of_records(statements: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for statement in statements {
        let sql = statement.split(" -- binds").next().unwrap().to_owned();
        let plain = sql.replace(['"', '`'], "");
        let reads = |table: &str| plain.contains(&format!("FROM {table}"));
        if (reads("record") || kinds().iter().any(|kind| reads(kind.name))) && !kept.contains(&sql) {
            kept.push(sql);
        }
    }
    kept
}

/// The steps of a plan that read all of a large table, or all of an index, other than in the order of the list.
fn whole_reads(steps: &[String]) -> Vec<&str> {
    let details = kinds();
    let large: Vec<&str> =
        LARGE.iter().copied().chain(details.iter().map(|kind| kind.name)).chain(["target"]).collect();
    let reads_all = |at: usize| {
        let words: Vec<&str> = steps[at].split_whitespace().filter(|word| !["->", "Parallel"].contains(word)).collect();
        let narrows = || steps.get(at + 1).is_some_and(|next| next.trim_start().starts_with("Index Cond"));
        match words[..] {
            // SQLite.
            ["SCAN", table, "USING", "INDEX", index] => large.contains(&table) && !ORDERS.contains(&index),
            ["SCAN", table, ..] => large.contains(&table),
            // PostgreSQL, which reads the whole of any index rather than a table that it is told is dear.
            ["Seq", "Scan", "on", table, ..] => large.contains(&table),
            ["Index", .., "using", index, "on", table] | ["Index", .., "using", index, "on", table, _] => {
                large.contains(&table) && !ORDERS.contains(&index) && !narrows()
            }
            ["Bitmap", "Index", "Scan", ..] => !narrows(),
            _ => false,
        }
    };
    (0..steps.len()).filter(|at| reads_all(*at)).map(|at| steps[at].trim()).collect()
}

/// What is written down of a plan. Of PostgreSQL's that is which indexes it reads and what it looks up in each: whether it does so by
/// a bitmap, and in which order it joins, is a toss-up where tables are small.
fn told(engine: Engine, steps: Vec<String>) -> Vec<String> {
    if engine == Engine::Sqlite {
        return steps;
    }
    let mut reads = BTreeSet::new();
    for (at, step) in steps.iter().enumerate() {
        let words: Vec<&str> = step.split_whitespace().filter(|word| *word != "->" && *word != "*").collect();
        let index = match words[..] {
            ["Bitmap", "Index", "Scan", "on", index] | ["Index", .., "using", index, "on", _] => index,
            ["Index", .., "using", index, "on", _, _] => index,
            ["Seq", "Scan", "on", table, ..] => {
                reads.insert(format!("all of {table}"));
                continue;
            }
            _ => continue,
        };
        let looked_up = steps.get(at + 1).and_then(|next| next.trim_start().strip_prefix("Index Cond: "));
        reads.insert(format!("{index} {}", looked_up.unwrap_or("in its order")));
    }
    reads.into_iter().collect()
}

/// The columns of a table that lead an index, by themselves or after the kind, as the migrations tell.
fn indexed(table: &str) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap() {
        let text = std::fs::read_to_string(folder.unwrap().path().join("up.sql")).unwrap();
        for line in text.lines().filter(|line| line.starts_with("CREATE") && line.contains("INDEX")) {
            let Some((_, names)) = line.split_once(&format!(" ON {table} (")) else { continue };
            let names = names.split([',', ')', ' ']).filter(|name| !name.is_empty() && *name != "kind");
            columns.extend(names.take(1).map(str::to_owned));
        }
    }
    columns
}

/// A value of a field, as a list is filtered by it.
fn sought(kind: &Kind, field: &Field) -> String {
    match field.holds {
        _ if field.name == "state" => kind.lifecycle.initial.to_owned(),
        _ if field.name == "number" => format!("{}0000001", kind.prefix),
        Holds::Choice(choices) => choices[0].to_owned(),
        Holds::User => "alex".to_owned(),
        Holds::Team => "service-desk".to_owned(),
        Holds::Organisation => "Acme".to_owned(),
        Holds::Record(of) => format!("{}0000001", kinds().iter().find(|kind| kind.name == of).unwrap().prefix),
        Holds::Integer(..) => "2".to_owned(),
        Holds::Time => "2026-03-03T11:00:00Z".to_owned(),
        Holds::Class => "server".to_owned(),
        Holds::Line(_) | Holds::Text(_) | Holds::Tags | Holds::Custom | Holds::Attributes => "network".to_owned(),
    }
}

/// What every kind is asked: all, in each order, page by page, and by each field that has an index.
fn lists_of(kind: &Kind) -> Vec<String> {
    let mut lists = vec![String::new()];
    for field in kind.all_fields().filter(|field| field.sortable) {
        lists.extend([format!("sort={}", field.name), format!("sort=-{}", field.name)]);
    }
    let (header, details) = (indexed("record"), indexed(kind.name));
    for field in kind.all_fields() {
        let table = if kind.is_detail(field.name) { &details } else { &header };
        if table.contains(field.name) {
            lists.push(format!("{}={}", field.short_name(), sought(kind, field)));
        }
    }
    lists
}

/// Records of each kind, spread over states, teams, people and time.
async fn fill(server: &Server) -> [(&'static str, String); 4] {
    let by_name = |name: &str| kinds().into_iter().find(|kind| kind.name == name).unwrap();
    let (incident, interaction) = (by_name("incident"), by_name("interaction"));
    for (name, field_type) in [("a_text", "text"), ("a_integer", "integer")] {
        let body = json!({"kind": "incident", "name": name, "label": "A", "field_type": field_type});
        server.post("/api/v1/custom-fields", body).by(Admin).expect(201).await;
    }
    let assembly = &server.assembly;
    let teams = [("service-desk", Alex), ("network", Nora)]
        .map(|(name, member)| (people::team(assembly, name).to_string(), member.id(assembly).to_string()));
    let requesters = [(Rita, "Acme"), (Rob, "Acme"), (Vera, "Acme"), (Ben, "Bolt")]
        .map(|(person, of)| (person.id(assembly).to_string(), people::organisation(assembly, of).to_string()));
    let (mut services, mut things) = (Vec::new(), Vec::new());
    for at in 0..8 {
        let (team, member) = &teams[at % 2];
        let more = json!({"title": "A service", "owner_id": member, "support_team_id": team});
        services.push(create_with(server, by_name("service"), more).await.field("id"));
        let more = json!({"title": "A thing", "class": (["server", "printer"][at % 2]), "support_team_id": team});
        things.push(create_with(server, by_name("configuration_item"), more).await.field("id"));
    }
    let mut parent = Value::Null;
    for at in 0..120 {
        server.at(&assembly.clock.now().plus(chrono::TimeDelta::minutes(1)).to_string());
        let ((team, member), (requester, organisation)) = (&teams[at % 2], &requesters[at % 4]);
        let more = json!({
            "title": (["Printer jams", "Mail is late", "No network"][at % 3]),
            "impact": at % 3 + 1, "urgency": at % 2 + 1, "team_id": team,
            "assignee_id": (at % 3 == 0).then_some(member),
            "requester_id": requester, "organisation_id": organisation,
            "service_id": services[at % 8], "configuration_item_id": things[at % 8],
            "category": format!("category-{}", at % 6), "subcategory": format!("part-{}", at % 30),
            "parent_id": if at % 5 == 0 { Value::Null } else { parent.clone() },
            "tags": ([["printer", "vip"], ["mail", "vip"]][at % 2]),
            "custom": {"a_text": format!("text {at}"), "a_integer": at},
        });
        let made = create_with(server, incident, more).await;
        if at % 5 == 0 {
            parent = json!(made.field("id"));
        }
        if at % 4 == 3 {
            server.post(&format!("{}/start", one(incident, &made)), json!({})).by(Admin).expect(200).await;
        }
        if at % 4 == 0 {
            create_with(server, interaction, json!({"title": "A call", "requester_id": requester})).await;
        }
        if at % 6 == 0 {
            let cause = (at % 18 == 0).then_some("Old logs are kept");
            let known = json!({"title": "Mail stops", "cause": cause, "workaround": cause});
            create_with(server, by_name("problem"), known).await;
            create_with(server, by_name("change"), json!({"title": "Keep logs for a week"})).await;
        }
    }
    let [(team, _), _] = teams;
    let [(person, organisation), ..] = requesters;
    let service = services.swap_remove(0);
    [("{team}", team), ("{person}", person), ("{organisation}", organisation), ("{service}", service)]
}

/// What is asked, and how it is answered.
struct Plans<'a> {
    server: &'a Server,
    connection: AnyConnection,
    ids: [(&'static str, String); 4],
    /// Whose plans are written down. What is not new is not told of again, nor that it was sent: whether it is hangs on what the
    /// server has in memory.
    known: BTreeSet<String>,
    text: String,
    faults: Vec<String>,
}

impl Plans<'_> {
    /// Asks for a list and writes down the plans of what the server asks its database for it. Gives where the next page is.
    async fn of(&mut self, path: &str, list: &str, by: Person) -> Option<String> {
        let what = format!("{path}?{list}").trim_end_matches('?').to_owned();
        let mut query = list.replace(' ', "%20").replace(">=", "%3E%3D").replace("<=", "%3C%3D").replace(':', "%3A");
        for (name, id) in &self.ids {
            query = query.replace(name, id);
        }
        self.explain(&what, &format!("{path}?{query}"), by).await
    }

    async fn explain(&mut self, what: &str, url: &str, by: Person) -> Option<String> {
        heard(self.server);
        let answer = self.server.get(url).by(by).send().await;
        let statements = of_records(heard(self.server));
        if answer.status == 403 {
            return None;
        }
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(!statements.is_empty(), "{what}: nobody listens");
        writeln!(self.text, "\n{what}  ({by:?})").unwrap();
        for sql in statements {
            if self.known.contains(&sql) {
                continue;
            }
            let steps = plan(&mut self.connection, &sql);
            self.known.insert(sql);
            if !EXCEPTIONS.contains(&what) {
                self.faults.extend(whole_reads(&steps).iter().map(|step| format!("{what} ({by:?}): {step}")));
            }
            for (at, step) in told(self.connection.engine(), steps).iter().enumerate() {
                writeln!(self.text, "{}{step}", if at == 0 { "  * " } else { "    " }).unwrap();
            }
        }
        Some(answer.field("next_cursor")).filter(|next| !next.is_empty())
    }

    /// The second page, too.
    async fn two_pages(&mut self, path: &str, list: &str, by: Person) {
        let joint = if list.is_empty() { "limit=3".to_owned() } else { format!("{list}&limit=3") };
        let answer = self.server.get(&format!("{path}?{joint}")).by(by).send().await;
        if answer.status == 200 && !answer.field("next_cursor").is_empty() {
            let next = format!("{path}?{joint}&cursor={}", answer.field("next_cursor"));
            self.explain(&format!("{path}?{joint}, second page"), &next, by).await;
        }
    }
}

#[actix_web::test]
async fn lists_and_searches_are_answered_by_indexes() {
    listen();
    let server = Server::start().await;
    let ids = fill(&server).await;
    let connection = planner(&server);
    let mut plans =
        Plans { server: &server, connection, ids, known: BTreeSet::new(), text: String::new(), faults: Vec::new() };
    // Reads every record once, so that what follows is the lists alone.
    for kind in kinds() {
        plans.of(&all(kind), "limit=200", Admin).await;
    }
    for by in [Admin, Alex, Rita] {
        for kind in kinds() {
            for list in lists_of(kind) {
                plans.of(&all(kind), &list, by).await;
            }
        }
        for list in LISTS {
            plans.of("/api/v1/incidents", list, by).await;
        }
        for list in ["", "sort=updated_at", "number=INC0000001", "state=new", "q=printer", "count=true", "tags=printer"]
        {
            plans.of("/api/v1/records", list, by).await;
        }
        for path in ["/api/v1/incidents", "/api/v1/records"] {
            for sort in ["", "sort=number", "sort=-updated_at", "sort=priority,opened_at"] {
                plans.two_pages(path, sort, by).await;
            }
        }
    }
    assert!(plans.faults.is_empty(), "{}", plans.faults.join("\n"));
    // Among indexes that serve equally well PostgreSQL takes one today and the other tomorrow.
    if plans.connection.engine() == Engine::Sqlite {
        golden::holds("tests/api/golden/plans_sqlite.txt", &plans.text);
    }
}

#[actix_web::test]
async fn a_table_that_has_doubled_is_known_to_have() {
    let server = Server::start().await;
    let mut connection = AnyConnection::open(&server.url()).unwrap();
    let settings = |n: std::ops::Range<i32>| n.map(|n| format!("('grown {n}', '')")).collect::<Vec<_>>().join(", ");
    for (rows, known) in [(0..200, 200), (200..250, 200), (250..600, 600)] {
        let AnyConnection::Postgres(c) = &mut connection else { return };
        c.batch_execute(&format!("INSERT INTO setting (name, value) VALUES {}", settings(rows))).unwrap();
        c.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
        connection.learn_sizes().unwrap();
        let AnyConnection::Postgres(c) = &mut connection else { return };
        let counted =
            diesel::dsl::sql::<Integer>("(SELECT reltuples::int FROM pg_class WHERE oid = 'setting'::regclass)");
        let counted: i32 = diesel::select(counted).get_result(c).unwrap();
        assert_eq!(counted / 100 * 100, known);
    }
}

#[actix_web::test]
async fn rows_of_imports_are_recognised_by_an_index() {
    listen();
    let server = Server::start().await;
    fill(&server).await;
    heard(&server);
    let attributes = json!({"hostname": "a-thing.acme"});
    let rows = json!({"items": [{"class": "server", "title": "A thing", "attributes": attributes}]});
    server.post("/api/v1/configuration-imports?source=inventory&rehearse=true", rows).by(Admin).expect(202).await;
    server.assembly.jobs().work_off().await.unwrap();
    let asked = of_records(heard(&server));
    let mut connection = planner(&server);
    for (words, index) in [
        ("lower(trim(record.title)) = ", "configuration_item_by_folded_title"),
        ("lower(trim(text_value)) = ", "custom_value_by_folded_text"),
    ] {
        let by_words: Vec<&String> = asked.iter().filter(|sql| sql.contains(words)).collect();
        assert!(!by_words.is_empty(), "{words}");
        for sql in by_words {
            let steps = plan(&mut connection, sql);
            assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        }
    }
}

#[actix_web::test]
async fn what_custom_fields_refer_to_is_found_by_an_index() {
    listen();
    let server = Server::start().await;
    fill(&server).await;
    for field_type in ["user", "team", "configuration_item"] {
        let name = format!("a_{field_type}");
        let body = json!({"kind": "incident", "name": name, "label": "A", "field_type": field_type});
        server.post("/api/v1/custom-fields", body).by(Admin).expect(201).await;
    }
    let mut connection = planner(&server);
    for list in [
        "custom.a_user=alex",
        "custom.a_user=me",
        "custom.a_user.user_name=alex",
        "custom.a_team=network",
        "custom.a_team=my_teams",
        "custom.a_configuration_item=CI0000001",
        "custom.a_configuration_item.title=network",
    ] {
        heard(&server);
        server.get(&format!("/api/v1/incidents?{list}")).by(Admin).expect(200).await;
        let asked = of_records(heard(&server));
        let asked: Vec<&String> = asked.iter().filter(|sql| sql.contains("custom_value")).collect();
        assert!(!asked.is_empty(), "{list}");
        for sql in asked {
            let steps = plan(&mut connection, sql);
            let is_looked_up = |step: &String| step.contains("custom_value_by_text") && !step.contains("(name=?)");
            assert!(steps.iter().any(is_looked_up), "{sql}: {steps:?}");
        }
    }
}
