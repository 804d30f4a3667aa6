//! `/api/v1/spending`: what calls to the outside came to, beside what they may.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ProblemBody;
use super::limits::SPENDERS_SHOWN;
use super::state::Shared;
use crate::call::{Allowance, Came, Ledger, Money, TollConfig};

/// What the API knows of calls to the outside.
#[derive(Clone, Default)]
pub struct Outgoings {
    pub ledger: Ledger,
    pub config: TollConfig,
}

/// What calls to the outside came to, at every gateway on the store that is heard.
#[derive(Serialize, ToSchema)]
#[schema(as = Spending)]
pub(crate) struct SpendingView {
    /// That of the tariff; null = there is none, and nobody knows what calls cost.
    #[schema(example = "GBP")]
    currency: Option<String>,
    all: CameView,
    /// Who spent most within a day first, and of those that spent nothing who called most; 200 of them.
    persons: Vec<PayerView>,
    /// The same of queues that send calls on.
    queues: Vec<PayerView>,
    /// What each may, as the configuration has it.
    limits: LimitsView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpendingOf)]
pub(crate) struct PayerView {
    /// A device, the address of a phone, `person:` and an account, or a queue.
    #[schema(example = "desk-1")]
    name: String,
    #[serde(flatten)]
    came: CameView,
}

/// Calls that go on are in it. Amounts are decimal, of the currency.
#[derive(Serialize, ToSchema)]
#[schema(as = SpendingSum)]
pub(crate) struct CameView {
    /// That go on now.
    calls: u32,
    /// That began within an hour; nothing is counted where the configuration limits nothing and has no tariff.
    calls_in_hour: u32,
    /// Within an hour, from when they began to ring.
    minutes_in_hour: u64,
    #[schema(example = "1.25")]
    spent_in_hour: String,
    #[schema(example = "7.40")]
    spent_in_day: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpendingLimits)]
pub(crate) struct LimitsView {
    all: LimitView,
    person: LimitView,
    queue: LimitView,
}

/// null = it is not limited.
#[derive(Serialize, ToSchema)]
#[schema(as = SpendingLimit)]
pub(crate) struct LimitView {
    calls: Option<u32>,
    calls_in_hour: Option<u32>,
    minutes_in_hour: Option<u32>,
    #[schema(example = "20.00")]
    spent_in_hour: Option<String>,
    #[schema(example = "50.00")]
    spent_in_day: Option<String>,
}

/// What calls to the outside came to, in calls, minutes and money, and what they may come to.
#[utoipa::path(
    get, path = "/api/v1/spending", tag = "gateway",
    responses(
        (status = 200, description = "As it is now", body = SpendingView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn look(State(shared): State<Shared>) -> Json<SpendingView> {
    let Outgoings { ledger, config } = &shared.gateway.outgoings;
    let totals = ledger.totals_everywhere(shared.now().instant);
    Json(SpendingView {
        currency: config.tariff.as_ref().map(|tariff| tariff.currency.clone()),
        all: totals.all.into(),
        persons: payers(totals.persons),
        queues: payers(totals.queues),
        limits: LimitsView {
            all: config.all.into(),
            person: config.person.into(),
            queue: config.queue.into(),
        },
    })
}

fn payers(came: BTreeMap<String, Came>) -> Vec<PayerView> {
    let mut came: Vec<_> = came.into_iter().collect();
    came.sort_by_key(|(_, came)| came.place());
    came.truncate(SPENDERS_SHOWN);
    came.into_iter()
        .map(|(name, came)| PayerView {
            name,
            came: came.into(),
        })
        .collect()
}

impl From<Came> for CameView {
    fn from(came: Came) -> CameView {
        CameView {
            calls: came.at_once,
            calls_in_hour: came.per_hour,
            minutes_in_hour: came.seconds / 60,
            spent_in_hour: Money(came.hour).to_string(),
            spent_in_day: Money(came.day).to_string(),
        }
    }
}

impl From<Allowance> for LimitView {
    fn from(allowed: Allowance) -> LimitView {
        let text = |money: Option<Money>| money.map(|money| money.to_string());
        LimitView {
            calls: allowed.at_once,
            calls_in_hour: allowed.per_hour,
            minutes_in_hour: allowed.minutes_per_hour,
            spent_in_hour: text(allowed.spend_per_hour),
            spent_in_day: text(allowed.spend_per_day),
        }
    }
}
