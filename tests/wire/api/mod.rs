//! The API over real HTTP.

mod access;
mod alarms;
mod audit;
mod call_backs;
mod calls;
mod campaigns;
mod erasures;
mod desks;
mod devices;
mod events;
mod flood;
mod generated;
mod limits;
mod lists;
mod lockdown;
mod model;
mod oidc;
mod pages;
mod passkeys;
mod policies;
mod reports;
mod schemathesis;
mod searches;
mod tls;
pub mod users;
mod webhooks;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use reqwest::{Client, Method, RequestBuilder, Response};
use ringward::api::{self, Gateway};
use ringward::call::record::{OrderOutcome, Ordered};
use ringward::call::{CallBack, NoCallBack, Order, What};
use ringward::call_id::CallId;
use ringward::flood::{Blocks, CallLimits, Shared as Counters, SurgeConfig};
use ringward::lists::{Lookup, Plan};
use ringward::policy::{Policy, SHIPPED};
use ringward::runtime::alarms::Alarms;
use ringward::runtime::by_hand::ByHand;
use ringward::runtime::drills::Drills;
use ringward::runtime::floor::Floor;
use ringward::runtime::inbox::Mailboxes;
use ringward::runtime::lists::ListKeeper;
use ringward::runtime::lockdown::LockdownKeeper;
use ringward::runtime::phones::Phones;
use ringward::runtime::policies::Policies;
use ringward::runtime::provider::Provider;
use ringward::runtime::repeats::Repeats;
use ringward::runtime::reputation::ReputationKeeper;
use ringward::runtime::stream::Tls;
use ringward::runtime::webhooks::Webhooks;
use ringward::store::{self, Audit, Live, Store};
use ringward::time::Now;
use ringward::webhook::{self, Patience};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::records::{FORGED, KINDS, call, ended};

pub const NOON: u64 = 1_790_000_000_000;

/// A gateway's API on a port of its own, with a clock that stands still until it is moved.
pub struct Desk {
    pub address: SocketAddr,
    pub token: String,
    pub live: Arc<Live>,
    pub store: Arc<dyn Store>,
    pub hung_up: Arc<Mutex<Vec<CallId>>>,
    /// What else was ordered.
    pub ordered: Arc<Mutex<Vec<Order>>>,
    /// Who was called back, and what the next one hears instead.
    pub called_back: Arc<Mutex<Vec<CallBack>>>,
    pub no_call_back: Arc<Mutex<Option<NoCallBack>>>,
    pub policies: Arc<Policies>,
    /// Names of the policies that the shards were told to judge by.
    pub told: Arc<Mutex<Vec<String>>>,
    /// What the shards were told to look at.
    pub listed: Arc<Mutex<Option<Arc<Lookup>>>>,
    pub reputation: Arc<ReputationKeeper>,
    pub webhooks: Arc<Webhooks>,
    /// Looked at when a test does.
    pub alarms: Arc<Alarms>,
    /// Read already.
    pub repeats: Arc<Repeats>,
    pub client: Client,
    clock_ms: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    stop_webhooks: watch::Sender<bool>,
    served: JoinHandle<std::io::Result<()>>,
}

/// What of a desk can be another.
pub struct Setting {
    pub public_url: Option<String>,
    pub tls: Option<Arc<Tls>>,
    pub webhooks: Vec<webhook::Config>,
    pub patience: Patience,
    pub oidc: Option<ringward::accounts::oidc::Config>,
    pub second_person: api::SecondPerson,
    pub calls_back: bool,
    pub search_lasts: Duration,
    /// How long all may take that is asked of the provider for one sign-in; None = machines are slow.
    pub oidc_asked_in: Option<Duration>,
}

impl Default for Setting {
    /// One webhook, that leads where it may not: what it is told is dead at once.
    fn default() -> Self {
        let nowhere = webhook::Config {
            name: "nowhere".into(),
            url: "https://127.0.0.1:1/".into(),
            secret: "twenty-four octets, at least".to_string().into(),
            kinds: Vec::new(),
            allow: Vec::new(),
            anchors: Vec::new(),
        };
        Setting {
            public_url: None,
            tls: None,
            oidc: None,
            second_person: api::SecondPerson::default(),
            calls_back: true,
            search_lasts: api::limits::SEARCH_LASTS,
            oidc_asked_in: None,
            webhooks: vec![nowhere],
            patience: Patience {
                first: Duration::from_millis(1),
                give_up: Duration::ZERO,
                ..Patience::default()
            },
        }
    }
}

impl Desk {
    pub async fn open() -> Desk {
        Desk::with(memory(), None).await
    }

    pub async fn with(store: Arc<dyn Store>, public_url: Option<&str>) -> Desk {
        Desk::with_tls(store, public_url, None).await
    }

    pub async fn with_tls(store: Arc<dyn Store>, public_url: Option<&str>, tls: Option<Arc<Tls>>) -> Desk {
        let plan = Setting {
            public_url: public_url.map(Into::into),
            tls,
            ..Setting::default()
        };
        Desk::set_up(store, plan).await
    }

    pub async fn set_up(store: Arc<dyn Store>, plan: Setting) -> Desk {
        let live = Arc::new(Live::new());
        let clock_ms = Arc::new(AtomicU64::new(NOON));
        let hung_up: Arc<Mutex<Vec<CallId>>> = Arc::default();
        let ordered: Arc<Mutex<Vec<Order>>> = Arc::default();
        let called_back: Arc<Mutex<Vec<CallBack>>> = Arc::default();
        let no_call_back: Arc<Mutex<Option<NoCallBack>>> = Arc::default();
        let token = api::first_token(store.as_ref()).unwrap().unwrap_or_default();
        let audit = Arc::new(Audit::open(Arc::clone(&store)).unwrap());
        let shipped = &SHIPPED[0];
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let policies = Policies::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            Box::new(|name, text| Policy::load(name, text, &["desk".into(), "security".into()])),
            &Arc::new(shipped.policy()),
            shipped.text,
            Box::new({
                let told = Arc::clone(&told);
                move |lineup| told.lock().unwrap().push(lineup.live().name().to_string())
            }),
        );
        let policies = Arc::new(policies.unwrap());
        let listed: Arc<Mutex<Option<Arc<Lookup>>>> = Arc::default();
        let tell = {
            let listed = Arc::clone(&listed);
            move |lists| *listed.lock().unwrap() = Some(lists)
        };
        let lists = ListKeeper::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            Plan::of("US"),
            Box::new(tell),
        );
        let reputation = ReputationKeeper::open(Arc::clone(&store), Box::new(|_| ()));
        let reputation = Arc::new(reputation.unwrap());
        let webhooks = Webhooks::open(plan.webhooks, plan.patience, Arc::clone(&store)).unwrap();
        let (stop_webhooks, stopping) = watch::channel(false);
        webhooks.start(&stopping);
        let mailboxes = Mailboxes::new(Vec::new());
        let phones = Phones::new(Arc::clone(&audit));
        let shift = Duration::from_secs(12 * 3600);
        let floor = Floor::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            phones,
            mailboxes,
            shift,
            &[],
        );
        let rules = ringward::alarm::Rules::shipped();
        let alarms = Alarms::open(Arc::clone(&store), rules, Some("1"), None, Box::new(|_| ()));
        let alarms = Arc::new(alarms.unwrap());
        let repeats = Repeats::open(100, Arc::clone(&live), Arc::clone(&store)).unwrap();
        repeats.read(NOON).unwrap();
        let repeats = Arc::new(repeats);
        let carrier = vec!["203.0.113.0/24".parse().unwrap()];
        let by_hand = ByHand::new(
            Counters::new(CallLimits::default(), SurgeConfig::default()),
            Arc::new(Blocks::new(carrier, true)),
        );
        let gateway = Gateway {
            floor: floor.unwrap(),
            repeats: Some(Arc::clone(&repeats)),
            models: Some(Arc::new(ringward::runtime::models::Models::new(
                Arc::new(ringward::voice::Model::embedded().expect("the embedded model")),
                10,
            ))),
            redress: Box::new(|reference| (reference == "1790000000-good").then(|| "a.b.c".into())),
            store: Arc::clone(&store),
            live: Arc::clone(&live),
            policies: Arc::clone(&policies),
            lists: Arc::new(lists.unwrap()),
            reputation: Arc::clone(&reputation),
            alarms: Arc::clone(&alarms),
            by_hand: Arc::new(by_hand),
            drills: Arc::new(Drills::new(
                Arc::clone(&store),
                ringward::call::Drills::default(),
                ringward::runtime::drills::Place {
                    sip: None,
                    media: std::net::Ipv4Addr::LOCALHOST.into(),
                    trunks: Vec::new(),
                    queues: Vec::new(),
                },
            )),
            lockdown: Arc::new(
                LockdownKeeper::open(Arc::clone(&store), Arc::clone(&audit), Box::new(|_| true)).unwrap(),
            ),
            audit,
            tries: Arc::default(),
            webhooks: Arc::clone(&webhooks),
            order: Box::new({
                let (live, hung_up, ordered) =
                    (Arc::clone(&live), Arc::clone(&hung_up), Arc::clone(&ordered));
                move |id, order: Order| {
                    let is_live = live.call(id).is_some();
                    if is_live && order.what == What::End {
                        hung_up.lock().unwrap().push(id);
                    } else if is_live {
                        ordered.lock().unwrap().push(order);
                    }
                    is_live
                }
            }),
            calls_back: plan.calls_back,
            call_back: Box::new({
                let (called_back, not) = (Arc::clone(&called_back), Arc::clone(&no_call_back));
                move |wanted| match *not.lock().unwrap() {
                    Some(why) => Err(why),
                    None => {
                        called_back.lock().unwrap().push(wanted);
                        Ok(CallId(0x77))
                    }
                }
            }),
            icon: Box::new(|url, digest| {
                // As if the host had this one icon, and it were the one that was signed for.
                let is_there = url == "https://media.example.com/logo.png" && digest.is_none();
                Box::pin(async move { is_there.then(|| b"\x89PNG drawn".as_slice().into()) })
            }),
            status: Box::new(|| serde_json::json!({ "version": "test" })),
            metrics: Box::new(|| "ringward_live_calls 1\n".into()),
            clock: Box::new({
                let clock_ms = Arc::clone(&clock_ms);
                move || Now {
                    instant: Instant::now(),
                    utc: UNIX_EPOCH + Duration::from_millis(clock_ms.load(Ordering::Relaxed)),
                }
            }),
            provider: plan.oidc.map(|oidc| {
                let public_url = plan.public_url.as_deref().unwrap();
                let asked_in = plan.oidc_asked_in.unwrap_or(Duration::from_secs(60));
                Arc::new(Provider::with_patience(oidc, public_url, asked_in).unwrap())
            }),
            tls: plan.tls,
            public_url: plan.public_url,
            second_person: plan.second_person,
            search_lasts: plan.search_lasts,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(api::serve(listener, Arc::new(gateway), async {
            let _ = stopped.await;
        }));
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Desk {
            address,
            token,
            live,
            store,
            hung_up,
            ordered,
            called_back,
            no_call_back,
            policies,
            told,
            listed,
            reputation,
            client,
            clock_ms,
            stop: Some(stop),
            stop_webhooks,
            webhooks,
            alarms,
            repeats,
            served,
        }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Signed in by the token.
    pub fn signed(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).bearer_auth(&self.token)
    }

    pub async fn read(&self, path: &str) -> Value {
        let response = self.signed(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        json(response).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Response {
        with_json(self.signed(Method::POST, path), body)
            .send()
            .await
            .unwrap()
    }

    /// Signs in at the console: the cookie as a browser would send it.
    pub async fn sign_in(&self) -> String {
        let body = format!("{{\"token\":\"{}\"}}", self.token);
        let response = with_json(self.ask(Method::POST, "/api/v1/session"), &body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_string()
    }

    pub fn move_clock(&self, by: Duration) {
        self.clock_ms.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }

    /// A call going on, answered two seconds ago.
    pub fn live_call(&self, kind: usize, number: u64) -> CallId {
        let record = call(&KINDS[kind], number, NOON, 6_000, 60_000);
        let id = record.id;
        self.live.publish(Arc::new(record));
        id
    }

    /// The same, with so many orders given already.
    pub fn live_call_with_orders(&self, number: u64, orders: usize) -> CallId {
        let mut record = call(&KINDS[3], number, NOON, 6_000, 60_000);
        record.orders = (0..orders)
            .map(|_| Ordered {
                at_ms: 5_000,
                by: "ann".into(),
                what: "whisper".into(),
                to: None,
                why: None,
                outcome: OrderOutcome::Done,
            })
            .collect();
        let id = record.id;
        self.live.publish(Arc::new(record));
        id
    }

    /// The same, from a number that is proven or not, with this icon in its signed data.
    pub fn live_call_with_icon(&self, is_proven: bool, number: u64, icon: Option<&str>) -> CallId {
        let mut records = KINDS
            .iter()
            .map(|kind| call(kind, number, NOON, 6_000, 60_000))
            .filter(|record| record.facts.is_number_proven() == is_proven);
        let mut record = records.next().unwrap();
        record.identity.rcd = Some(stir_shaken_verify::RichCallData {
            icon: icon.map(str::to_string),
            ..Default::default()
        });
        let id = record.id;
        self.live.publish(Arc::new(record));
        id
    }

    pub fn kept_call(&self, kind: usize, number: u64) -> CallId {
        let record = ended(&KINDS[kind], number, NOON + number);
        let id = record.id;
        self.store.save(Arc::new(record));
        id
    }

    /// A call that the live policy decided.
    pub fn decided_call(&self) -> CallId {
        let mut record = ended(&KINDS[FORGED], 9, NOON);
        let mut facts = record.facts.clone();
        facts.stage = ringward::screening::Stage::Arrive;
        facts.voice = Default::default();
        record.decisions.truncate(1);
        let first = &mut record.decisions[0];
        first.decision = self.policies.lineup().judge(&facts).decide(&facts);
        first.facts = None;
        record.facts = facts;
        let id = record.id;
        self.store.save(Arc::new(record));
        id
    }

    /// A revision that refuses calls, and that bob wants live.
    pub fn propose(&self) -> u64 {
        let strict = ringward::policy::shipped("strict").unwrap().text;
        let number = self.policies.save(strict, "bob", "x").unwrap();
        self.policies.activate(number, 100, "bob", true, "x").unwrap();
        number
    }

    /// A token of this name and these roles: its secret.
    pub async fn token_for(&self, name: &str, roles: &[&str]) -> String {
        let body = serde_json::json!({ "name": name, "roles": roles }).to_string();
        let response = self.post("/api/v1/tokens", &body).await;
        assert_eq!(response.status(), 201);
        json(response).await["token"].as_str().unwrap().to_string()
    }

    /// A message that the webhook of every desk did not take: its id.
    pub async fn dead_message(&self) -> String {
        let sent = json(self.post("/api/v1/webhooks/nowhere/test", "").await).await;
        for _ in 0..6_000 {
            let dead = self.read("/api/v1/webhooks/nowhere/dead").await;
            let mut messages = dead["messages"].as_array().unwrap().iter();
            if messages.any(|message| message["id"] == sent["id"]) {
                return sent["id"].as_str().unwrap().to_string();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is not dead");
    }

    pub async fn close(mut self) -> std::io::Result<()> {
        let _ = self.stop.take().unwrap().send(());
        let _ = self.stop_webhooks.send(true);
        self.served.await.unwrap()
    }
}

pub fn memory() -> Arc<dyn Store> {
    store::open(&store::Config {
        url: "sqlite::memory:".into(),
    })
    .unwrap()
}

pub fn with_json(request: RequestBuilder, body: &str) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

pub async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// The answer is this problem, in the form of RFC 9457, and repeats nothing secret.
pub async fn check_problem(response: Response, status: u16, name: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = json(response).await;
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("urn:ringward:problem:{name}"), "{body}");
    assert!(!body["detail"].as_str().unwrap().is_empty());
}
