//! What the gateway asks of others: certificates, opinions about voices, and whether anybody speaks at all.

use super::*;

impl City {
    pub(super) fn fetched(&mut self, shard: u16, url: String) {
        let Some((_, is_there)) = self.helpers.fetch else {
            return;
        };
        let result = if is_there {
            Ok(FetchedBody {
                pem: signing::signer().chain_pem.clone().into_bytes().into(),
                max_age: None,
            })
        } else {
            Err(FetchFailure::Timeout)
        };
        self.tell(shard, Input::Fetched(Fetched { url, result }), None);
    }

    pub(super) fn scored(&mut self, shard: u16, call: CallId, window: u32) {
        if !self.media.get(&call).is_some_and(|media| media.is_tapped) {
            return;
        }
        if self.helpers.is_scorer_overloaded {
            return self.tell(shard, Input::ScoringOverloaded { call }, None);
        }
        let llr = self.chance.below(60) as f32 / 10.0 - 3.0;
        let seconds = window as f32;
        let opinion = Opinion {
            llr,
            label: match llr {
                llr if llr <= -2.0 => Label::Spoof,
                llr if llr >= 2.0 => Label::BonaFide,
                _ => Label::Unsure,
            },
            seconds,
            speech_seconds: seconds,
            window: Some(Window { at: seconds, llr }),
            ..Opinion::nothing_heard()
        };
        self.tell(shard, Input::Scored { call, opinion }, None);
        self.after(SECOND, Happening::Scored(shard, call, window + 1));
    }

    /// The media says that nobody speaks, as long as it is open and somebody who should speak is gone.
    pub(super) fn silence(&mut self, shard: u16, call: CallId) {
        if !self.media.contains_key(&call) {
            return;
        }
        if self.ledger.is_silent(call, &self.legs) {
            self.tell(shard, Input::MediaSilent { call }, None);
        }
        self.after(SILENCE, Happening::Silence(shard, call));
    }

    pub(super) fn identity_of(&self, leg: u32) -> Option<String> {
        let Plan::Caller(plan) = &self.legs[leg as usize].plan else {
            return None;
        };
        let number = number(leg);
        let (orig, dest) = (
            number.trim_start_matches('+'),
            plan.called.trim_start_matches('+'),
        );
        let iat = EPOCH_S + self.now_us / SECOND;
        match plan.signature {
            Signature::None => None,
            Signature::Good(attest) => Some(signing::signed_token(attest, orig, dest, iat)),
            Signature::Stolen => Some(signing::signed_token('A', "14045550123", dest, iat)),
            Signature::Broken => Some(signing::unsigned_token(orig, dest, iat, signing::CERTIFICATE_URL)),
            Signature::Stale => Some(signing::signed_token('A', orig, dest, iat - 3600)),
        }
    }
}
