//! What somebody is here. What each may do stands in the API's table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody is here. One person may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes calls: sees them, ends them, says what they were.
    Receptionist,
    /// Watches over those who do, and may take a policy back.
    Supervisor,
    /// Looks at everything about calls and how the gateway is doing.
    Analyst,
    /// Writes policies and tries them.
    PolicyAuthor,
    /// Agrees with policies that refuse calls.
    PolicyApprover,
    /// Looks at what was done by whom.
    Auditor,
    /// May do everything.
    Admin,
}

impl Role {
    pub const ALL: &'static [Role] = &[
        Role::Receptionist,
        Role::Supervisor,
        Role::Analyst,
        Role::PolicyAuthor,
        Role::PolicyApprover,
        Role::Auditor,
        Role::Admin,
    ];

    /// As written: `policy-author`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Receptionist => "receptionist",
            Role::Supervisor => "supervisor",
            Role::Analyst => "analyst",
            Role::PolicyAuthor => "policy-author",
            Role::PolicyApprover => "policy-approver",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// By its name; None = there is none of this name.
    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.iter().copied().find(|role| role.name() == name)
    }

    /// Whoever takes calls at a phone of his, and may sign in to one.
    pub fn takes_calls(self) -> bool {
        matches!(self, Role::Receptionist | Role::Supervisor | Role::Admin)
    }

    /// Whoever may let something refuse calls, or says who may: a password alone does not open this.
    pub fn needs_second_factor(self) -> bool {
        matches!(self, Role::PolicyApprover | Role::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_prints() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(Role::named(role.name()), Some(*role));
        }
        assert_eq!(Role::named("king"), None);
    }
}
