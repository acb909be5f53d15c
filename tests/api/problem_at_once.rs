//! An incident that is linked with a problem while its workaround is published: whichever comes first, it is told, and once.

use std::{sync::mpsc, time::Duration};

use pointsman::{
    error::Result,
    practice::{
        incident::IncidentPractice,
        problem::incidents::{Audience, publish_workaround},
    },
    record::{
        cause::{Cause, Policies, Via},
        kind::Kind,
        link,
        practice::Practice,
        store::Desk,
    },
};
use serde_json::json;

use crate::support::{Person::*, Server};

const INCIDENT: &Kind = &IncidentPractice::KIND;
/// How long the first transaction stays open for the second, which waits for it where it has to.
const OPEN: Duration = Duration::from_millis(500);

/// Does one thing, and another one, on another connection where there are several, before the first is committed.
async fn do_both<A, B>(server: &Server, mut one: A, mut other: B)
where
    A: FnMut(&mut Desk<'_, '_>) -> Result<()> + Send + 'static,
    B: FnMut(&mut Desk<'_, '_>) -> Result<()> + Send + 'static,
{
    let cause = Cause {
        caller: server.assembly.server.clone(),
        via: Via::Api,
        request_id: "at-once".to_owned(),
        reason: String::new(),
        at: server.assembly.clock.now(),
        policies: Policies::Decide,
        depth: 0,
    };
    let (writer, kernel) = (server.assembly.writer.clone(), server.assembly.kernel.clone());
    let (written, mut is_written) = tokio::sync::mpsc::unbounded_channel();
    let (done, is_done) = mpsc::channel();
    let of_one = (kernel.clone(), cause.clone());
    let first = writer.submit(move |unit| {
        one(&mut Desk { kernel: &of_one.0, unit: &mut *unit, cause: &of_one.1 })?;
        unit.connection()?;
        let _ = written.send(());
        let _ = is_done.recv_timeout(2 * OPEN);
        Ok(())
    });
    is_written.recv().await.unwrap();
    let second = writer.submit(move |unit| other(&mut Desk { kernel: &kernel, unit, cause: &cause }));
    let (first, mut second) = (first.unwrap(), second.unwrap());
    let early = tokio::time::timeout(OPEN, &mut second).await;
    let _ = done.send(());
    first.await.unwrap().unwrap();
    match early {
        Ok(answer) => answer,
        Err(_) => second.await,
    }
    .unwrap()
    .unwrap();
}

#[actix_web::test]
async fn a_link_and_a_publication_at_once_miss_no_incident() {
    for link_is_first in [true, false] {
        let server = Server::start_with(|config| config.database.writers = 4).await;
        let problem = json!({"title": "A full disk", "workaround": "Use the web mail."});
        let problem = server.post("/api/v1/problems", problem).by(Alex).expect(201).await.field("id");
        let incident =
            server.post("/api/v1/incidents", json!({"title": "Mail"})).by(Alex).expect(201).await.field("id");
        let (of, to) = (incident.parse().unwrap(), problem.clone());
        let link = move |desk: &mut Desk<'_, '_>| link::create(desk, INCIDENT, of, None, "caused_by", &to).map(|_| ());
        let id = problem.parse().unwrap();
        let publish =
            move |desk: &mut Desk<'_, '_>| publish_workaround(desk, id, None, None, Audience::Public).map(|_| ());
        if link_is_first {
            do_both(&server, link, publish).await;
        } else {
            do_both(&server, publish, link).await;
        }
        let journal = server.get(&format!("/api/v1/incidents/{incident}/journal")).by(Alex).expect(200).await.json();
        let told: Vec<_> = journal["items"].as_array().unwrap().iter().map(|entry| &entry["body"]).collect();
        assert_eq!(told, [&json!("Workaround: Use the web mail.")], "the link was first: {link_is_first}");
    }
}
