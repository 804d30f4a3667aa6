//! Kept calls, counted.

use reqwest::Method;
use ringward::call::record::PersonReport;
use serde_json::Value;

use super::{Desk, NOON, check_problem, json};

async fn counted(desk: &Desk, query: &str) -> Value {
    let answer = desk
        .signed(Method::GET, &format!("/api/v1/reports?{query}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    json(answer).await
}

#[tokio::test]
async fn calls_are_counted_along_what_is_asked_for() {
    let desk = Desk::open().await;
    // Fifty of each kind: five kinds are answered at a desk, one at the pharmacy, one caller gives up, one is not answered.
    let mut first = None;
    for number in 0..400 {
        let id = desk.kept_call((number % 8) as usize, number);
        first.get_or_insert(id);
    }
    let report = PersonReport {
        verdict: "scam".into(),
        note: None,
        at_ms: NOON,
    };
    assert!(desk.store.report(first.unwrap(), report).unwrap());

    let report = counted(
        &desk,
        "by=label,queue,ending,day,hour_of_day,voice&zone_minutes=-300",
    )
    .await;
    let all = &report["all"];
    assert_eq!(
        (&all["calls"], &all["answered"], &all["missed"], &all["said_scam"]),
        (&400.into(), &300.into(), &100.into(), &1.into())
    );
    assert_eq!(
        all["unwarned_scams"], 1,
        "the first call was genuine by its number"
    );
    assert_eq!(all["wait_ms"], 300 * 4_000);
    assert!(report["next"].is_null());
    let tables = &report["tables"];
    assert_eq!(tables["label"]["forged"]["warned"], 50);
    assert_eq!(tables["label"]["genuine"]["said_scam"], 1);
    assert_eq!(tables["queue"]["pharmacy"]["calls"], 100);
    assert_eq!(tables["ending"]["no_answer"]["missed"], 50);
    // NOON is 2026-09-21 14:13:20 UTC: morning five hours to the west.
    assert_eq!(tables["hour_of_day"]["09"]["calls"], 400);
    assert_eq!(tables["day"]["2026-09-21"]["calls"], 400);
    assert!(tables["hour"].is_null(), "nobody asked for hours");

    let part = format!("since_ms={}&before_ms={}", NOON + 100, NOON + 110);
    let day = counted(&desk, &part).await;
    assert_eq!(day["tables"]["day"]["2026-09-21"]["calls"], 10);
    assert_eq!(
        counted(&desk, "queue=pharmacy&by=queue").await["all"]["calls"],
        100
    );
    for (direction, calls) in [("outbound", 0), ("all", 400), ("inbound", 400)] {
        let report = counted(&desk, &format!("direction={direction}")).await;
        assert_eq!(report["all"]["calls"], calls, "{direction}");
    }
    for query in [
        "by=moon",
        "by=hour,day,label,queue,ending,voice,trunk,signer,direction",
        "by=",
        "direction=up",
        "zone_minutes=100000",
        "zone_minutes=-2147483648",
        "cursor=x",
        "since_ms=-1",
        "colour=red",
    ] {
        let answer = desk
            .signed(Method::GET, &format!("/api/v1/reports?{query}"))
            .send()
            .await;
        check_problem(answer.unwrap(), 400, "bad-request").await;
    }
}
