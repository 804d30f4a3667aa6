//! Who asks: by a token, or by a session that a token or an account opened.

mod ending;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{FAILURE_WINDOW, REFUSALS_WRITTEN_MAX};
use crate::accounts::oidc::Vouched;
use crate::accounts::{
    By, Failures, Fingerprint, Holder, Invitation, NewUser, NoToken, Open, Proof, Refused, Role, Sessions,
    Token, TokenChanges, Tokens, Tries, User, Users, fingerprint,
};
use crate::policy::book::Hand;
use crate::redact::Redacted;
use crate::store::{Audit, Store, StoreError};

/// Who a request comes from, and how it showed that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignedIn {
    /// Name of the token or the account.
    pub who: Arc<str>,
    pub roles: Arc<[Role]>,
    /// A person with an account; else by a token.
    pub is_account: bool,
    /// His roles need a second factor and he has none: he may do nothing but enrol one.
    pub is_to_enrol: bool,
    /// He has to show a code of his second factor before he may do anything.
    pub is_to_prove: bool,
    /// He has shown a second factor to whoever vouches for him.
    pub is_strong: bool,
    /// When the session was opened, Unix ms; 0 = by the token itself.
    pub opened_ms: u64,
    /// When the session ends at the latest, Unix ms; None = by the token itself.
    pub ends_ms: Option<u64>,
    /// The person behind it: of a token whoever made it.
    pub person: Arc<str>,
    /// How many times the account had changed; 0 = a token.
    pub epoch: u64,
    /// By the cookie of this session; None = by the token itself.
    session: Option<Fingerprint>,
}

impl SignedIn {
    /// Who does what he does, for what takes two people.
    pub fn hand(&self) -> Hand<'_> {
        Hand {
            by: &self.who,
            person: &self.person,
        }
    }

    pub fn is_by_session(&self) -> bool {
        self.session.is_some()
    }
}

/// What somebody was refused for. Counted apart, so that wrong credentials cannot hide the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    Credential = 0,
    Role = 1,
    /// Who asks too often, or has to wait.
    Slowed = 2,
}

/// Refusals that were written into the audit lately.
#[derive(Default)]
struct Refusals {
    since_ms: u64,
    written: u32,
    left_out: u32,
}

/// Memory, but for the accounts; tokens and sessions are also written to the store, so that a restart signs nobody out.
/// Each lock is held for moments, and none while another is but for the review (tokens, then sessions).
pub(crate) struct Access {
    pub users: Users,
    tokens: Mutex<Tokens>,
    sessions: Mutex<Sessions>,
    /// Sessions are not kept as they are.
    is_unkept: AtomicBool,
    failures: Mutex<Failures>,
    /// Answers of a provider that were not to be believed.
    unbelieved: Mutex<Failures>,
    tries: Arc<Tries>,
    /// By [`RefusalKind`].
    refusals: Mutex<[Refusals; 3]>,
    /// Held while sessions and tokens are written: of two writers the later one writes what is so.
    keeping: Mutex<()>,
    /// Held while a name is given to an account or a token.
    naming: Mutex<()>,
    /// The last lockdown by which sessions and tokens were ended here.
    locked_down: Mutex<u64>,
}

impl Access {
    /// Reads accounts, tokens and open sessions. Blocks.
    pub fn load(store: &Arc<dyn Store>, audit: &Arc<Audit>, tries: Arc<Tries>) -> Result<Access, StoreError> {
        let access = Access {
            users: Users::open(store.clone(), audit.clone())?,
            tokens: Mutex::new(Tokens::load(store.as_ref())?),
            sessions: Mutex::new(Sessions::load(store.as_ref())?),
            is_unkept: AtomicBool::new(false),
            failures: Mutex::default(),
            unbelieved: Mutex::default(),
            tries,
            refusals: Mutex::default(),
            keeping: Mutex::new(()),
            naming: Mutex::new(()),
            locked_down: Mutex::new(ending::applied(store.as_ref())?),
        };
        access.look_at_lockdown(store.as_ref())?;
        Ok(access)
    }

    /// Whose token this is.
    pub fn token(&self, presented: &str, now_ms: u64) -> Option<SignedIn> {
        let mut tokens = self.tokens();
        let (name, roles) = tokens.find(presented, now_ms)?;
        Some(SignedIn {
            person: tokens.person(&name).into(),
            who: name.into(),
            roles,
            is_account: false,
            is_to_enrol: false,
            is_to_prove: false,
            is_strong: false,
            opened_ms: 0,
            ends_ms: None,
            epoch: 0,
            session: None,
        })
    }

    /// Whether this opens anything, without counting as use of it.
    pub fn is_token(&self, presented: &str) -> bool {
        self.tokens().is_one(presented)
    }

    /// All tokens but the first, in the order they were made.
    pub fn all_tokens(&self) -> Vec<Token> {
        self.tokens().all()
    }

    /// Makes a token; its secret is given once. No account has its name: the audit tells them apart. Blocks.
    pub fn make_token(
        &self,
        name: &str,
        roles: Vec<Role>,
        expires_ms: Option<u64>,
        by: &str,
        now_ms: u64,
    ) -> Result<Redacted<String>, NoToken> {
        let _turn = lock(&self.naming);
        if self.users.one(name).is_some() {
            return Err(NoToken::NameTaken);
        }
        self.tokens().make(name, roles, expires_ms, by, now_ms)
    }

    /// The same for somebody who signs in elsewhere. Blocks.
    pub fn add_outside(
        &self,
        new: &NewUser,
        issuer: &str,
        subject: Option<&str>,
        by: By<'_>,
    ) -> Result<(), Refused> {
        let _turn = lock(&self.naming);
        if self.tokens().has(&new.name) {
            return Err(Refused::NameTaken);
        }
        self.users.add_outside(new, issuer, subject, by)
    }

    /// Signs in whom a provider vouches for. No new account gets the name of a token; in a lockdown there is none, and nobody may more than
    /// before. Blocks.
    pub fn sign_in_vouched(
        &self,
        vouched: &Vouched,
        from: Option<IpAddr>,
        now_ms: u64,
        is_locked: bool,
    ) -> Result<Arc<User>, Refused> {
        let _turn = lock(&self.naming);
        let name = vouched.name.as_deref().unwrap_or_default();
        let mut vouched = vouched.clone();
        vouched.makes_accounts &= !is_locked && !self.tokens().has(name);
        vouched.is_narrowing |= is_locked;
        self.users.sign_in_vouched(&vouched, from, now_ms)
    }

    /// Makes an account. No token has its name. Blocks.
    pub fn add_user(&self, new: &NewUser, by: By<'_>) -> Result<Invitation, Refused> {
        let _turn = lock(&self.naming);
        if self.tokens().has(&new.name) {
            return Err(Refused::NameTaken);
        }
        self.users.add(new, by)
    }

    /// What this account or token may now; None = there is none that may sign in.
    pub fn roles_of(&self, who: &str, now_ms: u64) -> Option<Arc<[Role]>> {
        let of_token = self.tokens().roles(who, now_ms);
        of_token.or_else(|| {
            let user = self.users.one(who).filter(|user| !user.is_disabled)?;
            Some(user.roles.clone().into())
        })
    }

    /// Takes a token back, and with it every session it opened. False = there is none of this name.
    pub fn revoke_token(&self, name: &str) -> bool {
        let is_gone = self.tokens().revoke(name);
        if is_gone {
            self.end_sessions(|open| open.holder == Holder::Token(name.into()));
        }
        is_gone
    }

    /// The session this cookie value opens, if it has not ended; it is used now.
    pub fn session(&self, presented: &str, now_ms: u64) -> Option<SignedIn> {
        self.signed_in(fingerprint(presented), now_ms)
    }

    /// False once a session has ended or was left: a stream asks this now and then, and that is use of it.
    pub fn still_holds(&self, signed_in: &SignedIn, now_ms: u64) -> bool {
        match signed_in.session {
            None => self.tokens().roles(&signed_in.who, now_ms).is_some(),
            Some(session) => self.signed_in(session, now_ms).is_some(),
        }
    }

    /// Opens a session for who is signed in by a token: its secret for the cookie, and when it ends at the latest (Unix ms).
    /// None = no randomness.
    pub fn open_for_token(
        &self,
        signed_in: &SignedIn,
        from: Option<IpAddr>,
        now_ms: u64,
    ) -> Option<(Redacted<String>, u64)> {
        self.open(
            Holder::Token(signed_in.who.to_string()),
            from,
            Proof::Whole,
            now_ms,
        )
    }

    /// The same for a person.
    pub fn open_for(
        &self,
        user: &User,
        from: Option<IpAddr>,
        now_ms: u64,
    ) -> Option<(Redacted<String>, u64)> {
        self.open_with(user, from, Proof::Whole, now_ms)
    }

    /// The same for a person who has proven himself elsewhere.
    pub fn open_with(
        &self,
        user: &User,
        from: Option<IpAddr>,
        proof: Proof,
        now_ms: u64,
    ) -> Option<(Redacted<String>, u64)> {
        self.open(
            Holder::Account(user.name.clone(), user.epoch),
            from,
            proof,
            now_ms,
        )
    }

    /// The code was shown that a session awaited.
    pub fn prove(&self, signed_in: &SignedIn) {
        if let Some(session) = &signed_in.session {
            self.sessions().prove(session);
            self.is_unkept.store(true, Ordering::Relaxed);
        }
    }

    fn open(
        &self,
        holder: Holder,
        from: Option<IpAddr>,
        proof: Proof,
        now_ms: u64,
    ) -> Option<(Redacted<String>, u64)> {
        let address = from.map_or_else(String::new, |from| from.to_string());
        self.is_unkept.store(true, Ordering::Relaxed);
        self.sessions().open(holder, &address, proof, now_ms)
    }

    /// Ends the session that somebody is signed in by; nothing where it was by the token itself.
    pub fn close_session(&self, signed_in: &SignedIn) {
        if let Some(session) = signed_in.session {
            self.sessions().close(&session);
            self.is_unkept.store(true, Ordering::Relaxed);
        }
    }

    /// The account has changed; of its sessions this one goes on, if it had not ended by itself.
    pub fn go_on(&self, signed_in: &SignedIn, epoch: u64) {
        if let Some(session) = &signed_in.session {
            self.sessions()
                .go_on(session, &signed_in.who, signed_in.epoch, epoch);
            self.is_unkept.store(true, Ordering::Relaxed);
        }
    }

    /// Sessions of an account, and whether each is the one that `asking` is signed in by.
    pub fn sessions_of(&self, user: &User, asking: &SignedIn, now_ms: u64) -> Vec<(Open, bool)> {
        let found = self.sessions().of(user, now_ms).into_iter();
        found
            .map(|(session, open)| (open, asking.session == Some(session)))
            .collect()
    }

    /// Ends one session of an account by the name it has for people. False = there is none of it.
    pub fn end_session(&self, account: &str, id: &str) -> bool {
        let is_meant = |open: &Open| {
            open.id == id && matches!(&open.holder, Holder::Account(name, _) if name == account)
        };
        self.end_sessions(is_meant) > 0
    }

    fn end_sessions(&self, is_meant: impl Fn(&Open) -> bool) -> usize {
        let ended = self.sessions().end(is_meant);
        self.is_unkept.store(true, Ordering::Relaxed);
        ended
    }

    /// The access review.
    pub fn review(&self, now_ms: u64) -> Vec<crate::accounts::Reviewed> {
        let users = self.users.all();
        let (tokens, sessions) = (self.tokens(), self.sessions());
        crate::accounts::review(users.iter().map(Arc::as_ref), &tokens, &sessions, now_ms)
    }

    /// Writes the open sessions (fingerprints only). Blocks.
    pub fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_unkept.store(false, Ordering::Relaxed);
        let open = self.sessions().all();
        Sessions::keep(&open, store).inspect_err(|_| self.is_unkept.store(true, Ordering::Relaxed))
    }

    /// Writes what was made and taken back of tokens (fingerprints only). Blocks.
    pub fn keep_tokens(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.tokens().changes();
        if !changes.is_empty() {
            let kept = Tokens::keep(&changes, store)?;
            self.tokens().take(kept, &changes);
        }
        Ok(())
    }

    /// Goes by the tokens that other gateways on the same store have made and taken back. Blocks.
    pub fn look_at_tokens(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if store.neighbours().is_none() {
            return Ok(());
        }
        if let Some(kept) = Tokens::kept(store)? {
            self.tokens().take(kept, &TokenChanges::default());
        }
        Ok(())
    }

    /// Now and then: looks at what was done to accounts from elsewhere, and writes when sessions and tokens were used. Blocks.
    pub fn look_again(&self, store: &dyn Store) -> Result<(), StoreError> {
        self.look_at_lockdown(store)?;
        self.users.refresh()?;
        self.keep_tokens(store)?;
        self.look_at_tokens(store)?;
        let uses = self.tokens().uses_to_keep();
        if let Some(uses) = uses {
            Tokens::keep_uses(&uses, store)?;
        }
        if self.is_unkept.load(Ordering::Relaxed) {
            self.keep(store)?;
        }
        Ok(())
    }

    /// Counts a wrong credential. `Err` is the seconds until this address is listened to again.
    pub fn fail(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        lock(&self.failures).fail(from, now_ms)
    }

    /// Whether this address is listened to. `Err` is the seconds until it is again.
    pub fn may_ask(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        lock(&self.failures).may_try(from, now_ms)
    }

    /// Counts an answer of a provider that was not to be believed, apart from wrong credentials. `Err` is the seconds until this
    /// address may come back from there again.
    pub fn disbelieve(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        lock(&self.unbelieved).fail(from, now_ms)
    }

    /// Whether this address may come back from a provider. `Err` is the seconds until it may.
    pub fn may_come_back(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        lock(&self.unbelieved).may_try(from, now_ms)
    }

    pub fn tries(&self) -> &Tries {
        &self.tries
    }

    /// Whether a refusal is written into the audit: some, with how many before it were not.
    pub fn note_refusal(&self, kind: RefusalKind, now_ms: u64) -> Option<u32> {
        lock(&self.refusals)[kind as usize].note(now_ms)
    }

    fn signed_in(&self, session: Fingerprint, now_ms: u64) -> Option<SignedIn> {
        let (holder, ends_ms, opened_ms, proof) = {
            let mut sessions = self.sessions();
            let open = sessions.find(&session, now_ms)?;
            let found = (open.holder.clone(), open.ends_ms, open.opened_ms, open.proof);
            if sessions.used(&session, now_ms) {
                self.is_unkept.store(true, Ordering::Relaxed);
            }
            found
        };
        let mut person = None;
        let (who, roles, is_account, is_to_enrol, epoch) = match holder {
            Holder::Token(name) => {
                let tokens = self.tokens();
                let roles = tokens.roles(&name, now_ms)?;
                person = Some(tokens.person(&name));
                (name, roles, false, false, 0)
            }
            Holder::Account(name, epoch) => {
                let user = self.users.one(&name)?;
                if user.is_disabled || user.epoch != epoch {
                    return None;
                }
                let is_to_enrol = user.is_to_enrol() && proof != Proof::Strong;
                (name, user.roles.clone().into(), true, is_to_enrol, epoch)
            }
        };
        Some(SignedIn {
            person: person.unwrap_or_else(|| who.clone()).into(),
            who: who.into(),
            roles,
            is_account,
            is_to_enrol,
            is_to_prove: proof == Proof::AwaitsCode,
            is_strong: proof == Proof::Strong,
            opened_ms,
            ends_ms: Some(ends_ms),
            epoch,
            session: Some(session),
        })
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }
}

impl Refusals {
    fn note(&mut self, now_ms: u64) -> Option<u32> {
        if self.since_ms.abs_diff(now_ms) >= FAILURE_WINDOW.as_millis() as u64 {
            (self.since_ms, self.written) = (now_ms, 0);
        }
        if self.written >= REFUSALS_WRITTEN_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// A panic elsewhere left whole values only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{FIRST, first_token};

    /// Nobody yet, and the token of the first start.
    pub(super) fn access() -> (Access, String, Arc<dyn Store>) {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let first = first_token(&*store).unwrap().unwrap();
        (access_of(&store), first, store)
    }

    pub(super) fn access_of(store: &Arc<dyn Store>) -> Access {
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        Access::load(store, &audit, Arc::default()).unwrap()
    }

    #[test]
    fn refusals_are_written_down_so_often_and_each_kind_by_itself() {
        let (access, ..) = access();
        let note = |kind, now_ms| access.note_refusal(kind, now_ms);
        for _ in 0..REFUSALS_WRITTEN_MAX {
            assert_eq!(note(RefusalKind::Credential, 100_000), Some(0));
        }
        assert_eq!(note(RefusalKind::Credential, 100_001), None);
        assert_eq!(note(RefusalKind::Credential, 159_999), None);
        assert_eq!(note(RefusalKind::Role, 159_999), Some(0));
        assert_eq!(note(RefusalKind::Credential, 160_000), Some(2));
        assert_eq!(note(RefusalKind::Credential, 160_001), Some(0));
    }

    #[test]
    fn a_session_is_worth_no_more_than_its_token_and_ends_with_it() {
        let (access, first, _) = access();
        assert_eq!(&*access.token(&first, 0).unwrap().who, FIRST);
        let secret = access
            .make_token("bob", vec![Role::Analyst], Some(5_000), FIRST, 1_000)
            .unwrap();
        let bob = access.token(secret.reveal(), 1_000).unwrap();
        let (session, _) = access.open_for_token(&bob, None, 1_000).unwrap();
        let signed_in = access.session(session.reveal(), 4_999).unwrap();
        assert_eq!((&signed_in.who, &signed_in.roles), (&bob.who, &bob.roles));
        assert!(access.session(session.reveal(), 5_000).is_none());
        assert!(access.revoke_token("bob") && !access.revoke_token("bob"));
        assert!(access.session(session.reveal(), 2_000).is_none());
        assert!(!access.still_holds(&signed_in, 2_000) && !access.still_holds(&bob, 2_000));
    }

    #[test]
    fn of_two_gateways_neither_forgets_what_the_other_did_to_tokens() {
        let (left, first, store) = access();
        let right = access_of(&store);
        let make = |access: &Access, name| {
            access
                .make_token(name, vec![Role::Admin], None, FIRST, 0)
                .unwrap()
        };
        let (ann, bob) = (make(&left, "ann"), make(&right, "bob"));
        left.keep_tokens(&*store).unwrap();
        right.keep_tokens(&*store).unwrap();
        for token in [&first, ann.reveal(), bob.reveal()] {
            assert!(right.is_token(token) && access_of(&store).is_token(token));
        }
        let same = [make(&left, "same"), make(&right, "same")];
        left.keep_tokens(&*store).unwrap();
        right.keep_tokens(&*store).unwrap();
        assert_eq!(same.map(|token| right.is_token(token.reveal())), [true, false]);
    }

    #[test]
    fn a_session_that_is_left_opens_nothing() {
        let (access, first, _) = access();
        let first = access.token(&first, 0).unwrap();
        let (session, _) = access.open_for_token(&first, None, 0).unwrap();
        let signed_in = access.session(session.reveal(), 1).unwrap();
        assert!(access.still_holds(&signed_in, 1));
        access.close_session(&signed_in);
        assert!(!access.still_holds(&signed_in, 1));
        assert!(access.still_holds(&first, 1), "the token still opens");
    }
}
