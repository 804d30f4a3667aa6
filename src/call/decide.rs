//! Asks policy, writes down what it said, and composes the banner that follows.

use crate::banner;
use crate::media::Side;
use crate::policy::Action;
use crate::screening::Stage;

use super::case::Case;
use super::desk::Desk;

/// What policy wants of a call while it lasts.
pub(crate) struct Wish {
    pub(crate) action: Action,
    /// Name and hash of the policy that wants it.
    pub(crate) revision: String,
    /// The rule, and its reason.
    pub(crate) why: Option<String>,
}

/// What policy wants done, from the facts as they are.
pub(crate) fn arrive(case: &mut Case, desk: &Desk, at_ms: u64) -> Action {
    let action = ask(case, desk, Stage::Arrive, at_ms).0;
    case.in_flood(action, desk)
}

/// Something was learned by an order: at the stage the call is in, whatever that is.
pub(crate) fn again(case: &mut Case, desk: &Desk, at_ms: u64) {
    live(case, desk, at_ms);
}

/// What policy wants done now that the caller has been asked something.
pub(crate) fn heard(case: &mut Case, desk: &Desk, at_ms: u64) -> Action {
    let action = ask(case, desk, Stage::Heard, at_ms).0;
    case.in_flood(action, desk)
}

/// The facts moved while it rang or while they talked. The label and the banner follow; what else policy wants is carried
/// out once they talk (`orders.rs`). True when a person could see a difference.
pub(crate) fn live(case: &mut Case, desk: &Desk, at_ms: u64) -> bool {
    let (action, is_news) = ask(case, desk, Stage::Live, at_ms);
    case.wish = match action {
        Action::Deliver | Action::Label => None,
        action => {
            let policy = desk.lineup.judge(&case.facts);
            Some(Wish {
                action,
                revision: policy.revision().to_string(),
                why: policy.decided_by(&case.facts),
            })
        }
    };
    is_news
}

fn ask(case: &mut Case, desk: &Desk, stage: Stage, at_ms: u64) -> (Action, bool) {
    case.facts.stage = stage;
    let said = case.spoken(Side::A).or(case.offer.as_ref());
    let codec = said.and_then(|said| said.codecs().first().copied());
    case.facts.signalling.codec = codec.map_or(String::new(), |(_, codec)| codec.as_str().into());
    case.look_at_lists(&desk.lists);
    case.look_at_reputations(&desk.reputations);
    let lineup = &desk.lineup;
    let policy = lineup.judge(&case.facts);
    let decision = policy.decide(&case.facts);
    let banner = banner::compose(&case.facts, &decision, policy);
    let action = decision.action.clone();
    case.record.add_decision(at_ms, decision, &case.facts);
    if let Some(shadow) = lineup.shadow() {
        case.record.add_shadow(shadow.decide(&case.facts));
    }
    let is_new = case.record.add_banner(at_ms, banner);
    (action, is_new)
}
