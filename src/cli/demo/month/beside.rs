//! What is done beside records: their questionnaires, tasks and relations; models, windows, meetings and campaigns.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    super::plan::{Act, Deed, Who},
    Month,
};
use crate::{
    auth::caller::Caller,
    error::{Error, Result},
    http::adding,
    id::{RecordId, RowId},
    practice::{
        change::{
            cab::{self, CabDecision, ItemChange, ItemRow},
            caused::{self, DriftRow, DriftState},
            questionnaire::{self, Given},
        },
        configuration_item::certification::{self, NewCertificationCampaign, Verdict},
    },
    record::{
        graph::relate::{self, NewRelation},
        header::Header,
        kind::Kind,
        store::{Desk, Reading},
        task::{
            act as task,
            input::TaskChange,
            row::{TaskRow, TaskState},
        },
    },
};

/// Whose word relations are that somebody makes by hand.
const BY_HAND: &str = "manual";

/// Who wants something, and what.
type Wish = (Arc<Caller>, Map<String, Value>);

impl Month<'_, '_> {
    /// Does something beside a record that is there.
    pub(super) fn beside(
        &mut self,
        act: &Act,
        caller: Arc<Caller>,
        header: &Header,
        input: Map<String, Value>,
    ) -> Result<()> {
        let (kind, id) = (self.kernel.practice(&header.kind)?.kind(), header.id);
        match act.deed {
            Deed::Answer => {
                let answers: Vec<Given> = part(&input, "answers")?;
                self.at(caller, act.at, |desk| questionnaire::assess(desk, id, None, &answers).map(drop))
            }
            Deed::DoTasks => self.at(caller, act.at, |desk| do_tasks(desk, kind, id)),
            Deed::Relate(relation) => {
                let new = NewRelation {
                    relation: relation.to_owned(),
                    record_id: part(&input, "record_id")?,
                    group: part(&input, "group")?,
                };
                self.at(caller, act.at, |desk| relate::create(desk, kind, id, None, (&new, BY_HAND)).map(drop))
            }
            Deed::Settle => {
                let comment: String = part(&input, "comment")?;
                self.at(caller, act.at, |desk| settle(desk, id, &comment))
            }
            Deed::Certify(campaign) => {
                let campaign: RowId = self.lived.company.thing(campaign)?;
                let (verdict, comment): (Verdict, String) = (part(&input, "outcome")?, part(&input, "comment")?);
                let said = (verdict, comment.as_str());
                self.at(caller, act.at, |desk| certification::decide(desk, campaign, id, said).map(drop))
            }
            Deed::Minute(meeting) => {
                let meeting: RowId = self.lived.company.thing(meeting)?;
                self.at(caller, act.at, |desk| minute(desk, meeting, id, &input))
            }
            Deed::Create(_)
            | Deed::Convert(_)
            | Deed::Change
            | Deed::Pass(_)
            | Deed::Step(_)
            | Deed::Link(..)
            | Deed::Approve
            | Deed::Raise(_)
            | Deed::Analyse
            | Deed::Publish
            | Deed::Find(_)
            | Deed::Campaign
            | Deed::Add(_)
            | Deed::Amend(..)
            | Deed::Table(_)
            | Deed::Run(_) => Err(Error::internal("nothing of a record is done beside it by this")),
        }
    }

    /// Adds what stands beside records, and knows it by its name from then on.
    pub(super) fn add(&mut self, act: &Act, path: &str) -> Result<()> {
        let Some((caller, body)) = self.named(act)? else { return Ok(()) };
        let name: String = part(&body, "name")?;
        let id = self.at(caller, act.at, |desk| adding::add(desk, path, &body.into()))?;
        self.lived.company.remember(&name, id);
        Ok(())
    }

    /// Changes what stands beside records.
    pub(super) fn amend(&mut self, act: &Act, (path, name): (&str, &str)) -> Result<()> {
        let Some((caller, body)) = self.named(act)? else { return Ok(()) };
        let id: String = self.lived.company.thing(name)?;
        self.at(caller, act.at, |desk| adding::amend(desk, path, &id, &body.into()))
    }

    /// Puts changes on an agenda: those that are named, or all that wait.
    pub(super) fn table(&mut self, act: &Act, meeting: &str) -> Result<()> {
        let Some((caller, input)) = self.named(act)? else { return Ok(()) };
        let meeting: RowId = self.lived.company.thing(meeting)?;
        let changes: Option<Vec<RecordId>> = part(&input, "change_ids")?;
        self.at(caller, act.at, |desk| cab::put(desk, meeting, changes))
    }

    /// Starts a campaign.
    pub(super) fn campaign(&mut self, act: &Act) -> Result<()> {
        let Some((caller, input)) = self.named(act)? else { return Ok(()) };
        let new: NewCertificationCampaign = serde_json::from_value(input.into()).map_err(Error::internal)?;
        let campaign = self.at(caller, act.at, |desk| certification::start(desk, &new))?;
        self.lived.company.remember(&campaign.name, campaign.id.to_string());
        Ok(())
    }

    /// Who does something that is about no record, and with what; nothing where that refers to what was not made.
    fn named(&self, act: &Act) -> Result<Option<Wish>> {
        let Who::Named(user_name) = act.who else { return Ok(None) };
        let caller = self.lived.company.person(user_name)?;
        let input = self.lived.company.resolve(act.input.clone(), &self.lived.made)?;
        Ok(input.map(|input| (caller, input)))
    }
}

/// A part of what is said.
fn part<T: DeserializeOwned>(input: &Map<String, Value>, name: &str) -> Result<T> {
    serde_json::from_value(input.get(name).cloned().unwrap_or_default()).map_err(Error::internal)
}

/// Does the tasks of a record that are open, in their order.
fn do_tasks(desk: &mut Desk<'_, '_>, kind: &'static Kind, id: RecordId) -> Result<()> {
    let done = TaskChange { state: Some(TaskState::Done), ..TaskChange::default() };
    let tasks = TaskRow::of_record(desk.unit.settled(id)?, id)?;
    for row in tasks.into_iter().filter(TaskRow::is_open) {
        task::change(desk, (kind, id), row.id, None, &done)?;
    }
    Ok(())
}

/// Says what came of all that was found other than it is recorded of a thing.
fn settle(desk: &mut Desk<'_, '_>, id: RecordId, comment: &str) -> Result<()> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let mut reading = Reading { kernel, connection: desk.unit.connection()?, cause };
    let open = DriftRow::page(&mut reading, (Some(DriftState::Open), Some(id)), None, usize::MAX)?;
    open.into_iter().try_for_each(|row| caused::settle(desk, row.id, None, comment).map(drop))
}

/// Keeps what a meeting says of a change that is on its agenda.
fn minute(desk: &mut Desk<'_, '_>, meeting: RowId, change: RecordId, input: &Map<String, Value>) -> Result<()> {
    let agenda = ItemRow::of_meeting(desk.unit.connection()?, meeting)?;
    let Some(item) = agenda.iter().find(|item| item.change_id == change) else { return Ok(()) };
    let decision: CabDecision = part(input, "decision")?;
    let said = ItemChange { position: None, decision: Some(decision), minutes: Some(part(input, "minutes")?) };
    cab::change(desk, (meeting, item.id), &said)
}
