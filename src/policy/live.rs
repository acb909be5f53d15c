//! The policies that are live on this node, and the kernel's way to ask them.
//!
//! What is live is one immutable value that is swapped as a whole when the [epoch](crate::db::epoch) of policies is another.
//!
//! **Invariant:** an evaluation sees one version of everything: policies, tables, calendars and teams.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use diesel::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    build::Tables,
    chain::{self, ActivePolicy, Bundle, PolicyRef, Run, Verdict, Version},
    decision::Decision,
    effect,
    evaluate::{Evaluation, Input},
    facts::Schemas,
    gather,
    host::{Host, Offline},
    log::{LogEntry, LoggedInput},
    outcome,
    store::{PolicyRow, TableRow, VersionRow},
    table::Table,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, Database, Epoch, JsonText},
    error::{Code, Error, Result},
    id::{RecordId, RowId, TeamId},
    record::{
        calendar::{Calendars, row::CalendarRow},
        class::Classes,
        decide::{Answer, Decide, DecisionRow, Question, SHADOW},
        on_call::{self, Schedule},
    },
    schema::team,
};

/// The policies that are live on this node.
pub struct Policies {
    live: ArcSwap<Live>,
    epoch: Epoch,
    database: Database,
}

/// Everything that an evaluation sees beside the record.
pub struct Live {
    epoch: Arc<str>,
    bundle: Bundle,
    /// For each version that runs in the shadow of a live one the policies of its decision, with it in the place of its policy.
    shadows: Vec<Shadow>,
    tables: Arc<Tables>,
    teams: Arc<BTreeMap<String, TeamId>>,
    calendars: Arc<Calendars>,
    on_call: Arc<[(String, Schedule)]>,
    schemas: Schemas,
    classes: Classes,
}

/// The policies of a decision about a kind, with a version that runs in the shadow in the place of its policy.
struct Shadow {
    decision: Decision,
    kind: &'static str,
    bundle: Bundle,
}

/// With what something was found out: it stands for as long as nothing that policies are asked with has changed.
#[derive(Clone, Debug)]
pub struct AsOf(Arc<str>);

impl AsOf {
    /// Refuses what was found out before a change, and keeps others from making one until the transaction ends.
    ///
    /// # Errors
    /// [`Code::Conflict`].
    pub fn must_be_now(&self, connection: &mut AnyConnection) -> Result<()> {
        if Epoch::of_policies().held(connection)? == *self.0 {
            return Ok(());
        }
        let detail = "A policy, a table or something else with which it was checked has changed meanwhile; try again.";
        Err(Error::new(Code::Conflict, detail))
    }
}

impl Policies {
    /// Reads what is live.
    pub fn load(connection: &mut AnyConnection, database: Database) -> Result<Self> {
        let epoch = Epoch::of_policies();
        let current = epoch.current(connection)?;
        let live = Live::read(connection, current, None)?;
        Ok(Policies { live: ArcSwap::from_pointee(live), epoch, database })
    }

    /// What is live, looked up again when it may be old.
    pub fn current(&self, connection: &mut AnyConnection) -> Result<Arc<Live>> {
        let (epoch, known) = (self.epoch.current(connection)?, self.live.load_full());
        if known.epoch == epoch {
            return Ok(known);
        }
        let live = Arc::new(Live::read(connection, epoch, Some(&known))?);
        self.live.store(live.clone());
        Ok(live)
    }

    /// What was last known to be live.
    pub fn known(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Makes the next question look again: something was published here.
    pub fn expire(&self) {
        self.epoch.expire();
    }

    /// Who answers what a script looks up.
    pub fn host(&self, live: &Live) -> Arc<dyn Host> {
        self.answering(live, live.tables.clone())
    }

    /// The same with other tables.
    pub fn host_with(&self, live: &Live, tables: Tables) -> Arc<dyn Host> {
        self.answering(live, Arc::new(tables))
    }

    fn answering(&self, live: &Live, tables: Arc<Tables>) -> Arc<dyn Host> {
        let (teams, calendars, on_call) = (live.teams.clone(), live.calendars.clone(), live.on_call.clone());
        Arc::new(LiveHost { tables, teams, calendars, on_call, database: self.database.clone() })
    }
}

impl Live {
    fn read(connection: &mut AnyConnection, epoch: Arc<str>, known: Option<&Live>) -> Result<Live> {
        let named: Vec<(String, TeamId)> =
            team::table.filter(team::active.eq(true)).select((team::name, team::id)).load(connection)?;
        let teams = Arc::new(named.iter().cloned().collect());
        let schemas = gather::schemas(connection)?;
        let classes = Classes::read(connection, gather::ITEM)?;
        let mut tables = Tables::new();
        for row in TableRow::all(connection)? {
            tables.insert(row.name.clone(), Arc::new(row.table()?));
        }
        let calendars = CalendarRow::all_ready(connection)?;
        let bundle = Bundle::new(active(connection, known.map(|k| &k.bundle))?);
        let shadows = shadows(connection, &bundle)?;
        let (tables, calendars) = (Arc::new(tables), Arc::new(calendars));
        let on_call = on_call::row::by_team(connection)?.into_iter().filter_map(|(id, schedule)| {
            let (team, _) = named.iter().find(|(_, team)| *team == id)?;
            Some((team.clone(), schedule))
        });
        let on_call = on_call.collect();
        Ok(Live { epoch, bundle, shadows, tables, teams, calendars, on_call, schemas, classes })
    }

    /// Until when what is found out with it stands.
    pub fn as_of(&self) -> AsOf {
        AsOf(self.epoch.clone())
    }

    /// What a script sees of records.
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// The classes of configuration items; those that were made lately may be missing.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Whether any policy is asked this decision about a kind.
    fn asks(&self, decision: Decision, kind: &'static str) -> bool {
        !self.bundle.policies(decision, kind).is_empty() || self.shadows_of(decision, kind).next().is_some()
    }

    /// What runs in the shadow of the policies of a decision about a kind.
    fn shadows_of(&self, decision: Decision, kind: &'static str) -> impl Iterator<Item = &Shadow> {
        self.shadows.iter().filter(move |shadow| shadow.decision == decision && shadow.kind == kind)
    }

    /// The policies.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Who answers what the tests of a policy look up: the live tables and calendars, any team and any user.
    pub fn offline(&self) -> Arc<dyn Host> {
        let tables = self.tables.values().map(|table| Table::clone(table));
        Arc::new(Offline::new(tables).with_calendars(Calendars::clone(&self.calendars)))
    }

    /// The team of a name.
    pub fn team(&self, name: &str) -> Option<TeamId> {
        self.teams.get(name).copied()
    }

    /// The name of a team.
    pub fn team_name(&self, id: &str) -> Option<&str> {
        self.teams.iter().find(|(_, team)| team.as_str() == id).map(|(name, _)| name.as_str())
    }
}

/// The versions that run in the shadow, each among the policies that are asked with it.
fn shadows(connection: &mut AnyConnection, bundle: &Bundle) -> Result<Vec<Shadow>> {
    let (mut shadows, all) = (Vec::new(), PolicyRow::all(connection)?);
    for (policy, version) in VersionRow::in_shadow(connection)? {
        let decision = policy.decision()?;
        let Ok(version) = version.build(connection)?.compiled(version.number.into(), decision) else { continue };
        let kind = version.program.kind();
        let tried = ActivePolicy::tried(policy.id.to_string(), &policy.name, version, SHADOW);
        let is_asked =
            |row: &&PolicyRow| bundle.policies(decision, kind).iter().any(|asked| asked.id == row.id.as_str());
        let before = all.iter().filter(is_asked).filter(|row| row.is_before(&policy)).count();
        shadows.push(Shadow { decision, kind, bundle: bundle.rehearsal_with(tried, before) });
    }
    Ok(shadows)
}

/// The enabled policies with their active and last good versions, compiled; what does not compile any more fails when it is asked.
/// What has not changed is taken over with its breaker, so that publishing one policy does not close that of another.
fn active(connection: &mut AnyConnection, known: Option<&Bundle>) -> Result<Vec<Arc<ActivePolicy>>> {
    let known: Vec<&Arc<ActivePolicy>> = known.into_iter().flat_map(Bundle::all).collect();
    let mut active: Vec<Arc<ActivePolicy>> = Vec::new();
    for row in PolicyRow::all(connection)? {
        let Some(number) = row.active_version.filter(|_| row.enabled) else { continue };
        let same = |p: &&&Arc<ActivePolicy>| p.id == row.id.as_str() && p.active.number == i64::from(number);
        if let Some(same) = known.iter().find(same) {
            active.push(Arc::clone(same));
            continue;
        }
        let decision = row.decision()?;
        let (version, last_good) = (row.version(connection, number)?, row.last_good(connection)?);
        let mut compiled = |version: VersionRow| -> Result<Version> {
            Ok(version.build(connection)?.stored(version.number.into(), (decision, &row.kind), &row.name))
        };
        let (asked, last_good) = (compiled(version)?, last_good.map(&mut compiled).transpose()?);
        let policy = ActivePolicy::new(row.id.to_string(), &row.name, asked, last_good);
        policy.tell_breaker(false);
        active.push(Arc::new(policy));
    }
    Ok(active)
}

impl Policies {
    /// What the versions that run in the shadow come to. None of it is carried out.
    fn in_shadow(
        &self,
        live: &Live,
        verdict: &Verdict,
        input: &Input,
        logged: &LoggedInput,
        question: &Question<'_>,
    ) -> Result<Vec<DecisionRow>> {
        let mut rows = Vec::new();
        let Some(decision) = Decision::named(question.decision) else { return Ok(rows) };
        for Shadow { bundle, .. } in live.shadows_of(decision, question.kind.name) {
            let shadow = chain::decide(bundle, decision, input, &self.host(live));
            let Some(run) = shadow.runs.iter().find(|run| run.policy.mode == SHADOW) else { continue };
            let [before, after] = [verdict, &shadow].map(|verdict| outcome::of(decision, verdict, &input.record));
            let differs = outcome::differences(&before, &after);
            let differs = if differs.is_empty() { None } else { Some(JsonText::of(&differs)?) };
            let place = i32::try_from(verdict.runs.len() + rows.len()).unwrap_or(i32::MAX);
            rows.push(DecisionRow { differs, ..row(place, run, logged, question)? });
        }
        Ok(rows)
    }
}

impl Decide for Policies {
    fn decide(&self, connection: &mut AnyConnection, question: &Question<'_>) -> Result<Answer> {
        let Some(decision) = Decision::named(question.decision) else { return Ok(Answer::default()) };
        let live = self.current(connection)?;
        // Every record has a priority; about the rest nobody has anything to say where there is no policy.
        let kind = question.kind.name;
        if decision != Decision::Priority && !live.asks(decision, kind) {
            return Ok(Answer::default());
        }
        let input = gather::input(connection, &live, question)?;
        let rehearsal = question.rehearsal.then(|| live.bundle.rehearsal(decision, kind));
        let bundle = rehearsal.as_ref().unwrap_or(&live.bundle);
        let only = (!question.only.is_empty()).then(|| bundle.only(decision, kind, question.only));
        let bundle = only.as_ref().unwrap_or(bundle);
        let verdict = if question.cause.is_too_deep() {
            let verdict = chain::unasked(bundle, decision, kind, question.cause.depth);
            // A new record needs an answer; what there is stays as it is.
            let is_needed = question.before.is_none() && decision != Decision::Escalation;
            Verdict { fallback: verdict.fallback.filter(|_| is_needed), ..verdict }
        } else {
            chain::decide(bundle, decision, &input, &self.host(&live))
        };
        let logged = LoggedInput::of(&input)?;
        let places = (0..).zip(&verdict.runs);
        let mut log = places.map(|(place, run)| row(place, run, &logged, question)).collect::<Result<Vec<_>>>()?;
        if !question.rehearsal && !question.cause.is_too_deep() {
            log.extend(self.in_shadow(&live, &verdict, &input, &logged, question)?);
        }
        Ok(Answer { effects: effect::of(connection, &live, decision, &verdict, &input.record)?, log })
    }

    fn expire(&self) {
        Policies::expire(self);
    }
}

/// A run as a row of the decision log, in its place among those of one decision.
///
/// # Errors
/// None: what a run leaves is text and numbers.
pub fn row(place: i32, run: &Run, input: &LoggedInput, question: &Question<'_>) -> Result<DecisionRow> {
    let (cause, Run { policy, evaluation: run }) = (question.cause, run);
    let told = json!({
        "request": cause.request_id, "actor": cause.caller.user, "via": cause.via.as_text(), "depth": cause.depth,
    });
    Ok(DecisionRow {
        id: RowId::new(),
        at: cause.at,
        // The kernel puts the record's own id in its place.
        record_id: RecordId::new(),
        record_version: 0,
        kind: question.decision.to_owned(),
        cause: JsonText::of(&told)?,
        policy_id: policy.id.parse().ok(),
        policy_version: i32::try_from(policy.version).ok(),
        policy_sha256: policy.sha256.clone(),
        mode: policy.mode.clone(),
        input: input.text.clone(),
        input_sha256: input.sha256.clone(),
        host_calls: JsonText::of(&run.host_calls)?,
        result: JsonText::of(&run.effects)?,
        applied: JsonText::empty_list(),
        discarded: JsonText::empty_list(),
        rules: JsonText::of(&run.rules)?,
        outcome: serde_json::to_value(run.outcome).ok().and_then(|o| o.as_str().map(str::to_owned)).unwrap_or_default(),
        error: run.error.as_ref().map(JsonText::of).transpose()?,
        operations: i64::try_from(run.operations).unwrap_or(i64::MAX),
        microseconds: i64::try_from(run.microseconds).unwrap_or(i64::MAX),
        place,
        differs: None,
    })
}

/// A row of the decision log as an entry again, to be explained or replayed. `policy` is the name of its policy, `number`
/// that of its record.
///
/// # Errors
/// A row that this server never wrote.
pub fn entry(row: &DecisionRow, policy: String, number: String) -> Result<LogEntry> {
    let strange = || Error::internal(format!("decision {} can't be read", row.id));
    let policy = PolicyRef {
        id: row.policy_id.map(|id| id.to_string()).unwrap_or_default(),
        name: policy,
        version: row.policy_version.unwrap_or_default().into(),
        sha256: row.policy_sha256.clone(),
        mode: row.mode.clone(),
    };
    let evaluation = Evaluation {
        outcome: serde_json::from_value(Json::from(row.outcome.as_str())).map_err(Error::internal)?,
        effects: row.result.read()?,
        rules: row.rules.read()?,
        host_calls: row.host_calls.read()?,
        operations: row.operations.unsigned_abs(),
        microseconds: row.microseconds.unsigned_abs(),
        error: row.error.as_ref().map(JsonText::read).transpose()?,
    };
    Ok(LogEntry {
        decision: Decision::named(&row.kind).ok_or_else(strange)?,
        record: Some(number),
        input: row.input.read()?,
        run: Run { policy: Arc::new(policy), evaluation },
    })
}

/// Answers from the server's own data.
struct LiveHost {
    tables: Arc<Tables>,
    teams: Arc<BTreeMap<String, TeamId>>,
    calendars: Arc<Calendars>,
    on_call: Arc<[(String, Schedule)]>,
    database: Database,
}

impl Host for LiveHost {
    fn team_exists(&self, name: &str) -> bool {
        self.teams.contains_key(name)
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        Ok(self.database.apart(|connection| effect::user_id(connection, name))?.is_some())
    }
    fn team_names(&self) -> Vec<String> {
        self.teams.keys().cloned().collect()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        Some(self.calendars.get(calendar)?.is_open(at))
    }
    fn calendar_names(&self) -> Vec<String> {
        self.calendars.keys().cloned().collect()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        let mut schedules = self.on_call.iter().filter(|(of, _)| of == team);
        let (user, _) = schedules.find_map(|(_, schedule)| schedule.on_call(at))?;
        // Where nobody can tell the name at the moment, nobody is on call: a policy goes on with what it does then.
        self.database.apart(|connection| gather::user_name(connection, user.as_str())).ok().flatten()
    }
}
