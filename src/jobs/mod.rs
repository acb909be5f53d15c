//! What the server does by itself: timers that are due, jobs that wait, and forgetting what need not be kept.
//!
//! Every node runs these. Timers are locked by the database while they fire, the row of a job or of a message names the
//! node that works on it, and forgetting twice is forgetting once, so nodes need not know of each other.

mod clocks;
mod mail;
mod publish;
mod retention;
mod shadow;
mod timers;
mod webhooks;
mod work;

use std::{sync::Arc, time::Duration};

use futures_util::future::{LocalBoxFuture, join_all};

use crate::{
    auth::caller::Caller,
    clock::Clock,
    config::{self, Attachments},
    db::{Database, Engine, writer::Writer},
    error::Result,
    id::RowId,
    integration::{mail::smtp::Postman, webhook::Post},
    policy,
    record::{
        cause::{Cause, Policies, Via},
        job::Bench,
        kernel::Kernel,
        pending::Pending,
        store::Desk,
    },
};

/// What the jobs work with.
#[derive(Clone)]
pub struct Jobs {
    /// The practices and policies.
    pub kernel: Arc<Kernel>,
    /// The policies that are live.
    pub policies: Arc<policy::live::Policies>,
    /// For reading.
    pub database: Database,
    /// For writing.
    pub writer: Writer<Pending>,
    /// What time it is.
    pub clock: Clock,
    /// In whose name the server acts.
    pub server: Arc<Caller>,
    /// Where attachments are kept.
    pub attachments: Attachments,
    /// What a version of a policy needs before it goes live.
    pub rules: config::Policy,
    /// How fast webhooks may go.
    pub webhooks: config::Webhooks,
    /// Sends their messages.
    pub post: Arc<Post>,
    /// How people are written to.
    pub mail: config::Mail,
    /// Sends mail; nobody where it is off.
    pub postman: Option<Arc<Postman>>,
    /// By what the others know this process.
    pub node: RowId,
}

/// How often timers are looked at.
const TIMERS: Duration = Duration::from_secs(1);
/// How often timers are looked for that are due and did not fire.
const AUDIT: Duration = Duration::from_secs(15);
/// How often events are looked for that webhooks want, and messages that are due.
const WEBHOOKS: Duration = Duration::from_secs(1);
/// How often events are looked for that people are told of, digests that are due, and mail that is.
const MAIL: Duration = Duration::from_secs(1);
/// How often jobs are looked for.
const WORK: Duration = Duration::from_millis(500);
/// How often versions of policies in the shadow are looked at.
const SHADOW: Duration = Duration::from_secs(10);
/// How often the planner of PostgreSQL is told what has grown.
const SIZES: Duration = Duration::from_secs(5);
/// How often the graph of what depends on what is brought up to date, so that those who ask need not wait for it.
const GRAPH: Duration = Duration::from_secs(1);
/// How often what is old is forgotten.
const RETENTION: Duration = Duration::from_secs(600);

impl Jobs {
    /// Runs until the future is dropped.
    pub async fn run(self) {
        let all: [LocalBoxFuture<'_, ()>; 14] = [
            Box::pin(repeat(TIMERS, "timers", || self.fire_timers())),
            Box::pin(repeat(AUDIT, "audit of timers", || timers::audit(&self))),
            Box::pin(repeat(TIMERS, "clocks", || self.recheck_clocks())),
            Box::pin(repeat(RETENTION, "retention", || self.forget_old())),
            Box::pin(repeat(SIZES, "sizes", || self.learn_sizes())),
            Box::pin(repeat(GRAPH, "graph", || self.follow_graph())),
            Box::pin(repeat(TIMERS, "publish", || self.publish_due())),
            Box::pin(repeat(WORK, "work", || self.work_off())),
            Box::pin(repeat(WEBHOOKS, "messages", || self.make_messages())),
            Box::pin(repeat(WEBHOOKS, "deliveries", || self.deliver_messages())),
            Box::pin(repeat(MAIL, "mail", || self.make_mail())),
            Box::pin(repeat(MAIL, "digests", || self.make_digests())),
            Box::pin(repeat(MAIL, "sending", || self.send_mail())),
            Box::pin(repeat(SHADOW, "shadow", || self.watch_shadows())),
        ];
        join_all(all).await;
    }

    /// Lets clocks follow the service levels and calendars that have changed; gives how many did.
    pub async fn recheck_clocks(&self) -> Result<usize> {
        clocks::recheck(self).await
    }

    /// Fires the timers that are due; gives how many.
    pub async fn fire_timers(&self) -> Result<usize> {
        timers::fire(self).await
    }

    /// Forgets what need not be kept; gives how many rows.
    pub async fn forget_old(&self) -> Result<usize> {
        retention::forget(self).await
    }

    /// Publishes the versions of policies that are to go live by now; gives how many.
    pub async fn publish_due(&self) -> Result<usize> {
        publish::publish_due(self).await
    }

    /// Lets go of versions of policies in the shadow that fail too often; gives how many.
    pub async fn watch_shadows(&self) -> Result<usize> {
        shadow::watch(self).await
    }

    /// Works on the jobs that wait; gives how many.
    pub async fn work_off(&self) -> Result<usize> {
        work::work_off(self).await
    }

    /// Makes messages of the events that webhooks want; gives how many.
    pub async fn make_messages(&self) -> Result<usize> {
        webhooks::make(self).await
    }

    /// Delivers the messages of webhooks that are due; gives how many attempts were made.
    pub async fn deliver_messages(&self) -> Result<usize> {
        webhooks::deliver(self).await
    }

    /// Makes messages of the events that people are told of; gives how many.
    pub async fn make_mail(&self) -> Result<usize> {
        mail::make(self).await
    }

    /// Makes the digests that are due; gives how many.
    pub async fn make_digests(&self) -> Result<usize> {
        mail::digest(self).await
    }

    /// Sends the messages that are due; gives how many attempts were made.
    pub async fn send_mail(&self) -> Result<usize> {
        mail::send(self).await
    }

    fn stage(&self) -> policy::back_test::run::Stage {
        policy::back_test::run::Stage {
            policies: self.policies.clone(),
            database: self.database.clone(),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            pace: Default::default(),
        }
    }

    fn bench(&self) -> Bench {
        Bench {
            kernel: self.kernel.clone(),
            database: self.database.clone(),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Lets the planner of PostgreSQL know what has grown. That of SQLite needs to know less often: with what is forgotten.
    async fn learn_sizes(&self) -> Result<usize> {
        if self.database.engine() == Engine::Postgres {
            self.writer.run(|unit| Ok(unit.connection()?.learn_sizes()?)).await?;
        }
        Ok(0)
    }

    /// Brings the graph of what depends on what up to date.
    async fn follow_graph(&self) -> Result<usize> {
        let kernel = self.kernel.clone();
        self.database.read(move |connection| kernel.graph(connection)).await?;
        Ok(0)
    }

    /// Does something in one transaction, in the server's name; `timer` is what it came through.
    async fn write<T: Send + 'static>(
        &self,
        timer: &str,
        mut work: impl FnMut(&mut Desk<'_, '_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (kernel, cause) = (self.kernel.clone(), self.cause(Via::Timer(timer.to_owned())));
        self.writer.run(move |unit| work(&mut Desk { kernel: &kernel, unit, cause: &cause })).await
    }

    fn cause(&self, via: Via) -> Cause {
        Cause {
            caller: self.server.clone(),
            via,
            request_id: RowId::new().to_string(),
            reason: String::new(),
            at: self.clock.now(),
            policies: Policies::Decide,
            depth: 0,
        }
    }
}

async fn repeat<F: Future<Output = Result<usize>>>(every: Duration, name: &str, job: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match job().await {
            Ok(0) => (),
            Ok(count) => tracing::debug!(job = name, count, "done"),
            Err(error) => {
                tracing::warn!(job = name, %error, cause = ?error.source, "a job failed; it will be tried again")
            }
        }
    }
}
