//! The lists over HTTP: entry by entry, and as files; and what reports make of numbers.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Desk, NOON, check_problem, json as body_of};

const BLOCK: &str = "/api/v1/lists/block/entries";

fn entry(number: &str, reason: &str) -> String {
    json!({ "numbers": [number], "reason": reason }).to_string()
}

/// What a call from this number would meet, as the shards were told.
fn meets(desk: &Desk, number: &str) -> Vec<&'static str> {
    let listed = desk.listed.lock().unwrap().clone();
    let found = listed.map(|lists| lists.find(Some(number), None, NOON));
    found
        .unwrap_or_default()
        .iter()
        .map(|listed| listed.list.name())
        .collect()
}

fn import(desk: &Desk, query: &str, kind: &str, text: &str) -> RequestBuilder {
    desk.signed(Method::POST, &format!("/api/v1/lists/block/import{query}"))
        .header("content-type", kind)
        .body(text.to_string())
}

async fn text(desk: &Desk, path: &str) -> String {
    let response = desk.signed(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

#[tokio::test]
async fn an_entry_from_its_first_day_to_its_last() {
    let desk = Desk::open().await;
    let ann = desk.token_for("ann", &["supervisor"]).await;
    let as_ann = |method: Method, path: &str| desk.ask(method, path).bearer_auth(&ann);
    let added = super::with_json(as_ann(Method::POST, BLOCK), &entry("(404) 555-0123", "threats"));
    let added = added.send().await.unwrap();
    assert_eq!(added.status(), 201);
    let tag = added.headers()["etag"].to_str().unwrap().to_string();
    let added = body_of(added).await;
    assert_eq!(
        (
            added["numbers"][0].as_str(),
            added["by"].as_str(),
            added["id"].as_u64()
        ),
        (Some("+14045550123"), Some("ann"), Some(1))
    );
    assert_eq!(meets(&desk, "+14045550123"), ["block"]);
    check_problem(
        desk.post(BLOCK, &entry("+1 404 555 0123", "again")).await,
        409,
        "conflict",
    )
    .await;

    let path = format!("{BLOCK}/1");
    let change = |tag: Option<&str>| {
        let ask = super::with_json(as_ann(Method::PUT, &path), &entry("+1404555*", "all of them"));
        match tag {
            Some(tag) => ask.header("if-match", tag).send(),
            None => ask.send(),
        }
    };
    check_problem(change(None).await.unwrap(), 428, "precondition-missing").await;
    for other in ["\"r9\"", "r1", "W/\"r1\"", "\"x\""] {
        check_problem(change(Some(other)).await.unwrap(), 412, "precondition-failed").await;
    }
    let changed = change(Some(&tag)).await.unwrap();
    assert_eq!(
        (
            changed.status().as_u16(),
            changed.headers()["etag"].to_str().unwrap()
        ),
        (200, "\"r2\"")
    );
    check_problem(change(Some(&tag)).await.unwrap(), 412, "precondition-failed").await;
    assert_eq!(meets(&desk, "+14045550199"), ["block"]);

    let remove = as_ann(Method::DELETE, &path).header("if-match", "\"r2\"");
    assert_eq!(remove.send().await.unwrap().status(), 204);
    check_problem(
        as_ann(Method::GET, &path).send().await.unwrap(),
        404,
        "no-such-entry",
    )
    .await;
    assert_eq!(meets(&desk, "+14045550199"), [""; 0]);

    let audit = desk.read("/api/v1/audit").await;
    let lines: Vec<String> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            ["by", "what", "about", "note"]
                .map(|part| line[part].as_str().unwrap())
                .join(" ")
        })
        .filter(|line| line.contains(" list "))
        .collect();
    assert_eq!(
        lines,
        [
            "ann list add block, entry 1 revision 1",
            "ann list change block, entry 1 revision 2",
            "ann list remove block, entry 1 revision 3",
        ]
    );
    assert!(
        !audit.to_string().contains("4045550"),
        "the audit names no number"
    );
    assert_eq!(desk.read("/api/v1/audit/verify").await["is_whole"], true);
}

#[tokio::test]
async fn what_is_no_entry_is_told_with_all_its_faults() {
    let desk = Desk::open().await;
    let response = desk
        .post(BLOCK, "{\"numbers\":[\"12\"],\"name\":\"Ann\",\"reason\":\" \"}")
        .await;
    assert_eq!(response.status(), 422);
    let problem = body_of(response).await;
    assert_eq!(problem["type"], "urn:ringward:problem:list-faults");
    assert_eq!(problem["faults"].as_array().unwrap().len(), 3, "{problem}");
    check_problem(desk.post(BLOCK, "{\"numbers\":[]}").await, 400, "bad-request").await;
    let nowhere = desk
        .post("/api/v1/lists/black/entries", &entry("+14045550123", "x"))
        .await;
    check_problem(nowhere, 404, "no-such-list").await;
    for (path, status, name) in [
        ("/api/v1/lists/black/entries", 404, "no-such-list"),
        ("/api/v1/lists/block/entries/x", 404, "no-such-entry"),
        ("/api/v1/lists/block/entries?limit=0", 400, "bad-request"),
        ("/api/v1/lists/block/entries?number=12", 400, "bad-request"),
        ("/api/v1/lists/block/export?format=xml", 400, "bad-request"),
        ("/api/v1/lists/match", 400, "bad-request"),
    ] {
        check_problem(desk.signed(Method::GET, path).send().await.unwrap(), status, name).await;
    }
    assert_eq!(desk.read("/api/v1/lists").await["revision"], 0);
}

#[tokio::test]
async fn a_page_begins_where_the_one_before_ended() {
    let desk = Desk::open().await;
    let rows: String = (0..250).map(|n| format!("+1404555{n:04},spam {n}\n")).collect();
    let imported = import(
        &desk,
        "",
        "text/csv",
        &format!("number,reason\n{rows}+1404556*,all\n"),
    );
    assert_eq!(body_of(imported.send().await.unwrap()).await["added"], 251);
    desk.post("/api/v1/lists/allow/entries", &entry("+14045550000", "x"))
        .await;
    let mut seen = Vec::new();
    let mut cursor = Value::from(0);
    while !cursor.is_null() {
        let page = desk.read(&format!("{BLOCK}?limit=60&cursor={cursor}")).await;
        seen.extend(
            page["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["id"].as_u64().unwrap()),
        );
        cursor = page["next"].clone();
    }
    assert_eq!(seen, (1..=251).collect::<Vec<u64>>());
    let holding = desk.read(&format!("{BLOCK}?number=%2B14045567777")).await;
    assert_eq!(holding["entries"][0]["numbers"][0], "+1404556*");
    let lists = desk.read("/api/v1/lists").await;
    assert_eq!(
        (
            lists["lists"][0]["list"].as_str(),
            lists["lists"][0]["entries"].as_u64()
        ),
        (Some("block"), Some(251))
    );
}

#[tokio::test]
async fn a_file_is_tried_read_in_replaced_and_written_out() {
    let desk = Desk::open().await;
    let csv = "number,reason,expires\n404 555 0123,\"threats, twice\",2030-01-01\n+1404556*,spam,\n";
    let dry = body_of(
        import(&desk, "?dry_run=true", "text/csv", csv)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (dry["added"].as_u64(), dry["is_dry_run"].as_bool()),
        (Some(2), Some(true))
    );
    assert!(desk.listed.lock().unwrap().is_none());

    let wrong = import(&desk, "", "text/csv", "number,reason\n12,x\n+14045550123,\n")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 422);
    let lines: Vec<u64> = body_of(wrong).await["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 3]);
    check_problem(
        import(&desk, "", "text/plain", csv).send().await.unwrap(),
        415,
        "not-a-list-file",
    )
    .await;
    check_problem(
        import(&desk, "?mode=mix", "text/csv", csv).send().await.unwrap(),
        400,
        "bad-request",
    )
    .await;
    let long = import(
        &desk,
        "",
        "text/csv",
        &"x".repeat(ringward::api::limits::IMPORT_BODY_MAX + 1),
    );
    check_problem(long.send().await.unwrap(), 413, "too-large").await;

    assert_eq!(
        import(&desk, "", "text/csv", csv).send().await.unwrap().status(),
        200
    );
    let exported = text(&desk, "/api/v1/lists/block/export?format=jsonl").await;
    let again = import(&desk, "?mode=replace", "application/x-ndjson", &exported)
        .send()
        .await
        .unwrap();
    let again = body_of(again).await;
    assert_eq!(
        (
            again["unchanged"].as_u64(),
            again["removed"].as_u64(),
            again["revision"].as_u64()
        ),
        (Some(2), Some(0), Some(1))
    );
    let exported = text(&desk, "/api/v1/lists/block/export").await;
    assert!(exported.starts_with("id,list,number,name,also,expires,reason,by,at\r\n1,block,+14045550123,,,2030-01-02T00:00:00Z,\"threats, twice\",first,"), "{exported}");
    let less = "[{\"numbers\":[\"+1404556*\"],\"reason\":\"spam\"}]";
    let less = body_of(
        import(&desk, "?mode=replace", "application/json", less)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (less["unchanged"].as_u64(), less["removed"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(meets(&desk, "+14045550123"), [""; 0]);
    assert_eq!(meets(&desk, "+14045567777"), ["block"]);
}

#[tokio::test]
async fn what_a_call_would_meet_is_told_beforehand() {
    let desk = Desk::open().await;
    let bank =
        json!({ "name": "First National Bank", "numbers": ["+18005550100"], "reason": "its web page" });
    desk.post("/api/v1/lists/directory/entries", &bank.to_string())
        .await;
    desk.post(
        BLOCK,
        &json!({ "numbers": ["+14045550123"], "reason": "x", "expires_ms": NOON }).to_string(),
    )
    .await;
    let met = desk
        .read("/api/v1/lists/match?number=404-555-0123&name=FIRST%20NATIONAL%20BANK")
        .await;
    assert_eq!(met["number"], "+14045550123");
    let found = met["found"].as_array().unwrap();
    assert_eq!(found.len(), 1, "the block has expired: {met}");
    assert_eq!(
        (
            found[0]["what"].as_str(),
            found[0]["call_back"].as_str(),
            found[0]["is_name"].as_bool()
        ),
        (Some("First National Bank"), Some("+18005550100"), Some(true))
    );
    let expired = desk.read(&format!("{BLOCK}?expired=true")).await;
    assert_eq!(expired["entries"][0]["is_expired"], true);
}

#[tokio::test]
async fn what_people_report_of_proven_numbers_becomes_a_reputation() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(desk.live_call_with_icon(true, number, None));
        ids.push(desk.live_call_with_icon(false, 100 + number, None));
    }
    let bad = |id| {
        let record = desk.live.call(id).unwrap();
        let known = desk.reputation.reputations();
        let found = known.of(
            ringward::call_id::CallId(0),
            &record.facts,
            &record.identity,
            NOON,
        );
        let mut numbers = found
            .iter()
            .filter(|reputed| reputed.of == ringward::screening::Reputable::Number);
        numbers.next().map(|reputed| reputed.bad)
    };
    for (place, id) in ids.iter().enumerate() {
        let said = desk
            .post(&format!("/api/v1/calls/{id}/report"), "{\"verdict\":\"scam\"}")
            .await;
        assert_eq!(said.status(), 200);
        if place == 0 {
            assert!(bad(ids[0]).unwrap() < 0.5, "one report condemns nobody");
        }
    }
    assert_eq!((bad(ids[0]), bad(ids[1])), (Some(0.5), None));
    // The same call again is the same report.
    let again = desk
        .post(
            &format!("/api/v1/calls/{}/report", ids[0]),
            "{\"verdict\":\"good\"}",
        )
        .await;
    assert_eq!(again.status(), 200);
    assert_eq!(bad(ids[0]), Some(0.375));
    let told = desk.read("/api/v1/reputation?of=number").await;
    let number = desk.live.call(ids[0]).unwrap().caller.clone().unwrap();
    let one = &told["reputations"][0];
    assert_eq!(
        (
            one["name"].as_str(),
            one["reports"].as_u64(),
            one["bad"].as_f64(),
            one["is_bad"].as_bool()
        ),
        (Some(number.reveal().as_str()), Some(3), Some(0.375), Some(false)),
        "{told}"
    );
    assert_eq!(told["reputations"].as_array().unwrap().len(), 1);
    let nobody = desk.read("/api/v1/reputation?name=%2B10000000000").await;
    assert_eq!(nobody["reputations"].as_array().unwrap().len(), 0);
    for wrong in ["of=people", "limit=0", "limit=501"] {
        let path = format!("/api/v1/reputation?{wrong}");
        check_problem(
            desk.signed(Method::GET, &path).send().await.unwrap(),
            400,
            "bad-request",
        )
        .await;
    }
}

#[tokio::test]
async fn a_number_that_could_not_be_kept_is_refused() {
    let desk = Desk::open().await;
    let body = "{\"numbers\":[\"+14045550123\"],\"reason\":\"x\",\"expires_ms\":9223372036854775808}";
    let added = desk.post("/api/v1/lists/block/entries", body).await;
    check_problem(added, 400, "bad-request").await;
    for path in [
        "/api/v1/lists/block/entries?cursor=9223372036854775808",
        "/api/v1/audit?after=9223372036854775808",
        "/api/v1/policies/1/changes?from=9223372036854775808",
    ] {
        let answer = desk.signed(Method::GET, path).send().await.unwrap();
        check_problem(answer, 400, "bad-request").await;
    }
    desk.read("/api/v1/lists/block/entries?cursor=9223372036854775807")
        .await;
}
