//! The caller: a known user with permissions, a view, and sometimes a token that narrows both.
//!
//! **Invariant:** a permission is asked by [`Caller::can`] or [`Caller::require`] alone, so that the scopes of a token
//! narrow every one of them.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    error::{Error, Result},
    id::{OrganisationId, TeamId, UserId},
};

/// A user or service account whose credentials were checked.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The name that they sign in with.
    pub user_name: String,
    /// The name that others read.
    pub display_name: String,
    /// The organisation that they belong to.
    pub organisation: OrganisationId,
    /// The teams that they work in.
    pub teams: Arc<[TeamId]>,
    /// What their roles grant: permissions, `incident.*` for all of a family, or `*` for all.
    pub permissions: Arc<BTreeSet<String>>,
    /// Whose records they see.
    pub sees: Sees,
    /// What their token is limited to, written like permissions; `None` is no limit.
    pub scopes: Option<Arc<BTreeSet<String>>>,
    /// Whether they must change their password before anything else.
    pub must_change_password: bool,
}

/// Whose records a caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    /// All of them.
    All,
    /// Those of their teams and of these organisations.
    Organisations(Arc<[OrganisationId]>),
    /// Those in which they take part.
    Own,
}

impl Caller {
    /// The server itself, in the name of somebody.
    pub fn server(user: UserId, organisation: OrganisationId) -> Self {
        Caller {
            user,
            user_name: "server".to_owned(),
            display_name: "Pointsman".to_owned(),
            organisation,
            teams: Arc::new([]),
            permissions: Arc::new(BTreeSet::from(["*".to_owned()])),
            sees: Sees::All,
            scopes: None,
            must_change_password: false,
        }
    }

    /// Whether roles grant `permission` and the token's scopes, where it has any, leave it open.
    pub fn can(&self, permission: &str) -> bool {
        grants(&self.permissions, permission) && self.scopes.as_deref().is_none_or(|scopes| grants(scopes, permission))
    }

    /// Whether the scopes of the caller's own token, where it has any, cover `scope`: no token makes a wider one.
    pub fn covers_scope(&self, scope: &str) -> bool {
        self.scopes.as_deref().is_none_or(|own| grants(own, scope))
    }

    /// # Errors
    /// [`Code::Forbidden`](crate::error::Code::Forbidden), naming the permission, when the caller hasn't got it.
    pub fn require(&self, permission: &str) -> Result<()> {
        if self.can(permission) { Ok(()) } else { Err(Error::forbidden(permission)) }
    }
}

/// Whether `granted` holds the permission itself, `*`, or the `family.*` of any family that it is in.
pub(super) fn grants(granted: &BTreeSet<String>, permission: &str) -> bool {
    granted.contains(permission)
        || granted.contains("*")
        || permission.match_indices('.').any(|(dot, _)| granted.contains(&format!("{}.*", &permission[..dot])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn set(items: &[&str]) -> Arc<BTreeSet<String>> {
        Arc::new(items.iter().map(|&i| i.to_owned()).collect())
    }

    fn caller(permissions: &[&str], scopes: Option<&[&str]>) -> Caller {
        Caller {
            permissions: set(permissions),
            scopes: scopes.map(set),
            ..Caller::server(UserId::new(), OrganisationId::new())
        }
    }

    #[test]
    fn roles_grant_and_scopes_narrow() {
        type Case = (&'static [&'static str], Option<&'static [&'static str]>, &'static str, bool);
        let cases: &[Case] = &[
            (&["incident.read"], None, "incident.read", true),
            (&["incident.read"], None, "incident.reader", false),
            (&["incident.*"], None, "incident.note.create", true),
            (&["incident.note.*"], None, "incident.note.create", true),
            (&["incident.*"], None, "incidents.read", false),
            (&["inc.*"], None, "incident.read", false),
            (&["*"], None, "policy.publish", true),
            (&["*"], Some(&["incident.*"]), "policy.publish", false),
            (&["*"], Some(&["incident.*"]), "incident.read", true),
            (&["incident.read"], Some(&["*"]), "incident.resolve", false),
            (&["*"], Some(&[]), "incident.read", false),
            (&[], None, "incident.read", false),
        ];
        for (permissions, scopes, asked, expected) in cases {
            assert_eq!(caller(permissions, *scopes).can(asked), *expected, "{permissions:?} {scopes:?} {asked}");
        }
    }

    #[test]
    fn the_missing_permission_is_named() {
        let error = caller(&[], None).require("incident.resolve").unwrap_err();
        assert_eq!(error.code, Code::Forbidden);
        assert!(error.detail.contains("incident.resolve"));
    }
}
