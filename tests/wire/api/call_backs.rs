//! Calling an organisation back over the API: whom the caller claims to be, which number the directory has, and every way to say no.

use std::sync::Arc;

use reqwest::{Method, Response};
use ringward::call::NoCallBack;
use ringward::call::record::{CalledBack, Direction, State};
use ringward::call_id::CallId;
use ringward::redact::Redacted;
use serde_json::{Value, json};

use super::{Desk, NOON, Setting, check_problem, json as read, memory};
use crate::records::{KINDS, call};

const BANK: &str = "+18005550100";
const SHOWN: &str = "+14045550123";

impl Desk {
    /// An organisation of the directory: the number of its entry.
    async fn organisation(&self, name: &str, numbers: &[&str]) -> u64 {
        let body = json!({ "name": name, "numbers": numbers, "reason": "its web page" });
        let added = self
            .post("/api/v1/lists/directory/entries", &body.to_string())
            .await;
        assert_eq!(added.status(), 201);
        read(added).await["id"].as_u64().unwrap()
    }

    /// What is posted to call some bank back that was just entered.
    pub async fn bank_body(&self) -> String {
        let entry = self.organisation("Second Harbor Bank", &[BANK]).await;
        json!({ "entry": entry, "number": BANK }).to_string()
    }

    /// A call that is going on, from this number and in this name.
    fn claims(&self, number: &str, name: &str) -> CallId {
        self.claims_as(number, name, false)
    }

    /// The same; `is_drill`: it is a training call.
    fn claims_as(&self, number: &str, name: &str, is_drill: bool) -> CallId {
        let mut record = call(&KINDS[3], 5, NOON, 6_000, 60_000);
        record.drill = is_drill;
        if is_drill {
            record.state = State::Talking;
        }
        record.caller = Some(Redacted::new(number.into()));
        record.caller_name = Some(Redacted::new(name.into()));
        record.facts.identity.name = None;
        record.queue = Some("front-desk".into());
        let id = record.id;
        self.live.publish(Arc::new(record));
        id
    }

    async fn sees(&self, cookie: &str, id: CallId, search: &str) -> Value {
        let path = format!("/api/v1/calls/{id}/call-back{search}");
        read(self.by_cookie(Method::GET, &path, cookie, "").await).await
    }

    async fn calls_back(&self, cookie: &str, id: CallId, entry: u64, number: &str) -> Response {
        let path = format!("/api/v1/calls/{id}/call-back");
        let body = json!({ "entry": entry, "number": number }).to_string();
        self.by_cookie(Method::POST, &path, cookie, &body).await
    }

    /// Ann, a receptionist at `desk-1`.
    async fn ann(&self) -> String {
        let ann = self.person("ann", &["receptionist"]).await;
        self.seat(&ann, "desk-1").await;
        ann
    }
}

#[tokio::test]
async fn the_number_of_the_directory_is_called_from_the_phone_of_whoever_asked_and_never_the_one_shown() {
    let desk = Desk::open().await;
    let ann = desk.ann().await;
    let bank = desk.organisation("First National Bank", &["+1888*", BANK]).await;
    let id = desk.claims(SHOWN, "FIRST NATIONAL BANK");
    let seen = desk.sees(&ann, id, "").await;
    let claimed = &seen["claimed"][0];
    assert_eq!(
        (&claimed["entry"], &claimed["organisation"], &claimed["claim"]),
        (&json!(bank), &json!("First National Bank"), &json!("name")),
        "{seen}"
    );
    assert_eq!(
        claimed["numbers"],
        json!([BANK]),
        "a range is no number to call: {seen}"
    );
    assert_eq!(
        (&claimed["by"], claimed["at_ms"].is_u64(), &claimed["reason"]),
        (&json!("first"), true, &json!("its web page")),
        "who entered it, and when: {seen}"
    );
    assert_eq!(
        (&seen["phones"], &seen["not_now"]),
        (&json!(["desk-1"]), &Value::Null)
    );

    let shown = desk.calls_back(&ann, id, bank, SHOWN).await;
    check_problem(shown, 409, "conflict").await;
    let begun = desk.calls_back(&ann, id, bank, BANK).await;
    assert_eq!(begun.status(), 202);
    assert_eq!(read(begun).await["id"], CallId(0x77).to_string());
    {
        let wanted = desk.called_back.lock().unwrap();
        assert_eq!(wanted.len(), 1, "once");
        let wanted = &wanted[0];
        assert_eq!(
            (wanted.number.reveal().as_str(), wanted.by.as_str(), wanted.of),
            (BANK, "ann", id)
        );
        assert_eq!(wanted.devices, ["desk-1"]);
        assert_eq!(wanted.queue.as_deref(), Some("front-desk"));
    }
    let audit = desk.read("/api/v1/audit").await.to_string();
    assert!(
        audit.contains("call-back") && audit.contains("First National Bank"),
        "{audit}"
    );
}

#[tokio::test]
async fn an_organisation_is_found_by_the_number_that_is_shown_and_by_its_name_in_the_directory() {
    let desk = Desk::open().await;
    let ann = desk.ann().await;
    let bank = desk.organisation("First National Bank", &[BANK]).await;
    let tax = desk.organisation("Revenue and Customs", &["+12125550190"]).await;
    // He shows a number of the bank's and gives the name of another.
    let id = desk.claims(BANK, "Revenue and Customs");
    let seen = desk.sees(&ann, id, "").await;
    let claims: Vec<_> = seen["claimed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["entry"].as_u64().unwrap(),
                one["claim"].as_str().unwrap().to_string(),
            )
        })
        .collect();
    assert_eq!(claims, [(tax, "name".into()), (bank, "number".into())], "{seen}");
    // Somebody of whom the directory knows nothing: whoever took the call searches.
    let id = desk.claims(SHOWN, "John Smith");
    let seen = desk.sees(&ann, id, "?search=national").await;
    assert_eq!(seen["claimed"], json!([]), "{seen}");
    assert_eq!(seen["found"][0]["entry"], bank, "{seen}");
    assert_eq!(seen["found"][0]["claim"], Value::Null);
    assert_eq!(desk.calls_back(&ann, id, bank, BANK).await.status(), 202);
    let path = format!("/api/v1/calls/{id}/call-back?search=x");
    check_problem(
        desk.by_cookie(Method::GET, &path, &ann, "").await,
        400,
        "bad-request",
    )
    .await;
}

#[tokio::test]
async fn a_training_call_that_goes_on_looks_like_any_other_one_to_whoever_would_call_back() {
    let desk = Desk::open().await;
    let ann = desk.ann().await;
    let bank = desk.organisation("First National Bank", &[BANK]).await;
    let real = desk.claims(SHOWN, "First National Bank");
    let seen_of_real = desk.sees(&ann, real, "").await;
    let drill = desk.claims_as(SHOWN, "First National Bank", true);
    assert_eq!(desk.sees(&ann, drill, "").await, seen_of_real);
    let shown = desk.calls_back(&ann, drill, bank, SHOWN).await;
    check_problem(shown, 409, "conflict").await;
    let begun = desk.calls_back(&ann, drill, bank, BANK).await;
    assert_eq!(begun.status(), 409);
    let said = read(begun).await.to_string();
    assert!(
        !said.contains("raining") && said.contains("at this moment"),
        "{said}"
    );
    assert!(desk.called_back.lock().unwrap().is_empty(), "nobody is called");
}

#[tokio::test]
async fn nobody_calls_back_who_may_not_or_cannot() {
    let desk = Desk::open().await;
    let bank = desk.organisation("First National Bank", &[BANK]).await;
    let ranges = desk.organisation("Toll Free Company", &["+1888*"]).await;
    let id = desk.claims(SHOWN, "First National Bank");
    let analyst = desk.person("dan", &["analyst"]).await;
    check_problem(
        desk.calls_back(&analyst, id, bank, BANK).await,
        403,
        "role-missing",
    )
    .await;
    let by_token = desk
        .post(
            &format!("/api/v1/calls/{id}/call-back"),
            &json!({ "entry": bank, "number": BANK }).to_string(),
        )
        .await;
    check_problem(by_token, 409, "no-account").await;
    let nowhere = desk.person("bob", &["receptionist"]).await;
    let seen = desk.sees(&nowhere, id, "").await;
    assert!(
        seen["not_now"]
            .as_str()
            .unwrap()
            .contains("signed in to no phone"),
        "{seen}"
    );
    check_problem(desk.calls_back(&nowhere, id, bank, BANK).await, 409, "conflict").await;

    let ann = desk.ann().await;
    check_problem(
        desk.calls_back(&ann, id, 99, BANK).await,
        404,
        "nothing-in-directory",
    )
    .await;
    check_problem(
        desk.calls_back(&ann, id, ranges, "+18885550100").await,
        404,
        "nothing-in-directory",
    )
    .await;
    check_problem(
        desk.calls_back(&ann, CallId(1), bank, BANK).await,
        404,
        "no-such-call",
    )
    .await;
    for (why, status, name) in [
        (NoCallBack::Off, 409, "conflict"),
        (NoCallBack::NoPhone, 409, "conflict"),
        (
            NoCallBack::NotNow("calls do not go out at this hour"),
            409,
            "conflict",
        ),
        (
            NoCallBack::NotThis("other countries may not be called"),
            422,
            "not-callable",
        ),
        (NoCallBack::Busy, 503, "timed-out"),
    ] {
        *desk.no_call_back.lock().unwrap() = Some(why);
        check_problem(desk.calls_back(&ann, id, bank, BANK).await, status, name).await;
    }
    *desk.no_call_back.lock().unwrap() = None;

    // One at a time, and not of a call of one's own.
    let mut own = call(&KINDS[3], 8, NOON, 6_000, 60_000);
    own.direction = Direction::Outbound;
    own.person = Some("ann".into());
    own.call_back = Some(CalledBack {
        of: id,
        organisation: "First National Bank".into(),
        entry: bank,
    });
    let own_id = own.id;
    desk.live.publish(Arc::new(own));
    check_problem(desk.calls_back(&ann, id, bank, BANK).await, 409, "conflict").await;
    check_problem(desk.calls_back(&ann, own_id, bank, BANK).await, 409, "conflict").await;
    let mut training = call(&KINDS[3], 9, NOON, 6_000, 60_000);
    training.drill = true;
    let drill = training.id;
    desk.live.publish(Arc::new(training));
    check_problem(desk.calls_back(&ann, drill, bank, BANK).await, 409, "conflict").await;
    let shown = desk.read(&format!("/api/v1/calls/{own_id}")).await;
    assert_eq!(
        shown["call_back_of"],
        json!({ "call": id.to_string(), "organisation": "First National Bank" })
    );
    assert!(desk.called_back.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_call_backs_are_off_the_page_says_so_before_anybody_asks() {
    let plan = Setting {
        calls_back: false,
        ..Setting::default()
    };
    let desk = Desk::set_up(memory(), plan).await;
    let ann = desk.ann().await;
    let bank = desk.organisation("First National Bank", &[BANK]).await;
    let id = desk.claims(SHOWN, "First National Bank");
    let seen = desk.sees(&ann, id, "").await;
    assert!(
        seen["not_now"].as_str().unwrap().contains("[outbound] call_back"),
        "{seen}"
    );
    check_problem(desk.calls_back(&ann, id, bank, BANK).await, 409, "conflict").await;
}
