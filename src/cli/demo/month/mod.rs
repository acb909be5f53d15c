//! Lets the month happen: carries out the plan, act by act, through the one write path.
//!
//! A plan does not know what policies and other acts will have made of a record. An act that no longer fits (the outage
//! above has resolved it already, say) is left out, as a person would leave it out.

mod beside;

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::{
    plan::{Act, Deed, Who},
    settle::{Company, cause},
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    error::{Code, Error, Result},
    id::RecordId,
    practice::{
        interaction,
        problem::{
            analysis, cluster,
            incidents::{self, Audience},
        },
    },
    record::{
        approval::{
            case::Case,
            row::APPROVE,
            vote::{self, Ballot},
        },
        cause::{Cause, Via},
        header::Header,
        kernel::Kernel,
        link,
        step::StepChoice,
        store::{Desk, Unit},
        timer,
    },
};

/// How often timers are looked at: to look writes all that waits.
const TIMERS: TimeDelta = TimeDelta::minutes(15);

/// What has become of a month so far: it goes on from here.
#[derive(Clone)]
pub struct Lived {
    /// Who and what is there.
    pub company: Company,
    made: Vec<Option<RecordId>>,
    /// When timers were last looked at.
    looked: Option<Moment>,
}

impl Lived {
    /// A month in which nothing has happened yet of what is planned.
    pub fn nothing(company: Company, acts: &[Act]) -> Self {
        let made = vec![None; acts.iter().map(|act| act.on + 1).max().unwrap_or(0)];
        Lived { company, made, looked: None }
    }
}

/// A month that is happening.
pub struct Month<'a, 'u> {
    kernel: &'a Kernel,
    unit: &'a mut Unit<'u>,
    lived: &'a mut Lived,
}

impl<'a, 'u> Month<'a, 'u> {
    /// The month that goes on from what has become of it.
    pub fn new(kernel: &'a Kernel, unit: &'a mut Unit<'u>, lived: &'a mut Lived) -> Self {
        Month { kernel, unit, lived }
    }

    /// Carries out a part of the plan. `told` hears of every act.
    pub fn happen(&mut self, acts: &[Act], told: impl Fn()) -> Result<()> {
        self.lived.company.look_around(self.unit.connection()?)?;
        for act in acts {
            self.fire_timers(act.at)?;
            self.carry_out(act)?;
            told();
        }
        Ok(())
    }

    /// Lets happen by itself what is due until the end of it.
    pub fn end(&mut self, until: Moment) -> Result<()> {
        self.lived.looked = None;
        self.fire_timers(until)
    }

    fn carry_out(&mut self, act: &Act) -> Result<()> {
        match act.deed {
            Deed::Create(kind) => {
                let Some(input) = self.lived.company.resolve(act.input.clone(), &self.lived.made)? else {
                    return Ok(());
                };
                let caller = match act.who {
                    Who::Named(user_name) => self.lived.company.person(user_name)?,
                    Who::Monitoring | Who::Requester | Who::Team => self.lived.company.server(),
                };
                let practice = self.kernel.practice(kind)?;
                let made = self.at(caller, act.at, |desk| practice.create(desk, input))?;
                self.lived.made[act.on] = Some(made.id);
                Ok(())
            }
            Deed::Convert(contact) => self.convert(act, contact),
            Deed::Raise(filter) => self.raise(act, filter),
            Deed::Add(path) => self.add(act, path),
            Deed::Amend(path, name) => self.amend(act, (path, name)),
            Deed::Table(meeting) => self.table(act, meeting),
            Deed::Campaign => self.campaign(act),
            Deed::Find(name) => {
                self.lived.made[act.on] = Some(self.lived.company.thing(name)?);
                Ok(())
            }
            // A node does that when this part of the month is written.
            Deed::Run(_) => Ok(()),
            Deed::Change
            | Deed::Pass(_)
            | Deed::Step(_)
            | Deed::Link(..)
            | Deed::Approve
            | Deed::Analyse
            | Deed::Publish
            | Deed::Answer
            | Deed::DoTasks
            | Deed::Relate(_)
            | Deed::Settle
            | Deed::Certify(_)
            | Deed::Minute(_) => self.go_on(act),
        }
    }

    fn convert(&mut self, act: &Act, contact: usize) -> Result<()> {
        let Some(header) = self.header(contact)? else { return Ok(()) };
        let Some(caller) = self.actor(act, &header)? else { return Ok(()) };
        let (id, connection) = (header.id, self.unit.settled(header.id)?);
        let practice = self.kernel.practice("interaction")?;
        let contact = practice.render(connection, vec![header])?.pop().unwrap_or_default();
        let input = act.input.clone();
        let (_, made) = self.at(caller, act.at, |desk| interaction::convert(desk, contact, id, None, input))?;
        self.lived.made[act.on] = Some(made.id);
        Ok(())
    }

    /// What comes again and again becomes a problem, if it has come.
    fn raise(&mut self, act: &Act, filter: &str) -> Result<()> {
        let Some(input) = self.lived.company.resolve(act.input.clone(), &self.lived.made)? else { return Ok(()) };
        let Who::Named(user_name) = act.who else { return Ok(()) };
        let (caller, kind) = (self.lived.company.person(user_name)?, self.kernel.practice("incident")?.kind());
        match self.at(caller, act.at, |desk| cluster::raise(desk, kind, filter, input)) {
            Ok(raised) => self.lived.made[act.on] = Some(raised.problem.id),
            Err(nothing) if nothing.code == Code::Conflict => (),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Something happens to a record that is there.
    fn go_on(&mut self, act: &Act) -> Result<()> {
        let Some(header) = self.header(act.on)? else { return Ok(()) };
        let Some(caller) = self.actor(act, &header)? else { return Ok(()) };
        let Some(mut input) = self.lived.company.resolve(act.input.clone(), &self.lived.made)? else { return Ok(()) };
        let practice = self.kernel.practice(&header.kind)?;
        match act.deed {
            Deed::Step(name) => {
                let step = practice.kind().lifecycle.step(name);
                let step = step.ok_or_else(|| Error::internal(format!("no step `{name}`")))?;
                if !step.from.contains(&header.state.as_str()) {
                    return Ok(());
                }
                self.take_on(act, &header, &caller, &mut input);
                self.at(caller, act.at, |desk| practice.step(desk, header.id, None, &StepChoice::Named(step), input))?;
            }
            Deed::Pass(team) => {
                let team = self.lived.company.team(team).filter(|team| header.team_id != Some(*team));
                let (Some(team), "new" | "in_progress") = (team, header.state.as_str()) else { return Ok(()) };
                input.insert("team_id".to_owned(), json!(team));
                self.at(caller, act.at, |desk| practice.change(desk, header.id, None, input))?;
            }
            Deed::Link(relation, to) => {
                let Some(other) = self.lived.made.get(to).copied().flatten() else { return Ok(()) };
                let (kind, other) = (practice.kind(), other.to_string());
                self.at(caller, act.at, |desk| link::create(desk, kind, header.id, None, relation, &other))?;
            }
            Deed::Approve => self.approve(caller, act.at, &header)?,
            Deed::Analyse => {
                let new = serde_json::from_value(input.into()).map_err(Error::internal)?;
                self.at(caller, act.at, |desk| analysis::add(desk, header.id, None, &new))?;
            }
            Deed::Publish => {
                let audience = Audience::Public;
                self.at(caller, act.at, |desk| incidents::publish_workaround(desk, header.id, None, None, audience))?;
            }
            Deed::Change => {
                self.at(caller, act.at, |desk| practice.change(desk, header.id, None, input))?;
            }
            Deed::Answer
            | Deed::DoTasks
            | Deed::Relate(_)
            | Deed::Settle
            | Deed::Certify(_)
            | Deed::Minute(_)
            | Deed::Create(_)
            | Deed::Convert(_)
            | Deed::Raise(_)
            | Deed::Find(_)
            | Deed::Campaign
            | Deed::Add(_)
            | Deed::Amend(..)
            | Deed::Table(_)
            | Deed::Run(_) => self.beside(act, caller, &header, input)?,
        }
        Ok(())
    }

    /// Agrees to what is asked of a record.
    fn approve(&mut self, caller: Arc<Caller>, at: Moment, header: &Header) -> Result<()> {
        let standing = Case::standing(self.unit.connection()?, header.id)?;
        for case in standing.into_iter().filter(|case| case.approval.is_pending()) {
            let ballot = Ballot { vote: APPROVE, comment: String::new(), in_name_of: None };
            self.at(caller.clone(), at, |desk| vote::vote(desk, case, header, &ballot))?;
        }
        Ok(())
    }

    /// Whoever of the team takes a step takes the incident on, if nobody has.
    fn take_on(&self, act: &Act, header: &Header, caller: &Caller, input: &mut Map<String, Value>) {
        let starts = matches!(act.deed, Deed::Step("start" | "resolve"));
        if act.who == Who::Team && header.assignee_id.is_none() && starts {
            input.insert("assignee_id".to_owned(), json!(caller.user));
        }
    }

    fn actor(&self, act: &Act, header: &Header) -> Result<Option<Arc<Caller>>> {
        Ok(match act.who {
            Who::Named(user_name) => Some(self.lived.company.person(user_name)?),
            Who::Monitoring => Some(self.lived.company.server()),
            Who::Requester => header.requester_id.and_then(|id| self.lived.company.user(id)),
            Who::Team => match header.assignee_id {
                Some(assignee) => self.lived.company.user(assignee),
                None => header.team_id.and_then(|team| self.lived.company.member(team, act.pick)),
            },
        })
    }

    fn header(&mut self, on: usize) -> Result<Option<Header>> {
        match self.lived.made.get(on).copied().flatten() {
            Some(id) => Header::find(self.unit.settled(id)?, id),
            None => Ok(None),
        }
    }

    fn fire_timers(&mut self, up_to: Moment) -> Result<()> {
        if self.lived.looked.is_some_and(|looked| up_to.since(looked) < TIMERS) {
            return Ok(());
        }
        self.lived.looked = Some(up_to);
        while let Some(at) = timer::earliest(self.unit.connection()?)?.filter(|at| *at <= up_to) {
            let cause = cause(self.lived.company.server(), at, Via::Timer("due".to_owned()));
            while timer::fire_next(&mut self.desk(&cause), None)?.is_some() {}
        }
        Ok(())
    }

    fn at<T>(
        &mut self,
        caller: Arc<Caller>,
        at: Moment,
        work: impl FnOnce(&mut Desk<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let cause = cause(caller, at, Via::Server);
        work(&mut self.desk(&cause))
    }

    fn desk<'d>(&'d mut self, cause: &'d Cause) -> Desk<'d, 'u> {
        Desk { kernel: self.kernel, unit: &mut *self.unit, cause }
    }
}
