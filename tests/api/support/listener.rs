//! Hears the statements that are sent to the database of a test.

use std::{
    collections::HashMap,
    sync::{Mutex, Once},
};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use super::Server;

/// The statements of each database, by its address.
static STATEMENTS: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

/// Listens to one connection.
#[derive(Default)]
struct Listener {
    url: String,
}

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartEstablishConnection { url, .. } = event {
            self.url = url.to_owned();
        } else if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let plumbing = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET ", "PRAGMA", "SELECT 1"];
            if !plumbing.iter().any(|word| text.starts_with(word)) {
                let mut statements = STATEMENTS.lock().unwrap();
                statements.get_or_insert_default().entry(self.url.clone()).or_default().push(text);
            }
        }
    }
}

/// Begins to listen to the connections that are opened from now on: before the server is started.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_default_instrumentation(|| Some(Box::new(Listener::default()))).unwrap());
}

/// The statements since the last time this was asked, each with its values behind it.
pub fn heard(server: &Server) -> Vec<String> {
    // A connection adds parameters of its own to the address.
    let url = server.url();
    let mut statements = STATEMENTS.lock().unwrap();
    let of_server = statements.get_or_insert_default().extract_if(|address, _| address.starts_with(&url));
    of_server.flat_map(|(_, statements)| statements).collect()
}
