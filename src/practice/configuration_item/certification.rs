//! Certification: campaigns in which those who answer for configuration items say whether what is known of them is right.
//!
//! Each configuration item that a campaign's filter finds is asked of its owner and its support team. What they say is a change of the
//! configuration item, in whose history it stands. That they are asked and reminded is told by timers of the configuration item, the first of
//! which is due at once: so however many they are, a campaign starts in one short write.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ConfigurationItem, ConfigurationItemPractice};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend},
    error::{Code, Error, Result},
    id::{RecordId, RowId, TeamId, UserId},
    insert_rows,
    record::{
        draft::Aside,
        header::Header,
        kind::Kind,
        list::{Asked, List, in_body},
        practice::{Details, Practice},
        store::{self, Desk},
        timer,
    },
    schema::{certification, certification_campaign},
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// Configuration items of a campaign at most.
pub const MOST: usize = 10_000;
/// The longest comment, in characters.
pub const COMMENT: usize = 4_000;
/// So many are read in one go.
const AT_ONCE: i64 = 500;
/// What it is called among the changes of a record.
const BESIDE: &str = "certification";
/// With this the names of its timers begin; the id of the campaign follows.
const TIMER: &str = "certification:";
/// Who says it in the name of whoever is asked.
pub const MANAGE: &str = "certification.write";

/// A campaign.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = certification_campaign, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct CampaignRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub filter: String,
    pub due_at: Moment,
    pub remind_at: Option<Moment>,
    pub items: i32,
    pub created_by_id: UserId,
    pub created_at: Moment,
    pub ended_at: Option<Moment>,
}

/// A configuration item of a campaign.
#[derive(Clone, Debug, Queryable, Insertable)]
#[diesel(table_name = certification, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct CertificationRow {
    pub campaign_id: RowId,
    pub record_id: RecordId,
    pub owner_id: Option<UserId>,
    pub team_id: Option<TeamId>,
    pub outcome: Option<String>,
    pub comment: String,
    pub decided_by_id: Option<UserId>,
    pub decided_at: Option<Moment>,
}

/// What somebody says of a configuration item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CertificationOutcome)]
pub enum Verdict {
    /// What is known of it is right.
    Certified,
    /// It is not; the comment says why.
    Rejected,
}

impl Verdict {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Certified => "certified",
            Verdict::Rejected => "rejected",
        }
    }
}

/// What makes a campaign.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificationCampaign {
    /// Its name.
    #[schema(max_length = 200, examples("Servers, spring"))]
    pub name: String,
    /// What is to be looked at.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// The configuration items that are asked about, as lists of them are filtered.
    #[schema(max_length = 2000, examples("is_a = server"))]
    pub filter: String,
    /// Until when everybody is to have answered.
    pub due_at: Moment,
    /// How many days before that those who have not are reminded; not at all where nothing is said.
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 365)]
    pub remind_days: Option<i32>,
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CertificationProgress {
    /// How many are asked about.
    pub items: i64,
    /// How many are right.
    pub certified: i64,
    /// How many are not.
    pub rejected: i64,
    /// Of how many nothing was said.
    pub open: i64,
}

/// Starts a campaign: everybody is asked at once.
pub fn start(desk: &mut Desk<'_, '_>, new: &NewCertificationCampaign) -> Result<CampaignRow> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let remind_at = check(new, cause.at)?;
    let asked = Asked { filter: Some(new.filter.clone()), ..Asked::default() };
    let connection = desk.unit.connection()?;
    let list =
        List::new(kernel, connection, &cause.caller, Some(KIND), &asked, cause.at).map_err(in_body("/filter"))?;
    let mut headers: Vec<Header> = Vec::new();
    loop {
        let more = list.following(connection, headers.last(), AT_ONCE)?;
        let is_end = more.is_empty();
        headers.extend(more);
        if headers.len() > MOST || (is_end && headers.is_empty()) {
            let detail = format!("The filter finds {} configuration items; a campaign has 1 to {MOST}.", headers.len());
            return Err(Error::invalid("/filter", "wrong_length", detail));
        }
        if is_end {
            break;
        }
    }
    let campaign = CampaignRow {
        id: RowId::new(),
        name: new.name.trim().to_owned(),
        description: new.description.clone(),
        filter: new.filter.clone(),
        due_at: new.due_at,
        remind_at,
        items: i32::try_from(headers.len()).unwrap_or(i32::MAX),
        created_by_id: cause.caller.user,
        created_at: cause.at,
        ended_at: None,
    };
    diesel::insert_into(certification_campaign::table).values(&campaign).execute(connection)?;
    let ids: Vec<RecordId> = headers.iter().map(|header| header.id).collect();
    let mut rows = Vec::new();
    for part in ids.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
        rows.extend(ConfigurationItem::load(connection, part)?.into_iter().map(|item| CertificationRow {
            campaign_id: campaign.id,
            record_id: item.record_id,
            owner_id: item.owner_id,
            team_id: item.support_team_id,
            outcome: None,
            comment: String::new(),
            decided_by_id: None,
            decided_at: None,
        }));
    }
    insert_rows!(connection, certification::table, rows)?;
    for id in ids {
        timer::set_first(desk, id, &campaign.timer(), cause.at);
    }
    let told =
        json!({"name": [null, campaign.name], "filter": [null, campaign.filter], "items": [null, campaign.items]});
    desk.tell("started", ("certification_campaign", campaign.id.as_str(), 1), &told)?;
    Ok(campaign)
}

/// Refuses what can't be a campaign; gives when those who have not answered are reminded.
fn check(new: &NewCertificationCampaign, now: Moment) -> Result<Option<Moment>> {
    let length = new.name.trim().chars().count();
    if length == 0 || length > 200 {
        return Err(Error::invalid("/name", "wrong_length", "`name` has 1 to 200 characters."));
    }
    if new.description.chars().count() > 2_000 {
        return Err(Error::invalid("/description", "too_long", "`description` has at most 2000 characters."));
    }
    if new.filter.trim().is_empty() {
        return Err(Error::invalid("/filter", "required", "`filter` says what is asked about."));
    }
    if new.due_at <= now {
        return Err(Error::invalid("/due_at", "out_of_range", "`due_at` has passed."));
    }
    match new.remind_days {
        None => Ok(None),
        Some(days) if !(1..=365).contains(&days) => {
            Err(Error::invalid("/remind_days", "out_of_range", "`remind_days` is 1 to 365."))
        }
        Some(days) => Ok(Some(new.due_at.minus(TimeDelta::days(days.into())).max(now))),
    }
}

/// Says whether what is known of a configuration item is right: its owner, its support team, or whoever manages campaigns.
pub fn decide(
    desk: &mut Desk<'_, '_>,
    campaign: RowId,
    record: RecordId,
    (verdict, comment): (Verdict, &str),
) -> Result<CertificationRow> {
    let comment = comment.trim();
    if comment.chars().count() > COMMENT {
        return Err(Error::invalid("/comment", "too_long", format!("`comment` has at most {COMMENT} characters.")));
    }
    if verdict == Verdict::Rejected && comment.is_empty() {
        return Err(Error::invalid("/comment", "required", "Say what is not right."));
    }
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let connection = desk.unit.settled(record)?;
    store::visible(kernel, connection, &caller, KIND, record)?;
    let campaign = CampaignRow::find(connection, campaign)?;
    if campaign.ended_at.is_some() {
        return Err(Error::new(Code::Conflict, "The campaign has ended."));
    }
    let row = CertificationRow::find(connection, campaign.id, record)?;
    if !(row.is_asked(&caller) || caller.can(MANAGE)) {
        let detail = "Its owner and its support team are asked, and you are neither.";
        return Err(Error::new(Code::Forbidden, detail));
    }
    let told = json!({"campaign": campaign.name, "outcome": verdict, "comment": comment});
    let action = match verdict {
        Verdict::Certified => "certified",
        Verdict::Rejected => "certification_rejected",
    };
    let certified_at = (verdict == Verdict::Certified).then_some(desk.cause.at);
    let certified_at = serde_json::to_value(certified_at).map_err(Error::internal)?;
    let aside = Aside::new("read", action, BESIDE, Value::Null, told).with_field("certified_at", certified_at);
    store::beside::<ConfigurationItemPractice>(desk, record, None, aside)?;
    timer::stop(desk, record, &campaign.timer());
    let row = CertificationRow {
        outcome: Some(verdict.as_str().to_owned()),
        comment: comment.to_owned(),
        decided_by_id: Some(caller.user),
        decided_at: Some(desk.cause.at),
        ..row
    };
    row.update(desk.unit.connection()?)?;
    Ok(row)
}

/// Ends a campaign: nobody is asked or reminded any more.
pub fn end(desk: &mut Desk<'_, '_>, id: RowId) -> Result<CampaignRow> {
    let at = desk.cause.at;
    let connection = desk.unit.connection()?;
    let campaign = CampaignRow::find(connection, id)?;
    if campaign.ended_at.is_some() {
        return Err(Error::new(Code::Conflict, "The campaign has ended already."));
    }
    let row = certification_campaign::table.find(id);
    diesel::update(row).set(certification_campaign::ended_at.eq(at)).execute(connection)?;
    let mine = certification::table.filter(certification::campaign_id.eq(id));
    let open: Vec<RecordId> =
        mine.filter(certification::outcome.is_null()).select(certification::record_id).load(connection)?;
    for record in open {
        timer::stop(desk, record, &campaign.timer());
    }
    Ok(CampaignRow { ended_at: Some(at), ..campaign })
}

/// What a timer of a campaign does: tells those who are asked that they are, and reminds them before it is due and when it is.
pub(super) fn remind(desk: &mut Desk<'_, '_>, name: &str, record: RecordId) -> Result<()> {
    let Some(id) = name.strip_prefix(TIMER).and_then(|id| id.parse::<RowId>().ok()) else { return Ok(()) };
    let connection = desk.unit.settled(record)?;
    let campaign = CampaignRow::find(connection, id)?;
    let row = CertificationRow::find(connection, id, record)?;
    if campaign.ended_at.is_some() || row.outcome.is_some() {
        return Ok(());
    }
    let (action, next) = campaign.stage(desk.cause.at);
    let told = json!({
        "campaign": campaign.name, "due_at": campaign.due_at, "owner_id": row.owner_id, "team_id": row.team_id,
    });
    let aside = Aside::new("read", action, BESIDE, Value::Null, told);
    store::beside::<ConfigurationItemPractice>(desk, record, None, aside)?;
    if let Some(next) = next {
        timer::set(desk, record, name, next);
    }
    Ok(())
}

impl CampaignRow {
    /// What is told at a moment, and when more is.
    fn stage(&self, now: Moment) -> (&'static str, Option<Moment>) {
        match self.remind_at {
            _ if self.due_at <= now => ("certification_overdue", None),
            Some(remind_at) if remind_at <= now => ("certification_due", Some(self.due_at)),
            later => ("certification_asked", later.or(Some(self.due_at))),
        }
    }

    fn timer(&self) -> String {
        format!("{TIMER}{}", self.id)
    }

    /// The campaign of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = certification_campaign::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("certification campaign"))
    }

    /// Those older than `below`, the newest first.
    pub fn list(connection: &mut AnyConnection, below: Option<RowId>, limit: i64) -> Result<Vec<Self>> {
        let mut rows = certification_campaign::table.into_boxed::<Backend>();
        if let Some(below) = below {
            rows = rows.filter(certification_campaign::id.lt(below));
        }
        Ok(rows.order(certification_campaign::id.desc()).limit(limit).load(connection)?)
    }

    /// How far it is.
    pub fn progress(&self, connection: &mut AnyConnection) -> Result<CertificationProgress> {
        let mut count = |outcome: &str| -> Result<i64> {
            let mine = certification::table.filter(certification::campaign_id.eq(self.id));
            Ok(mine.filter(certification::outcome.eq(outcome)).count().get_result(connection)?)
        };
        let (certified, rejected) = (count("certified")?, count("rejected")?);
        let items = i64::from(self.items);
        Ok(CertificationProgress { items, certified, rejected, open: items - certified - rejected })
    }
}

/// Which configuration items of a campaign are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this outcome; `open` for none.
    pub outcome: Option<String>,
    /// Those that this person is asked about.
    pub asked: Option<(UserId, Vec<TeamId>)>,
}

impl CertificationRow {
    fn find(connection: &mut AnyConnection, campaign: RowId, record: RecordId) -> Result<Self> {
        let row = certification::table.find((campaign, record)).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("configuration item in this campaign"))
    }

    /// Those of a campaign after the one of that record, in order.
    pub fn list(
        connection: &mut AnyConnection,
        campaign: RowId,
        wanted: &Wanted,
        after: Option<RecordId>,
        limit: i64,
    ) -> Result<Vec<Self>> {
        let mut rows = certification::table.filter(certification::campaign_id.eq(campaign)).into_boxed::<Backend>();
        match wanted.outcome.as_deref() {
            None => (),
            Some("open") => rows = rows.filter(certification::outcome.is_null()),
            Some(outcome) => rows = rows.filter(certification::outcome.eq(outcome.to_owned())),
        }
        if let Some((user, teams)) = &wanted.asked {
            let of_team = certification::team_id.eq_any(teams.clone()).assume_not_null();
            let of_owner = certification::owner_id.eq(*user).assume_not_null();
            rows = rows.filter(of_owner.or(of_team));
        }
        if let Some(after) = after {
            rows = rows.filter(certification::record_id.gt(after));
        }
        Ok(rows.order(certification::record_id).limit(limit).load(connection)?)
    }

    fn is_asked(&self, caller: &crate::auth::caller::Caller) -> bool {
        self.owner_id == Some(caller.user) || self.team_id.is_some_and(|team| caller.teams.contains(&team))
    }

    fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::update(certification::table.find((self.campaign_id, self.record_id)))
            .set((
                certification::outcome.eq(&self.outcome),
                certification::comment.eq(&self.comment),
                certification::decided_by_id.eq(self.decided_by_id),
                certification::decided_at.eq(self.decided_at),
            ))
            .execute(connection)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_come_before_it_is_due_and_never_in_the_past() {
        let now: Moment = "2026-03-03T11:00:00Z".parse().unwrap();
        let new = |due: &str, remind_days| NewCertificationCampaign {
            name: "x".into(),
            description: String::new(),
            filter: "is_a = server".into(),
            due_at: due.parse().unwrap(),
            remind_days,
        };
        let cases = [
            ("2026-03-13T11:00:00Z", None, Ok(None)),
            ("2026-03-13T11:00:00Z", Some(3), Ok(Some("2026-03-10T11:00:00Z"))),
            ("2026-03-05T11:00:00Z", Some(30), Ok(Some("2026-03-03T11:00:00Z"))),
            ("2026-03-03T11:00:00Z", None, Err("/due_at")),
            ("2026-03-13T11:00:00Z", Some(0), Err("/remind_days")),
        ];
        for (due, days, expected) in cases {
            let found = check(&new(due, days), now).map_err(|e| e.errors[0].pointer.clone());
            let expected = expected.map(|at| at.map(|at| at.parse().unwrap())).map_err(str::to_owned);
            assert_eq!(found, expected, "{due} {days:?}");
        }
    }
}
