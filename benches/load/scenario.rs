//! What is asked of the server: each scenario is a list of requests that are sent again and again.

use pointsman::db::AnyConnection;

use crate::bare::words;

/// A request as the load generator sends it.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub header: (&'static str, String),
    pub body: String,
}

/// What there is to ask for.
pub struct Subject {
    incidents: Vec<String>,
    teams: Vec<String>,
}

/// Different requests in a scenario, at most.
const MOST: usize = 10_000;
/// Records that a run of transitions leads through their states.
const LED: usize = 2_000;
/// People of the company.
const PEOPLE: [&str; 6] = ["tomasz.wrona", "ben.hartley", "priya.raman", "kenji.mori", "grace.mbeki", "mei.tan"];
/// Words of the company's incidents: rare ones and such as stand in every twentieth.
const WORDS: [&str; 8] =
    ["printer", "laptop", "monitor flickers", "vpn", "password", "mail", "second floor", "labels blank"];

impl Request {
    fn get(path: impl Into<String>) -> Self {
        Request { method: "GET", path: path.into(), header: ("", String::new()), body: String::new() }
    }
    fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Request { method: "POST", body: body.into(), ..Request::get(path) }
    }
}

impl Subject {
    /// Picks incidents from everywhere in the database.
    pub fn of(connection: &mut AnyConnection) -> Self {
        let picked =
            format!("SELECT id AS word FROM record WHERE kind = 'incident' ORDER BY substr(id, 30) LIMIT {MOST}");
        Subject {
            incidents: words(connection, &picked),
            teams: words(connection, "SELECT id AS word FROM team ORDER BY name LIMIT 4"),
        }
    }

    /// One incident after the other, from all over.
    pub fn read(&self) -> Vec<Request> {
        self.incidents.iter().map(|id| Request::get(format!("/api/v1/incidents/{id}"))).collect()
    }

    /// The same for who has them already.
    pub fn read_again(&self) -> Vec<Request> {
        // Any tag that fits will do: `*` names whatever version there is.
        let known = ("if-none-match", "*".to_owned());
        self.read().into_iter().map(|request| Request { header: known.clone(), ..request }).collect()
    }

    /// Work lists: what is open in a state or in a team, by priority and age, with the names of people and teams.
    pub fn list(&self) -> Vec<Request> {
        let shown = "sort=priority,opened_at&limit=50&expand=requester,assignee,team";
        let states = ["new", "in_progress", "on_hold"].into_iter();
        let states = states.map(|state| format!("state%20%3D%20%22{state}%22%20AND%20priority%20%3C%3D%204"));
        let teams = self.teams.iter().map(|team| format!("phase%20%3D%20%22open%22%20AND%20team%20%3D%20%22{team}%22"));
        states.chain(teams).map(|filter| Request::get(format!("/api/v1/incidents?filter={filter}&{shown}"))).collect()
    }

    /// Words in a search box.
    pub fn search(&self) -> Vec<Request> {
        let encoded = WORDS.iter().map(|words| words.replace(' ', "%20"));
        encoded.map(|q| Request::get(format!("/api/v1/incidents?q={q}&limit=20"))).collect()
    }

    /// New incidents, each different.
    pub fn create(&self) -> Vec<Request> {
        let body = |n: usize| {
            let words = WORDS[n % WORDS.len()];
            format!(
                "{{\"title\":\"The {words} of room {n}\",\"description\":\"Since this morning the {words} does not do what it did. \
                 It was switched off and on again, which did not help.\",\"impact\":{},\"urgency\":{},\"category\":\"hardware\"}}",
                n % 3 + 1,
                n % 2 + 2
            )
        };
        (0..MOST).map(|n| Request::post("/api/v1/incidents", body(n))).collect()
    }

    /// The newest incidents that nobody has touched are taken in hand, put on hold and taken up again, over and over.
    pub fn transition(connection: &mut AnyConnection) -> Vec<Request> {
        let new = "SELECT id AS word FROM record WHERE kind = 'incident' AND state = 'new' ORDER BY id DESC";
        let led = words(connection, &format!("{new} LIMIT {LED}"));
        let step = |name: &'static str, body: &'static str| {
            led.iter().map(move |id| Request::post(format!("/api/v1/incidents/{id}/{name}"), body))
        };
        let mut requests: Vec<Request> = step("start", "{}").collect();
        for _ in 0..20 {
            requests.extend(step("hold", "{\"hold_reason\":\"supplier\"}"));
            requests.extend(step("resume", "{}"));
        }
        requests
    }

    /// Of ten requests, six read one, one lists, one searches and two write.
    pub fn mixed(&self) -> Vec<Request> {
        let (read, list, search, create) = (self.read(), self.list(), self.search(), self.create());
        let pick = |from: &[Request], n: usize| from[n % from.len()].clone();
        let ten = |n: usize| {
            let mut ten: Vec<Request> = (0..6).map(|k| pick(&read, 6 * n + k)).collect();
            ten.extend([pick(&list, n), pick(&search, n)]);
            ten.insert(2, pick(&create, 2 * n));
            ten.insert(7, pick(&create, 2 * n + 1));
            ten
        };
        (0..MOST / 10).flat_map(ten).collect()
    }

    /// People who sign in.
    pub fn login(&self) -> Vec<Request> {
        let body = |name: &&str| format!("{{\"user_name\":\"{name}\",\"password\":\"{}\"}}", crate::server::PASSWORD);
        PEOPLE.iter().map(|name| Request::post("/api/v1/auth/login", body(name))).collect()
    }

    /// One request, over and over.
    pub fn one(path: &str) -> Vec<Request> {
        vec![Request::get(path)]
    }
}
