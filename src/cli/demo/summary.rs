//! What the demonstration has made, whom to sign in as and where to look first.

use std::{collections::BTreeMap, fmt};

use diesel::prelude::*;
use serde::Serialize;

use super::{
    company::{
        A_REQUESTER, AN_AGENT, AUDITOR, CHANGE_MANAGER, COMPANY, ORGANISATIONS, PEOPLE, POLICY_ADMINISTRATOR,
        SERVICE_OWNER, TEAMS,
    },
    stories::{PLANS, Reach},
};
use crate::{
    assembly::ADMINISTRATOR,
    clock::Moment,
    config::Secret,
    db::AnyConnection,
    error::Result,
    id::RowId,
    schema::{audit, cab_meeting, configuration_baseline, decision, incident, problem, record},
};

/// What most of the network hangs on.
const CORE: &str = "core-switch-hq";
/// Who is worth being for a while, and why.
const ROLES: &[(&str, &str)] = &[
    (AN_AGENT, "works at the service desk and sees all of Marlow Freight"),
    (A_REQUESTER, "reports from the docks and sees what is theirs"),
    ("eleanor.marlow", "is a VIP: compare how their incidents are ranked and routed"),
    (POLICY_ADMINISTRATOR, "changes policies and rehearses the change on this month"),
    (CHANGE_MANAGER, "approves changes: one is waiting, and one is to be looked at afterwards"),
    (SERVICE_OWNER, "keeps services and what they rest on, and asks others whether that is right"),
    (AUDITOR, "reads everything and changes nothing"),
];

/// What was made.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The company.
    pub company: &'static str,
    /// When the month begins.
    pub from: Moment,
    /// When it ends.
    pub until: Moment,
    /// How many of what.
    pub counts: Counts,
    /// Whom to sign in as.
    pub sign_in: Vec<SignIn>,
    /// The password of all of them, where it was made up. It is shown here and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_time_password: Option<String>,
    /// Where to look first.
    pub look: Vec<Look>,
}

/// How many there are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Organisations.
    pub organisations: usize,
    /// Teams.
    pub teams: usize,
    /// People.
    pub users: usize,
    /// Records of each kind.
    pub records: BTreeMap<String, usize>,
    /// Incidents in each state.
    pub incidents: BTreeMap<String, usize>,
    /// Decisions of policies.
    pub decisions: i64,
    /// Rows of the audit trail.
    pub audit_rows: i64,
    /// What is worth a look, where it is there.
    #[serde(skip)]
    pub sights: Sights,
}

/// Numbers and ids of what is worth a look.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// The latest outage.
    pub outage: Option<String>,
    /// The latest problem whose cause and workaround are known.
    pub known_error: Option<String>,
    /// A change that is agreed and to come.
    pub change: Option<String>,
    /// What most of the network hangs on.
    pub core: Option<String>,
    /// The meeting of the board that is to come.
    pub meeting: Option<RowId>,
    /// The baseline.
    pub baseline: Option<RowId>,
}

impl Sights {
    fn find(c: &mut AnyConnection) -> Result<Self> {
        let parents =
            incident::table.filter(incident::parent_id.is_not_null()).select(incident::parent_id.assume_not_null());
        let known = problem::table.filter(problem::known_error_at.is_not_null()).select(problem::record_id);
        let last = || record::table.order((record::opened_at.desc(), record::id.desc())).select(record::number);
        let meetings = cab_meeting::table.filter(cab_meeting::state.eq("planned")).order(cab_meeting::starts_at.desc());
        let ahead = PLANS.iter().find(|plan| plan.reach == Reach::Agreed).map_or("", |plan| plan.title);
        let baselines = configuration_baseline::table.filter(configuration_baseline::taken_at.is_not_null());
        Ok(Sights {
            outage: last().filter(record::id.eq_any(parents)).first(c).optional()?,
            known_error: last().filter(record::id.eq_any(known)).first(c).optional()?,
            change: last().filter(record::title.eq(ahead)).first(c).optional()?,
            core: last().filter(record::title.eq(CORE)).first(c).optional()?,
            meeting: meetings.select(cab_meeting::id).first(c).optional()?,
            baseline: baselines.select(configuration_baseline::id).first(c).optional()?,
        })
    }

    /// What there is to see, and below which path.
    fn paths(&self) -> Vec<(&'static str, String)> {
        let of =
            |what, path: &str, name: Option<&str>, rest: &str| name.map(|name| (what, format!("{path}/{name}{rest}")));
        let (meeting, baseline) = (self.meeting.as_ref().map(RowId::as_str), self.baseline.as_ref().map(RowId::as_str));
        let change = self.change.as_deref();
        let found = [
            of("the latest outage", "/incidents", self.outage.as_deref(), ""),
            of("what hangs on the core switch", "/configuration_items", self.core.as_deref(), "/impact"),
            of("what is other than a baseline", "/configuration-baselines", baseline, "/differences"),
            Some(("how sound all that is", "/configuration-health".to_owned())),
            Some(("what was changed without a change", "/unauthorised-changes?state=open".to_owned())),
            Some(("the schedule, with a freeze", "/change-schedule".to_owned())),
            of("what a change will hit", "/changes", change, "/impact-preview"),
            of("what the board looks at next", "/cab-meetings", meeting, "/agenda"),
            of("a known error", "/problems", self.known_error.as_deref(), ""),
            Some(("what comes again and again", "/incident-clusters?by=category,service_id".to_owned())),
        ];
        found.into_iter().flatten().collect()
    }
}

/// Somebody to sign in as.
#[derive(Debug, Serialize)]
pub struct SignIn {
    /// Their user name.
    pub user_name: &'static str,
    /// Their role.
    pub role: &'static str,
    /// Why one might.
    pub because: &'static str,
}

/// Something to look at.
#[derive(Debug, Serialize)]
pub struct Look {
    /// What there is to see.
    pub what: &'static str,
    /// Where.
    pub at: String,
}

/// Counts what is there.
pub fn count(c: &mut AnyConnection) -> Result<Counts> {
    let rows: Vec<(String, String)> = record::table.select((record::kind, record::state)).load(c)?;
    let mut counts = Counts {
        organisations: ORGANISATIONS.len(),
        teams: TEAMS.len(),
        users: PEOPLE.len(),
        decisions: decision::table.count().get_result(c)?,
        audit_rows: audit::table.count().get_result(c)?,
        sights: Sights::find(c)?,
        ..Counts::default()
    };
    for (kind, state) in rows {
        if kind == "incident" {
            *counts.incidents.entry(state).or_default() += 1;
        }
        *counts.records.entry(kind).or_default() += 1;
    }
    Ok(counts)
}

impl Summary {
    /// What to tell whoever asked for it.
    pub fn new(
        base: &str,
        (from, until): (Moment, Moment),
        counts: Counts,
        password: &Secret,
        (one_time, administrator): (bool, bool),
    ) -> Self {
        let mut sign_in: Vec<SignIn> = ROLES
            .iter()
            .map(|(user_name, because)| {
                let role = PEOPLE.iter().find(|p| p.user_name == *user_name).map_or("", |p| p.role);
                SignIn { user_name, role, because }
            })
            .collect();
        if administrator {
            sign_in.push(SignIn { user_name: ADMINISTRATOR, role: "administrator", because: "may do everything" });
        }
        let look = |what, path: String| Look { what, at: format!("{base}{path}") };
        let mut looks = vec![
            look("the documentation, to try it out", "/docs".to_owned()),
            look("what is most urgent now", "/api/v1/incidents?phase=open&sort=priority".to_owned()),
        ];
        let sights = counts.sights.paths().into_iter();
        looks.extend(sights.map(|(what, path)| look(what, format!("/api/v1{path}"))));
        Summary {
            company: COMPANY,
            from,
            until,
            counts,
            sign_in,
            one_time_password: one_time.then(|| password.expose().to_owned()),
            look: looks,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f, "{} is there, with a month of records.", self.company)?;
        writeln!(f)?;
        writeln!(f, "  {:<20} {} to {}", "month", self.from.utc().date_naive(), self.until.utc().date_naive())?;
        for (what, n) in [("organisations", counts.organisations), ("teams", counts.teams), ("people", counts.users)] {
            writeln!(f, "  {what:<20} {n:>5}")?;
        }
        for (kind, n) in &counts.records {
            writeln!(f, "  {:<20} {n:>5}", format!("{}s", kind.replace('_', " ")))?;
            for (state, n) in counts.incidents.iter().filter(|_| kind == "incident") {
                writeln!(f, "    {:<18} {n:>5}", state.replace('_', " "))?;
            }
        }
        writeln!(f, "  {:<20} {:>5}", "policy decisions", counts.decisions)?;
        writeln!(f, "  {:<20} {:>5}", "audit rows", counts.audit_rows)?;
        writeln!(f, "\nSign in as")?;
        for SignIn { user_name, role, because } in &self.sign_in {
            writeln!(f, "  {user_name:<20} {role:<21} {because}")?;
        }
        match &self.one_time_password {
            Some(password) => writeln!(
                f,
                "  with the one-time password {password}\n  (shown this once; it is the same for everybody, and each chooses their own at the first sign-in)"
            )?,
            None => writeln!(f, "  with the password that you gave")?,
        }
        write!(f, "\nLook at (after `pointsman serve`)")?;
        self.look.iter().try_for_each(|Look { what, at }| write!(f, "\n  {what:<34} {at}"))
    }
}
