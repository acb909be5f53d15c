//! Invitations: people are told of a meeting that they are asked to come to, that it is another, or that it does not take place.

use serde::{Deserialize, Serialize};

use super::{
    message::{MessageRow, Subject},
    preference::Delivery,
    recipient::Recipient,
    template::INVITED,
};
use crate::{clock::Moment, db::JsonText, error::Result, id::UserId, record::store::Desk};

/// What is said of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// They are asked to come.
    Called,
    /// It is at another time or place, or is called otherwise.
    Changed,
    /// It does not take place, or they are no longer asked.
    Cancelled,
}

/// A meeting, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// What is said of it.
    pub news: News,
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub starts_at: Moment,
    /// When it ends.
    pub ends_at: Moment,
    /// Where it is held.
    pub place: String,
}

/// Tells people of a meeting, but for those who don't want to know, or have said so themselves.
pub fn tell(desk: &mut Desk<'_, '_>, people: impl IntoIterator<Item = UserId>, of: &Invitation) -> Result<()> {
    let (now, by) = (desk.cause.at, desk.cause.caller.user);
    let connection = desk.unit.connection()?;
    for user in people {
        let recipient = Recipient::load(connection, user)?;
        let wants = |recipient: &Recipient| {
            recipient.preferences.delivery(INVITED) != Delivery::Off
                && (user != by || recipient.preferences.own_changes)
        };
        if recipient.as_ref().is_some_and(wants) {
            let blank = MessageRow::blank(Subject::Invitation, user, INVITED, now);
            MessageRow { payload: JsonText::of(of)?, ..blank }.insert(connection)?;
        }
    }
    Ok(())
}
