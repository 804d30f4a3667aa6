//! One account: who it is, what he may, and what he proves himself with.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Role;
use super::limits::{INVITATION_LASTS, NETWORK_LASTS, NETWORKS_MAX, OUTSIDE_WAITS};
use super::outside::Outside;
use super::passkeys::Passkey;
use super::password::Kept;
use super::second_factor::SecondFactor;
use super::secret::{fingerprint, hexadecimal};
use crate::cidr::neighbourhood;

/// A person's account, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// What he signs in with, and what stands in the audit. Never changes.
    pub name: String,
    /// His own name: an account is one person's.
    pub person: String,
    /// Sorted, each once.
    pub roles: Vec<Role>,
    pub is_disabled: bool,
    /// Counts what ends his sessions: a new password, other roles, a second factor, being disabled.
    pub epoch: u64,
    /// Unix ms.
    pub made_ms: u64,
    pub made_by: String,
    /// When he signed in last, Unix ms; None = never.
    pub last_in_ms: Option<u64>,
    pub password_ms: Option<u64>,
    /// When whoever has it came to it last, by an invitation or by its name from elsewhere, Unix ms; None = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) taken_ms: Option<u64>,
    pub(super) password: Option<Kept>,
    pub(super) invitation: Option<Invited>,
    pub(super) second_factor: Option<SecondFactor>,
    /// The secret of a telephone that has not proven itself yet.
    pub(super) enrolling: Option<String>,
    /// When that began, Unix ms; None = by an older gateway, and it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enrolling_ms: Option<u64>,
    /// In the order they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) passkeys: Vec<Passkey>,
    pub(super) networks: Vec<Known>,
    /// Who vouches for him instead of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

/// Opens once: sets a password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Invited {
    pub sha256: String,
    pub expires_ms: u64,
}

/// A network that he signed in from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    network: IpAddr,
    last_ms: u64,
}

impl User {
    /// What is kept of his password; None = it opens nothing: he has none yet, or is disabled.
    pub fn password(&self) -> Option<&Kept> {
        self.password.as_ref().filter(|_| !self.is_disabled)
    }

    pub fn has_second_factor(&self) -> bool {
        self.second_factor.is_some()
    }

    /// His roles are not opened by a password alone.
    pub fn needs_second_factor(&self) -> bool {
        self.roles.iter().any(|role| role.needs_second_factor())
    }

    /// Until he has a second factor he may do nothing but enrol one.
    pub fn is_to_enrol(&self) -> bool {
        self.needs_second_factor() && !self.has_second_factor()
    }

    /// A short name for how what an administrator may change looks now: it differs when that differs.
    pub fn look(&self) -> String {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        let text = format!(
            "{}\n{}\n{}\n{}",
            self.name,
            self.person,
            roles.join(","),
            self.is_disabled
        );
        hexadecimal(&fingerprint(&text)[..8])
    }

    /// `open`, `disabled`, `invited` or `shut`.
    pub fn state(&self, now_ms: u64) -> &'static str {
        match (&self.password, self.invited_until_ms()) {
            _ if self.is_disabled => "disabled",
            _ if self.has_come_from_outside() => "open",
            _ if self.is_bound() => "invited",
            (Some(_), _) => "open",
            (None, Some(until)) if now_ms < until => "invited",
            (None, _) => "shut",
        }
    }

    pub fn recovery_left(&self) -> usize {
        self.second_factor.as_ref().map_or(0, SecondFactor::recovery_left)
    }

    /// Until when his invitation opens, or somebody from elsewhere is waited for by the account's name, Unix ms; None = there is
    /// none.
    pub fn invited_until_ms(&self) -> Option<u64> {
        if self.outside.is_some() && !self.is_bound() {
            return Some(self.made_ms.saturating_add(OUTSIDE_WAITS.as_millis() as u64));
        }
        self.invitation.as_ref().map(|invited| invited.expires_ms)
    }

    /// When his invitation was made, Unix ms; None = there is none.
    pub fn invitation_ms(&self) -> Option<u64> {
        let lasts_ms = INVITATION_LASTS.as_millis() as u64;
        let invited = self.invitation.as_ref();
        invited.map(|invited| invited.expires_ms.saturating_sub(lasts_ms))
    }

    /// Whether the account was made after that, or somebody came to it after that, as far as is known.
    pub(super) fn is_new_since(&self, since_ms: u64) -> bool {
        self.made_ms > since_ms || self.taken_ms.is_some_and(|taken_ms| taken_ms > since_ms)
    }

    /// Whether a change gives him what he may not now: a role, or a way in.
    pub(super) fn is_widened_to(&self, after: &User) -> bool {
        let is_more = |role: &Role| !self.roles.contains(role);
        (self.is_disabled && !after.is_disabled) || after.roles.iter().any(is_more)
    }

    /// Whether whoever comes from elsewhere by the account's name is its person.
    pub(super) fn awaits_name(&self, now_ms: u64) -> bool {
        self.outside.is_some()
            && !self.is_bound()
            && self.invited_until_ms().is_some_and(|until| now_ms < until)
    }

    /// It is known who signs in from elsewhere, by what names him there for ever.
    fn is_bound(&self) -> bool {
        self.outside
            .as_ref()
            .is_some_and(|outside| outside.subject.is_some())
    }

    fn has_come_from_outside(&self) -> bool {
        self.is_bound() && self.last_in_ms.is_some()
    }

    /// Whether he has signed in from there lately.
    pub fn is_known_at(&self, from: IpAddr, now_ms: u64) -> bool {
        let from = neighbourhood(from);
        self.networks
            .iter()
            .any(|known| known.network == from && known.is_fresh(now_ms))
    }

    /// Whether this opens his invitation.
    pub(super) fn is_invited_by(&self, code: &str, now_ms: u64) -> bool {
        self.invitation.as_ref().is_some_and(|invited| {
            now_ms < invited.expires_ms && invited.sha256 == hexadecimal(&fingerprint(code))
        })
    }

    pub(super) fn is_acting_admin(&self) -> bool {
        let opens = self.password.is_some() || self.has_come_from_outside();
        !self.is_disabled && opens && self.roles.contains(&Role::Admin)
    }

    pub(super) fn signed_in(&mut self, from: Option<IpAddr>, now_ms: u64) {
        self.last_in_ms = Some(now_ms);
        let Some(from) = from.map(neighbourhood) else {
            return;
        };
        self.networks
            .retain(|known| known.network != from && known.is_fresh(now_ms));
        self.networks.insert(
            0,
            Known {
                network: from,
                last_ms: now_ms,
            },
        );
        self.networks.truncate(NETWORKS_MAX);
    }
}

impl Known {
    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms) < NETWORK_LASTS.as_millis() as u64
    }
}
