//! What goes wrong at the company, and what is said and done about it.
//!
//! `{place}` in a text becomes the place where the person who tells the story is.

mod board;
mod infrastructure;
mod keeping;
mod quick;
mod work;
mod workplace;

pub use board::{MEETINGS, Meeting, PATCHES, STANDING};
pub use infrastructure::{ALERTS, MAJORS};
pub use keeping::{ADDED, BASELINE, CAMPAIGN, KEPT, LOOKS, SAID, STRANGER, STRANGER_SETTLED, Seen};
pub use quick::QUICK;
pub use work::{CAUSES, Cause, PLANS, Plan, RECURRING, Reach, Recurring};

/// Who tells a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Anybody at a desk.
    Office,
    /// Those who move the goods.
    Floor,
    /// The customer.
    Customer,
    /// The monitoring.
    Monitoring,
}

/// Something that goes wrong.
#[derive(Debug)]
pub struct Story {
    /// Who tells it.
    pub by: By,
    /// The title of the record.
    pub title: &'static str,
    /// Its description.
    pub text: &'static str,
    /// Type, category, subcategory.
    pub about: (&'static str, &'static str, &'static str),
    /// The service that is hit, by name.
    pub service: Option<&'static str>,
    /// The configuration item that is hit, by name.
    pub item: Option<&'static str>,
    /// Impact and urgency.
    pub level: (i32, i32),
    /// Tags.
    pub tags: &'static [&'static str],
    /// What the agent asks, and what the person answers.
    pub asked: Option<(&'static str, &'static str)>,
    /// What the agents note for each other.
    pub note: &'static str,
    /// The team it is passed on to, when the first look was wrong.
    pub pass_to: Option<&'static str>,
    /// Resolution code, and how it was resolved.
    pub resolved: (&'static str, &'static str),
    /// Whether that was a workaround.
    pub workaround: bool,
}

/// An outage that many report.
#[derive(Debug)]
pub struct Major {
    /// What the first one says.
    pub story: Story,
    /// Those whose call the desk hangs below it: who, and what they say.
    pub parts: &'static [(&'static str, &'static str)],
    /// Those who report the same by themselves: who, and what they say.
    pub duplicates: &'static [(&'static str, &'static str)],
}

/// A story about nothing in particular, to build others from.
const PLAIN: Story = Story {
    by: By::Office,
    title: "",
    text: "",
    about: ("service", "other", ""),
    service: None,
    item: None,
    level: (3, 3),
    tags: &[],
    asked: None,
    note: "",
    pass_to: None,
    resolved: ("", ""),
    workaround: false,
};

/// What people report, in no order.
pub fn told() -> impl Iterator<Item = &'static Story> {
    infrastructure::TOLD.iter().chain(workplace::TOLD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::company::{ITEMS, PEOPLE, SERVICES, TEAMS};

    #[test]
    fn a_story_speaks_of_what_there_is_and_passes_the_guards() {
        let majors = MAJORS.iter().map(|m| &m.story);
        for story in told().chain(ALERTS).chain(majors) {
            let title = story.title;
            assert!(story.service.is_none_or(|name| SERVICES.iter().any(|s| s.0 == name)), "{title}");
            assert!(story.item.is_none_or(|name| ITEMS.iter().any(|i| i.0 == name)), "{title}");
            assert!(story.pass_to.is_none_or(|name| TEAMS.iter().any(|t| t.0 == name)), "{title}");
            assert!(["application", "hardware", "service", "security"].contains(&story.about.0), "{title}");
            assert!(!title.is_empty() && !story.text.is_empty() && !story.note.is_empty(), "{title}");
            assert!(!story.resolved.0.is_empty() && story.resolved.1.len() >= 30, "{title}");
            assert!((1..=3).contains(&story.level.0) && (1..=3).contains(&story.level.1), "{title}");
        }
        let about = CAUSES.iter().map(|cause| cause.about).chain(PLANS.iter().map(|plan| plan.about));
        for (service, item) in about {
            assert!(SERVICES.iter().any(|s| s.0 == service) && ITEMS.iter().any(|i| i.0 == item), "{service}, {item}");
        }
        let people = CAUSES.iter().map(|cause| cause.who).chain(PLANS.iter().flat_map(|plan| [plan.who.0, plan.who.1]));
        people.for_each(|who| assert!(PEOPLE.iter().any(|p| p.user_name == who), "{who}"));
        let callers = MAJORS.iter().flat_map(|m| m.parts.iter().chain(m.duplicates));
        callers.for_each(|(who, _)| assert!(PEOPLE.iter().any(|p| p.user_name == *who), "{who}"));
    }
}
