//! Lists, one call, why, reports, actions.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use ringward::call::record::Ending;
use ringward::store::limits::LOOKED_ROWS;
use serde_json::Value;

use super::{Desk, Setting, check_problem, json, memory};
use crate::records::{FORGED, KINDS, ended};
use crate::support::browser::Browser;
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn ids(page: &Value) -> Vec<&str> {
    page["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn kept_calls_are_listed_newest_first_page_by_page() {
    let desk = Desk::open().await;
    let mut all: Vec<String> = (0..25)
        .map(|number| desk.kept_call(number % 8, number as u64).to_string())
        .collect();
    all.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/calls?limit=10".to_string();
    loop {
        let page = desk.read(&path).await;
        seen.extend(ids(&page).into_iter().map(String::from));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/calls?limit=10&cursor={next}");
    }
    assert_eq!(seen, all);
    assert_eq!(ids(&desk.read("/api/v1/calls?limit=25").await).len(), 25);
    assert!(
        desk.read("/api/v1/calls?limit=25").await["next"].is_null(),
        "a full last page is the last"
    );
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let desk = Desk::open().await;
    for kind in 0..KINDS.len() {
        desk.kept_call(kind, kind as u64);
    }
    let found = async |query: &str| ids(&desk.read(&format!("/api/v1/calls?{query}")).await).len();
    assert_eq!(found("label=forged").await, 1);
    assert_eq!(found("number=%2B18005550199").await, 1);
    assert_eq!(found("queue=pharmacy").await, 2);
    assert_eq!(found("ending=cancelled").await, 1);
    assert_eq!(found("label=forged&queue=pharmacy").await, 0);
    assert_eq!(found(&format!("before_ms={}", super::NOON + 4)).await, 4);
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "label=nice",
        "ending=never",
        "cursor=1",
        "colour=red",
        "state=dead",
    ] {
        let response = desk
            .signed(Method::GET, &format!("/api/v1/calls?{bad}"))
            .send()
            .await
            .unwrap();
        check_problem(response, 400, "bad-request").await;
    }
}

/// Many calls of a queue and a label, and many that were refused, and one that is both.
async fn desk_with_a_rare_call() -> (Desk, String) {
    let setting = Setting {
        search_lasts: Duration::ZERO,
        ..Setting::default()
    };
    let desk = Desk::set_up(memory(), setting).await;
    let save = |number: u64, kind: usize, queue: &str, ending: Ending| {
        let mut record = ended(&KINDS[kind], number, super::NOON + number);
        record.queue = Some(queue.into());
        record.person = (ending == Ending::Refused).then(|| "ann".into());
        record.outcome.as_mut().unwrap().ending = ending;
        let id = record.id.to_string();
        assert!(desk.store.save(Arc::new(record)));
        id
    };
    let rare = save(1, 6, "q", Ending::Refused);
    for number in 1..=2 * LOOKED_ROWS as u64 {
        save(2 * number, 6, "q", Ending::Completed);
        save(2 * number + 1, FORGED, "other", Ending::Refused);
    }
    desk.store.flush().unwrap();
    (desk, rare)
}

#[tokio::test]
async fn a_rare_filter_is_answered_in_time_and_goes_on_where_it_stopped() {
    let (desk, rare) = desk_with_a_rare_call().await;
    for (query, least) in [
        ("queue=q&ending=refused", 2),
        ("queue=q&ending=refused&person=ann", 2),
    ] {
        let (mut path, mut looks) = (format!("/api/v1/calls?{query}"), 0);
        let page = loop {
            let page = desk.read(&path).await;
            let Some(next) = page["next"].as_str().filter(|_| ids(&page).is_empty()) else {
                break page;
            };
            let (ms, _) = next.split_once('-').unwrap();
            assert_eq!(
                page["searched_until_ms"].to_string(),
                ms,
                "it says how far it came"
            );
            path = format!("/api/v1/calls?{query}&cursor={next}");
            looks += 1;
        };
        assert_eq!(ids(&page), [rare.as_str()]);
        assert!(looks >= least, "{query}: {looks}");
    }
    // What is there at once does not say so.
    let page = desk.read("/api/v1/calls?queue=q&limit=5").await;
    assert_eq!(ids(&page).len(), 5);
    assert!(page["searched_until_ms"].is_null() && page["next"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_looks_for_a_rare_call_until_it_is_found() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let (desk, _) = desk_with_a_rare_call().await;
    let (address, token) = (desk.address, desk.token.clone());
    // On a thread that may wait: the desk answers on another.
    let looked = tokio::task::spawn_blocking(move || {
        let browser = Browser::start(&folder("console-rare"), 1280, 900);
        browser.open(&format!("http://{address}/#token={token}"));
        browser.wait_for_text("show older calls", PATIENCE);
        // Every text that the line above the button ever had.
        browser.eval(
            "window.said = [];\n\
             const line = document.getElementById('history-looking');\n\
             new MutationObserver(() => window.said.push(line.textContent)).observe(line, { childList: true, characterData: true, subtree: true });\n\
             document.querySelector('#filters [name=ending]').value = 'refused';\n\
             document.querySelector('#filters [name=label]').value = 'known';\n\
             document.getElementById('filters').dispatchEvent(new Event('input'));\n\
             return true",
        );
        let rows = "return document.querySelectorAll('#history tr').length";
        wait_for("the one call", PATIENCE, || {
            (browser.eval(rows) == 1).then_some(())
        });
        assert_eq!(
            browser.eval("return document.getElementById('history-looking').hidden"),
            true
        );
        (browser.eval("return window.said"), browser.console_errors())
    });
    let (said, errors) = looked.await.unwrap();
    assert!(said.to_string().contains("Looked at calls back to"), "{said}");
    assert_eq!(errors, Vec::<String>::new());
    desk.close().await.unwrap();
}

#[tokio::test]
async fn a_signed_in_reader_sees_the_number_in_full_and_live_calls_as_they_are() {
    let desk = Desk::open().await;
    let id = desk.live_call(FORGED, 1);
    let call = desk.read(&format!("/api/v1/calls/{id}")).await;
    assert_eq!(call["caller"], "+18005550199");
    assert_eq!(call["state"], "talking");
    assert_eq!(call["banner"]["number"], "forged");
    assert_eq!(
        call["banner"]["number_text"],
        "Number: forged, signed for another number"
    );
    assert_eq!(call["evidence"].as_array().unwrap().len(), 2);
    assert_eq!(
        ids(&desk.read("/api/v1/calls?state=live").await),
        [id.to_string()]
    );
    assert!(ids(&desk.read("/api/v1/calls").await).is_empty(), "not kept yet");
}

#[tokio::test]
async fn why_tells_facts_weights_meanings_rules_lights_and_signers() {
    let desk = Desk::open().await;
    let id = desk.kept_call(FORGED, 1);
    let why = desk.read(&format!("/api/v1/calls/{id}/why")).await;
    let decision = &why["decisions"][0];
    assert_eq!(decision["findings"][0]["tag"], "IDENTITY_FORGED");
    assert_eq!(decision["findings"][0]["tenths"], 50);
    assert!(decision["findings"][0]["meaning"].as_str().unwrap().len() > 5);
    assert_eq!(decision["rules"][0]["rule"], "forged-number");
    assert_eq!(decision["policy"], "default@9c1e02d4");
    assert_eq!(why["identity"]["headers"][0]["outcome"], "orig_mismatch");
    assert_eq!(why["identity"]["signer"]["spc"], "708J");
    assert_eq!(why["facts"]["identity"]["is_forged"], true);
    assert!(why["evidence"].as_array().unwrap().len() > 5);
    assert_eq!(why["banners"][0]["banner"]["voice"], "pending");
    assert_eq!(why["call"]["outcome"]["ending"], "completed");
}

#[tokio::test]
async fn a_person_reports_a_kept_call_and_history_knows_it() {
    let desk = Desk::open().await;
    let id = desk.kept_call(FORGED, 1);
    let response = desk
        .post(
            &format!("/api/v1/calls/{id}/report"),
            "{\"verdict\":\"scam\",\"note\":\" wire \"}",
        )
        .await;
    let made = json(response).await;
    assert_eq!(
        (&made["verdict"], &made["note"], &made["at_ms"]),
        (&"scam".into(), &"wire".into(), &super::NOON.into())
    );
    assert_eq!(desk.read(&format!("/api/v1/calls/{id}")).await["report"], made);
    assert_eq!(
        desk.store
            .history("+18005550199", super::NOON)
            .unwrap()
            .reported_scam,
        1
    );
}

#[tokio::test]
async fn a_report_made_during_the_call_is_still_there_after_it() {
    let desk = Desk::open().await;
    let id = desk.live_call(3, 1);
    let path = format!("/api/v1/calls/{id}");
    assert_eq!(
        desk.post(&format!("{path}/report"), "{\"verdict\":\"unsure\"}")
            .await
            .status(),
        200
    );
    assert_eq!(desk.read(&path).await["report"]["verdict"], "unsure", "live");
    let last = std::sync::Arc::new(crate::records::call(&KINDS[3], 1, super::NOON, 60_000, 60_000));
    desk.store.save(last.clone());
    desk.live.publish(last);
    let kept = desk.read(&path).await;
    assert_eq!(kept["state"], "ended");
    assert_eq!(kept["report"]["verdict"], "unsure", "kept");
}

#[tokio::test]
async fn what_is_no_report_is_refused_with_a_reason() {
    let desk = Desk::open().await;
    let id = desk.kept_call(0, 1);
    let path = format!("/api/v1/calls/{id}/report");
    let long = format!("{{\"verdict\":\"good\",\"note\":\"{}\"}}", "x".repeat(2_001));
    for bad in [
        "",
        "{",
        "{}",
        "{\"verdict\":\"nice\"}",
        "{\"verdict\":\"good\",\"extra\":1}",
        "[]",
        &long,
    ] {
        check_problem(desk.post(&path, bad).await, 400, "bad-request").await;
    }
    let plain = desk
        .signed(Method::POST, &path)
        .body("{\"verdict\":\"good\"}")
        .send()
        .await
        .unwrap();
    check_problem(plain, 415, "not-json").await;
    let huge = format!("{{\"verdict\":\"good\",\"note\":\"{}\"}}", "x".repeat(20_000));
    check_problem(desk.post(&path, &huge).await, 413, "too-large").await;
    for nobody in [
        "00000000000000000000000000000007",
        "nonsense",
        "%00",
        "..%2f..%2fetc",
    ] {
        let path = format!("/api/v1/calls/{nobody}/report");
        check_problem(
            desk.post(&path, "{\"verdict\":\"good\"}").await,
            404,
            "no-such-call",
        )
        .await;
    }
}

#[tokio::test]
async fn a_live_call_is_hung_up_and_an_ended_one_is_not() {
    let desk = Desk::open().await;
    let (live, kept) = (desk.live_call(3, 1), desk.kept_call(0, 2));
    let act = async |id: &str| {
        desk.post(&format!("/api/v1/calls/{id}/actions"), "{\"do\":\"hang_up\"}")
            .await
    };
    assert_eq!(act(&live.to_string()).await.status(), 202);
    assert_eq!(*desk.hung_up.lock().unwrap(), [live]);
    check_problem(act(&kept.to_string()).await, 409, "call-ended").await;
    check_problem(act("00000000000000000000000000000007").await, 404, "no-such-call").await;
    let other = desk
        .post(&format!("/api/v1/calls/{live}/actions"), "{\"do\":\"explode\"}")
        .await;
    check_problem(other, 400, "bad-request").await;
}

#[tokio::test]
async fn an_order_says_all_that_it_needs_and_nothing_else() {
    let desk = Desk::open().await;
    let live = desk.live_call(3, 1);
    let path = format!("/api/v1/calls/{live}/actions");
    let long = format!("{{\"do\":\"whisper\",\"why\":\"{}\"}}", "x".repeat(201));
    for (body, expected) in [
        ("{\"do\":\"whisper\"}", 202),
        ("{\"do\":\"challenge\",\"why\":\"he stutters\"}", 202),
        ("{\"do\":\"relabel\",\"label\":\"suspect\"}", 202),
        ("{\"do\":\"move\",\"queue\":\"security\"}", 202),
        ("{\"do\":\"relabel\"}", 400),
        ("{\"do\":\"relabel\",\"label\":\"genuine\"}", 400),
        ("{\"do\":\"move\"}", 400),
        (
            "{\"do\":\"move\",\"queue\":\"security\",\"label\":\"suspect\"}",
            400,
        ),
        ("{\"do\":\"whisper\",\"queue\":\"security\"}", 400),
        (long.as_str(), 400),
    ] {
        assert_eq!(desk.post(&path, body).await.status(), expected, "{body}");
    }
    let ordered = desk.ordered.lock().unwrap();
    let whats: Vec<_> = ordered.iter().map(|order| order.what.clone()).collect();
    use ringward::call::What;
    assert_eq!(
        whats,
        [
            What::Whisper,
            What::Challenge,
            What::Relabel(ringward::screening::Label::Suspect),
            What::Move("security".into())
        ]
    );
    assert!(ordered.iter().all(|order| order.by == "first"));
    assert_eq!(ordered[1].why.as_deref(), Some("he stutters"));
}

#[tokio::test]
async fn the_audit_says_what_was_ordered_and_not_why() {
    let desk = Desk::open().await;
    let live = desk.live_call(3, 1);
    let path = format!("/api/v1/calls/{live}/actions");
    for body in [
        "{\"do\":\"move\",\"queue\":\"security\",\"why\":\"Bob Smith asks for money\"}",
        "{\"do\":\"hang_up\"}",
    ] {
        assert_eq!(desk.post(&path, body).await.status(), 202);
    }
    let audit = json(desk.signed(Method::GET, "/api/v1/audit").send().await.unwrap()).await;
    let notes: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["about"].as_str().unwrap(), entry["note"].as_str().unwrap()))
        .filter(|(about, _)| *about == path)
        .collect();
    assert_eq!(
        notes,
        [(path.as_str(), "202 move security"), (path.as_str(), "202 end")]
    );
    assert!(!audit.to_string().contains("Bob Smith"));
}

#[tokio::test]
async fn a_call_with_as_many_orders_as_it_can_have_can_still_be_ended() {
    let desk = Desk::open().await;
    let live = desk.live_call_with_orders(1, 31);
    let path = format!("/api/v1/calls/{live}/actions");
    check_problem(desk.post(&path, "{\"do\":\"whisper\"}").await, 409, "conflict").await;
    assert_eq!(desk.post(&path, "{\"do\":\"hang_up\"}").await.status(), 202);
    assert_eq!(*desk.hung_up.lock().unwrap(), [live]);
}

#[tokio::test]
async fn endings_have_the_same_names_everywhere() {
    let desk = Desk::open().await;
    for ending in [
        Ending::Completed,
        Ending::Cancelled,
        Ending::NoAnswer,
        Ending::Refused,
        Ending::Failed,
    ] {
        let name = serde_json::to_value(ending).unwrap();
        desk.read(&format!("/api/v1/calls?ending={}", name.as_str().unwrap()))
            .await;
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_clear_answer_and_readiness_says_so() {
    let path = std::env::temp_dir().join(format!("ringward-api-{}.db", std::process::id()));
    let store = ringward::store::open(&ringward::store::Config {
        url: format!("sqlite:{}", path.display()),
    })
    .unwrap();
    let desk = Desk::with(store, None).await;
    let live = desk.live_call(0, 1);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("ALTER TABLE call RENAME TO taken").unwrap();
    let response = desk.signed(Method::GET, "/api/v1/calls").send().await.unwrap();
    check_problem(response, 503, "store-away").await;
    desk.kept_call(0, 2);
    assert!(desk.store.flush().is_err());
    check_problem(
        desk.ask(Method::GET, "/readyz").send().await.unwrap(),
        503,
        "not-ready",
    )
    .await;
    assert_eq!(desk.read("/api/v1/status").await["store"]["is_writing"], false);
    desk.read(&format!("/api/v1/calls/{live}")).await;
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

#[tokio::test]
async fn r_05_an_icon_comes_from_us_and_beside_a_proven_number_only() {
    let desk = Desk::open().await;
    let logo = "https://media.example.com/logo.png";
    let path = |id| format!("/api/v1/calls/{id}/icon");

    let good = desk.live_call_with_icon(true, 71, Some(logo));
    let response = desk.signed(Method::GET, &path(good)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.bytes().await.unwrap().as_ref(), b"\x89PNG drawn");
    let live = desk.read("/api/v1/calls?state=live").await;
    assert_eq!(live["calls"][0]["has_icon"], true);
    // The page learns no address of the caller's.
    assert!(!live.to_string().contains("media.example.com"));

    let without = desk.live_call_with_icon(true, 72, None);
    let gone = desk.live_call_with_icon(true, 73, Some("https://media.example.com/other.png"));
    let unproven = desk.live_call_with_icon(false, 74, Some(logo));
    for id in [without, gone, unproven] {
        let response = desk.signed(Method::GET, &path(id)).send().await.unwrap();
        super::check_problem(response, 404, "not-found").await;
    }
    let ended = desk.kept_call(0, 75);
    let response = desk.signed(Method::GET, &path(ended)).send().await.unwrap();
    super::check_problem(response, 404, "no-such-call").await;
    let response = desk.ask(Method::GET, &path(good)).send().await.unwrap();
    super::check_problem(response, 401, "not-signed-in").await;
}
