//! Passkeys of accounts, as the store keeps them with the account.

use std::net::IpAddr;
use std::sync::Arc;

use super::Passkey;
use super::limits::PASSKEYS_MAX;
use crate::accounts::refused::Refused;
use crate::accounts::users::{By, Users};
use crate::accounts::{User, users};

impl Users {
    /// One more way for him to sign in. `epoch`: as with [`Users::set_password`]. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::PasskeyTaken`] also where another account has it, [`Refused::PasskeysFull`], [`Refused::Outside`],
    /// [`Refused::NotAPasskeyName`] where it has no name of 1 to 100 characters, [`Refused::Ended`]; else as [`Users::add`].
    pub fn add_passkey(&self, name: &str, epoch: u64, passkey: &Passkey, at_ms: u64) -> Result<(), Refused> {
        let mut passkey = passkey.clone();
        passkey.name = users::sound_person(&passkey.name).map_err(|_| Refused::NotAPasskeyName)?;
        let by = By { who: name, at_ms };
        self.carry_out(by, "account passkey add", name, |book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            if before.epoch != epoch {
                return Err(Refused::Ended);
            }
            if before.outside.is_some() {
                return Err(Refused::Outside);
            }
            if book
                .users
                .values()
                .any(|user| user.passkey(&passkey.id).is_some())
            {
                return Err(Refused::PasskeyTaken);
            }
            if before.passkeys.len() >= PASSKEYS_MAX {
                return Err(Refused::PasskeysFull);
            }
            let mut user = User::clone(before);
            user.passkeys.push(passkey.clone());
            Ok((Some(user), passkey.name.clone(), ()))
        })
    }

    /// Takes a passkey away; all his sessions end, as one of them may have been opened by it. Gives how many times the account has changed.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchPasskey`]; else as [`Users::add`].
    pub fn remove_passkey(&self, name: &str, id: &str, at_ms: u64) -> Result<u64, Refused> {
        let by = By { who: name, at_ms };
        self.alter(by, "account passkey remove", name, |user| {
            let place = user.passkeys.iter().position(|passkey| passkey.id == id);
            let gone = user.passkeys.remove(place.ok_or(Refused::NoSuchPasskey)?);
            user.epoch += 1;
            Ok((gone.name, user.epoch))
        })
    }

    /// Whose passkey this is, and it; None = nobody's who may sign in.
    pub fn by_passkey(&self, id: &str) -> Option<(Arc<User>, Passkey)> {
        let all = self.all();
        all.into_iter()
            .filter(|user| user.opens_by_passkey())
            .find_map(|user| {
                let passkey = user.passkey(id)?.clone();
                Some((user, passkey))
            })
    }

    /// Whoever has just signed with this passkey signs in; its counter stands at `count` now. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::Wrong`] when it was taken away meanwhile, or has signed elsewhere since; else as [`Users::add`].
    pub fn sign_in_by_passkey(
        &self,
        name: &str,
        signed_by: &Passkey,
        count: u32,
        from: Option<IpAddr>,
        at_ms: u64,
    ) -> Result<Arc<User>, Refused> {
        let by = By { who: name, at_ms };
        self.alter(by, "sign in", name, |user| {
            let opens = user.opens_by_passkey();
            let kept = user
                .passkeys
                .iter_mut()
                .find(|passkey| passkey.id == signed_by.id);
            let is_as_seen = |kept: &&mut Passkey| kept.key == signed_by.key && kept.count == signed_by.count;
            let kept = kept.filter(|kept| opens && is_as_seen(kept));
            let kept = kept.ok_or(Refused::Wrong)?;
            (kept.count, kept.used_ms) = (count, Some(at_ms));
            user.signed_in(from, at_ms);
            let from = from.map_or_else(String::new, |from| format!(" from {from}"));
            Ok((format!("by passkey{from}"), ()))
        })?;
        self.one(name).ok_or(Refused::NoSuchUser)
    }
}

impl User {
    pub fn passkeys(&self) -> &[Passkey] {
        &self.passkeys
    }

    pub fn passkey(&self, id: &str) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == id)
    }

    /// Who has no password here (invited again, or from elsewhere) signs in by no passkey either.
    fn opens_by_passkey(&self) -> bool {
        self.password().is_some() && self.outside.is_none()
    }
}
